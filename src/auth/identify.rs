//! From a token to a user: `http` and the sessions (`authenticate`) call it for every token that a client shows.
//! Records users of the embedding product; never makes a user of this server.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use dashmap::DashMap;

use super::{Claims, Revoked, Tokens, token_key};
use crate::{
    db::{Account, Store, TokenUser},
    domain::{Clock, Timestamp, User, UserKey},
    protocol::{ApiError, ErrorCode},
};

/// Of how many users we remember what their token said last: some 5 MB. Beyond it we begin anew.
const REMEMBERED: usize = 100_000;

/// Who somebody is, and until when.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The user, as the store knows them now.
    pub user: Arc<User>,
    /// Whether they are an admin: the token says so, or the store.
    pub admin: bool,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// What [`Revoked`] knows the token by; no secret, but of no use to clients.
    pub token_key: String,
}

/// Turns tokens into users. One for the process.
pub struct Authenticator {
    tokens: Arc<Tokens>,
    store: Arc<dyn Store>,
    revoked: Arc<Revoked>,
    clock: Clock,
    /// What the token of each user said of them last, as a hash: see [`Self::product_user`].
    said: DashMap<UserKey, u64>,
    hasher: RandomState,
}

impl Authenticator {
    /// Put together by `app`.
    pub fn new(tokens: Arc<Tokens>, store: Arc<dyn Store>, revoked: Arc<Revoked>, clock: Clock) -> Self {
        Self {
            tokens,
            store,
            revoked,
            clock,
            said: DashMap::new(),
            hasher: RandomState::new(),
        }
    }

    /// Whose token it is. One read of the store, and a write when the token says something new.
    ///
    /// Errors: `TOKEN_EXPIRED`; `UNAUTHORIZED` for a bad or revoked token, or a user of this server who is no more;
    /// `UNAVAILABLE`.
    pub async fn authenticate(&self, token: &str) -> Result<Identity, ApiError> {
        let claims = self.tokens.verify_fresh(token).await?;
        let token_key = token_key(token, &claims)?;
        if self.revoked.contains(&token_key) {
            return Err(ApiError::new(ErrorCode::Unauthorized, "the token was revoked"));
        }
        let account = self.store.account(&claims.sub).await?;
        let account = match account {
            // Whoever registered here is asked for their name here, whatever a product's token says.
            Some(account) if claims.local || account.local => account,
            None if claims.local => {
                return Err(ApiError::new(ErrorCode::Unauthorized, "the token's user is no more"));
            }
            account => self.product_user(&claims, account).await?,
        };
        Ok(Identity {
            user: account.user,
            admin: claims.admin || account.admin,
            expires_at: claims.expires_at,
            token_key,
        })
    }

    /// A user of the embedding product: recorded on first sight, and taken over when their token says something else than
    /// the last one did. So what a user changes here (`PATCH /api/me`) holds until the product says something new, or until
    /// a restart lets us forget what it said.
    async fn product_user(&self, claims: &Claims, account: Option<Account>) -> Result<Account, ApiError> {
        let says = self
            .hasher
            .hash_one((&claims.name, &claims.display_name, &claims.picture));
        if let Some(account) = account {
            let said = self.said.get(&account.user.key).map(|said| *said);
            if said == Some(says) || agrees(claims, &account.user) {
                self.remember(account.user.key, says);
                return Ok(account);
            }
        }
        let recorded = self.store.record_token_user(self.token_user(claims)).await?;
        self.remember(recorded.user.key, says);
        Ok(recorded)
    }

    fn remember(&self, user: UserKey, says: u64) {
        if self.said.len() >= REMEMBERED {
            self.said.clear();
        }
        self.said.insert(user, says);
    }

    fn token_user(&self, claims: &Claims) -> TokenUser {
        TokenUser {
            id: claims.sub.clone(),
            name: claims.name.clone(),
            display_name: claims.display_name.clone(),
            avatar_url: claims.picture.clone(),
            at: self.clock.now(),
        }
    }
}

/// Whether the token says nothing that the store does not know.
fn agrees(claims: &Claims, user: &User) -> bool {
    let same = |said: &Option<String>, known: &str| said.as_deref().is_none_or(|said| said == known);
    same(&claims.name, &user.name)
        && same(&claims.display_name, &user.display_name)
        && (claims.picture.is_none() || claims.picture == user.avatar_url)
}
