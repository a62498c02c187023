//! `parlor serve`: hands the configuration to the server. The one place where the command line meets `app`.

use super::Failure;
use crate::config::Config;

/// Serves until it is told to stop.
pub(super) fn run(config: Config) -> Result<(), Failure> {
    serve(config).map_err(Failure::Failed)
}

/// The call site of the server: `crate::app::serve(config)`.
fn serve(_config: Config) -> Result<(), String> {
    Err("this build has no server".to_owned())
}
