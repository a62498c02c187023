//! Accounts of this server: register, log in, log out. Never tells whether a name exists but to whoever wants to take it;
//! never logs a password or a token.

use std::{net::IpAddr, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    http::StatusCode,
    web::Data,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    State,
    error::ErrorBody,
    extract::{Auth, Body},
    openapi::Limited,
};
use crate::{
    actors::relay::TokenRevoked,
    config::Registration,
    db::{Credentials, NewAccount},
    domain::{DisplayName, Password, Timestamp, User, UserId, Username},
    protocol::{ApiError, ErrorCode},
};

/// Somebody who wants an account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"username": "alice", "password": "correct horse battery", "displayName": "Alice"}))]
pub struct Registering {
    #[schema(min_length = 2, max_length = 32, pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]+$")]
    username: String,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    password: String,
    /// What to show; the username if it is not given.
    #[schema(min_length = 1, max_length = 64)]
    display_name: Option<String>,
}

/// Somebody who has one.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"username": "alice", "password": "correct horse battery"}))]
pub struct LoggingIn {
    username: String,
    #[schema(format = Password)]
    password: String,
}

/// A token and whose it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"token": "eyJhbGciOiJIUzI1NiJ9.…", "expiresAt": "2026-01-18T23:44:37.000Z",
    "user": {"id": "0199c5a4-7a3e-7c3a-9d35-0a1b2c3d4e5f", "name": "alice", "displayName": "Alice", "avatarUrl": null}}))]
pub struct LoggedIn {
    /// A JWT, to be sent as `Authorization: Bearer`. The cookie `token` holds the same.
    token: String,
    /// When it ends.
    expires_at: Timestamp,
    user: Arc<User>,
}

/// Register
///
/// Makes an account and logs in.
#[utoipa::path(post, path = "/api/auth/register", request_body = Registering, responses(
    (status = 201, description = "Made, and logged in", body = LoggedIn),
    (status = 403, description = "FORBIDDEN: this server takes no registrations", body = ErrorBody),
    (status = 409, description = "CONFLICT: the name is taken", body = ErrorBody),
    Limited,
))]
pub async fn register(
    state: Data<State>,
    request: HttpRequest,
    body: Body<Registering>,
) -> Result<HttpResponse, ApiError> {
    let node = &state.node;
    if state.config.registration == Registration::Closed || !state.tokens.can_mint() {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "this server takes no registrations",
        ));
    }
    let username = Username::parse(&body.username)?;
    let password = Password::parse(&body.password)?;
    let display_name = DisplayName::parse(body.display_name.as_deref().unwrap_or(&body.username))?;
    // Apart from the logins of that name: who registers may log in at once.
    let key = format!("new {}", username.folded());
    node.rates.check_login(address(&request), &key)?;
    let at = node.clock.now();
    let account = NewAccount {
        id: UserId::generate(at, node.entropy.bytes10()),
        name: username.as_str().to_owned(),
        folded: username.folded(),
        display_name: display_name.as_str().to_owned(),
        password_hash: state.passwords.hash(&password).await?,
        admin: false,
        at,
    };
    let made = node.store.create_account(account).await?;
    let user = made.ok_or_else(|| ApiError::new(ErrorCode::Conflict, "this username is taken"))?;
    logged_in(&state, &request, user, StatusCode::CREATED)
}

/// Log in
#[utoipa::path(post, path = "/api/auth/login", request_body = LoggingIn, responses(
    (status = 200, description = "Logged in", body = LoggedIn),
    (status = 401, description = "UNAUTHORIZED: no such name, or not its password", body = ErrorBody),
    (status = 403, description = "FORBIDDEN: this server makes no tokens", body = ErrorBody),
    Limited,
))]
pub async fn login(state: Data<State>, request: HttpRequest, body: Body<LoggingIn>) -> Result<HttpResponse, ApiError> {
    let node = &state.node;
    node.rates
        .check_login(address(&request), &body.username.to_ascii_lowercase())?;
    // What cannot be a name belongs to nobody, and is answered like nobody's: same words, same time.
    let known = match Username::parse(&body.username) {
        Ok(name) => node.store.credentials(&name.folded()).await?,
        Err(_) => None,
    };
    let hash = known.as_ref().map(|known| known.password_hash.as_str());
    let matches = state.passwords.verify(&body.password, hash).await?;
    match known {
        Some(Credentials { account, .. }) if matches => logged_in(&state, &request, account.user, StatusCode::OK),
        _ => Err(ApiError::new(
            ErrorCode::Unauthorized,
            "there is no such username with this password",
        )),
    }
}

/// Log out
///
/// Revokes the token of this call, closes the sessions that it opened and takes the cookie back.
#[utoipa::path(post, path = "/api/auth/logout", responses((status = 204, description = "Logged out")))]
pub async fn logout(state: Data<State>, request: HttpRequest, auth: Auth) -> Result<HttpResponse, ApiError> {
    if auth.acting {
        // The token of this call is the administrator's.
        return Err(ApiError::new(ErrorCode::Forbidden, "nobody logs out for somebody else"));
    }
    let revoked = state.revoked.revoke(&auth.token_key, auth.expires_at).await;
    // In this process it is revoked already, whatever the store said.
    state.node.relays.offer_all(&TokenRevoked(auth.token_key.into()));
    revoked?;
    let cookie = cookie(&request, String::new(), Duration::ZERO);
    Ok(HttpResponse::NoContent().cookie(cookie).finish())
}

fn logged_in(
    state: &State,
    request: &HttpRequest,
    user: Arc<User>,
    status: StatusCode,
) -> Result<HttpResponse, ApiError> {
    let minted = state.tokens.mint_local(&user.id)?;
    let lives = minted.expires_at.since(state.node.clock.now()) / 1000;
    let cookie = cookie(request, minted.token.clone(), Duration::seconds(lives as i64));
    Ok(HttpResponse::build(status).cookie(cookie).json(LoggedIn {
        token: minted.token,
        expires_at: minted.expires_at,
        user,
    }))
}

fn cookie(request: &HttpRequest, token: String, max_age: Duration) -> Cookie<'static> {
    Cookie::build("token", token)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(came_by_tls(request))
        .max_age(max_age)
        .finish()
}

/// Whether the proxy in front of us says so. If somebody lies, their own cookie is the stricter for it.
fn came_by_tls(request: &HttpRequest) -> bool {
    let proto = request.headers().get("x-forwarded-proto");
    proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// Where the connection comes from. What `X-Forwarded-For` says is not asked: anybody may say anything there.
fn address(request: &HttpRequest) -> IpAddr {
    request.peer_addr().map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_cookie_is_out_of_reach_for_scripts_and_other_sites() {
        let plain = TestRequest::default().to_http_request();
        let made = cookie(&plain, "t".to_owned(), Duration::seconds(60)).to_string();
        assert_eq!(made, "token=t; HttpOnly; SameSite=Lax; Path=/; Max-Age=60");
        let secure = TestRequest::default()
            .insert_header(("x-forwarded-proto", "HTTPS"))
            .to_http_request();
        let made = cookie(&secure, String::new(), Duration::ZERO).to_string();
        assert_eq!(made, "token=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0");
    }
}
