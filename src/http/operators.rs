//! What machines ask: is it alive, can it serve, its figures for Prometheus, its description. Nothing here says anything
//! about users or conversations.

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::header::ContentType,
    web::{Data, Json},
};
use prometheus_client::encoding::text;
use serde::Serialize;
use utoipa::ToSchema;

use super::{State, asyncapi, figures::resident_bytes, openapi};
use crate::protocol::ApiError;

/// How long the database may take to say that it is there.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// Alive.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok"}))]
pub struct Health {
    status: &'static str,
}

/// Alive?
///
/// Whether the process answers; says nothing of the database.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "Yes", body = Health)))]
pub async fn show_health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Alive?
///
/// As the GET, without the words: what some monitors ask.
#[utoipa::path(head, path = "/healthz", responses((status = 200, description = "Yes")))]
pub async fn head_health() -> Json<Health> {
    show_health().await
}

/// Whether the node can serve.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"status": "ok", "database": "ok"}))]
pub struct Readiness {
    /// `ok`, `unavailable`, or `draining` when the server is going away.
    status: &'static str,
    /// `ok` or `unavailable`.
    database: &'static str,
}

/// Able to serve?
///
/// Whether the database answers within two seconds and the server is not going away.
#[utoipa::path(get, path = "/readyz", responses(
    (status = 200, description = "Yes", body = Readiness),
    (status = 503, description = "No", body = Readiness),
))]
pub async fn show_readiness(state: Data<State>) -> HttpResponse {
    let checked = tokio::time::timeout(CHECK_WITHIN, state.node.store.check()).await;
    let reachable = match checked {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            log::warn!(target: "parlor::http", "not ready: {error}");
            false
        }
        Err(_) => {
            log::warn!(target: "parlor::http", "not ready: the database says nothing");
            false
        }
    };
    let database = if reachable { "ok" } else { "unavailable" };
    let status = if state.draining() { "draining" } else { database };
    let mut answer = if status == "ok" {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    answer.json(Readiness { status, database })
}

/// Able to serve?
///
/// As the GET, without the words: what some monitors ask.
#[utoipa::path(head, path = "/readyz", responses(
    (status = 200, description = "Yes"),
    (status = 503, description = "No"),
))]
pub async fn head_readiness(state: Data<State>) -> HttpResponse {
    show_readiness(state).await
}

/// Figures for Prometheus
///
/// For administrators, or whoever shows the configured scrape token as bearer.
#[utoipa::path(get, path = "/metrics", responses(
    (status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text", body = String),
))]
pub async fn show_prometheus(state: Data<State>) -> Result<HttpResponse, ApiError> {
    let mut figures = String::new();
    let node = &state.node;
    // Kept by the store; looked at when somebody wants to know.
    node.metrics.search_backlog.set(node.store.search_backlog() as i64);
    if let Some(bytes) = resident_bytes() {
        node.metrics.resident_bytes.set(bytes as i64);
    }
    text::encode(&mut figures, &state.registry).map_err(|error| {
        log::error!(target: "parlor::http", "the figures could not be written: {error}");
        ApiError::internal()
    })?;
    Ok(HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(figures))
}

/// This document
#[utoipa::path(get, path = "/api/openapi.json", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn show_openapi() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(openapi::json())
}

/// The events
///
/// What is said over `/ws`: requests, answers, events.
#[utoipa::path(get, path = "/api/asyncapi.json", responses((status = 200, description = "AsyncAPI 3.0", body = Object)))]
pub async fn show_asyncapi() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(asyncapi::json())
}
