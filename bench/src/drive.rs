//! Runs the phases of a measurement on its threads: connect, settle, load, drain, repeat. Scenarios call `run`.
//! The threads meet at a barrier between phases; thread 0 leads (progress, probes). Never judges.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::sleep;

use crate::check::Ledger;
use crate::conn::Conn;
use crate::crew::{Shared, on_threads};
use crate::fault::{Faults, Kind};
use crate::handshake;
use crate::measure::{SECOND, Tally, Window};
use crate::probe::{Probe, Reading};
use crate::progress::Progress;
use crate::settle::settle;
use crate::shard::{Load, Shard, Share};
use crate::target::Target;
use crate::ticker::Ticker;
use crate::world::World;

/// Connections being opened at once, on all threads together.
const OPENING: usize = 64;

/// Quiet: nothing came in for this long. Bounded by `PATIENCE`, as somebody may always be talking.
const QUIET: u64 = SECOND * 3 / 10;
const PATIENCE: u64 = 30 * SECOND;

/// How often senders that pause are looked after in closed loop.
const PAUSE: Duration = Duration::from_millis(20);

/// Senders of a thread that repeat a message at the end.
const REPEATS: usize = 32;

/// Everything about a run, the same for all threads.
pub struct Run {
    pub target: Arc<Target>,
    pub world: Arc<World>,
    pub load: Load,
    pub connections: usize,
    pub threads: usize,
    pub warmup: Duration,
    pub seconds: Duration,
    /// How long to wait for the last answers, and then for the last deliveries.
    pub drain: Duration,
    pub probe: Probe,
    pub label: String,
    pub progress: bool,
    /// Whether a connection that cannot be opened ends the run, or is only counted.
    pub needs_all: bool,
}

/// What came out of it.
pub struct Measured {
    pub tally: Tally,
    pub faults: Faults,
    pub ledgers: Vec<Ledger>,
    pub connected: u64,
    pub connect_seconds: f64,
    pub before: Reading,
    pub window: (Reading, Reading),
    pub after: Reading,
}

impl Measured {
    /// With what the threads noted on their way.
    pub fn new(shared: &Shared, tally: Tally, faults: Faults, ledgers: Vec<Ledger>) -> Self {
        let readings = shared.readings();
        Self {
            tally,
            faults,
            ledgers,
            connected: shared.connected.load(Ordering::Relaxed),
            connect_seconds: readings.connect_seconds,
            before: readings.before,
            window: (readings.from, readings.to),
            after: readings.after,
        }
    }
}

/// Runs it and waits for the end. Blocks: the threads have runtimes of their own.
pub fn run(run: Run) -> Result<Measured, String> {
    let run = Arc::new(run);
    let shared = Arc::new(Shared::new(run.threads, run.world.rooms.len()));
    let (threads, sharing) = (run.threads, shared.clone());
    let shares = on_threads(threads, move |thread| {
        let (run, shared) = (run.clone(), sharing.clone());
        Driver { run, shared, thread }.drive()
    })?;
    conclude(&shared, shares)
}

fn conclude(shared: &Shared, mut shares: Vec<Share>) -> Result<Measured, String> {
    let failed = shared.take_failure();
    if let Some(why) = failed.or_else(|| shares.iter_mut().find_map(|share| share.hopeless.take())) {
        return Err(why);
    }
    let mut faults = Faults::default();
    let ledgers = settle(&mut shares, &mut faults);
    let mut tally = Tally::default();
    for share in shares {
        faults.merge(share.faults);
        tally.merge(share.tally);
    }
    Ok(Measured::new(shared, tally, faults, ledgers))
}

type Cell = Rc<RefCell<Shard>>;

/// One thread's way through the phases.
struct Driver {
    run: Arc<Run>,
    shared: Arc<Shared>,
    thread: usize,
}

impl Driver {
    async fn drive(self) -> Share {
        let shard = Rc::new(RefCell::new(Shard::new(
            self.run.world.clone(),
            self.run.load.clone(),
            self.shared.clock,
            self.run.target.socketio,
        )));
        let progress = Progress::new(self.run.label.clone(), self.run.progress && self.leads());
        self.connect(&shard, &progress).await;
        if !self.shared.has_failed() {
            self.load(&shard, &progress).await;
            self.drain(&shard, &progress).await;
            self.repeat(&shard).await;
        }
        progress.done();
        // The connections' tasks still hold the cell; they are dropped with the runtime.
        let (world, load) = (self.run.world.clone(), self.run.load.clone());
        shard
            .replace(Shard::new(world, load, self.shared.clock, false))
            .into_share()
    }

    fn leads(&self) -> bool {
        self.thread == 0
    }

    async fn meet(&self) {
        self.shared.meet().await;
    }

