//! One conversation as a store ought to keep it: a naive model of what each op does, without a database. Called by the fake
//! log (ops) and the fake store (reads); nothing here takes time or fails.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use parlor::{
    db::{Appended, Change, NewMessage, Op, Outcome, Refusal, SyncPage},
    domain::{
        Content, Conversation, Emoji, Member, Message, MessageId, MessageType, Reaction, Role, Seq, Timestamp, User,
        UserId, UserKey, conversation::ConversationView, message::Quote,
    },
    protocol::command::ReadUpTo,
};

use super::faults::Sabotage;

pub struct Chat {
    pub conversation: Conversation,
    /// Longest-standing first.
    pub members: Vec<Member>,
    /// In their latest form, by position.
    pub messages: Vec<Message>,
    pub head: Seq,
    /// Deleted: it exists for nobody any more, and takes no more ops.
    pub ended: bool,
    deletions: BTreeMap<Seq, (MessageId, Timestamp, UserId)>,
    /// Edits (`true`) and reactions.
    others: BTreeMap<Seq, (MessageId, bool)>,
    /// What edited messages said first.
    originals: HashMap<MessageId, Content>,
}

impl Chat {
    pub fn new(conversation: Conversation, members: Vec<Member>) -> Chat {
        Chat {
            conversation,
            members,
            messages: Vec::new(),
            head: Seq(0),
            ended: false,
            deletions: BTreeMap::new(),
            others: BTreeMap::new(),
            originals: HashMap::new(),
        }
    }

    pub fn member(&self, user: UserKey) -> Option<&Member> {
        self.members.iter().find(|member| member.user.key == user)
    }

    pub fn append(&mut self, ops: &[Op], sabotage: Sabotage) -> Appended {
        let before = self.head;
        let mut outcomes: Vec<_> = Vec::with_capacity(ops.len());
        if sabotage == Sabotage::Reorders {
            outcomes = ops.iter().rev().map(|op| self.op(op, sabotage)).collect();
            outcomes.reverse();
        } else {
            outcomes.extend(ops.iter().map(|op| self.op(op, sabotage)));
        }
        Appended {
            outcomes,
            before,
            head: self.head,
        }
    }

    fn op(&mut self, op: &Op, sabotage: Sabotage) -> Result<Outcome, Refusal> {
        if self.ended {
            return Err(Refusal::Ended);
        }
        match op {
            Op::Send(new) => self.send(new, sabotage),
            Op::Edit {
                message,
                by,
                content,
                mentions,
                at,
            } => self.edit(*message, by, content, mentions, *at),
            Op::React {
                message,
                by,
                emoji,
                add,
                ..
            } => self.react(*message, by, emoji, *add),
            Op::Delete {
                message,
                by,
                moderator,
                at,
            } => self.delete(*message, by, *moderator, *at),
            Op::MarkRead { user, upto, .. } => self.mark_read(*user, *upto),
            // The simulation has no retention: nothing is past its time.
            Op::Expire { .. } => Ok(Outcome::Expired {
                upto: Seq(0),
                more: false,
            }),
            Op::AddMember {
                actor,
                user,
                role,
                note,
                at,
                random,
                ..
            } => {
                if self.member(user.key).is_some() {
                    return Err(Refusal::AlreadyMember);
                }
                self.members.push(Member {
                    user: user.clone(),
                    role: *role,
                    joined_at: *at,
                    last_read_seq: self.head,
                });
                Ok(self.note(actor, note, *at, *random))
            }
            Op::RemoveMember {
                actor,
                user,
                heir,
                note,
                at,
                random,
            } => self.remove(actor, user, *heir, note, *at, *random),
            Op::SetRole {
                actor,
                user,
                role,
                note,
                at,
                random,
            } => {
                self.set_role(actor.key, user.key, *role)?;
                Ok(self.note(actor, note, *at, *random))
            }
            Op::Configure {
                actor,
                settings,
                note,
                at,
                random,
            } => {
                settings.apply(&mut self.conversation);
                Ok(self.note(actor, note, *at, *random))
            }
            Op::End {
                actor,
                note,
                at,
                random,
            } => {
                self.ended = true;
                Ok(self.note(actor, note, *at, *random))
            }
        }
    }

