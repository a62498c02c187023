//! What administrators of the server see and do: sessions, figures. Never shows what is said in conversations, nor lets
//! anybody into one.

use std::{cmp::Reverse, collections::BTreeMap, time::Duration};

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use futures_util::future::join_all;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    State,
    error::ErrorBody,
    extract::Admin,
    figures::{Distribution, Meter, resident_bytes},
};
use crate::{
    actors::{
        Node,
        relay::{ConnectedSession, Disconnect, ListSessions},
        room::{RoomFigures, RoomStats},
        session::Transport,
    },
    domain::SessionId,
    metrics::{Metrics, WEBHOOK_FAILURES},
    protocol::ApiError,
};

/// Rooms asked how busy they are, those shown, and how long one may take to answer.
const ROOMS_ASKED: usize = 1000;
const ROOMS_SHOWN: usize = 10;
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// Who is connected.
#[derive(Serialize, ToSchema)]
pub struct SessionList {
    /// Longest-standing first.
    sessions: Vec<ConnectedSession>,
}

/// Open sessions
#[utoipa::path(get, path = "/api/admin/sessions", responses(
    (status = 200, description = "All of this node", body = SessionList),
))]
pub async fn list_sessions(state: Data<State>, _admin: Admin) -> Result<Json<SessionList>, ApiError> {
    let mut sessions = state.node.relays.ask_all(ListSessions).await.concat();
    sessions.sort_by_key(|session| (session.opened_at, session.session_id));
    Ok(Json(SessionList { sessions }))
}

/// Disconnect a session
///
/// It is closed with 4403, which tells its client not to come back.
#[utoipa::path(delete, path = "/api/admin/sessions/{id}",
    params(("id" = SessionId, Path, description = "Which session")),
    responses(
        (status = 204, description = "Closed"),
        (status = 404, description = "NOT_FOUND: no session of that id is open", body = ErrorBody),
    ))]
pub async fn disconnect_session(
    state: Data<State>,
    _admin: Admin,
    id: Path<SessionId>,
) -> Result<HttpResponse, ApiError> {
    let closed = state.node.relays.ask_all(Disconnect(*id)).await;
    if closed.contains(&true) {
        log::info!(target: "parlor::http", "session {id} was disconnected by an administrator");
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::not_found("session"))
    }
}

/// The figures of this node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeFigures {
    /// What the node calls itself.
    node_id: String,
    uptime_seconds: u64,
    /// Whether it is going away.
    draining: bool,
    sessions: SessionFigures,
    /// Users with at least one session.
    users_online: i64,
    /// Conversations in use.
    active_rooms: i64,
    /// Messages committed since the start.
    messages: u64,
    /// Over the last ten seconds.
    messages_per_second: f64,
    commits: CommitFigures,
    mailbox_depths: MailboxFigures,
    database_pool: PoolFigures,
    memory: MemoryFigures,
    webhooks: WebhookFigures,
    /// The ten with most messages over the last minute, of at most 1000 that are asked; quiet ones are left out.
    busiest_rooms: Vec<RoomFigures>,
}

/// Open sessions by what they speak, and over what.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SessionFigures {
    websocket: i64,
    socketio_websocket: i64,
    socketio_polling: i64,
}

impl SessionFigures {
    fn of(metrics: &Metrics) -> Self {
        let open = |transport: Transport| metrics.sessions_by_transport.get_or_create(&transport.label()).get();
        Self {
            websocket: open(Transport::WebSocket),
            socketio_websocket: open(Transport::SocketIoWebSocket),
            socketio_polling: open(Transport::SocketIoPolling),
        }
    }
}

/// Transactions of the log since the start.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CommitFigures {
    /// Changes in one transaction.
    batch_sizes: Distribution,
    /// How long one took.
    latency_seconds: Distribution,
}

/// Changes that wait.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MailboxFigures {
    /// For the log.
    append_queue: i64,
    /// For the search index: conversations of which it lacks something.
    search_backlog: u64,
    /// In the rooms that were asked, for their turn.
    rooms: usize,
}