    /// This thread's connections: whole rooms where there are enough of them, as a room in one thread is checked
    /// without a second look at the end.
    fn mine(&self) -> Vec<usize> {
        let Run {
            world,
            threads,
            connections,
            ..
        } = &*self.run;
        let thread_of = |connection: usize| match world.room_of(connection) {
            Some(room) if world.rooms.len() >= *threads => room % threads,
            _ => connection % threads,
        };
        (0..*connections)
            .filter(|connection| thread_of(*connection) == self.thread)
            .collect()
    }

    async fn connect(&self, shard: &Cell, progress: &Progress) {
        if self.leads() {
            let before = self.run.probe.read().await;
            self.shared.note(|readings| readings.before = before);
        }
        self.meet().await;
        let begins = self.shared.clock.now();
        let at_once = OPENING.div_ceil(self.run.threads);
        let opening = self.mine().into_iter().map(|connection| self.open(shard, connection));
        let mut opening = stream::iter(opening).buffer_unordered(at_once);
        while opening.next().await.is_some() {
            let connected = self.shared.connected.load(Ordering::Relaxed);
            progress.show(|| format!("{connected} of {} connections", self.run.connections));
            if self.shared.has_failed() {
                break;
            }
        }
        drop(opening);
        self.meet().await;
        let took = self.shared.clock.now() - begins;
        self.quiet(shard).await;
        self.meet().await;
        if self.leads() {
            self.shared
                .note(|readings| readings.connect_seconds = took as f64 / SECOND as f64);
            self.shared
                .begins
                .store(self.shared.clock.now() + SECOND / 100, Ordering::Relaxed);
        }
        self.meet().await;
    }

    async fn open(&self, shard: &Cell, connection: usize) {
        let user = self.run.world.user_of(connection);
        match handshake::open(&self.run.target, connection, &user.token).await {
            Ok((stream, carry)) => {
                let conn = Conn::new(stream, connection as u32, self.run.world.room_of(connection), carry);
                let index = shard.borrow_mut().add(conn);
                let cell = shard.clone();
                tokio::task::spawn_local(poll_fn(move |context| cell.borrow_mut().poll(index, context)));
                self.shared.connected.fetch_add(1, Ordering::Relaxed);
            }
            Err(why) if self.run.needs_all => self.shared.fail(format!("connection {connection}: {why}")),
            Err(why) => {
                let mut shard = shard.borrow_mut();
                shard.tally.error("connect");
                shard.checker.faults.add(Kind::Closed, || {
                    format!("connection {connection} was not opened: {why}")
                });
            }
        }
    }

    /// Everybody's coming online is told to everybody: that is over before anything is measured.
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
        let window = Window {
            from,
            to: from + self.run.seconds.as_nanos() as u64,
        };
        while clock.now() < begins {
            sleep(Duration::from_millis(1)).await;
        }
        {
            let mut shard = shard.borrow_mut();
            shard.tally.window = window;
            shard.begin(begins, window.to);
        }
        let ticker = self.run.load.rate.map(|_| Ticker::start());
        let (mut ticks, mut measuring) = (0u64, false);
        while clock.now() < window.to && shard.borrow().hopeless.is_none() {
            if self.leads() && !measuring && clock.now() >= window.from {
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
            self.show_rates(shard, progress, begins);
        }
        if self.leads() {
            let reading = self.run.probe.cpu();
            self.shared.note(|readings| readings.to = reading);
        }
        shard.borrow_mut().stop_sending();
    }

    fn show_rates(&self, shard: &Cell, progress: &Progress, begins: u64) {
        let counts = (shard.borrow().tally.acked_ever, shard.borrow().tally.delivered_ever);
        self.shared.show_rates(self.thread, counts, begins, progress);
    }

    /// First all answers, so that everybody knows what the last position is; then everybody has to get there.
    async fn drain(&self, shard: &Cell, progress: &Progress) {
        if shard.borrow().hopeless.is_some() {
            self.shared.fail(shard.borrow().hopeless.clone().unwrap_or_default());
        }
        self.wait_for(shard, |shard| shard.is_answered()).await;
        for (known, last) in self.shared.last.iter().zip(&shard.borrow().last) {
            known.fetch_max(*last, Ordering::Relaxed);
        }
        progress.show(|| "waiting for the last deliveries".into());
        self.meet().await;
        let last = |room: usize| self.shared.last[room].load(Ordering::Relaxed);
        self.wait_for(shard, |shard| shard.is_complete(last)).await;
        self.meet().await;
        if self.leads() {
            let after = self.run.probe.read().await;
            self.shared.note(|readings| readings.after = after);
        }
    }

    async fn wait_for(&self, shard: &Cell, reached: impl Fn(&Shard) -> bool) {
        let deadline = self.shared.clock.now() + self.run.drain.as_nanos() as u64;
        while !reached(&shard.borrow()) && self.shared.clock.now() < deadline && !self.shared.has_failed() {
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn repeat(&self, shard: &Cell) {
        if self.shared.has_failed() {
            return;
        }
        shard.borrow_mut().repeat(REPEATS);
        self.wait_for(shard, |shard| shard.is_answered()).await;
        self.meet().await;
        self.quiet(shard).await;
        self.meet().await;
    }
}
