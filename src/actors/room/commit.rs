//! From the queue to the log and back: one append of a room is on its way at a time, carrying everything that waited; what
//! comes back is broadcast in the order of its positions, then answered. Until it comes back nobody hears of it.

use std::collections::VecDeque;

use actix::{AsyncContext, Context, Handler, WrapFuture, fut::ActorFutureExt};
use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::{Pending, Room, State, submit::Flush};
use crate::{
    actors::{
        persistence::Append,
        relay::{Ack, Audience, Deliver, SessionRef, Tell},
        reply::{Answer, Settled},
    },
    db::{Appended, ConversationAppend, LogError, NewMessage, Op, Outcome, Refusal},
    domain::{ConversationId, Message, MessageId, Reaction, Seq, Timestamp, UserId, UserKey, message::Quote},
    protocol::{ApiError, Event, envelope},
};

/// Changes of one room in one append.
const OPS_AN_APPEND: usize = 1024;

/// What one commit has to say to the relays.
#[derive(Default)]
pub(super) struct Broadcast {
    span: Option<(Seq, Seq)>,
    count: u32,
    /// Answers by worker.
    acks: Vec<(u16, SmallVec<[Ack; 2]>)>,
    /// Behind the events: cursors that moved.
    pub(super) tells: Vec<Tell>,
}

impl Broadcast {
    pub(super) fn extend(&mut self, seq: Seq) {
        let first = self.span.map_or(seq, |(first, _)| first);
        self.span = Some((first, seq));
        self.count += 1;
    }

    fn settle(&mut self, settled: Settled) {
        let Settled::Ack(ack) = settled else { return };
        match self.acks.iter_mut().find(|(relay, _)| *relay == ack.session.relay) {
            Some((_, acks)) => acks.push(ack),
            None => self.acks.push((ack.session.relay, SmallVec::from_iter([ack]))),
        }
    }
}

impl Handler<Flush> for Room {
    type Result = ();

    fn handle(&mut self, _: Flush, ctx: &mut Self::Context) {
        self.flushing = false;
        self.append(ctx);
    }
}

impl Room {
    fn append(&mut self, ctx: &mut Context<Self>) {
        let State::Open(loaded) = &self.state else { return };
        // In doubt nothing is added to what is being read.
        if !self.committing.is_empty() || self.pending.is_empty() || !self.doubt.is_none() {
            return;
        }
        let conversation = loaded.conversation.key;
        let count = self.pending.len().min(OPS_AN_APPEND);
        self.committing = self.pending.drain(..count).collect();
        let ops = self.committing.iter().map(|pending| pending.op.clone()).collect();
        let decided = self.node.append(ConversationAppend { conversation, ops });
        ctx.spawn(decided.into_actor(self).map(|decided, room, ctx| {
            let committing = std::mem::take(&mut room.committing);
            match decided {
                Ok(appended) => room.committed(committing, appended, ctx),
                Err(error) => room.failed(committing, &error, ctx),
            }
            room.resume_deferred(ctx);
            room.schedule(ctx);
        }));
    }

    /// The log decided: broadcast and answer.
    fn committed(&mut self, committing: VecDeque<Pending>, appended: Appended, ctx: &mut Context<Self>) {
        let State::Open(loaded) = &mut self.state else { return };
        let in_order = appended.before == loaded.head && self.doubt.is_none();
        if in_order {
            loaded.head = appended.head;
        }
        let mut broadcast = Broadcast::default();
        for (pending, outcome) in committing.into_iter().zip(appended.outcomes) {
            self.decided(pending, outcome, in_order, &mut broadcast, ctx);
        }
        self.send(broadcast);
        if !in_order {
            self.recover(ctx);
        }
    }

