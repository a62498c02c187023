//! From a token to a user: `http` and the sessions (`authenticate`) call it for every token that a client shows.
//! Records users of the embedding product; never makes a user of this server.

use std::sync::Arc;

use super::{Claims, Revoked, Tokens, token_key};
use crate::{
    db::{Account, Store, TokenUser},
    domain::{Clock, Timestamp, User},
    protocol::{ApiError, ErrorCode},
};

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
}

impl Authenticator {
    /// Put together by `app`.
    pub fn new(tokens: Arc<Tokens>, store: Arc<dyn Store>, revoked: Arc<Revoked>, clock: Clock) -> Self {
        Self {
            tokens,
            store,
            revoked,
            clock,
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
    /// the last one did, which the store keeps. So what is changed here (`PATCH /api/me`) holds until the product says
    /// something new.
    async fn product_user(&self, claims: &Claims, account: Option<Account>) -> Result<Account, ApiError> {
        let said = self.token_user(claims);
        match account {
            // Nearly every token says what is known: that costs no commit.
            Some(account) if said.is_old(&account) => Ok(account),
            _ => Ok(self.store.record_token_user(said).await?),
        }
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
