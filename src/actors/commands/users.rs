//! Users of the embedding product, as its server tells of them: before their first token, or whenever something changed.

use std::sync::Arc;

use crate::{
    actors::{Node, relay::ProfileChanged},
    db::TokenUser,
    domain::{DisplayName, User, UserId},
    protocol::{ApiError, ErrorCode},
};

/// What the product says of a user; what it does not say stays as it is.
#[derive(Debug, Clone)]
pub struct ProductUser {
    /// Who.
    pub id: UserId,
    /// Their name there.
    pub name: DisplayName,
    /// What to show; for somebody new the name.
    pub display_name: Option<DisplayName>,
    /// A picture that was checked; `Some(None)` takes it away.
    pub avatar_url: Option<Option<String>>,
}

/// Makes or updates a user of the embedding product; the user as they are now, and whether this made them. What
/// their open sessions send behind it shows them so.
///
/// # Errors
/// `CONFLICT` for a user who registered here: what they are called is theirs to say.
pub async fn put_user(node: &Arc<Node>, said: ProductUser) -> Result<(Arc<User>, bool), ApiError> {
    let made = node.store.account(&said.id).await?.is_none();
    let text = |name: DisplayName| name.as_str().to_owned();
    let recorded = node
        .store
        .put_product_user(TokenUser {
            id: said.id,
            name: Some(text(said.name)),
            display_name: said.display_name.map(text),
            avatar_url: said.avatar_url.clone().flatten(),
            at: node.clock.now(),
        })
        .await?;
    if recorded.local {
        return Err(ApiError::new(ErrorCode::Conflict, "this user registered here"));
    }
    let mut user = recorded.user;
    // No token can take a picture away, so that is a step of its own; a repetition makes up for it when it fails.
    if said.avatar_url == Some(None) && user.avatar_url.is_some() {
        user = node.store.update_profile(user.key, None, Some(None)).await?;
    }
    if !made {
        node.relays.ask_all(ProfileChanged(user.clone())).await;
    }
    Ok((user, made))
}