    /// The log could not say that it committed: nobody is told that it did, and whoever asked may ask again.
    fn failed(&mut self, committing: VecDeque<Pending>, error: &LogError, ctx: &mut Context<Self>) {
        if committing.back().is_some_and(|last| last.op.decides_what_follows()) {
            // Behind a change that was not decided nobody's rights are known; and a log that fails is not to be waited for
            // once for each of those who wait in line.
            self.refuse_deferred(&ApiError::uncertain());
        }
        if committing.iter().any(|pending| matches!(pending.op, Op::Expire { .. })) {
            self.expiring = None;
        }
        for reply in committing.into_iter().filter_map(|pending| pending.reply) {
            reply.refuse(ApiError::uncertain());
        }
        if matches!(error, LogError::Unknown(_)) {
            self.recover(ctx);
        }
    }

    fn decided(
        &mut self,
        pending: Pending,
        outcome: Result<Outcome, Refusal>,
        in_order: bool,
        broadcast: &mut Broadcast,
        ctx: &mut Context<Self>,
    ) {
        let Pending { op, reply, .. } = pending;
        let asked_by = reply.as_ref().and_then(|reply| reply.session());
        let settled = match outcome {
            Err(refusal) => {
                return if let Some(reply) = reply {
                    reply.refuse(refusal.into())
                };
            }
            Ok(Outcome::Repeated(message)) => {
                let answer = || Answer::Sent {
                    message: message.clone(),
                    repeated: true,
                };
                reply.map(|reply| reply.settle(|id| envelope::answer(id, Ok(&answer())), answer))
            }
            Ok(Outcome::Sent { id, seq, quote }) => {
                let Op::Send(new) = &op else { return };
                let message = self.sent(new, id, seq, quote, in_order, broadcast);
                let writer = &self.writer;
                reply.map(|reply| {
                    reply.settle(
                        |id| writer.sent_answer(id),
                        || Answer::Sent {
                            message: Box::new(message),
                            repeated: false,
                        },
                    )
                })
            }
            Ok(Outcome::Edited { message, changed }) => {
                if changed && in_order {
                    self.edited(&message, broadcast);
                }
                let answer = || Answer::Edited {
                    message: message.clone(),
                };
                reply.map(|reply| reply.settle(|id| envelope::answer(id, Ok(&answer())), answer))
            }
            Ok(Outcome::Reacted { seq, reactions }) => {
                let Op::React { message, .. } = op else { return };
                if let Some(seq) = seq.filter(|_| in_order) {
                    self.reacted(message, seq, &reactions, broadcast);
                }
                let answer = || Answer::Reacted {
                    reactions: reactions.clone(),
                };
                reply.map(|reply| reply.settle(|id| envelope::answer(id, Ok(&answer())), answer))
            }
            Ok(Outcome::Deleted { seq, at, by, already }) => {
                let Op::Delete { message, .. } = op else { return };
                if !already && in_order {
                    self.deleted(message, seq, at, &by, broadcast);
                }
                let answer = || Answer::Deleted {
                    message_id: message,
                    seq,
                };
                reply.map(|reply| reply.settle(|id| envelope::answer(id, Ok(&answer())), answer))
            }
            Ok(Outcome::Read {
                last_read_seq,
                moved,
                unread_count,
                mention_count,
            }) => {
                if moved && let Op::MarkRead { user, at, .. } = op {
                    broadcast.tells.extend(self.read(user, last_read_seq, at, asked_by));
                }
                let answer = || Answer::Read {
                    last_read_seq,
                    unread_count,
                    mention_count,
                };
                reply.map(|reply| reply.settle(|id| envelope::answer(id, Ok(&answer())), answer))
            }
            Ok(Outcome::Expired { upto, more }) => {
                broadcast.tells.extend(self.expired(upto, more));
                return;
            }
            Ok(Outcome::Membership { id, seq }) => {
                // What was said before goes out to those who were members before.
                self.send(std::mem::take(broadcast));
                return self.membership(op, reply, id, seq, in_order, broadcast, ctx);
            }
        };
        if let Some(settled) = settled {
            broadcast.settle(settled);
        }
    }

