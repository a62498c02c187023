//! Tokens that were revoked before their end (logout). `identify` asks it for every token, `http` adds to it. In memory
//! and in the store, so that it outlives the process; other nodes learn of it at their start only.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    db::{Store, StoreError},
    domain::{Clock, Timestamp},
    protocol::ApiError,
};

/// What is revoked until when. One for the process.
pub struct Revoked {
    store: Arc<dyn Store>,
    clock: Clock,
    until: RwLock<HashMap<String, Timestamp>>,
}

impl Revoked {
    /// What the store knows to be revoked.
    pub async fn load(store: Arc<dyn Store>, clock: Clock) -> Result<Self, StoreError> {
        let until = store.revoked_tokens(clock.now()).await?.into_iter().collect();
        Ok(Self {
            store,
            clock,
            until: RwLock::new(until),
        })
    }

    /// Whether the token of that key ([`super::token_key`]) is revoked.
    pub fn contains(&self, token_key: &str) -> bool {
        let until = self.until.read().unwrap_or_else(PoisonError::into_inner);
        until.contains_key(token_key)
    }

    /// Revokes a token until `expires_at`, when it ends anyway. At once in this process, whether or not the store takes it.
    ///
    /// Errors: the store did not take it; the token may be good again after a restart. Revoking it again is harmless.
    pub async fn revoke(&self, token_key: &str, expires_at: Timestamp) -> Result<(), ApiError> {
        {
            let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
            until.insert(token_key.to_owned(), expires_at);
        }
        Ok(self.store.revoke_token(token_key, expires_at).await?)
    }

    /// Forgets the tokens that have ended. To be called now and then.
    pub fn sweep(&self) {
        let now = self.clock.now();
        let mut until = self.until.write().unwrap_or_else(PoisonError::into_inner);
        until.retain(|_, end| *end > now);
    }
}
