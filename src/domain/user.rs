//! A user as everybody may see them.

use serde::Serialize;
use utoipa::ToSchema;

use super::{UserId, UserKey};

/// A user: of this server (registered here) or of the embedding product (recorded from a valid token).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The store's row; never leaves the process.
    #[serde(skip)]
    #[schema(ignore)]
    pub key: UserKey,
    /// Who it is.
    pub id: UserId,
    /// Login name, or what the token's `name` said, or the id.
    pub name: String,
    /// What to show.
    pub display_name: String,
    /// A picture, if there is one.
    #[schema(required)]
    pub avatar_url: Option<String>,
}
