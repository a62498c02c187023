//! What operators see of the node, counted where it happens. Rendered by `http` (Prometheus text and JSON); imports
//! nothing of ours.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// A counter.
pub type Count = Counter<u64, AtomicU64>;
/// A figure that goes up and down.
pub type Level = Gauge<i64, AtomicI64>;
/// Counters told apart by one label.
pub type CountBy = Family<[(&'static str, &'static str); 1], Count>;
/// Figures that go up and down, told apart by one label.
pub type LevelBy = Family<[(&'static str, &'static str); 1], Level>;

/// The values of `webhook_failed`'s label `reason`.
pub const WEBHOOK_FAILURES: [&str; 4] = ["status", "timeout", "connection", "gone"];

macro_rules! metrics {
    ($($name:ident: $kind:ty = $make:expr, $text:literal;)*) => {
        /// Every figure, once; the names on the wire are `parlor_` and the field's.
        #[derive(Debug, Clone)]
        pub struct Metrics { $(#[doc = $text] pub $name: $kind,)* }

        impl Default for Metrics {
            fn default() -> Self {
                Self { $($name: $make,)* }
            }
        }

        impl Metrics {
            /// A registry that renders all of them.
            pub fn registry(&self) -> Registry {
                let mut registry = Registry::with_prefix("parlor");
                $(registry.register(stringify!($name), $text, self.$name.clone());)*
                registry
            }
        }
    };
}

metrics! {
    sessions: Level = Level::default(), "Open sessions";
    sessions_by_transport: LevelBy = LevelBy::default(), "Open sessions, by what they speak and over what";
    connecting: Level = Level::default(), "Engine.IO connections that have not said yet who they are";
    recovered: CountBy = CountBy::default(), "Socket.IO clients that came back, by whether their connection state was recovered";
    sessions_opened: Count = Count::default(), "Sessions opened since the start";
    sessions_closed: CountBy = CountBy::default(), "Sessions closed by the server, by close code";
    sessions_panicked: Count = Count::default(), "Sessions that ended by a panic";
    users_online: Level = Level::default(), "Users with at least one session";
    rooms: Level = Level::default(), "Conversations in use";
    rooms_started: Count = Count::default(), "Rooms started";
    rooms_panicked: Count = Count::default(), "Rooms that ended by a panic and were started again";
    rooms_recovered: Count = Count::default(), "Times a room read the log again because it doubted what it had broadcast";
    messages: Count = Count::default(), "Messages committed";
    messages_repeated: Count = Count::default(), "Sends answered with an earlier message because of their clientId";
    changes: Count = Count::default(), "Durable changes committed, messages among them";
    commits: Count = Count::default(), "Batches committed by the log";
    commits_failed: CountBy = CountBy::default(), "Batches that failed, or a part of which did, by what is known of the outcome";
    commit_seconds: Histogram = seconds(), "How long a batch of the log took";
    commit_ops: Histogram = Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0]), "Changes in one batch";
    append_queue: Level = Level::default(), "Changes waiting for the log";
    search_backlog: Level = Level::default(), "Conversations that the search index is known to lack something of";
    resident_bytes: Level = Level::default(), "Memory that the process holds";
    deliveries: Count = Count::default(), "Events put into sessions' outboxes";
    volatile_dropped: Count = Count::default(), "Typing and presence notices dropped for slow readers";
    relays_overflowed: Count = Count::default(), "Times a relay's mailbox was full and its sessions were closed";
    refused: CountBy = CountBy::default(), "Requests refused, by error code";
    uploads: Count = Count::default(), "Pictures taken";
    upload_bytes: Count = Count::default(), "Bytes of the pictures taken, as they are kept";
    uploads_swept: Count = Count::default(), "Pictures removed because no message shows them";
    webhook_delivered: Count = Count::default(), "Webhooks that their receiver took";
    webhook_failed: CountBy = CountBy::default(), "Tries of webhooks that failed, by reason; each is tried again but after 410 Gone";
    webhook_seconds: Histogram = seconds(), "How long a receiver took to answer or not to";
    webhook_backlog: Level = Level::default(), "Conversations with something that an endpoint was not told, over all endpoints; those in memory, at most 10,000 an endpoint";
    webhook_oldest_seconds: Level = Level::default(), "Age of the oldest of it";
    webhook_disabled: Level = Level::default(), "Endpoints that answered 410 Gone since the start";
    webhook_presence_dropped: Count = Count::default(), "Comings and goings that found no place in the queue of webhooks";
    http_requests: CountBy = CountBy::default(), "HTTP requests answered, by class of status";
    http_seconds: Histogram = seconds(), "How long HTTP requests took";
}

fn seconds() -> Histogram {
    Histogram::new([
        0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
    ])
}
