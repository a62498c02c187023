//! Puts the parts together, runs them, and takes them apart in the right order. Called by `cli` (`parlor serve`) and by
//! tests that want a server in their own process; decides nothing else.

use std::{io::Write, net::TcpListener, sync::Arc, time::Duration};

use actix::Actor;
use actix_rt::{Arbiter, ArbiterHandle, System};
use actix_web::web;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{Notify, oneshot},
};

use crate::{
    actors::{
        Node,
        janitor::Janitor,
        node::Settings,
        persistence::{Persistence, WhenIdle},
        presence::{Leave, Presence},
        relay::{Drain, Quiesce, Relays},
        rooms::Rooms,
        sweeper::Sweeper,
    },
    auth::{Authenticator, Passwords, RateLimits, Revoked, Tokens},
    config::{Config, make_private_dir},
    db::{Closer, Location, Opened, Purpose, Store},
    domain::{Clock, Entropy},
    http::{State, server, web as page},
    metrics::Metrics,
    protocol::{CloseCode, event::Limits},
    uploads::{Files, Uploads},
    webhooks::{self, Webhooks},
};

/// Passwords hashed at once: each takes 19 MiB and tens of milliseconds of one core.
const PASSWORDS_AT_ONCE: usize = 2;

/// Files that are open beside the connections: the store's, the log's, the listeners'.
const FILES_BESIDE: u64 = 100;

/// Where uploads are kept, in the data directory.
const UPLOADS: &str = "uploads";

/// How long the drain waits for answers under way, and then for clients to say goodbye. With the time that HTTP gets to
/// finish (`http::server`), the process is gone within 10 s.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// How long the receivers of webhooks may still answer then, and the store take down who was here.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);
/// See [`ANSWERS_WITHIN`].
const GOODBYES_WITHIN: Duration = Duration::from_secs(2);

/// Runs the server until it is told to stop (SIGTERM, SIGINT). Blocks.
///
/// # Errors
/// A sentence for the operator: why it could not start.
pub fn serve(config: Config) -> Result<(), String> {
    make_private_dir(&config.data_dir)
        .map_err(|error| format!("cannot make the data directory {}: {error}", config.data_dir.display()))?;
    raise_open_files(config.max_connections);
    let database = open(&config)?;
    let listener =
        TcpListener::bind(config.listen).map_err(|error| format!("cannot listen on {}: {error}", config.listen))?;
    let closer = System::new().block_on(run(config, database, listener))?;
    closer.close();
    log::info!(target: "parlor", "stopped");
    Ok(())
}

/// Where the data of `config` is.
pub fn location(config: &Config) -> Location {
    match config.postgres_url() {
        Some(url) => Location::Postgres(url.to_owned()),
        None => Location::Sqlite(config.sqlite_path()),
    }
}

fn open(config: &Config) -> Result<Opened, String> {
    let purpose = Purpose::Serve {
        migrate: config.migrate,
        readers: config.database_connections,
    };
    location(config).open(purpose).map_err(|error| error.to_string())
}

/// Runs the echoes that conformance suites speak to, on the loopback interface. Blocks.
///
/// # Errors
/// A sentence for the operator: why it could not start.
#[cfg(feature = "conformance")]
pub fn conformance(port: u16) -> Result<(), String> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let listener = TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let bound = listener.local_addr().map_err(|error| error.to_string())?;
    System::new().block_on(async {
        let server = crate::http::socketio::conformance::listen(listener).map_err(|error| error.to_string())?;
        let _ = writeln!(
            std::io::stdout(),
            "Parlor is listening on http://{bound} for conformance suites"
        );
        server.await.map_err(|error| error.to_string())
    })
}

/// Every connection is an open file, and the usual soft limit is 1024.
fn raise_open_files(connections: usize) {
    let wanted = connections as u64 + FILES_BESIDE;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => log::warn!(
            target: "parlor",
            "this process may open {limit} files: too few for {connections} connections (max_connections). \
             Raise the hard limit (ulimit -Hn, LimitNOFILE=)"
        ),
        Err(error) => log::warn!(target: "parlor", "the limit of open files could not be raised: {error}"),
    }
}

async fn run(config: Config, database: Opened, listener: TcpListener) -> Result<Closer, String> {
    let Opened {
        store,
        log,
        rolled_back,
        closer,
    } = database;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let clock = Clock::System;
    let tokens = Arc::new(Tokens::open(&config.jwt, &config.data_dir, clock.clone())?);
    let revoked = Arc::new(
        Revoked::load(store.clone(), clock.clone())
            .await
            .map_err(|error| error.to_string())?,
    );
    let (metrics, entropy) = (Metrics::default(), Entropy::system());
    let webhooks = start_webhooks(&config, &store, &clock, &entropy, &metrics).await?;
    let relays = Relays::new(config.workers);
    let threads: Vec<ArbiterHandle> = (0..config.room_threads.max(1))
        .map(|_| Arbiter::new().handle())
        .collect();
    let persistence = {
        let (metrics, webhooks) = (metrics.clone(), webhooks.clone());
        Persistence::start_in_arbiter(&Arbiter::new().handle(), move |_| {
            Persistence::new(log, metrics, webhooks)
        })
    };
    let presence = {
        let (metrics, webhooks) = (metrics.clone(), webhooks.clone());
        let presence = Presence::new(relays.clone(), store.clone(), clock.clone(), metrics, webhooks);
        Presence::start_in_arbiter(&threads[0], move |_| presence)
    };
    let node = Arc::new(Node {
        id: config.node_id.clone(),
        started_at: clock.now(),
        authenticator: Arc::new(Authenticator::new(
            tokens.clone(),
            store.clone(),
            revoked.clone(),
            clock.clone(),
        )),
        store,
        persistence,
        presence,
        relays,
        rooms: Rooms::new(threads),
        rates: Arc::new(RateLimits::new(&config.rates)),
        clock,
        entropy,
        webhooks,
        metrics,
        settings: settings(&config),
    });
    Janitor {
        node: node.clone(),
        revoked: revoked.clone(),
    }
    .start();
    let files = Files::new(config.data_dir.join(UPLOADS), config.upload_reserve);
    let uploads = Arc::new(Uploads::new(files));
    Sweeper::new(node.clone(), uploads.files.clone()).start();
    let passwords = Arc::new(Passwords::new(PASSWORDS_AT_ONCE)?);
    let state = web::Data::new(State::new(node, tokens, revoked, passwords, uploads, config));
    let server = server::listen(state.clone(), listener).map_err(|error| error.to_string())?;
    let handle = server.handle();
    let serving = actix_rt::spawn(server);
    // Before anybody is told that it runs: whoever stops it at once stops it politely.
    let signals = Signals::expect()?;
    announce(address, &state);
    let stopped = signals.told_to_stop(&rolled_back).await;
    drain(&state).await;
    handle.stop(true).await;
    let _ = serving.await;
    settle(&state.node).await;
    stopped.map(|()| closer)
}

