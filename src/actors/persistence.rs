//! The queue in front of the log: collects what rooms want committed while one batch is on its way, then hands all of it to the
//! log as the next one (group commit). One per store. Reorders nothing within a conversation; knows no database.

use std::{collections::VecDeque, time::Duration};

use actix::{Actor, AsyncContext, Context, Handler, Message, WrapFuture, fut::ActorFutureExt};
use tokio::{sync::oneshot, time::Instant};

use crate::{
    db::{Appended, ConversationAppend, Log, LogError, Op, Outcome},
    domain::ConversationKey,
    metrics::Metrics,
    webhooks::Webhooks,
};

/// Rooms that may wait at once. Each room has one append on its way at the most, so this bounds the rooms that write at the
/// same time; one more is told `Unavailable`, and its clients try again.
const MAILBOX: usize = 1 << 16;

/// Changes in one batch: keeps a commit, and with it the wait of everybody behind it, short.
const OPS_A_COMMIT: usize = 4096;

/// Bytes of content in one batch.
const BYTES_A_COMMIT: usize = 4 * 1024 * 1024;

/// What one room wants committed, and where the answer goes. A room sends the next one when it has the answer, so the order
/// within a conversation is the room's.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Append {
    /// What.
    pub append: ConversationAppend,
    /// Answered after the commit; dropped unanswered only if the process ends.
    pub reply: oneshot::Sender<Result<Appended, LogError>>,
}

/// Asks to be told when everything that waits is committed: the last thing before the process ends.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WhenIdle(pub oneshot::Sender<()>);

/// See the file's head.
pub struct Persistence {
    /// `None` while a batch is on its way.
    log: Option<Box<dyn Log>>,
    queue: VecDeque<Append>,
    idle: Vec<oneshot::Sender<()>>,
    flushing: bool,
    metrics: Metrics,
    /// Told which conversations changed, behind the commit.
    webhooks: Webhooks,
}

impl Persistence {
    /// In front of `log`.
    pub fn new(log: Box<dyn Log>, metrics: Metrics, webhooks: Webhooks) -> Self {
        Self {
            log: Some(log),
            queue: VecDeque::new(),
            idle: Vec::new(),
            flushing: false,
            metrics,
            webhooks,
        }
    }

    /// Begins the next batch behind what waits in the mailbox, unless one is on its way.
    fn schedule(&mut self, ctx: &mut Context<Self>) {
        if self.log.is_some() && !self.flushing {
            self.flushing = true;
            ctx.notify(Flush);
        }
    }

    fn take_batch(
        &mut self,
    ) -> (
        Vec<ConversationAppend>,
        Vec<oneshot::Sender<Result<Appended, LogError>>>,
    ) {
        let (mut batch, mut replies) = (Vec::new(), Vec::new());
        let (mut ops, mut bytes) = (0, 0);
        while let Some(next) = self.queue.front() {
            ops += next.append.ops.len();
            bytes += next.append.ops.iter().map(size).sum::<usize>();
            if !batch.is_empty() && (ops > OPS_A_COMMIT || bytes > BYTES_A_COMMIT) {
                break;
            }
            if let Some(Append { append, reply }) = self.queue.pop_front() {
                batch.push(append);
                replies.push(reply);
            }
        }
        (batch, replies)
    }

    fn commit(&mut self, ctx: &mut Context<Self>) {
        let Some(mut log) = self.log.take() else { return };
        let (batch, replies) = self.take_batch();
        let ops: usize = batch.iter().map(|append| append.ops.len()).sum();
        let began = Instant::now();
        let told = self.webhooks.is_on();
        let places = batch
            .iter()
            .map(|append| append.conversation)
            .filter(|_| told)
            .collect();
        let decided = async move {
            let answers = log.append(batch).await;
            (log, answers)
        };
        ctx.spawn(decided.into_actor(self).map(move |(log, answers), actor, ctx| {
            actor.log = Some(log);
            actor.metrics.append_queue.dec_by(ops as i64);
            actor.count(&answers, began.elapsed(), ops);
            actor.hint(places, &answers);
            for (reply, answer) in replies.into_iter().zip(answers) {
                // A room that panicked meanwhile reads the log again when it begins anew.
                let _ = reply.send(answer);
            }
            if actor.queue.is_empty() {
                for idle in actor.idle.drain(..) {
                    let _ = idle.send(());
                }
            } else {
                actor.schedule(ctx);
            }
        }));
    }

