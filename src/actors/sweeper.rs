//! Removes pictures that nobody can see: those that were never posted within their time, those whose messages are gone, and
//! at the start files that a crash left without a record. One per node, apart from the janitor because it asks the store and
//! the disk, which may take long. Records go before files: a file without a record is found at the next start, a record
//! without a file would be shown as a broken picture.

use std::{path::PathBuf, sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, WrapFuture, fut::ActorFutureExt};
use tokio::task::spawn_blocking;

use super::Node;
use crate::{
    domain::{Timestamp, UploadName},
    uploads::Files,
};

/// How often it looks, which costs a read. A picture whose message was deleted is there that long.
const LOOK: Duration = Duration::from_secs(1);

/// Records that one transaction forgets.
const BATCH: usize = 200;

/// A sweep that is not done by then is said to be late, once; another one does not begin before.
const LATE: Duration = Duration::from_secs(30);

/// A file younger than this may be one whose record is just being written (by this process or by another one on the same
/// folder), in milliseconds.
const YOUNG_MS: i64 = 60 * 60 * 1000;

/// See the file's head.
pub struct Sweeper {
    node: Arc<Node>,
    files: Arc<Files>,
    /// Whether it is at it: one sweep at a time.
    sweeping: bool,
}

impl Sweeper {
    /// Of these files.
    pub fn new(node: Arc<Node>, files: Arc<Files>) -> Self {
        Self {
            node,
            files,
            sweeping: false,
        }
    }
}

impl Actor for Sweeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let lost = find_lost(self.node.clone(), self.files.clone());
        ctx.spawn(lost.into_actor(self));
        ctx.run_interval(LOOK, |sweeper, ctx| {
            if std::mem::replace(&mut sweeper.sweeping, true) {
                return;
            }
            let sweep = watched(sweep(sweeper.node.clone(), sweeper.files.clone())).into_actor(sweeper);
            ctx.spawn(sweep.map(|(), sweeper, _| sweeper.sweeping = false));
        });
    }
}

/// Does it, and says aloud when it takes too long: pictures that nobody should see any more are still there.
async fn watched(sweep: impl Future<Output = ()>) {
    let mut sweep = std::pin::pin!(sweep);
    if tokio::time::timeout(LATE, &mut sweep).await.is_err() {
        log::warn!(target: "parlor::uploads", "a sweep was not done after {LATE:?}");
        sweep.await;
    }
}

async fn sweep(node: Arc<Node>, files: Arc<Files>) {
    loop {
        match node.store.sweep_uploads(node.clock.now(), BATCH).await {
            Ok(names) => {
                let full = names.len() == BATCH;
                node.metrics.uploads_swept.inc_by(names.len() as u64);
                remove(&files, names).await;
                if !full {
                    return;
                }
            }
            Err(error) => {
                log::warn!(target: "parlor::uploads", "cannot sweep: {error}");
                return;
            }
        }
    }
}

async fn remove(files: &Arc<Files>, names: Vec<UploadName>) {
    let files = files.clone();
    let removed = spawn_blocking(move || {
        for name in names {
            if let Err(error) = files.remove(&name) {
                // Found again at the next start.
                log::warn!(target: "parlor::uploads", "an upload cannot be removed: {error}");
            }
        }
    });
    if removed.await.is_err() {
        log::error!(target: "parlor::uploads", "removing uploads panicked");
    }
}

/// Removes files that have no record: of an upload that was being recorded, or a sweep that was under way, when the process
/// ended.
async fn find_lost(node: Arc<Node>, files: Arc<Files>) {
    let limit = Timestamp::from_millis(node.clock.now().millis() - YOUNG_MS);
    let shards = files.clone();
    let found = spawn_blocking(move || shards.shards()).await;
    let Ok(Ok(shards)) = found else {
        log::warn!(target: "parlor::uploads", "the folder of uploads cannot be read: {found:?}");
        return;
    };
    for shard in shards {
        if let Err(error) = find_lost_in(&node, &files, limit, shard.clone()).await {
            log::warn!(target: "parlor::uploads", "{} was not looked through: {error}", shard.display());
        }
    }
}

async fn find_lost_in(node: &Node, files: &Arc<Files>, limit: Timestamp, shard: PathBuf) -> Result<(), String> {
    let looking = files.clone();
    let names = spawn_blocking(move || looking.older_than(limit, &shard)).await;
    let names = names
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    for names in names.chunks(BATCH) {
        let recorded = node.store.recorded_uploads(names).await;
        let recorded = recorded.map_err(|error| error.to_string())?;
        let lost: Vec<UploadName> = names.iter().filter(|name| !recorded.contains(name)).cloned().collect();
        if !lost.is_empty() {
            log::info!(target: "parlor::uploads", "removing {} files without a record", lost.len());
            remove(files, lost).await;
        }
    }
    Ok(())
}