/// Connections to the database.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PoolFigures {
    backend: &'static str,
    in_use: u32,
    open: u32,
}

/// What the process takes.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MemoryFigures {
    /// `null` where the system does not say.
    #[schema(required)]
    rss_bytes: Option<u64>,
}

/// Webhooks since the start.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WebhookFigures {
    /// Configured.
    endpoints: usize,
    /// Of them, those that answered 410 Gone.
    disabled: i64,
    /// Requests that their receiver took.
    delivered: u64,
    /// Tries that failed, by reason: `status`, `timeout`, `connection`, `gone`.
    failed: BTreeMap<&'static str, u64>,
    /// Conversations with something that an endpoint was not told, over all endpoints.
    backlog: i64,
    /// How old the oldest of it is.
    oldest_seconds: i64,
    /// How long receivers took.
    latency_seconds: Distribution,
}

impl WebhookFigures {
    fn of(endpoints: usize, metrics: &Metrics) -> Self {
        let failed = |reason| metrics.webhook_failed.get_or_create(&[("reason", reason)]).get();
        Self {
            endpoints,
            disabled: metrics.webhook_disabled.get(),
            delivered: metrics.webhook_delivered.get(),
            failed: WEBHOOK_FAILURES.map(|reason| (reason, failed(reason))).into(),
            backlog: metrics.webhook_backlog.get(),
            oldest_seconds: metrics.webhook_oldest_seconds.get(),
            latency_seconds: Distribution::of(&metrics.webhook_seconds),
        }
    }
}

/// Figures
#[utoipa::path(get, path = "/api/admin/metrics", responses(
    (status = 200, description = "As of now", body = NodeFigures),
))]
pub async fn show_metrics(
    state: Data<State>,
    meter: Data<Meter>,
    _admin: Admin,
) -> Result<Json<NodeFigures>, ApiError> {
    let node = &state.node;
    let metrics = &node.metrics;
    let rooms = ask_rooms(node).await;
    let (in_use, open) = node.store.pool();
    Ok(Json(NodeFigures {
        node_id: node.id.clone(),
        uptime_seconds: node.clock.now().since(node.started_at) / 1000,
        draining: state.draining(),
        sessions: SessionFigures::of(metrics),
        users_online: metrics.users_online.get(),
        active_rooms: metrics.rooms.get(),
        messages: metrics.messages.get(),
        messages_per_second: meter.per_second(),
        commits: CommitFigures {
            batch_sizes: Distribution::of(&metrics.commit_ops),
            latency_seconds: Distribution::of(&metrics.commit_seconds),
        },
        mailbox_depths: MailboxFigures {
            append_queue: metrics.append_queue.get(),
            search_backlog: node.store.search_backlog(),
            rooms: rooms.iter().map(|room| room.pending).sum(),
        },
        database_pool: PoolFigures {
            backend: node.store.backend(),
            in_use,
            open,
        },
        memory: MemoryFigures {
            rss_bytes: resident_bytes(),
        },
        webhooks: WebhookFigures::of(state.config.webhooks.urls.len(), metrics),
        busiest_rooms: busiest(rooms),
    }))
}

async fn ask_rooms(node: &Node) -> Vec<RoomFigures> {
    let asked = node.rooms.all().into_iter().take(ROOMS_ASKED);
    let answers = asked.map(|room| async move { room.send(RoomStats).await.ok() });
    // A room that does not answer in time is busy with something else than messages, or gone.
    let answers = answers.map(|answer| tokio::time::timeout(ROOM_WITHIN, answer));
    let answers = join_all(answers).await.into_iter();
    answers.filter_map(|answer| answer.ok().flatten()).collect()
}

fn busiest(mut rooms: Vec<RoomFigures>) -> Vec<RoomFigures> {
    rooms.retain(|room| room.messages_per_minute > 0 || room.pending > 0);
    rooms.sort_by_key(|room| Reverse((room.messages_per_minute, room.pending)));
    rooms.truncate(ROOMS_SHOWN);
    rooms
}
