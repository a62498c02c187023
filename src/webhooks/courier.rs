//! Tells receivers what they were not told: one per node, on a thread of its own. Hears of news by `hints`, and finds what it
//! did not hear of in the store: at the start, from time to time, and when there was no place for a hint. Decides whose turn
//! it is by `lanes`; a turn itself is `post`'s. Commits nothing but cursors, and nobody waits for it.

use std::{sync::Arc, time::Duration};

use actix::{Actor, AsyncContext, Context, SpawnHandle, WrapFuture, fut::ActorFutureExt};
use indexmap::IndexMap;
use rand::{Rng, rngs::StdRng};
use tokio::{sync::oneshot, time::Instant};

use super::{
    client::shown,
    hints::{Hints, News, Presence},
    lanes::{Lane, Lanes, Turn},
    post::{Endpoint, Post},
};
use crate::{
    db::{Behind, StoreError},
    domain::{ConversationKey, UserKey},
};

/// How often it looks after itself.
const TICK: Duration = Duration::from_secs(1);
/// How often a look at all conversations begins, and how many are looked at in one read of the store.
const LOOK_EVERY: Duration = Duration::from_secs(60);
const LOOK_AT: usize = 1000;
/// Users whose coming or going waits for one endpoint; the oldest gives way.
const SEEN_MAX: usize = 10_000;
/// Of them told in one turn.
const SEEN_A_TURN: usize = 20;

/// Where the look at all conversations stands.
enum Look {
    /// It begins, or goes on, behind this one; at once rather than with the ticks when it is in a hurry.
    Behind(Option<ConversationKey>, bool),
    /// The store is being asked.
    Asking,
    /// It is through since then.
    Done(Instant),
}

struct Receiver {
    endpoint: Arc<Endpoint>,
    lanes: Lanes,
    look: Look,
    /// There was no place for a hint: the next look begins at once.
    lost_hints: bool,
    /// Who came or went, the latest of each, with the id that it is told under.
    seen: IndexMap<UserKey, (Presence, String)>,
}

/// See the file's head.
pub(super) struct Courier {
    post: Arc<Post>,
    hints: Arc<Hints>,
    receivers: Vec<Receiver>,
    rng: StdRng,
    wake: Option<SpawnHandle>,
    /// Dropped with the courier: whoever holds the other end begins it again.
    _alive: oneshot::Sender<()>,
}

impl Courier {
    pub fn new(
        post: Arc<Post>,
        hints: Arc<Hints>,
        endpoints: &[Arc<Endpoint>],
        retry_max: Duration,
        rng: StdRng,
        alive: oneshot::Sender<()>,
    ) -> Self {
        let receivers = endpoints.iter().map(|endpoint| Receiver {
            endpoint: endpoint.clone(),
            lanes: Lanes::new(retry_max),
            look: Look::Behind(None, true),
            lost_hints: false,
            seen: IndexMap::new(),
        });
        Self {
            receivers: receivers.collect(),
            post,
            hints,
            rng,
            wake: None,
            _alive: alive,
        }
    }

    fn listen(&mut self, ctx: &mut Context<Self>) {
        let hints = self.hints.clone();
        let heard = async move { hints.next().await };
        ctx.spawn(heard.into_actor(self).map(|news, courier, ctx| {
            courier.take_in(news);
            courier.go(ctx);
            courier.listen(ctx);
        }));
    }

    fn take_in(&mut self, news: News) {
        let now = self.post.clock.now();
        // One id for all receivers of an event that has no place in the log.
        let seen: Vec<_> = (news.seen.into_iter())
            .map(|(key, presence)| {
                (
                    key,
                    presence,
                    format!("msg_{:016x}{:016x}", self.rng.next_u64(), self.rng.next_u64()),
                )
            })
            .collect();
        for receiver in self.receivers.iter_mut().filter(|receiver| !receiver.lanes.is_gone()) {
            let mut overflowed = news.overflowed;
            for conversation in &news.changed {
                overflowed |= !receiver.lanes.add(Lane::Conversation(*conversation), now);
            }
            receiver.lost_hints |= overflowed;
            for (key, presence, id) in &seen {
                receiver.seen.insert(*key, (presence.clone(), id.clone()));
            }
            while receiver.seen.len() > SEEN_MAX {
                receiver.seen.shift_remove_index(0);
                self.post.metrics.webhook_presence_dropped.inc();
            }
            if !receiver.seen.is_empty() {
                receiver.lanes.add(Lane::Presence, now);
            }
        }
    }

    /// Gives turns to those who may have one, and comes back when the next one may.
    fn go(&mut self, ctx: &mut Context<Self>) {
        if let Some(wake) = self.wake.take() {
            ctx.cancel_future(wake);
        }
        if self.post.is_stopping() {
            return;
        }
        let now = Instant::now();
        for at in 0..self.receivers.len() {
            while let Some(lane) = self.receivers[at].lanes.next(now) {
                self.turn(at, lane, ctx);
            }
        }
        let next = self
            .receivers
            .iter()
            .filter_map(|receiver| receiver.lanes.wake_at())
            .min();
        self.wake = next.map(|at| ctx.run_later(at.saturating_duration_since(now), |courier, ctx| courier.go(ctx)));
    }

