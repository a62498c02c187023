//! Users: oneself, looking others up, and those whom the embedding product tells of. Who registers is `auth`'s.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Json, Path, Query},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    State,
    error::ErrorBody,
    extract::{Admin, Auth, Body, PageSize, given},
};
use crate::{
    actors::{
        commands::{self, ProductUser},
        relay::ProfileChanged,
    },
    domain::{DisplayName, Invalid, User, UserId, limits},
    protocol::ApiError,
};

/// Oneself
#[utoipa::path(get, path = "/api/me", responses((status = 200, description = "Who the token belongs to", body = User)))]
pub async fn show_me(auth: Auth) -> Result<Json<Arc<User>>, ApiError> {
    Ok(Json(auth.caller.user))
}

/// What to change about oneself; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"displayName": "Alice", "avatarUrl": "https://example.com/alice.png"}))]
pub struct ProfilePatch {
    #[schema(min_length = 1, max_length = 64)]
    display_name: Option<String>,
    /// An `http(s)` URL or an absolute path of this server; `null` takes the picture away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2048)]
    avatar_url: Option<Option<String>>,
}

/// Change oneself
#[utoipa::path(patch, path = "/api/me", request_body = ProfilePatch, responses(
    (status = 200, description = "As one is now", body = User),
))]
pub async fn update_me(state: Data<State>, auth: Auth, patch: Body<ProfilePatch>) -> Result<Json<Arc<User>>, ApiError> {
    let display_name = patch.display_name.as_deref().map(DisplayName::parse).transpose()?;
    let avatar_url = patch.avatar_url.as_ref().map(Option::as_deref);
    if let Some(Some(url)) = avatar_url {
        check_avatar_url(url)?;
    }
    if display_name.is_none() && avatar_url.is_none() {
        return Ok(Json(auth.caller.user));
    }
    let display_name = display_name.as_ref().map(DisplayName::as_str);
    let node = &state.node;
    let user = node
        .store
        .update_profile(auth.caller.user.key, display_name, avatar_url)
        .await?;
    node.relays.offer_all(&ProfileChanged(user.clone()));
    Ok(Json(user))
}

/// A picture that a client may load: never `javascript:` and the like, never another server by `//`.
fn check_avatar_url(url: &str) -> Result<(), Invalid> {
    let has_host = |rest: &str| !rest.is_empty() && !rest.starts_with(['/', '?', '#']);
    let scheme_fits = match url.split_once("://") {
        Some((scheme, rest)) if !scheme.starts_with('/') => {
            (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")) && has_host(rest)
        }
        _ => url.starts_with('/') && !url.starts_with("//"),
    };
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if !scheme_fits || url.len() > limits::AVATAR_URL_BYTES || url.contains(odd) {
        let rule = format!(
            "must be an http(s) URL or an absolute path, {} bytes at the most",
            limits::AVATAR_URL_BYTES
        );
        return Err(Invalid::new("avatarUrl", rule));
    }
    Ok(())
}

/// Whom to look for.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UserQuery {
    /// How the name or display name begins, in any case; everybody when it is empty.
    #[serde(default)]
    #[param(max_length = 64)]
    query: String,
    /// At most how many.
    #[serde(default)]
    #[param(value_type = Option<u32>, minimum = 1, maximum = 100, default = 20)]
    limit: PageSize<20>,
}

/// Those who were found.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"users": [{"id": "u-1", "name": "alice", "displayName": "Alice", "avatarUrl": null}]}))]
pub struct UserList {
    /// By name.
    users: Vec<Arc<User>>,
}

/// Look users up
#[utoipa::path(get, path = "/api/users", params(UserQuery), responses(
    (status = 200, description = "Who was found", body = UserList),
))]
pub async fn find_users(state: Data<State>, _auth: Auth, query: Query<UserQuery>) -> Result<Json<UserList>, ApiError> {
    let wanted = query.query.trim();
    if wanted.chars().count() > limits::DISPLAY_NAME_CHARS {
        let rule = format!("must be {} characters at the most", limits::DISPLAY_NAME_CHARS);
        return Err(Invalid::new("query", rule).into());
    }
    if wanted.contains(char::is_control) {
        // Nobody's name has one, and no database compares them alike.
        return Err(Invalid::new("query", "must not contain control characters").into());
    }
    let users = state.node.store.search_users(wanted, query.limit.0).await?;
    Ok(Json(UserList { users }))
}

