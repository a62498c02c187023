//! What can be measured, one file each, and what they share. `main` calls `run`.
//! Never reads the wire: a scenario says what load it wants, `drive` does it.

use std::sync::Arc;
use std::time::Duration;

use crate::cli::{Common, Scenario, Timing};
use crate::drive::{self, Measured, Run};
use crate::fault::Faults;
use crate::history;
use crate::probe::Probe;
use crate::progress::Progress;
use crate::provision::{Wanted, provision};
use crate::report::Report;
use crate::shard::Load;
use crate::target::{Target, secret};
use crate::world::World;

mod all;
mod fanout;
mod idle;
mod mixed;
mod read;
mod send;

/// What every scenario needs of the command line.
pub struct Bench {
    common: Common,
    target: Arc<Target>,
}

impl Bench {
    pub fn new(common: Common) -> Result<Self, String> {
        let key = secret(common.secret.as_deref(), common.secret_file.as_deref())?;
        let target = Arc::new(Target::new(&common.url, &key, common.socketio)?);
        Ok(Self { common, target })
    }

    /// Runs what was asked for; `show` gets each report as soon as it is there.
    pub fn run(&self, scenario: &Scenario, show: &mut dyn FnMut(&Report)) -> Result<Vec<Report>, String> {
        let report = match scenario {
            Scenario::Send(args) => send::run(self, args)?,
            Scenario::Fanout(args) => fanout::run(self, args)?,
            Scenario::Idle(args) => idle::run(self, args)?,
            Scenario::Mixed(args) => mixed::run(self, args)?,
            Scenario::All(args) => return all::run(self, args, show),
            Scenario::Read(args) => return read::run(self, args).map(|()| Vec::new()),
            Scenario::Generate(args) => return crate::generate::run(args).map(|()| Vec::new()),
        };
        show(&report);
        Ok(vec![report])
    }

    fn progress(&self, label: &str) -> Progress {
        Progress::new(label, !self.common.no_progress)
    }

    /// A small event loop for the calls before and after the measurement, which has loops of its own.
    fn block_on<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime
            .map_err(|error| format!("no event loop: {error}"))?
            .block_on(work)
    }

    fn provision(&self, label: &str, wanted: &Wanted) -> Result<Arc<World>, String> {
        self.block_on(provision(&self.target, wanted, &self.progress(label)))
    }

    /// Rooms that are talked in: the common part of `send` and `fanout`.
    fn talk(&self, label: String, rooms: (usize, usize), load: Load, timing: &Timing) -> Result<Report, String> {
        let (rooms, members) = rooms;
        let connections = rooms * members;
        enough_files(connections)?;
        let world = self.provision(
            &label,
            &Wanted {
                users: connections,
                rooms,
                members,
            },
        )?;
        let size = load.size;
        let measured = drive::run(Run {
            target: self.target.clone(),
            world: world.clone(),
            load,
            connections,
            threads: usize::from(self.common.threads),
            warmup: Duration::from_secs_f64(timing.span.warmup),
            seconds: Duration::from_secs_f64(timing.span.seconds),
            drain: Duration::from_secs_f64(timing.span.drain),
            probe: Probe::new(self.common.pid, None),
            label: label.clone(),
            progress: !self.common.no_progress,
            needs_all: true,
        })?;
        self.conclude(label, world, measured, size, timing)
    }

    fn conclude(
        &self,
        label: String,
        world: Arc<World>,
        mut measured: Measured,
        size: usize,
        timing: &Timing,
    ) -> Result<Report, String> {
        let history = self.verify_history(&label, &world, &mut measured, size, timing.verify_history)?;
        let (acked, delivered) = (measured.tally.acked, measured.tally.delivered);
        let mut report = Report::of(label, measured, timing.span.seconds).with_rates(acked, delivered);
        report.history_checked = history;
        Ok(report)
    }

    fn verify_history(
        &self,
        label: &str,
        world: &Arc<World>,
        measured: &mut Measured,
        size: usize,
        rooms: usize,
    ) -> Result<Option<u64>, String> {
        if rooms == 0 {
            return Ok(None);
        }
        let mut faults = Faults::default();
        let progress = self.progress(label);
        let work = history::verify(
            &self.target,
            world,
            &measured.ledgers,
            (rooms, size),
            &mut faults,
            &progress,
        );
        let compared = self.block_on(work)?;
        measured.faults.merge(faults);
        Ok(Some(compared))
    }
}

/// A connection is a file: raises the process's limit, or says how far it goes.
fn enough_files(connections: usize) -> Result<(), String> {
    // Standard streams, event loops, REST calls.
    const OTHERS: u64 = 200;
    let needed = connections as u64 + OTHERS;
    match rlimit::increase_nofile_limit(needed) {
        Ok(limit) if limit >= needed => Ok(()),
        Ok(limit) => Err(format!(
            "{connections} connections need {needed} open files, and this process may open {limit} at most: raise the \
             hard limit (ulimit -Hn), the server's as well"
        )),
        Err(error) => Err(format!("the limit of open files cannot be raised: {error}")),
    }
}