    fn send(&mut self, new: &NewMessage, sabotage: Sabotage) -> Result<Outcome, Refusal> {
        let known = |message: &&Message| {
            new.draft.client_id.is_some()
                && message.client_id == new.draft.client_id
                && message.sender.key == new.sender.key
        };
        if sabotage != Sabotage::ForgetsClientIds
            && let Some(known) = self.messages.iter().find(known)
        {
            // A deleted message's content is kept for audit; the simulation repeats no deleted one with another content.
            let first = self.originals.get(&known.id).or(known.content.as_ref());
            let same =
                known.reply_to_id == new.draft.reply_to && first.is_none_or(|content| *content == new.draft.content);
            return if same {
                Ok(Outcome::Repeated(Box::new(known.clone())))
            } else {
                Err(Refusal::OtherContent)
            };
        }
        let answered = new.draft.reply_to.map(|id| {
            let answered = self.messages.iter().find(|message| message.id == id);
            answered.ok_or(Refusal::NoSuchReply).map(|answered| {
                let content = answered.content.as_ref()?;
                let (sender, seq) = (answered.sender.clone(), answered.seq);
                Some(Box::new(Quote::new(id, seq, answered.kind, sender, content.as_str())))
            })
        });
        let quote = answered.transpose()?.flatten();
        let (id, seq) = self.say(&new.sender, new.draft.kind, &new.draft.content, new.at, new.random);
        if let Some(message) = self.messages.last_mut() {
            message.client_id = new.draft.client_id.clone();
            message.reply_to_id = new.draft.reply_to;
            message.reply_to = quote.clone();
            message.mentions = new.mentions.iter().map(|user| user.id.clone()).collect();
        }
        match sabotage {
            Sabotage::LosesAcknowledged => {
                self.messages.pop();
            }
            Sabotage::GivesASeqTwice => self.head = Seq(self.head.0 - 1),
            Sabotage::SkipsASeq => self.head = self.head.next(),
            _ => {}
        }
        Ok(Outcome::Sent { id, seq, quote })
    }

    fn edit(
        &mut self,
        id: MessageId,
        by: &User,
        content: &Content,
        mentions: &[Arc<User>],
        at: Timestamp,
    ) -> Result<Outcome, Refusal> {
        let next = self.head.next();
        let message = self.messages.iter_mut().find(|message| message.id == id);
        let message = message.ok_or(Refusal::NoSuchMessage)?;
        if message.kind == MessageType::System || message.sender.key != by.key {
            return Err(Refusal::NotYours);
        }
        let before = message.content.clone().ok_or(Refusal::Deleted)?;
        let changed = before != *content;
        if changed {
            self.originals.entry(id).or_insert(before);
            message.content = Some(content.clone());
            message.mentions = mentions.iter().map(|user| user.id.clone()).collect();
            (message.edited_at, message.change_seq) = (Some(at), next);
            self.head = next;
            self.others.insert(next, (id, true));
        }
        let message = Box::new(message.clone());
        Ok(Outcome::Edited { message, changed })
    }

    fn react(&mut self, id: MessageId, by: &User, emoji: &Emoji, add: bool) -> Result<Outcome, Refusal> {
        let next = self.head.next();
        let message = self.messages.iter_mut().find(|message| message.id == id);
        let message = message.ok_or(Refusal::NoSuchMessage)?;
        if message.kind == MessageType::System {
            return Err(Refusal::SystemMessage);
        }
        if message.content.is_none() {
            return Err(Refusal::Deleted);
        }
        let of_emoji = message.reactions.iter_mut().find(|one| one.emoji == emoji.as_str());
        let there = of_emoji.as_ref().is_some_and(|one| one.user_ids.contains(&by.id));
        match of_emoji {
            Some(one) if add && !there => one.user_ids.push(by.id.clone()),
            Some(one) if !add => one.user_ids.retain(|user| *user != by.id),
            None if add => message.reactions.push(Reaction {
                emoji: emoji.as_str().to_owned(),
                user_ids: vec![by.id.clone()],
            }),
            _ => {}
        }
        message.reactions.retain(|one| !one.user_ids.is_empty());
        let changed = (there != add).then_some(next);
        if let Some(seq) = changed {
            (message.change_seq, self.head) = (seq, seq);
            self.others.insert(seq, (id, false));
        }
        Ok(Outcome::Reacted {
            seq: changed,
            reactions: message.reactions.clone(),
        })
    }