    /// Says where there is something to tell. Where the outcome is unknown there may be; looking does no harm.
    fn hint(&self, places: Vec<ConversationKey>, answers: &[Result<Appended, LogError>]) {
        if places.is_empty() {
            return;
        }
        let may_have = |answer: &Result<Appended, LogError>| match answer {
            Ok(appended) => appended.head > appended.before,
            Err(error) => matches!(error, LogError::Unknown(_)),
        };
        let changed = places.into_iter().zip(answers);
        let changed = changed.filter(|(_, answer)| may_have(answer));
        self.webhooks.changed(changed.map(|(place, _)| place));
    }

    fn count(&self, answers: &[Result<Appended, LogError>], took: Duration, ops: usize) {
        let appended = || answers.iter().filter_map(|answer| answer.as_ref().ok());
        if appended().next().is_some() {
            self.metrics.commits.inc();
            self.metrics.commit_seconds.observe(took.as_secs_f64());
            let committed: usize = appended().map(|one| one.outcomes.len()).sum();
            self.metrics.commit_ops.observe(committed as f64);
        }
        let outcomes = || appended().flat_map(|one| &one.outcomes);
        let sent = outcomes()
            .filter(|outcome| matches!(outcome, Ok(Outcome::Sent { .. })))
            .count();
        let repeated = outcomes()
            .filter(|outcome| matches!(outcome, Ok(Outcome::Repeated(_))))
            .count();
        self.metrics.messages.inc_by(sent as u64);
        self.metrics.messages_repeated.inc_by(repeated as u64);
        let changes = appended().map(|one| u64::from(one.head.0 - one.before.0));
        self.metrics.changes.inc_by(changes.sum());
        self.count_failures(answers, ops);
    }

    /// Once for each way in which a batch failed, however many conversations it concerns.
    fn count_failures(&self, answers: &[Result<Appended, LogError>], ops: usize) {
        for (unknown, known) in [(true, "unknown"), (false, "nothing_committed")] {
            let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
            let mut failed = errors.filter(|error| matches!(error, LogError::Unknown(_)) == unknown);
            let Some(first) = failed.next() else { continue };
            let (conversations, all) = (1 + failed.count(), answers.len());
            self.metrics.commits_failed.get_or_create(&[("outcome", known)]).inc();
            log::error!(
                target: "parlor::log",
                "{conversations} of {all} conversations with {ops} changes failed: {first}"
            );
        }
    }
}

fn size(op: &Op) -> usize {
    match op {
        Op::Send(message) => message.draft.content.as_str().len() + 128,
        // With what it said before.
        Op::Edit { content, .. } => 2 * content.as_str().len() + 512,
        // Each reads all that the message has.
        Op::React { .. } => 4096,
        _ => 256,
    }
}

impl Actor for Persistence {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Drop for Persistence {
    fn drop(&mut self) {
        // Without the log there is nothing to serve, and what was on its way is unknown: a restart finds out.
        if std::thread::panicking() {
            log::error!(target: "parlor::log", "the queue in front of the log panicked: the process ends, to be started again");
            std::process::exit(70);
        }
    }
}

impl Handler<Append> for Persistence {
    type Result = ();

    fn handle(&mut self, append: Append, ctx: &mut Self::Context) {
        self.metrics.append_queue.inc_by(append.append.ops.len() as i64);
        self.queue.push_back(append);
        self.schedule(ctx);
    }
}

impl Handler<WhenIdle> for Persistence {
    type Result = ();

    fn handle(&mut self, idle: WhenIdle, _: &mut Self::Context) {
        if self.log.is_some() && self.queue.is_empty() {
            let _ = idle.0.send(());
        } else {
            self.idle.push(idle.0);
        }
    }
}

/// Comes back to the actor behind what waits in its mailbox, so that all of it goes into the next batch.
#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Handler<Flush> for Persistence {
    type Result = ();

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) {
        self.flushing = false;
        if !self.queue.is_empty() {
            self.commit(ctx);
        }
    }
}
