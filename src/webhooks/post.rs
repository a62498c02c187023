//! A turn of a lane: reads what is to be told, signs it, sends it, one request after the other, and moves the cursor after
//! each answer. Called by `courier`, which decides whose turn it is; keeps nothing between two turns but the cursors.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::time::Instant;

use super::{
    client::{Client, Failure, Request},
    cursors::Cursors,
    event::{self, Event},
    hints::Presence,
    lanes::Turn,
    sign,
};
use crate::{
    config::{WebhookEvents, WebhookSecret},
    db::{EndpointKey, Store},
    domain::{Clock, ConversationKey},
    metrics::Metrics,
};

/// Changes read for one turn. Each may hold 64 KiB, and sixteen lanes of each endpoint have their turn at once.
const CHANGES_A_TURN: usize = 20;

/// Where to.
pub(super) struct Endpoint {
    pub key: EndpointKey,
    pub url: String,
}

/// What all turns share.
pub(super) struct Post {
    pub store: Arc<dyn Store>,
    pub client: Client,
    pub secrets: Vec<WebhookSecret>,
    pub events: WebhookEvents,
    pub clock: Clock,
    pub metrics: Metrics,
    pub cursors: Cursors,
    /// Turns that are on their way.
    pub turns: AtomicUsize,
    /// No further request is begun.
    pub stopping: AtomicBool,
}

impl Post {
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Counts a turn until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> Guard {
        self.turns.fetch_add(1, Ordering::Relaxed);
        Guard(self.clone())
    }

    /// Tells what is to be told next of a conversation.
    pub async fn tell(self: &Arc<Self>, endpoint: &Endpoint, conversation: ConversationKey) -> Turn {
        let told = self.cursors.known(endpoint.key, conversation);
        let found = self
            .store
            .webhook_news(endpoint.key, conversation, told, CHANGES_A_TURN)
            .await;
        let news = match found {
            Ok(Some(news)) => news,
            Ok(None) => return Turn::told(false, false),
            Err(error) => {
                log::warn!(target: "parlor::webhooks", "what is to be told cannot be read: {error}");
                return Turn::Unread;
            }
        };
        let mut events = event::all(&news);
        events.retain(|event| event.group.is_in(self.events));
        let place = news.conversation.id.to_string();
        let asked = !events.is_empty();
        for (at, event) in events.iter().enumerate() {
            if self.is_stopping() {
                return Turn::told(at > 0, true);
            }
            #[cfg(feature = "faults")]
            panic_once(&event.body);
            let seq = event.seq.to_string();
            let id = sign::id_of(&[self.store.epoch(), &endpoint.url, &place, &seq, event.kind]);
            if let Err(failure) = self.send(endpoint, id, event).await {
                return failed(&failure, event);
            }
            // A line that is told as two events is told when both are.
            if events.get(at + 1).is_none_or(|next| next.seq != event.seq) {
                self.cursors.advance(endpoint.key, conversation, event.seq);
            }
        }
        if told != Some(news.upto) {
            self.cursors.advance(endpoint.key, conversation, news.upto);
        }
        Turn::told(asked, news.more)
    }

    /// Tells who came and went, and leaves what was not told.
    pub async fn tell_presence(self: &Arc<Self>, endpoint: &Endpoint, seen: &mut Vec<(Presence, String)>) -> Turn {
        let asked = !seen.is_empty();
        while let Some((presence, id)) = seen.first() {
            if self.is_stopping() {
                break;
            }
            let event = event::of_presence(presence);
            if let Err(failure) = self.send(endpoint, id.clone(), &event).await {
                return failed(&failure, &event);
            }
            seen.remove(0);
        }
        Turn::told(asked, false)
    }

    /// One try.
    async fn send(self: &Arc<Self>, endpoint: &Endpoint, id: String, event: &Event) -> Result<(), Failure> {
        let now = self.clock.now();
        let request = Request {
            signature: sign::signatures(&self.secrets, &id, now, event.body.as_bytes()),
            id,
            timestamp: now.seconds(),
            body: event.body.clone(),
        };
        let (post, url, began) = (self.clone(), endpoint.url.clone(), Instant::now());
        let sent = tokio::task::spawn_blocking(move || post.client.post(&url, &request)).await;
        let sent = sent.unwrap_or_else(|error| Err(Failure::Connection(error.to_string())));
        self.metrics.webhook_seconds.observe(began.elapsed().as_secs_f64());
        match &sent {
            Ok(()) => self.metrics.webhook_delivered.inc(),
            Err(failure) => {
                let reason = [("reason", failure.name())];
                self.metrics.webhook_failed.get_or_create(&reason).inc()
            }
        };
        sent
    }
}

/// The switch of a failure test: whoever is first to tell of this panics.
#[cfg(feature = "faults")]
fn panic_once(body: &str) {
    static DONE: AtomicBool = AtomicBool::new(false);
    let asked = body.contains("!!parlor-fault-panic-courier");
    assert!(
        !asked || DONE.swap(true, Ordering::Relaxed),
        "a test asked the courier to panic"
    );
}

fn failed(failure: &Failure, event: &Event) -> Turn {
    let retry_after = match failure {
        Failure::Gone => return Turn::Gone,
        Failure::Status { retry_after, .. } => *retry_after,
        Failure::Timeout | Failure::Connection(_) => None,
    };
    log::debug!(target: "parlor::webhooks", "a {} was not taken: {failure}", event.kind);
    Turn::Failed {
        since: event.at,
        retry_after,
        why: failure.name(),
    }
}

/// See [`Post::begin`].
pub(super) struct Guard(Arc<Post>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.turns.fetch_sub(1, Ordering::Relaxed);
    }
}
