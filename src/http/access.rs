//! Who may call a route and how fast: decided before anything of the request is parsed or looked up. Wrapped around every
//! route by `routes`; also gives each request its deadline, and turns a panic into an answer. Never asks what a member of a
//! conversation may do: that is `domain::permission`.
//!
//! An administrator may act for a user ([`ACT_AS`]): from here on the request is that user's.

use std::{panic::AssertUnwindSafe, time::Duration};

use actix_web::{
    Error, HttpMessage, HttpRequest, Route,
    body::BoxBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::HeaderName},
    middleware::{Next, from_fn},
    web,
};
use futures_util::FutureExt;
use tokio::time::timeout;

use super::{State, extract::Auth, observe::RequestId, uploads};
use crate::{
    actors::commands,
    auth::{Identity, find_token},
    domain::{Invalid, UserId, UserKey},
    protocol::{ApiError, ErrorCode},
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a token.
    Open,
    /// Whoever has a good token.
    User(Pace),
    /// Whose token, or the store, says that they are an administrator of the server.
    Admin(Pace),
    /// An administrator, or whoever shows the configured scrape token.
    Scraper,
}

/// Which of the rate limits a call counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// None: reads, and what only the few do who lead a conversation.
    Free,
    /// The one for messages.
    Message,
    /// The one for other events. A large body may take its time to arrive.
    Upload,
    /// The one for other events: what is one over a socket, what changes something for everybody, what costs more than a read.
    Event,
}

impl Access {
    /// How long a call may take from its first byte to its answer. What a command takes is bounded by the contract; a large
    /// body takes what its sender's line takes.
    fn within(self) -> Duration {
        match self {
            Self::User(Pace::Upload) => uploads::ARRIVES_WITHIN + 2 * commands::ANSWERED_WITHIN,
            _ => commands::ANSWERED_WITHIN,
        }
    }
}

impl Access {
    fn pace(self) -> Pace {
        match self {
            Self::User(pace) | Self::Admin(pace) => pace,
            Self::Open | Self::Scraper => Pace::Free,
        }
    }
}

/// Names the user for whom an administrator sends a request.
pub const ACT_AS: HeaderName = HeaderName::from_static("parlor-act-as");

/// `route`, for those whom `access` lets in.
pub fn guarded(route: Route, access: Access) -> Route {
    route.wrap(from_fn(move |request, next| admit(access, request, next)))
}

async fn admit(access: Access, request: ServiceRequest, next: Next<BoxBody>) -> Result<ServiceResponse, Error> {
    let asked = request.request().clone();
    // One deadline for all of it, the token's look-up and the body's arrival too: the contract promises an answer.
    // On its own feet: a client that goes away meanwhile does not stop what it began half-way.
    let work = actix_rt::spawn(timeout(access.within(), answer(access, request, next)));
    let in_time = work.await.unwrap_or_else(|_| Ok(Err(ApiError::internal())));
    let answer = in_time.unwrap_or_else(|_| Err(late(asked.method())));
    Ok(match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => ServiceResponse::from_err(error, asked),
        Err(error) => ServiceResponse::from_err(error, asked),
    })
}

/// What is said when the time is over.
fn late(method: &Method) -> ApiError {
    if matches!(*method, Method::GET | Method::HEAD) {
        ApiError::unavailable()
    } else {
        ApiError::uncertain()
    }
}

async fn answer(
    access: Access,
    request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<Result<ServiceResponse, Error>, ApiError> {
    let id = RequestId::of(&request);
    let work = AssertUnwindSafe(async {
        enter(access, request.request()).await?;
        Ok(next.call(request).await)
    });
    work.catch_unwind().await.unwrap_or_else(|_| {
        // The panic hook has written what and where.
        log::error!(target: "parlor::http", "request {} panicked", id.0);
        Err(ApiError::internal())
    })
}

async fn enter(access: Access, request: &HttpRequest) -> Result<(), ApiError> {
    if access == Access::Open {
        return Ok(());
    }
    let state = request.app_data::<web::Data<State>>().ok_or_else(ApiError::internal)?;
    if access == Access::Scraper && is_scraper(state, request) {
        return Ok(());
    }
    let by = identify(state, request).await?;
    // Whoever administrates the server, and their product's backend, is not held up.
    let pace = if by.admin { Pace::Free } else { access.pace() };
    let acted_for = act_as(state, request, &by).await?;
    let acting = acted_for.is_some();
    let identity = acted_for.unwrap_or(by);
    if matches!(access, Access::Admin(_) | Access::Scraper) && !identity.admin {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "this is for administrators of the server",
        ));
    }
    keep_pace(state, pace, identity.user.key)?;
    request.extensions_mut().insert(Auth::new(identity, acting));
    Ok(())
}

/// Whom an administrator acts for, if the request says so: it is judged from then on as if that user had sent it. What their
/// token would say is not known, so they are an administrator only if the store says so.
async fn act_as(state: &State, request: &HttpRequest, by: &Identity) -> Result<Option<Identity>, ApiError> {
    let mut named = request.headers().get_all(ACT_AS);
    let Some(name) = named.next() else { return Ok(None) };
    if !by.admin {
        return Err(ApiError::new(
            ErrorCode::Forbidden,
            "only administrators of the server act for others",
        ));
    }
    let id = name.to_str().ok().filter(|_| named.next().is_none());
    let id = id.and_then(|id| UserId::parse(id).ok());
    let id = id.ok_or_else(|| Invalid::new("Parlor-Act-As", "must be one user's id"))?;
    let account = state.node.store.account(&id).await?;
    let account = account.ok_or_else(|| ApiError::not_found("user"))?;
    log::info!(
        target: "parlor::http",
        "{} acts for {id}: {} {}, request {}",
        by.user.id,
        request.method(),
        request.path(),
        RequestId::of(request).0
    );
    Ok(Some(Identity {
        user: account.user,
        admin: account.admin,
        expires_at: by.expires_at,
        token_key: by.token_key.clone(),
    }))
}

/// Whose request it is, by the first token that it carries.
async fn identify(state: &State, request: &HttpRequest) -> Result<Identity, ApiError> {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let (token, _) = find_token(header, request.query_string(), &state.origins)?;
    state.node.authenticator.authenticate(token).await
}

fn keep_pace(state: &State, pace: Pace, user: UserKey) -> Result<(), ApiError> {
    match pace {
        Pace::Free => Ok(()),
        Pace::Message => state.node.rates.check_message(user),
        Pace::Upload => state.node.rates.check_event(user),
        Pace::Event => state.node.rates.check_event(user),
    }
}

fn is_scraper(state: &State, request: &HttpRequest) -> bool {
    let Some(expected) = &state.config.metrics_token else {
        return false;
    };
    let shown = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.trim().split_once(' '));
    shown.is_some_and(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && same(token.trim(), expected))
}

/// Takes as long wherever the first difference is.
fn same(one: &str, other: &str) -> bool {
    let difference = one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    !other.is_empty() && one.len() == other.len() && difference == 0
}
