//! The server is killed, restarted, sabotaged under load, again and again; then the checker reads what every client
//! did and saw, and `parlor verify` reads the store. More kills: `PARLOR_TEST_KILLS=1000`; the same run again:
//! `PARLOR_TEST_SEED=…` with the seed that a failure prints.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;

use crate::{checker::Breach, harness::*, swarm::Swarm};

const KILLS: u64 = 20;

fn from_environment(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is a whole number, not {value:?}")),
    )
}

/// The seed of this run, printed: the output is shown when the test fails.
fn seeded() -> (u64, StdRng) {
    let seed = from_environment("PARLOR_TEST_SEED").unwrap_or_else(|| rand::rng().random_range(0..1_000_000));
    println!("PARLOR_TEST_SEED={seed}");
    (seed, StdRng::seed_from_u64(seed))
}

/// All promises were kept, and the store is sound.
async fn holds(mut server: Server, swarm: Swarm, seed: u64) {
    let acknowledged = swarm.acknowledged();
    let breaches = swarm.ends().await;
    assert!(
        breaches.is_empty(),
        "seed {seed}, {acknowledged} acknowledged: {}",
        shown(&breaches)
    );
    println!("{acknowledged} acknowledged sends, every promise kept");
    server.stop().await;
    server.place().parlor(&["verify"]).await.succeeded();
}

fn shown(breaches: &[Breach]) -> String {
    let lines: Vec<String> = breaches
        .iter()
        .take(20)
        .map(|breach| format!("\n  {breach:?}"))
        .collect();
    format!("{} promises were not kept:{}", breaches.len(), lines.concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_doubled_or_reordered_by_kills() {
    let (seed, mut rng) = seeded();
    let mut server = Server::with().on_a_port_of_its_own().start().await;
    let swarm = Swarm::start(&server, seed).await;
    for _ in 0..from_environment("PARLOR_TEST_KILLS").unwrap_or(KILLS) {
        // Some in the middle of the rush of reconnecting clients, most after a while of work; the exact moment is
        // the scheduler's, and so are the commits under way.
        let work = if rng.random_ratio(1, 5) {
            0
        } else {
            rng.random_range(1..400)
        };
        swarm.acknowledges(work).await;
        for _ in 0..rng.random_range(0..100) {
            tokio::task::yield_now().await;
        }
        server.kill().await;
        server.restart().await;
        swarm.server_started();
    }
    swarm.acknowledges(100).await;
    holds(server, swarm, seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_by_polite_restarts() {
    let (seed, mut rng) = seeded();
    let mut server = Server::with().on_a_port_of_its_own().start().await;
    let swarm = Swarm::start(&server, seed).await;
    for _ in 0..5 {
        swarm.acknowledges(rng.random_range(1..500)).await;
        server.stop().await;
        server.restart().await;
        swarm.server_started();
    }
    swarm.acknowledges(100).await;
    holds(server, swarm, seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_steady_load_keeps_every_promise() {
    let (seed, _) = seeded();
    let server = Server::start().await;
    let swarm = Swarm::start(&server, seed).await;
    swarm.acknowledges(5_000).await;
    holds(server, swarm, seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_that_panic_under_load_keep_every_promise() {
    need_faults();
    let (seed, mut rng) = seeded();
    let server = Server::start().await;
    let swarm = Swarm::start(&server, seed).await;
    let saboteur = server.user("ann").await.connect().await;
    for _ in 0..10 {
        swarm.acknowledges(rng.random_range(1..300)).await;
        // Ann is in the first and the third conversation.
        let chat = &swarm.chats[if rng.random_ratio(1, 2) { 0 } else { 2 }].0;
        let data = json!({"conversationId": chat.id, "content": "!!parlor-fault-panic-room"});
        saboteur
            .asks("send_message", data)
            .await
            .expect_err("the room panicked");
    }
    swarm.acknowledges(500).await;
    drop(saboteur);
    holds(server, swarm, seed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_locks_under_load_keeps_every_promise() {
    let (seed, mut rng) = seeded();
    let server = Server::start().await;
    let swarm = Swarm::start(&server, seed).await;
    let mut store = Store::open(server.place());
    for _ in 0..2 {
        swarm.acknowledges(rng.random_range(1..500)).await;
        store.locks();
        swarm.is_refused(10).await;
        store.unlocks();
    }
    swarm.acknowledges(500).await;
    drop(store);
    holds(server, swarm, seed).await;
}