    fn say(
        &mut self,
        sender: &Arc<User>,
        kind: MessageType,
        content: &Content,
        at: Timestamp,
        random: u64,
    ) -> (MessageId, Seq) {
        self.head = self.head.next();
        let id = MessageId::at_seq(at, self.head, random);
        self.messages.push(Message {
            id,
            conversation_id: self.conversation.id,
            seq: self.head,
            change_seq: self.head,
            kind,
            content: Some(content.clone()),
            sender: sender.clone(),
            client_id: None,
            reply_to_id: None,
            reply_to: None,
            mentions: Vec::new(),
            reactions: Vec::new(),
            created_at: at,
            edited_at: None,
            deleted_at: None,
        });
        (id, self.head)
    }

    fn note(&mut self, actor: &Arc<User>, note: &Content, at: Timestamp, random: u64) -> Outcome {
        let (id, seq) = self.say(actor, MessageType::System, note, at, random);
        Outcome::Membership { id, seq }
    }

    fn delete(&mut self, id: MessageId, by: &User, moderator: bool, at: Timestamp) -> Result<Outcome, Refusal> {
        let next = self.head.next();
        let message = self.messages.iter_mut().find(|message| message.id == id);
        let message = message.ok_or(Refusal::NoSuchMessage)?;
        if message.kind == MessageType::System || (message.sender.key != by.key && !moderator) {
            return Err(Refusal::NotYours);
        }
        let already = message.content.is_none();
        if !already {
            (message.deleted_at, message.change_seq) = (Some(at), next);
            // It is kept for audit, and tells whether a client id is repeated rightly.
            if let Some(content) = message.content.take() {
                self.originals.entry(id).or_insert(content);
            }
            (message.reply_to, message.mentions, message.reactions) = (None, Vec::new(), Vec::new());
            self.head = next;
            self.deletions.insert(next, (id, at, by.id.clone()));
        }
        let seq = message.change_seq;
        let (_, at, by) = self.deletions[&seq].clone();
        Ok(Outcome::Deleted { seq, at, by, already })
    }

    fn mark_read(&mut self, user: UserKey, upto: ReadUpTo) -> Result<Outcome, Refusal> {
        let wanted = match upto {
            ReadUpTo::Seq(seq) => seq.min(self.head),
            ReadUpTo::Message(id) => {
                let found = self.messages.iter().find(|message| message.id == id);
                found.ok_or(Refusal::NoSuchMessage)?.seq
            }
        };
        let member = self.members.iter_mut().find(|member| member.user.key == user);
        let member = member.ok_or(Refusal::NotMember)?;
        let moved = wanted > member.last_read_seq;
        member.last_read_seq = member.last_read_seq.max(wanted);
        let last_read_seq = member.last_read_seq;
        Ok(Outcome::Read {
            last_read_seq,
            moved,
            unread_count: self.unread(user, last_read_seq),
            mention_count: self.mentions(user, last_read_seq),
        })
    }

    fn remove(
        &mut self,
        actor: &Arc<User>,
        user: &User,
        heir: Option<UserKey>,
        note: &Content,
        at: Timestamp,
        random: u64,
    ) -> Result<Outcome, Refusal> {
        self.member(user.key).ok_or(Refusal::NotMember)?;
        if let Some(heir) = heir {
            let heir = self.members.iter_mut().find(|member| member.user.key == heir);
            heir.ok_or(Refusal::NotMember)?.role = Role::Owner;
        }
        self.members.retain(|member| member.user.key != user.key);
        Ok(self.note(actor, note, at, random))
    }

    fn set_role(&mut self, actor: UserKey, user: UserKey, role: Role) -> Result<(), Refusal> {
        if self.member(actor).is_none_or(|actor| actor.role != Role::Owner) {
            return Err(Refusal::NotOwner);
        }
        for member in &mut self.members {
            if member.user.key == user {
                member.role = role;
            } else if member.user.key == actor && role == Role::Owner {
                member.role = Role::Admin;
            }
        }
        self.member(user).map(|_| ()).ok_or(Refusal::NotMember)
    }

