//! Who is online, and when the others were last seen.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    actors::{Node, presence::Online},
    domain::{Timestamp, UserId},
    protocol::ApiError,
};

/// The answer to `get_presence`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PresenceList {
    /// In the order asked; somebody unknown is offline and was never seen.
    pub presence: Vec<PresenceView>,
}

/// One user's presence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresenceView {
    /// Who.
    pub user_id: UserId,
    /// Whether they have a session.
    pub online: bool,
    /// When their last session closed, while they have none.
    #[schema(required)]
    pub last_seen_at: Option<Timestamp>,
}

/// Who of these is online.
pub async fn get_presence(node: &Arc<Node>, users: Vec<UserId>) -> Result<PresenceList, ApiError> {
    let online = node
        .presence
        .send(Online(users.clone()))
        .await
        .map_err(|_| ApiError::unavailable())?;
    let seen: HashMap<_, _> = node.store.last_seen(&users).await?.into_iter().collect();
    let presence = users
        .into_iter()
        .zip(online)
        .map(|(user_id, now)| {
            let known = now.last_seen_at.or_else(|| seen.get(&user_id).copied().flatten());
            PresenceView {
                user_id,
                online: now.online,
                last_seen_at: known.filter(|_| !now.online),
            }
        })
        .collect();
    Ok(PresenceList { presence })
}