/// On a thread of their own, whose blocking threads wait for receivers.
async fn start_webhooks(
    config: &Config,
    store: &Arc<dyn Store>,
    clock: &Clock,
    entropy: &Entropy,
    metrics: &Metrics,
) -> Result<Webhooks, String> {
    if config.webhooks.urls.is_empty() {
        return Ok(Webhooks::off());
    }
    let parts = webhooks::Parts {
        store: store.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        metrics: metrics.clone(),
    };
    Webhooks::start(&config.webhooks, parts, &Arbiter::new().handle()).await
}

fn settings(config: &Config) -> Settings {
    Settings {
        heartbeat: config.heartbeat,
        heartbeat_timeout: config.heartbeat_timeout,
        room_idle: config.room_idle,
        outbox_bytes: config.outbox_bytes,
        limits: Limits::with_rates(config.rates.messages_per_second, config.rates.events_per_second),
        reactions: config.reactions.clone(),
    }
}

/// What scripts wait for, and what a person wants to know next.
fn announce(address: std::net::SocketAddr, state: &State) {
    let mut out = std::io::stdout().lock();
    // A closed standard output is no reason not to serve.
    let _ = writeln!(out, "Parlor is listening on http://{address}");
    match page::missing() {
        None => {
            let _ = writeln!(out, "  chat      http://{address}/ in a browser");
        }
        Some(why) => log::warn!(target: "parlor", "this server has no chat page: {why}"),
    }
    let _ = writeln!(out, "  data      {}", state.config.data_dir.display());
    let program = std::env::args().next().unwrap_or_else(|| "parlor".to_owned());
    let _ = writeln!(
        out,
        "  try       {program} token alice   gives a token for ws://{address}/ws?token=…"
    );
    let _ = writeln!(out, "  API       http://{address}/api/openapi.json");
    let _ = writeln!(out, "  stop      Ctrl-C");
    let _ = out.flush();
}

/// What tells the process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they no longer end the process.
    fn expect() -> Result<Self, String> {
        let on = |kind| signal(kind).map_err(|error| format!("cannot wait for signals: {error}"));
        Ok(Self {
            terminate: on(SignalKind::terminate())?,
            interrupt: on(SignalKind::interrupt())?,
        })
    }

    /// Waits for one. An error: it has to stop without one.
    async fn told_to_stop(mut self, rolled_back: &Notify) -> Result<(), String> {
        tokio::select! {
            _ = self.terminate.recv() => log::info!(target: "parlor", "SIGTERM: draining"),
            _ = self.interrupt.recv() => log::info!(target: "parlor", "SIGINT: draining"),
            () = rolled_back.notified() => return Err("the database lacks what was committed: start again".to_owned()),
        }
        Ok(())
    }
}

/// No new sessions; answers under way go out; then everybody is told to come back later.
async fn drain(state: &State) {
    state.drain();
    let relays = &state.node.relays;
    let answered = async {
        while relays.ask_all(Quiesce).await.into_iter().sum::<u32>() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(ANSWERS_WITHIN, answered).await.is_err() {
        log::warn!(target: "parlor", "some requests were not answered in time");
    }
    relays.ask_all(Drain(CloseCode::Restarting)).await;
    let gone = async {
        while state.node.metrics.sessions.get() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(GOODBYES_WITHIN, gone).await.is_err() {
        log::info!(target: "parlor", "{} clients did not say goodbye", state.node.metrics.sessions.get());
    }
}

/// Waits until what was handed to the log is committed, and a little for the rest.
async fn settle(node: &Node) {
    let receivers = async {
        let stopped = tokio::time::timeout(SETTLED_WITHIN, node.webhooks.stop());
        if stopped.await.is_err() {
            log::info!(target: "parlor", "some webhooks were not answered: they are sent again after the next start");
        }
    };
    let last_seen = async {
        let (left, known) = oneshot::channel();
        let saved = async { node.presence.send(Leave(left)).await.is_ok() && known.await.is_ok() };
        if tokio::time::timeout(SETTLED_WITHIN, saved).await != Ok(true) {
            log::info!(target: "parlor", "who was here until now could not be saved");
        }
    };
    tokio::join!(receivers, last_seen);
    let (idle, committed) = oneshot::channel();
    if node.persistence.send(WhenIdle(idle)).await.is_ok() {
        let _ = committed.await;
    }
}