    pub fn unread(&self, user: UserKey, after: Seq) -> u32 {
        let counts = |message: &&Message| {
            message.seq > after
                && message.sender.key != user
                && message.kind != MessageType::System
                && message.content.is_some()
        };
        self.messages.iter().filter(counts).count() as u32
    }

    fn mentions(&self, user: UserKey, after: Seq) -> u32 {
        let Some(member) = self.member(user) else { return 0 };
        let counts = |message: &&Message| {
            message.seq > after && message.sender.key != user && message.mentions.contains(&member.user.id)
        };
        self.messages.iter().filter(counts).count() as u32
    }

    /// What changed after `after`; a reset when more than `reset_after` changes were missed.
    pub fn sync(&self, after: Seq, limit: usize, reset_after: u32, sabotage: Sabotage) -> SyncPage {
        if after > self.head || self.head.0 - after.0 > reset_after {
            let newest = self.messages.len().saturating_sub(50);
            return SyncPage {
                messages: self.messages[newest..].to_vec(),
                seq: self.head,
                has_more: false,
                reset: true,
                older: newest > 0,
                expired: Seq(0),
            };
        }
        let mut messages: Vec<Message> = self.messages.iter().filter(|m| m.change_seq > after).cloned().collect();
        messages.sort_by_key(|message| message.change_seq);
        let has_more = messages.len() > limit;
        messages.truncate(limit);
        let last = messages.last().map(|message| message.change_seq);
        if sabotage == Sabotage::SyncsWithAHole && messages.len() > 2 {
            messages.remove(messages.len() / 2);
        }
        SyncPage {
            messages,
            seq: last.filter(|_| has_more).unwrap_or(self.head),
            has_more,
            reset: false,
            older: false,
            expired: Seq(0),
        }
    }

    pub fn changes(&self, after: Seq, limit: usize) -> Vec<Change> {
        let sent = self.messages.iter().filter(|message| message.seq > after);
        let deleted = self.deletions.range(after.next()..);
        let mut changes: Vec<Change> = sent
            .map(|message| Change::Sent(Box::new(message.clone())))
            .chain(deleted.map(|(seq, (message, at, by))| Change::Deleted {
                seq: *seq,
                message: *message,
                at: *at,
                by: by.clone(),
            }))
            .chain(self.others.range(after.next()..).filter_map(|(seq, (id, edited))| {
                let message = self.messages.iter().find(|message| message.id == *id)?;
                Some(self.told(*seq, message, *edited))
            }))
            .collect();
        changes.sort_by_key(Change::seq);
        changes.truncate(limit);
        changes
    }

    fn told(&self, seq: Seq, message: &Message, edited: bool) -> Change {
        match edited {
            true => Change::Edited {
                seq,
                message: Box::new(message.clone()),
            },
            false => Change::Reacted {
                seq,
                message: message.id,
                reactions: message.reactions.clone(),
                at: message.created_at,
            },
        }
    }

    /// The changes that are no new message, by their position: which message they changed.
    pub fn other_changes(&self) -> impl Iterator<Item = (Seq, MessageId)> {
        let deletions = self.deletions.iter().map(|(seq, (id, _, _))| (*seq, *id));
        deletions.chain(self.others.iter().map(|(seq, (id, _))| (*seq, *id)))
    }

    pub fn view(&self, user: UserKey) -> Option<ConversationView> {
        let member = self.member(user)?;
        let last_message = self.messages.last().cloned();
        Some(ConversationView {
            id: self.conversation.id,
            kind: self.conversation.kind,
            name: self.conversation.name.clone(),
            other_user: None,
            role: member.role,
            member_count: self.members.len() as u32,
            seq: self.head,
            last_message_at: last_message.as_ref().map(|message| message.created_at),
            last_message,
            slug: None,
            invite_code: None,
            mention_count: self.mentions(user, member.last_read_seq),
            expired_seq: Seq(0),
            unread_count: self.unread(user, member.last_read_seq),
            last_read_seq: member.last_read_seq,
            policies: self.conversation.policies.clone(),
            created_at: self.conversation.created_at,
        })
    }
}
