//! What members ask a room to change, and whether they may. What passes becomes an op that waits for the next commit.

use std::sync::Arc;

use actix::{AsyncContext, Context, Handler, Message};
use rand::Rng;
use tokio::time::Instant;

use super::{Loaded, Pending, Room, Seat, settings::note};
use crate::{
    actors::reply::{Answer, Reply},
    db::{NewMessage, Op, Pass},
    domain::{
        Content, Emoji, Kind, MessageId, MessageType, Role, Settings, Timestamp, User,
        message::Draft,
        permission::{self, Action},
    },
    protocol::{ApiError, ErrorCode, command::ReadUpTo},
};

/// Changes that may wait behind the commit that is on its way; one more is refused with `RATE_LIMITED`.
const PENDING: usize = 1 << 13;

/// A member (or somebody who thinks so) wants something changed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Submit {
    /// Who.
    pub by: Arc<User>,
    /// What.
    pub request: Request,
    /// Where the answer goes.
    pub reply: Reply,
    /// Since when they wait: the promised time runs from the asking, wherever it waits.
    pub since: Instant,
}

/// What may be asked.
pub enum Request {
    /// Append a message.
    Send(Draft),
    /// Give one's own message another content.
    Edit(MessageId, Content),
    /// Put a reaction on a message (`true`), or take one's own away.
    React(MessageId, Emoji, bool),
    /// Delete a message.
    Delete(MessageId),
    /// Move one's read cursor.
    MarkRead(ReadUpTo),
    /// Add this user as a member.
    Add(Arc<User>),
    /// Become a member by oneself.
    Join(Box<Pass>),
    /// Remove this user.
    Remove(Arc<User>),
    /// Leave.
    Leave,
    /// Give this member that role.
    SetRole(Arc<User>, Role),
    /// Change the name or policies.
    Configure(Box<Settings>),
    /// Delete the conversation.
    End,
}

impl Handler<Submit> for Room {
    type Result = ();

    fn handle(&mut self, submit: Submit, ctx: &mut Self::Context) {
        self.used = Instant::now();
        if let Some(deferred) = &mut self.deferred {
            if deferred.len() >= PENDING {
                submit
                    .reply
                    .refuse(ApiError::rate_limited(super::TICK.as_millis() as u64));
            } else {
                deferred.push_back(submit);
            }
            return;
        }
        self.take_in(submit, ctx);
    }
}

impl Room {
    /// Checks a request and queues it for the next commit.
    pub(super) fn take_in(&mut self, submit: Submit, ctx: &mut Context<Self>) {
        if self.pending.len() >= PENDING {
            submit
                .reply
                .refuse(ApiError::rate_limited(super::TICK.as_millis() as u64));
            return;
        }
        #[cfg(feature = "faults")]
        if let Request::Send(draft) = &submit.request {
            assert!(
                draft.content.as_str() != "!!parlor-fault-panic-room",
                "a test asked this room to panic"
            );
        }
        let (at, random) = (self.node.clock.now(), self.rng.next_u64());
        let op = self
            .open()
            .and_then(|room| room.op(&submit.by, submit.request, at, random));
        match op {
            Ok(None) => submit.reply.answer(Answer::Done {}),
            Ok(Some(op)) => {
                if op.decides_what_follows() {
                    self.deferred = Some(Default::default());
                }
                if matches!(op, Op::Send(_)) {
                    self.stop_typing(submit.by.key);
                }
                self.pending.push_back(Pending {
                    op,
                    reply: Some(submit.reply),
                    since: submit.since,
                });
                self.schedule(ctx);
            }
            Err(error) => submit.reply.refuse(error),
        }
    }

    /// Sends what is pending to the log behind what still waits in the mailbox, unless something is on its way already.
    pub(super) fn schedule(&mut self, ctx: &mut Context<Self>) {
        if self.committing.is_empty() && !self.flushing && !self.pending.is_empty() {
            self.flushing = true;
            ctx.notify(Flush);
        }
    }

    /// Takes in what waited for a change of the membership or the settings to be decided, up to the next one. While that
    /// change itself has to wait for the next commit, it stands last in the queue, and nothing is taken in.
    pub(super) fn resume_deferred(&mut self, ctx: &mut Context<Self>) {
        let undecided = self.pending.back().is_some_and(|last| last.op.decides_what_follows());
        if undecided || !self.doubt.is_none() {
            return;
        }
        let Some(mut waiting) = self.deferred.take() else {
            return;
        };
        while let Some(submit) = waiting.pop_front() {
            self.take_in(submit, ctx);
            if let Some(deferred) = &mut self.deferred {
                deferred.append(&mut waiting);
                return;
            }
        }
    }

    /// Refuses what waits for a change to be decided. What comes behind it goes on waiting for it.
    pub(super) fn refuse_deferred(&mut self, why: &ApiError) {
        for waiting in self.deferred.iter_mut().flat_map(|deferred| deferred.drain(..)) {
            waiting.reply.refuse(why.clone());
        }
    }
}

