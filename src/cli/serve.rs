//! `parlor serve`: hands the configuration to the server. The one place where the command line meets `app`.

use super::Failure;
use crate::config::Config;

/// Serves until it is told to stop.
pub(super) fn run(config: Config) -> Result<(), Failure> {
    crate::app::serve(config).map_err(Failure::Failed)
}
