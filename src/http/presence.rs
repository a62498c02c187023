//! Who is online, over REST. Only parses: what happens is in `actors::commands`.

use actix_web::web::{Data, Json, Query};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{State, extract::Auth};
use crate::{
    actors::commands::{self, PresenceList},
    domain::{Invalid, UserId},
    protocol::{ApiError, command::presence_users},
};

/// About whom.
#[derive(Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct PresenceQuery {
    /// User ids, comma separated, at most 500.
    #[param(example = "u-1,u-2")]
    user_ids: String,
}

impl PresenceQuery {
    fn parse(&self) -> Result<Vec<UserId>, Invalid> {
        let ids = self.user_ids.split(',').filter(|id| !id.is_empty());
        let ids = ids.map(UserId::parse).collect::<Result<_, _>>();
        presence_users(ids.map_err(|invalid| Invalid::new("userIds", invalid.reason))?)
    }
}

/// Who is online
#[utoipa::path(get, path = "/api/presence", params(PresenceQuery), responses(
    (status = 200, description = "In the order asked", body = PresenceList),
))]
pub async fn show_presence(
    state: Data<State>,
    _auth: Auth,
    query: Query<PresenceQuery>,
) -> Result<Json<PresenceList>, ApiError> {
    commands::get_presence(&state.node, query.parse()?).await.map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_separated_by_commas() {
        let parse = |text: &str| {
            let query = PresenceQuery {
                user_ids: text.to_owned(),
            };
            query.parse().map(|ids| ids.len()).map_err(|invalid| invalid.field)
        };
        assert_eq!(parse(""), Ok(0));
        assert_eq!(parse("a"), Ok(1));
        assert_eq!(parse("a,b|c,,"), Ok(2));
        assert_eq!(parse("a b"), Err("userIds"));
        assert_eq!(parse(&["a"; 501].join(",")), Err("userIds"));
    }
}
