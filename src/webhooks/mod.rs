//! Webhooks: the product's backend is told what happens here, each change of a conversation once at least and in the order of
//! its positions, by signed POSTs as Standard Webhooks has them. Started by `app`; `actors` say that there is something new.
//!
//! The log is the outbox ([`WebhookStore`](crate::db::WebhookStore)): whatever is committed is told, whenever that works.

mod client;
mod courier;
mod cursors;
mod event;
mod hints;
mod lanes;
mod post;
mod sign;

use std::{
    sync::{Arc, atomic::AtomicBool, atomic::AtomicUsize, atomic::Ordering},
    time::Duration,
};

use actix::Actor;
use actix_rt::ArbiterHandle;
use rand::rngs::StdRng;
use tokio::sync::oneshot;

pub use hints::Presence;

use self::{
    client::Client,
    courier::Courier,
    hints::Hints,
    post::{Endpoint, Post},
};
use crate::{
    config::WebhookConfig,
    db::Store,
    domain::{Clock, ConversationKey, Entropy, UserKey},
    metrics::Metrics,
};

/// The pause before a courier that panicked is begun again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often [`Webhooks::stop`] looks whether the last requests are answered.
const LOOK: Duration = Duration::from_millis(10);

/// The rest of the node's end of the webhooks. Costs nothing when there are none.
#[derive(Clone, Default)]
pub struct Webhooks(Option<Arc<On>>);

struct On {
    post: Arc<Post>,
    hints: Arc<Hints>,
}

/// What webhooks need of the node.
pub struct Parts {
    /// What is to be told, and what was.
    pub store: Arc<dyn Store>,
    /// The time of each try.
    pub clock: Clock,
    /// For pauses and ids.
    pub entropy: Entropy,
    /// What operators see.
    pub metrics: Metrics,
}

impl Webhooks {
    /// None.
    pub fn off() -> Self {
        Self(None)
    }

    /// Begins to tell, on `thread`. Before anything is committed: a new endpoint is told of what comes behind this.
    ///
    /// # Errors
    /// A line for the operator.
    pub async fn start(config: &WebhookConfig, parts: Parts, thread: &ArbiterHandle) -> Result<Self, String> {
        let Parts {
            store,
            clock,
            entropy,
            metrics,
        } = parts;
        let mut endpoints = Vec::new();
        for url in &config.urls {
            Client::check(url)?;
            let recorded = store.webhook_endpoint(url, clock.now()).await;
            let (key, new) = recorded.map_err(|error| error.to_string())?;
            let since = if new { "from now on" } else { "from where it was left" };
            log::info!(target: "parlor::webhooks", "{} is told of everything {since}", client::shown(url));
            endpoints.push(Arc::new(Endpoint { key, url: url.clone() }));
        }
        let post = Arc::new(Post {
            store,
            client: Client::new(config.timeout),
            secrets: config.secrets.clone(),
            events: config.events,
            clock,
            metrics,
            cursors: Default::default(),
            turns: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
        });
        let hints = Arc::new(Hints::default());
        let on = Arc::new(On { post, hints });
        let (retry_max, rng) = (config.retry_max, entropy.fork());
        let told = on.clone();
        thread.spawn(async move { told.keep_telling(&endpoints, retry_max, rng).await });
        Ok(Self(Some(on)))
    }

    /// Whether there are any.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Something was committed in these conversations, or they were made. Never waits.
    pub fn changed(&self, conversations: impl IntoIterator<Item = ConversationKey>) {
        if let Some(on) = &self.0 {
            on.hints.changed(conversations.into_iter());
        }
    }

    /// Somebody came or went. Best effort: told from memory, the latest of each user. Never waits.
    pub fn seen(&self, user: UserKey, presence: Presence) {
        if let Some(on) = &self.0
            && on.post.events.presence
            && !on.hints.seen(user, presence)
        {
            on.post.metrics.webhook_presence_dropped.inc();
        }
    }

    /// Begins no further request, waits for the answers to those under way, and saves what was told. What is not done when the
    /// caller stops waiting is told again after the next start.
    pub async fn stop(&self) {
        let Some(on) = &self.0 else { return };
        on.post.stopping.store(true, Ordering::Relaxed);
        while on.post.turns.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(LOOK).await;
        }
        if let Err(error) = on.post.cursors.save(&*on.post.store).await {
            log::warn!(target: "parlor::webhooks", "what receivers were told could not be saved: {error}");
        }
    }
}

impl On {
    /// Runs the courier, and begins another one when it panicked: the store says what is left to tell.
    async fn keep_telling(&self, endpoints: &[Arc<Endpoint>], retry_max: Duration, mut rng: StdRng) {
        let couriers = async {
            loop {
                let (alive, dead) = oneshot::channel();
                let fork = rand::SeedableRng::from_rng(&mut rng);
                let (post, hints) = (self.post.clone(), self.hints.clone());
                Courier::new(post, hints, endpoints, retry_max, fork, alive).start();
                let _ = dead.await;
                log::error!(target: "parlor::webhooks", "the courier ended unexpectedly: another one begins");
                tokio::time::sleep(AGAIN_AFTER).await;
            }
        };
        tokio::join!(couriers, self.post.cursors.keep_saving(&*self.post.store));
    }
}
