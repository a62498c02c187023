//! The store as tools open it: beside a server that may be running. `user` and `token` call it; `migrate` is here too.

use std::sync::Arc;

use clap::ArgMatches;

use super::{Failure, output};
use crate::{
    app::location,
    config::{Config, make_private_dir},
    db::{Account, OpenError, Opened, Purpose, Store, StoreError},
    domain::{UserId, Username},
};

/// What most errors of the store are for a tool.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Does `work` on the store, which is made if there is none, and closes it.
pub(super) fn with_store<T>(
    config: &Config,
    work: impl AsyncFnOnce(Arc<dyn Store>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Failed(format!("no runtime: {error}")))?;
    let Opened { store, closer, .. } = open(config)?;
    let done = runtime.block_on(work(store));
    closer.close();
    done
}

fn open(config: &Config) -> Result<Opened, Failure> {
    let location = location(config);
    if !location.exists() {
        make_private_dir(&config.data_dir)
            .map_err(|error| Failure::Failed(format!("{}: {error}", config.data_dir.display())))?;
    }
    Ok(location.open(Purpose::Tool)?)
}

/// The user whom an operator means: a login name, else an id.
pub(super) async fn find(store: &dyn Store, who: &str) -> Result<Option<Account>, StoreError> {
    if let Ok(name) = Username::parse(who)
        && let Some(credentials) = store.credentials(&name.folded()).await?
    {
        return Ok(Some(credentials.account));
    }
    match UserId::parse(who) {
        Ok(id) => store.account(&id).await,
        Err(_) => Ok(None),
    }
}

/// `parlor migrate`
pub(super) fn migrate(config: &Config, asked: &ArgMatches) -> Result<(), Failure> {
    let location = location(config);
    let dry_run = asked.get_flag("dry-run");
    if dry_run && !location.exists() {
        output::print(&format!("{location}: would be made"));
        return Ok(());
    }
    let (versions, verb) = if dry_run {
        (location.pending()?, "would be applied")
    } else {
        make_private_dir(&config.data_dir)
            .map_err(|error| Failure::Failed(format!("{}: {error}", config.data_dir.display())))?;
        (location.migrate()?, "applied")
    };
    for version in &versions {
        output::print(&format!("{version}: {verb}"));
    }
    if versions.is_empty() {
        output::print(&format!("{location}: up to date"));
    }
    Ok(())
}
