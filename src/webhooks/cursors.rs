//! Cursors on their way to the store: moved after each answer of a receiver, saved a few times a second in one transaction.
//! What is lost by a `kill -9` in between is told again under the same `webhook-id`.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    db::{EndpointKey, Store, StoreError, Told},
    domain::{ConversationKey, Seq},
};

/// The least time between two saves: each is a commit of its own, between those of the log.
const SAVE_EVERY: Duration = Duration::from_millis(100);
/// The pause after one that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

type Map = HashMap<(EndpointKey, ConversationKey), Seq>;

#[derive(Default)]
struct Moved {
    unsaved: Map,
    /// On their way to the store.
    saving: Map,
}

/// See the file's head.
#[derive(Default)]
pub(super) struct Cursors {
    moved: Mutex<Moved>,
    wake: Notify,
    /// One save at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Cursors {
    fn moved(&self) -> MutexGuard<'_, Moved> {
        self.moved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the store may not know yet.
    pub fn known(&self, endpoint: EndpointKey, conversation: ConversationKey) -> Option<Seq> {
        let (moved, key) = (self.moved(), (endpoint, conversation));
        moved.unsaved.get(&key).or_else(|| moved.saving.get(&key)).copied()
    }

    /// Everything up to and with `upto` was told.
    pub fn advance(&self, endpoint: EndpointKey, conversation: ConversationKey, upto: Seq) {
        self.moved().unsaved.insert((endpoint, conversation), upto);
        self.wake.notify_one();
    }

    /// Saves what there is to save, for as long as the process lives.
    pub async fn keep_saving(&self, store: &dyn Store) {
        loop {
            self.wake.notified().await;
            match self.save(store).await {
                Ok(()) => tokio::time::sleep(SAVE_EVERY).await,
                Err(error) => {
                    log::warn!(target: "parlor::webhooks", "what receivers were told could not be saved: {error}");
                    tokio::time::sleep(AGAIN_AFTER).await;
                    self.wake.notify_one();
                }
            }
        }
    }

    /// Saves now.
    pub async fn save(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _turn = self.turn.lock().await;
        let told: Vec<Told> = {
            let moved = &mut *self.moved();
            // What a save before could not say for sure is in `saving` still; a newer one of the same wins.
            for (key, upto) in moved.unsaved.drain() {
                moved.saving.insert(key, upto);
            }
            let told = moved.saving.iter().map(|((endpoint, conversation), upto)| Told {
                endpoint: *endpoint,
                conversation: *conversation,
                upto: *upto,
            });
            told.collect()
        };
        if !told.is_empty() {
            store.webhooks_told(&told).await?;
            self.moved().saving.clear();
        }
        Ok(())
    }
}
