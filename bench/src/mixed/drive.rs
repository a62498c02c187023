//! Runs the phases of `mixed` on its threads: connect and join, break the ice, load, drain, reckon. The scenario calls
//! `run`. As `drive` does for messages alone; rooms are never split between threads. Never judges.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use reqwest::Client;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::sleep;

use super::figures::Figures;
use super::history::{self, AT_ONCE};
use super::shard::{Load, Shard, Share};
use crate::conn::Conn;
use crate::crew::{Shared, on_threads};
use crate::drive::Measured;
use crate::fault::Faults;
use crate::handshake;
use crate::measure::{SECOND, Tally, Window};
use crate::probe::Probe;
use crate::progress::Progress;
use crate::provision::client;
use crate::target::Target;
use crate::ticker::Ticker;
use crate::world::World;

/// Connections being opened at once, on all threads together.
const OPENING: usize = 64;
/// Quiet: nothing came in for this long. Bounded by `PATIENCE`.
const QUIET: u64 = SECOND * 3 / 10;
const PATIENCE: u64 = 30 * SECOND;
/// How often users that pause are looked after in closed loop.
const PAUSE: Duration = Duration::from_millis(20);

/// Everything about a run, the same for all threads.
pub struct Run {
    pub target: Arc<Target>,
    pub world: Arc<World>,
    pub load: Load,
    pub threads: usize,
    pub warmup: Duration,
    pub seconds: Duration,
    /// How long to wait for the last answers, and then for the last deliveries.
    pub drain: Duration,
    pub probe: Probe,
    pub label: String,
    pub progress: bool,
}

/// Runs it and waits for the end. Blocks: the threads have runtimes of their own.
pub fn run(run: Run) -> Result<(Measured, Figures), String> {
    // A room belongs to one thread, and a thread without rooms would only wait.
    let threads = run.threads.min(run.world.rooms.len());
    let run = Arc::new(Run { threads, ..run });
    let shared = Arc::new(Shared::new(threads, 0));
    // One each: the connections that a client keeps live on its thread.
    let clients = (0..threads).map(|_| client()).collect::<Result<Vec<_>, _>>()?;
    let sharing = shared.clone();
    let shares = on_threads(threads, move |thread| {
        let (run, shared, client) = (run.clone(), sharing.clone(), clients[thread].clone());
        Driver { run, shared, thread }.drive(client)
    })?;
    let (mut tally, mut figures, mut faults) = (Tally::default(), Figures::default(), Faults::default());
    let mut hopeless = shared.take_failure();
    for share in shares {
        hopeless = hopeless.or(share.hopeless);
        tally.merge(share.tally);
        figures.merge(share.figures);
        faults.merge(share.faults);
    }
    match hopeless {
        Some(why) => Err(why),
        None => Ok((Measured::new(&shared, tally, faults, Vec::new()), figures)),
    }
}

type Cell = Rc<RefCell<Shard>>;

/// One thread's way through the phases. All threads go through all of them, whatever fails: they meet in between.
struct Driver {
    run: Arc<Run>,
    shared: Arc<Shared>,
    thread: usize,
}

impl Driver {
    async fn drive(self, client: Client) -> Share {
        let Run { target, world, .. } = &*self.run;
        let (errands, wanted) = unbounded_channel();
        let new = |errands| {
            let load = self.run.load.clone();
            Shard::new(world.clone(), load, self.shared.clock, target.socketio, errands)
        };
        let shard = Rc::new(RefCell::new(new(errands)));
        let at_once = AT_ONCE / self.run.threads;
        let serving = history::serve(shard.clone(), wanted, client, (target.clone(), world.clone()), at_once);
        tokio::task::spawn_local(serving);
        let progress = Progress::new(self.run.label.clone(), self.run.progress && self.leads());
        self.connect(&shard, &progress).await;
        if !self.shared.has_failed() {
            self.load(&shard, &progress).await;
            self.drain(&shard, &progress).await;
        }
        progress.done();
        // The connections' tasks still hold the cell; they are dropped with the runtime.
        let (errands, _) = unbounded_channel();
        shard.replace(new(errands)).into_share()
    }

    fn leads(&self) -> bool {
        self.thread == 0
    }

    async fn connect(&self, shard: &Cell, progress: &Progress) {
        if self.leads() {
            let before = self.run.probe.read().await;
            self.shared.note(|readings| readings.before = before);
        }
        self.shared.meet().await;
        let begins = self.shared.clock.now();
        let all = self.run.world.users.len();
        let mine = (0..all).filter_map(|connection| {
            let room = self.run.world.room_of(connection)?;
            (room % self.run.threads == self.thread).then(|| self.open(shard, connection, room))
        });
        let mut opening = stream::iter(mine).buffer_unordered(OPENING.div_ceil(self.run.threads));
        while opening.next().await.is_some() {
            let connected = self.shared.connected.load(Ordering::Relaxed);
            progress.show(|| format!("{connected} of {all} connections"));
            if self.shared.has_failed() {
                break;
            }
        }
        drop(opening);
        self.shared.meet().await;
        let took = self.shared.clock.now() - begins;
        self.prepare(shard).await;
        self.shared.meet().await;
        if self.leads() {
            self.shared
                .note(|readings| readings.connect_seconds = took as f64 / SECOND as f64);
            let begins = self.shared.clock.now() + SECOND / 100;
            self.shared.begins.store(begins, Ordering::Relaxed);
        }
        self.shared.meet().await;
    }

