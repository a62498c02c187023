//! The command line as a whole; what commands do is tested by running the program, in `tests/`.

use super::*;

#[test]
fn the_command_line_is_consistent() {
    command::command().debug_assert();
}