    fn turn(&mut self, at: usize, lane: Lane, ctx: &mut Context<Self>) {
        let (post, receiver) = (self.post.clone(), &mut self.receivers[at]);
        let endpoint = receiver.endpoint.clone();
        let guard = post.begin();
        let count = receiver
            .seen
            .len()
            .min(if lane == Lane::Presence { SEEN_A_TURN } else { 0 });
        let (keys, mut seen): (Vec<UserKey>, Vec<_>) = receiver.seen.drain(..count).unzip();
        let work = async move {
            let turn = match lane {
                Lane::Conversation(conversation) => post.tell(&endpoint, conversation).await,
                Lane::Presence => post.tell_presence(&endpoint, &mut seen).await,
            };
            drop(guard);
            let left = keys.into_iter().skip(count - seen.len()).zip(seen);
            (turn, left.collect::<Vec<_>>())
        };
        ctx.spawn(work.into_actor(self).map(move |(turn, left), courier, ctx| {
            courier.done(at, lane, turn, left);
            courier.go(ctx);
        }));
    }

    fn done(&mut self, at: usize, lane: Lane, turn: Turn, left: Vec<(UserKey, (Presence, String))>) {
        let receiver = &mut self.receivers[at];
        // What was not told goes to the front, unless there is something later of the same user.
        for (key, seen) in left.into_iter().rev() {
            if !receiver.seen.contains_key(&key) {
                receiver.seen.shift_insert(0, key, seen);
            }
        }
        let turn = match turn {
            Turn::Told { asked, .. } if lane == Lane::Presence => Turn::told(asked, !receiver.seen.is_empty()),
            turn => turn,
        };
        let before = (receiver.lanes.is_failing(), receiver.lanes.is_down());
        let known_to_be_gone = receiver.lanes.is_gone();
        receiver.lanes.done(lane, turn, Instant::now(), &mut self.rng);
        if known_to_be_gone {
            return;
        }
        receiver.report(before, turn);
        if turn == Turn::Gone {
            receiver.seen.clear();
            self.post.metrics.webhook_disabled.inc();
        }
    }

    /// Looks at the next conversations of an endpoint, for what nobody gave a hint of.
    fn look(&mut self, at: usize, ctx: &mut Context<Self>) {
        let receiver = &mut self.receivers[at];
        let Look::Behind(after, hurry) = receiver.look else {
            return;
        };
        if receiver.lanes.is_gone() || receiver.lanes.room() < LOOK_AT || self.post.is_stopping() {
            return;
        }
        receiver.look = Look::Asking;
        let (post, endpoint) = (self.post.clone(), receiver.endpoint.key);
        let look = async move { post.store.webhooks_behind(endpoint, after, LOOK_AT).await };
        ctx.spawn(look.into_actor(self).map(move |found, courier, ctx| {
            if courier.looked(at, after, hurry, found) {
                courier.look(at, ctx);
            }
            courier.go(ctx);
        }));
    }

    /// Takes in what was found; whether to look further at once.
    fn looked(
        &mut self,
        at: usize,
        after: Option<ConversationKey>,
        hurry: bool,
        found: Result<Behind, StoreError>,
    ) -> bool {
        let receiver = &mut self.receivers[at];
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                log::warn!(target: "parlor::webhooks", "the store cannot say what was not told: {error}");
                receiver.look = Look::Behind(after, hurry);
                return false;
            }
        };
        let mut all = true;
        for (conversation, since) in found.conversations {
            // One that is told at this moment may look as if it were not: its turn will find nothing.
            all &= receiver.lanes.add(Lane::Conversation(conversation), since);
        }
        receiver.look = match found.next {
            _ if !all => Look::Behind(after, true),
            Some(next) => Look::Behind(Some(next), hurry),
            None => Look::Done(Instant::now()),
        };
        hurry && all
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        for at in 0..self.receivers.len() {
            let receiver = &mut self.receivers[at];
            if let Look::Done(since) = receiver.look
                && (receiver.lost_hints || since.elapsed() >= LOOK_EVERY)
            {
                receiver.look = Look::Behind(None, std::mem::take(&mut receiver.lost_hints));
            }
            self.look(at, ctx);
        }
        self.measure();
    }

    fn measure(&self) {
        let metrics = &self.post.metrics;
        let backlog: usize = self.receivers.iter().map(|receiver| receiver.lanes.backlog()).sum();
        let oldest = self
            .receivers
            .iter()
            .filter_map(|receiver| receiver.lanes.oldest())
            .min();
        let age = oldest.map_or(0, |oldest| self.post.clock.now().since(oldest) / 1000);
        metrics.webhook_backlog.set(backlog as i64);
        metrics.webhook_oldest_seconds.set(age as i64);
    }
}

impl Receiver {
    /// Says to the operator when an endpoint begins to fail, is given up for now, is well again.
    fn report(&self, (was_failing, was_down): (bool, bool), turn: Turn) {
        let endpoint = shown(&self.endpoint.url);
        match turn {
            Turn::Gone => log::error!(
                target: "parlor::webhooks",
                "{endpoint} answered 410 Gone: it is told nothing more until a restart"
            ),
            Turn::Failed { why, .. } if !was_failing => {
                log::warn!(target: "parlor::webhooks", "{endpoint} was not told ({why}): it is tried again");
            }
            Turn::Failed { why, .. } if !was_down && self.lanes.is_down() => {
                log::warn!(target: "parlor::webhooks", "{endpoint} is down ({why}): one request at a time tries");
            }
            Turn::Told { asked: true, .. } if was_down => {
                log::info!(target: "parlor::webhooks", "{endpoint} is up again");
            }
            _ => {}
        }
    }
}

impl Actor for Courier {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.listen(ctx);
        for at in 0..self.receivers.len() {
            self.look(at, ctx);
        }
        ctx.run_interval(TICK, Self::tick);
    }
}