    async fn open(&self, shard: &Cell, connection: usize, room: usize) {
        let user = self.run.world.user_of(connection);
        match handshake::open(&self.run.target, connection, &user.token).await {
            Ok((stream, carry)) => {
                let conn = Conn::new(stream, connection as u32, Some(room), carry);
                let index = shard.borrow_mut().add(conn, room);
                let cell = shard.clone();
                tokio::task::spawn_local(poll_fn(move |context| cell.borrow_mut().poll(index, context)));
                self.shared.connected.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) => self.shared.fail(format!("connection {connection}: {why}")),
        }
    }

    /// Everybody has joined, has said something once, and has heard of all others.
    async fn prepare(&self, shard: &Cell) {
        let patience = Duration::from_nanos(PATIENCE);
        self.wait_for(shard, patience, |shard| shard.is_answered()).await;
        if !shard.borrow().is_answered() {
            self.shared.fail("the rooms could not be joined in time".into());
        }
        self.despair(shard);
        if self.shared.has_failed() {
            return;
        }
        // The others' threads may still be joining, but not in these rooms.
        shard.borrow_mut().break_the_ice();
        self.wait_for(shard, patience, |shard| shard.is_answered() && shard.is_complete())
            .await;
        self.quiet(shard).await;
        self.despair(shard);
    }

    /// Ends the run for all threads if it has become pointless for this one.
    fn despair(&self, shard: &Cell) {
        if let Some(why) = shard.borrow().hopeless.clone() {
            self.shared.fail(why);
        }
    }

    async fn quiet(&self, shard: &Cell) {
        let deadline = self.shared.clock.now() + PATIENCE;
        loop {
            let (now, last) = (self.shared.clock.now(), shard.borrow().last_read);
            if now > last + QUIET || now > deadline {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn load(&self, shard: &Cell, progress: &Progress) {
        let clock = self.shared.clock;
        let begins = self.shared.begins.load(Ordering::Relaxed);
        let from = begins + self.run.warmup.as_nanos() as u64;
        let to = from + self.run.seconds.as_nanos() as u64;
        while clock.now() < begins {
            sleep(Duration::from_millis(1)).await;
        }
        shard.borrow_mut().begin(begins, Window { from, to });
        let ticker = self.run.load.rate.map(|_| Ticker::start());
        let (mut ticks, mut measuring) = (0u64, false);
        while clock.now() < to && shard.borrow().hopeless.is_none() {
            if self.leads() && !measuring && clock.now() >= from {
                measuring = true;
                let reading = self.run.probe.cpu();
                self.shared.note(|readings| readings.from = reading);
            }
            match &ticker {
                Some(ticker) => ticker.beat().await,
                None => sleep(PAUSE).await,
            }
            ticks += 1;
            shard.borrow_mut().tick(ticker.is_none() || ticks.is_multiple_of(64));
            let counts = {
                let shard = shard.borrow();
                (shard.figures.answered_ever, shard.tally.delivered_ever)
            };
            self.shared.show_rates(self.thread, counts, begins, progress);
        }
        if self.leads() {
            let reading = self.run.probe.cpu();
            self.shared.note(|readings| readings.to = reading);
        }
        shard.borrow_mut().stop();
    }

    /// First all answers, then everything that they acknowledged, then nothing more.
    async fn drain(&self, shard: &Cell, progress: &Progress) {
        self.despair(shard);
        progress.show(|| "waiting for the last answers and deliveries".into());
        self.wait_for(shard, self.run.drain, |shard| shard.is_answered()).await;
        self.wait_for(shard, self.run.drain, |shard| shard.is_complete()).await;
        self.shared.meet().await;
        if self.leads() {
            let after = self.run.probe.read().await;
            self.shared.note(|readings| readings.after = after);
        }
        if !self.shared.has_failed() {
            self.quiet(shard).await;
        }
    }

    async fn wait_for(&self, shard: &Cell, patience: Duration, reached: impl Fn(&Shard) -> bool) {
        let deadline = self.shared.clock.now() + patience.as_nanos() as u64;
        while !reached(&shard.borrow()) && self.shared.clock.now() < deadline && !self.shared.has_failed() {
            sleep(Duration::from_millis(5)).await;
        }
    }
}
