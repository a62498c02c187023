//! The node of a run: the real actors, put together as `app` does it, on the current thread. Called by `world`.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix::Actor;
use actix_rt::Arbiter;
use parlor::{
    actors::{
        Node,
        janitor::Janitor,
        node::Settings,
        persistence::Persistence,
        presence::Presence,
        relay::{Local, Relay, Relays},
        rooms::Rooms,
    },
    auth::{Authenticator, RateLimits, Revoked, Tokens},
    config::{JwtConfig, Rates},
    db::Store,
    domain::{Clock, Entropy, ReactionSet, Timestamp},
    metrics::Metrics,
    protocol::event::Limits,
    webhooks::Webhooks,
};
use rand::{RngExt, rngs::StdRng};

use super::store::FakeStore;

/// After how much idleness rooms retire: often within a run.
pub const ROOM_IDLE: Duration = Duration::from_secs(1);

/// Relays, each with sessions of its own; here they share a thread.
const WORKERS: usize = 2;

/// Starts everything that a client can reach.
pub async fn start(seed: u64, rng: &mut StdRng, fake: &FakeStore) -> (Arc<Node>, Vec<Rc<Local>>) {
    let clock = Clock::virtual_from(Timestamp::from_seconds(1_800_000_000));
    let store: Arc<dyn Store> = Arc::new(fake.clone());
    let jwt = JwtConfig {
        secret: Some("a secret of no use outside of the simulation".to_owned()),
        public_key: None,
        jwks: None,
        issuer: None,
        audience: None,
        ttl: Duration::from_secs(3600),
    };
    let dir = tempfile::tempdir().expect("a directory");
    let tokens = Arc::new(Tokens::open(&jwt, dir.path(), clock.clone()).expect("tokens"));
    let revoked = Arc::new(Revoked::load(store.clone(), clock.clone()).await.expect("none"));
    let per_second = [0, 10][rng.random_range(0..2)];
    let rates = Rates {
        messages_per_second: per_second,
        messages_burst: 2 * per_second,
        events_per_second: 2 * per_second,
        logins_per_minute: 0,
        guesses_per_minute: 0,
    };
    let (metrics, relays, here) = (Metrics::default(), Relays::new(WORKERS), Arbiter::current());
    let (log, counted) = (Box::new(fake.clone()), metrics.clone());
    let persistence = Persistence::start_in_arbiter(&here, move |_| Persistence::new(log, counted, Webhooks::off()));
    let presence = Presence::new(
        relays.clone(),
        store.clone(),
        clock.clone(),
        metrics.clone(),
        Webhooks::off(),
    );
    let node = Arc::new(Node {
        id: "simulated".to_owned(),
        started_at: clock.now(),
        authenticator: Arc::new(Authenticator::new(
            tokens,
            store.clone(),
            revoked.clone(),
            clock.clone(),
        )),
        store,
        persistence,
        presence: Presence::start_in_arbiter(&here, move |_| presence),
        relays,
        rooms: Rooms::new(vec![here]),
        rates: Arc::new(RateLimits::new(&rates)),
        clock,
        entropy: Entropy::seeded(seed),
        webhooks: Webhooks::off(),
        metrics,
        settings: Settings {
            heartbeat: Duration::from_secs(25),
            heartbeat_timeout: Duration::from_secs(45),
            room_idle: ROOM_IDLE,
            outbox_bytes: [8_000, 1_000_000][rng.random_range(0..2)],
            limits: Limits::with_rates(rates.messages_per_second, rates.events_per_second),
            reactions: ReactionSet::parse("heart,laugh").expect("a set"),
        },
    });
    let janitor = node.clone();
    Janitor { node: janitor, revoked }.start();
    let locals = (0..WORKERS as u16)
        .map(|worker| Relay::start_on_worker(&node, worker))
        .collect();
    (node, locals)
}