/// A user
#[utoipa::path(get, path = "/api/users/{id}", params(("id" = UserId, Path, description = "Who")), responses(
    (status = 200, description = "The user", body = User),
    (status = 404, description = "NOT_FOUND: there is nobody of that id", body = ErrorBody),
))]
pub async fn show_user(state: Data<State>, _auth: Auth, id: Path<UserId>) -> Result<Json<Arc<User>>, ApiError> {
    let found = state.node.store.account(&id).await?;
    found
        .map(|account| Json(account.user))
        .ok_or_else(|| ApiError::not_found("user"))
}

/// What the embedding product says of a user; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "alice", "displayName": "Alice", "avatarUrl": "https://example.com/alice.png"}))]
pub struct UserRequest {
    #[schema(min_length = 1, max_length = 64)]
    name: String,
    /// For somebody new, the name when it is not given.
    #[schema(min_length = 1, max_length = 64)]
    display_name: Option<String>,
    /// An `http(s)` URL or an absolute path of this server; `null` takes the picture away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2048)]
    avatar_url: Option<Option<String>>,
}

impl UserRequest {
    fn parse(self, id: UserId) -> Result<ProductUser, Invalid> {
        if let Some(Some(url)) = &self.avatar_url {
            check_avatar_url(url)?;
        }
        Ok(ProductUser {
            id,
            // A product's names are its own: no login names, only fit to be shown.
            name: DisplayName::parse(&self.name).map_err(|invalid| Invalid {
                field: "name",
                ..invalid
            })?,
            display_name: self.display_name.as_deref().map(DisplayName::parse).transpose()?,
            avatar_url: self.avatar_url,
        })
    }
}

/// Make or update a user of the embedding product
///
/// So that others find them before their first token. A token that says something new later on is taken over as ever.
#[utoipa::path(put, path = "/api/users/{id}", request_body = UserRequest,
    params(("id" = UserId, Path, description = "Who: the `sub` of their tokens")),
    responses(
        (status = 200, description = "The user, as they are now", body = User),
        (status = 201, description = "The user, who was not known before", body = User),
        (status = 409, description = "CONFLICT: this user registered here", body = ErrorBody),
    ))]
pub async fn put_user(
    state: Data<State>,
    _admin: Admin,
    id: Path<UserId>,
    body: Body<UserRequest>,
) -> Result<HttpResponse, ApiError> {
    let said = body.into_inner().parse(id.into_inner())?;
    let (user, made) = commands::put_user(&state.node, said).await?;
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok(HttpResponse::build(status).json(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_of_the_web_or_of_this_server() {
        for good in [
            "https://a.example/b.png?c=d",
            "http://a",
            "HTTPS://a/",
            "/uploads/a.png",
            "/a?b=http://c",
        ] {
            assert!(check_avatar_url(good).is_ok(), "{good}");
        }
        let long = format!("/{}", "a".repeat(2048));
        for bad in [
            "",
            "a.png",
            "//a.example/b",
            "javascript:alert(1)",
            "data:image/png;base64,",
            "https://",
            "https:///a",
            "ftp://a/b",
            "/a b",
            "/\\a",
            "https://a/\n",
            &long,
        ] {
            assert!(check_avatar_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_the_product_says_is_checked() {
        let said = |json| {
            let request: UserRequest = serde_json::from_value(json).unwrap();
            request
                .parse(UserId::parse("crm-17").unwrap())
                .map_err(|invalid| invalid.field)
        };
        assert!(said(serde_json::json!({"name": "Ärger & Co. (sales)"})).is_ok());
        for (field, bad) in [
            ("name", serde_json::json!({"name": " "})),
            ("name", serde_json::json!({"name": "n".repeat(65)})),
            ("displayName", serde_json::json!({"name": "n", "displayName": ""})),
            ("avatarUrl", serde_json::json!({"name": "n", "avatarUrl": "data:,"})),
        ] {
            assert_eq!(said(bad.clone()).err(), Some(field), "{bad}");
        }
    }

    #[test]
    fn null_takes_the_picture_away_and_nothing_keeps_it() {
        let patch = |json| serde_json::from_str::<ProfilePatch>(json).map(|patch| patch.avatar_url);
        assert_eq!(patch("{}").unwrap(), None);
        assert_eq!(patch(r#"{"avatarUrl":null}"#).unwrap(), Some(None));
        assert_eq!(patch(r#"{"avatarUrl":"/a"}"#).unwrap(), Some(Some("/a".to_owned())));
        assert!(patch(r#"{"avatarUrl":7}"#).is_err());
    }
}