    fn sent(
        &mut self,
        new: &NewMessage,
        id: MessageId,
        seq: Seq,
        quote: Option<Box<Quote>>,
        in_order: bool,
        broadcast: &mut Broadcast,
    ) -> Message {
        let message = Message {
            id,
            conversation_id: self.id,
            seq,
            change_seq: seq,
            kind: new.draft.kind,
            content: Some(new.draft.content.clone()),
            sender: new.sender.clone(),
            client_id: new.draft.client_id.clone(),
            reply_to_id: new.draft.reply_to,
            reply_to: quote,
            mentions: new.mentions.iter().map(|user| user.id.clone()).collect(),
            reactions: Vec::new(),
            created_at: new.at,
            edited_at: None,
            deleted_at: None,
        };
        self.recent.sent();
        self.writer.message(&message);
        if in_order {
            self.writer.new_message();
            broadcast.extend(seq);
        }
        message
    }

    fn edited(&mut self, message: &Message, broadcast: &mut Broadcast) {
        self.writer.event(&Event::MessageEdited {
            conversation_id: self.id,
            seq: message.change_seq,
            message,
        });
        broadcast.extend(message.change_seq);
    }

    fn reacted(&mut self, message: MessageId, seq: Seq, reactions: &[Reaction], broadcast: &mut Broadcast) {
        self.writer.event(&Event::ReactionUpdated {
            conversation_id: self.id,
            seq,
            message_id: message,
            reactions,
        });
        broadcast.extend(seq);
    }

    fn deleted(&mut self, message: MessageId, seq: Seq, at: Timestamp, by: &UserId, broadcast: &mut Broadcast) {
        self.writer.event(&Event::MessageDeleted {
            conversation_id: self.id,
            seq,
            message_id: message,
            deleted_at: at,
            deleted_by: by,
        });
        broadcast.extend(seq);
    }

    fn read(&self, user: UserKey, upto: Seq, at: Timestamp, except: Option<SessionRef>) -> Option<Tell> {
        let reader = self.seat(user).ok()?;
        let event = Event::MessageRead {
            conversation_id: self.id,
            user_id: &reader.user.id,
            last_read_seq: upto,
            read_at: at,
        };
        let audience = Audience::Members {
            conversation: self.id,
            except,
        };
        Some(Tell {
            audience,
            frame: envelope::event(&event),
        })
    }

    /// Hands one commit's events and answers to the relays: to those with listeners, and those with somebody to answer.
    fn send(&mut self, mut broadcast: Broadcast) {
        let events = self.writer.take();
        let listening: SmallVec<[u16; 8]> = self.node.relays.listening(self.id).collect();
        for relay in 0..self.node.relays.len() as u16 {
            let found = broadcast.acks.iter().position(|(to, _)| *to == relay);
            let acks = found.map_or_else(SmallVec::new, |found| broadcast.acks.swap_remove(found).1);
            let span = broadcast.span.filter(|_| listening.contains(&relay));
            if span.is_some() || !acks.is_empty() {
                let (conversation, count) = (self.id, broadcast.count);
                self.node.relays.offer(
                    relay,
                    Deliver {
                        conversation,
                        span,
                        events: events.clone(),
                        count,
                        acks,
                    },
                );
            }
        }
        for tell in broadcast.tells {
            self.tell(tell);
        }
    }

    pub(super) fn tell(&self, tell: Tell) {
        for relay in self.node.relays.listening(self.id) {
            self.node.relays.offer(relay, tell.clone());
        }
    }
}

impl crate::actors::Node {
    /// Hands an append to the log and waits for its decision. A queue that is full has committed nothing.
    pub(super) fn append(
        &self,
        append: ConversationAppend,
    ) -> impl Future<Output = Result<Appended, LogError>> + use<> {
        let (reply, decided) = oneshot::channel();
        let offered = self.persistence.try_send(Append { append, reply });
        async move {
            match offered {
                Ok(()) => decided
                    .await
                    .unwrap_or_else(|_| Err(LogError::Unknown("the log is gone".into()))),
                Err(_) => Err(LogError::Unavailable("the queue in front of the log is full".into())),
            }
        }
    }
}

/// What a relay needs to tell one change again.
pub(super) fn again(conversation: ConversationId, seq: Seq, events: bytes::Bytes) -> Deliver {
    Deliver {
        conversation,
        span: Some((seq, seq)),
        events,
        count: 1,
        acks: SmallVec::new(),
    }
}