impl Loaded {
    /// What a request comes to; `None` when all is as it is asked to be already.
    fn op(&self, by: &Arc<User>, request: Request, at: Timestamp, random: u64) -> Result<Option<Op>, ApiError> {
        let request = match request {
            Request::Join(pass) => return self.join(by, pass, at, random),
            // What an administrator has the server say: commands lets nobody else, and they need not be a member.
            Request::Send(draft) if draft.kind == MessageType::System => {
                let sender = by.clone();
                return Ok(Some(Op::Send(Arc::new(NewMessage {
                    sender,
                    draft,
                    mentions: Vec::new(),
                    at,
                    random,
                    pause_seconds: None,
                }))));
            }
            request => request,
        };
        let Seat { role, .. } = *self.seats.get(&by.key).ok_or_else(ApiError::not_member)?;
        let check = |action| self.check(role, action);
        Ok(Some(match request {
            Request::Send(draft) => {
                check(Action::Send)?;
                Op::Send(Arc::new(NewMessage {
                    sender: by.clone(),
                    mentions: self.mentioned(&draft),
                    draft,
                    at,
                    random,
                    pause_seconds: self.conversation.policies.slow_mode_seconds,
                }))
            }
            Request::Edit(message, content) => {
                check(Action::Edit)?;
                Op::Edit {
                    message,
                    by: by.clone(),
                    mentions: self.seats.mentioned(&content),
                    content,
                    at,
                }
            }
            Request::React(message, emoji, add) => {
                check(Action::React)?;
                Op::React {
                    message,
                    by: by.clone(),
                    emoji,
                    add,
                    at,
                }
            }
            Request::Delete(message) => {
                check(Action::DeleteOwn)?;
                Op::Delete {
                    message,
                    by: by.clone(),
                    moderator: check(Action::DeleteOthers).is_ok(),
                    at,
                }
            }
            Request::MarkRead(upto) => Op::MarkRead { user: by.key, upto, at },
            Request::Add(user) => {
                check(Action::AddMember)?;
                let note = note(
                    "member_added",
                    Some(&user),
                    format!("{} added {}", by.display_name, user.display_name),
                );
                Op::AddMember {
                    actor: by.clone(),
                    user,
                    role: Role::Member,
                    pass: None,
                    note,
                    at,
                    random,
                }
            }
            Request::Remove(user) if user.key == by.key => self.leave(by, at, random).and_then(|op| {
                check(Action::Leave)?;
                Ok(op)
            })?,
            Request::Remove(user) => {
                let target = self.seats.get(&user.key).map(|seat| seat.role);
                // Whoever may not remove anybody learns no more than that.
                check(Action::Remove(target.unwrap_or(Role::Member)))?;
                target.ok_or(ApiError::new(ErrorCode::NotFound, "this user is not a member"))?;
                let note = note(
                    "member_removed",
                    Some(&user),
                    format!("{} removed {}", by.display_name, user.display_name),
                );
                Op::RemoveMember {
                    actor: by.clone(),
                    user,
                    heir: None,
                    note,
                    at,
                    random,
                }
            }
            // Of whom it does not ask whether they are a member: see above.
            Request::Join(_) => return Ok(None),
            Request::Leave => {
                check(Action::Leave)?;
                self.leave(by, at, random)?
            }
            Request::SetRole(user, given) => return self.give_role(by, user, given, at, random),
            Request::Configure(settings) => return self.configure(by, *settings, at, random),
            Request::End => self.end(by, at, random)?,
        }))
    }

    /// Whom a new message mentions.
    fn mentioned(&self, draft: &Draft) -> Vec<Arc<User>> {
        match draft.kind {
            MessageType::Text => self.seats.mentioned(&draft.content),
            MessageType::Drawing | MessageType::Image | MessageType::System => Vec::new(),
        }
    }

    /// Whether a member of this role may do that here.
    pub(super) fn check(&self, role: Role, action: Action) -> Result<(), ApiError> {
        permission::allowed(self.conversation.kind, role, action)
            .map_err(|why| ApiError::new(ErrorCode::Forbidden, why))
    }

    /// An owner who leaves hands over to the longest-standing admin, otherwise to the longest-standing member; but a room
    /// ends with them.
    fn leave(&self, by: &Arc<User>, at: Timestamp, random: u64) -> Result<Op, ApiError> {
        let owns = self.seats.get(&by.key).is_some_and(|seat| seat.role == Role::Owner);
        if owns && self.conversation.kind == Kind::Room {
            return self.end(by, at, random);
        }
        let mut others = self.seats.values().filter(|seat| seat.user.key != by.key);
        let heir = owns
            .then(|| {
                others
                    .clone()
                    .find(|seat| seat.role == Role::Admin)
                    .or_else(|| others.next())
            })
            .flatten();
        let text = match heir {
            Some(heir) => format!("{} left; {} is the owner now", by.display_name, heir.user.display_name),
            None => format!("{} left", by.display_name),
        };
        Ok(Op::RemoveMember {
            actor: by.clone(),
            user: by.clone(),
            heir: heir.map(|heir| heir.user.key),
            note: note("member_left", Some(by), text),
            at,
            random,
        })
    }
}

/// Comes back to the room behind what waits in its mailbox, so that all of it goes into the next commit.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Flush;
