//! Random ops against a naive model: what each op answers, and that sync, history, changes and unread counts agree with what
//! the model remembers, page size by page size.

use std::{collections::BTreeMap, sync::Arc};

use parlor::{
    db::{Appended, Change, HistoryAt, Op, Outcome, Refusal},
    domain::{Conversation, Message, MessageId, MessageType, Reaction, Seq, User, message::Draft},
    protocol::command::ReadUpTo,
};
use proptest::{collection::vec, option, prelude::*};

use crate::world::{World, named, words};

/// What somebody does; the numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Act {
    Send {
        who: usize,
        client: Option<u8>,
        text: u8,
        calls: Option<usize>,
        answers: Option<usize>,
    },
    Delete {
        who: usize,
        which: usize,
        moderator: bool,
    },
    Edit {
        who: usize,
        which: usize,
        text: u8,
        calls: Option<usize>,
    },
    React {
        who: usize,
        which: usize,
        emoji: usize,
        add: bool,
    },
    ReadSeq {
        who: usize,
        upto: u32,
    },
    ReadMessage {
        who: usize,
        which: usize,
    },
    Add {
        who: usize,
    },
    Remove {
        who: usize,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0..3usize, option::of(0..6u8), 0..2u8, option::of(0..3usize), option::of(any::<usize>()))
            .prop_map(|(who, client, text, calls, answers)| Act::Send { who, client, text, calls, answers }),
        3 => (0..3usize, any::<usize>(), 0..2u8, option::of(0..3usize))
            .prop_map(|(who, which, text, calls)| Act::Edit { who, which, text, calls }),
        4 => (0..3usize, any::<usize>(), 0..3usize, prop::bool::weighted(0.7))
            .prop_map(|(who, which, emoji, add)| Act::React { who, which, emoji, add }),
        3 => (0..3usize, any::<usize>(), any::<bool>())
            .prop_map(|(who, which, moderator)| Act::Delete { who, which, moderator }),
        1 => (0..3usize, 0..60u32).prop_map(|(who, upto)| Act::ReadSeq { who, upto }),
        1 => (0..3usize, any::<usize>()).prop_map(|(who, which)| Act::ReadMessage { who, which }),
        1 => (1..3usize).prop_map(|who| Act::Add { who }),
        1 => (1..3usize).prop_map(|who| Act::Remove { who }),
    ]
}

#[derive(Debug, Clone)]
struct Said {
    id: MessageId,
    seq: u32,
    change: u32,
    who: usize,
    system: bool,
    deleted: bool,
    client: Option<u8>,
    answers: Option<MessageId>,
    /// All that it said, the last one last.
    texts: Vec<String>,
    /// Whom it calls.
    calls: Vec<usize>,
    /// By emoji in the order of first use, who in the order of theirs.
    reactions: Vec<(usize, Vec<usize>)>,
}

impl Said {
    fn spelled_reactions(&self, people: &[Arc<User>]) -> String {
        let one = |(emoji, who): &(usize, Vec<usize>)| {
            let who: Vec<&str> = who.iter().map(|who| people[*who].id.as_str()).collect();
            format!("{}:{}", EMOJI[*emoji], who.join("+"))
        };
        self.reactions.iter().map(one).collect::<Vec<_>>().join(" ")
    }
}

const EMOJI: [&str; 3] = ["heart", "fire", "+1"];

#[derive(Debug, Default)]
struct Model {
    said: Vec<Said>,
    deletions: BTreeMap<u32, (MessageId, usize)>,
    /// Edits (`true`) and reactions.
    others: BTreeMap<u32, (MessageId, bool)>,
    cursors: BTreeMap<usize, u32>,
    head: u32,
}

/// An outcome in words, so that the model's and the store's compare.
fn spell(outcome: &Result<Outcome, Refusal>) -> String {
    match outcome {
        Ok(Outcome::Membership { id, seq }) => format!("{id} at {seq}"),
        Ok(Outcome::Sent { id, seq, quote }) => match quote {
            Some(quote) => format!("{id} at {seq} to {} {:?}", quote.id, quote.preview),
            None => format!("{id} at {seq}"),
        },
        Ok(Outcome::Edited { message, changed }) => {
            let text = message.content.as_ref().map(|content| content.as_str());
            format!("{} says {text:?} since {} {changed}", message.id, message.change_seq)
        }
        Ok(Outcome::Reacted { seq, reactions }) => format!("{seq:?} {}", spell_reactions(reactions)),
        Ok(Outcome::Repeated(m)) => format!("{} was at {} until {}", m.id, m.seq, m.change_seq),
        Ok(Outcome::Deleted { seq, by, already, .. }) => format!("deleted at {seq} by {by}, already {already}"),
        Ok(Outcome::Read {
            last_read_seq,
            moved,
            unread_count,
            mention_count,
        }) => {
            format!("read {last_read_seq} {moved} {unread_count} {mention_count}")
        }
        Ok(Outcome::Expired { upto, more }) => format!("gone up to {upto}, more {more}"),
        Err(refusal) => format!("{refusal:?}"),
    }
}

fn spell_reactions(reactions: &[Reaction]) -> String {
    let one = |reaction: &Reaction| {
        let who: Vec<&str> = reaction.user_ids.iter().map(|user| user.as_str()).collect();
        format!("{}:{}", reaction.emoji, who.join("+"))
    };
    reactions.iter().map(one).collect::<Vec<_>>().join(" ")
}

impl Model {
    fn mentions(&self, who: usize, after: u32) -> usize {
        let counts = |s: &&Said| s.seq > after && s.who != who && !s.deleted && s.calls.contains(&who);
        self.said.iter().filter(counts).count()
    }

    fn unread(&self, who: usize, after: u32) -> usize {
        let counts = |s: &&Said| s.seq > after && s.who != who && !s.system && !s.deleted;
        self.said.iter().filter(counts).count()
    }

    /// What the op should answer, and what it changes.
    fn apply(&mut self, act: &Act, op: &Op, people: &[Arc<User>]) -> String {
        match (act, op) {
            (
                Act::Send {
                    who,
                    client,
                    text,
                    calls,
                    ..
                },
                Op::Send(message),
            ) => {
                let answers = message.draft.reply_to;
                let known = self
                    .said
                    .iter()
                    .find(|s| client.is_some() && s.client == *client && s.who == *who);
                if let Some(known) = known {
                    return match known.texts[0] == text.to_string() && known.answers == answers {
                        true => format!("{} was at {} until {}", known.id, known.seq, known.change),
                        false => "OtherContent".to_owned(),
                    };
                }
                let answered = self.said.iter().find(|s| Some(s.id) == answers);
                if answers.is_some() && answered.is_none() {
                    return "NoSuchReply".to_owned();
                }
                let quote = answered.filter(|s| !s.deleted).map(|s| {
                    let preview = (!s.system).then(|| s.texts.last().unwrap());
                    format!(" to {} {preview:?}", s.id)
                });
                let id = MessageId::at_seq(message.at, Seq(self.head + 1), message.random);
                let spelled = self.say(id, *who, false, *client, text.to_string());
                let said = self.said.last_mut().unwrap();
                (said.answers, said.calls) = (answers, calls.iter().copied().collect());
                spelled + &quote.unwrap_or_default()
            }
            (Act::Edit { who, text, calls, .. }, Op::Edit { message, .. }) => {
                let Some(said) = self.said.iter_mut().find(|s| s.id == *message) else {
                    return "NoSuchMessage".to_owned();
                };
                if said.system || said.who != *who {
                    return "NotYours".to_owned();
                }
                if said.deleted {
                    return "Deleted".to_owned();
                }
                let text = text.to_string();
                let changed = *said.texts.last().unwrap() != text;
                if changed {
                    self.head += 1;
                    said.change = self.head;
                    said.texts.push(text.clone());
                    said.calls = calls.iter().copied().collect();
                    self.others.insert(self.head, (*message, true));
                }
                format!("{message} says {:?} since {} {changed}", Some(text), said.change)
            }
            (Act::React { who, emoji, add, .. }, Op::React { message, .. }) => {
                let Some(said) = self.said.iter_mut().find(|s| s.id == *message) else {
                    return "NoSuchMessage".to_owned();
                };
                if said.system {
                    return "SystemMessage".to_owned();
                }
                if said.deleted {
                    return "Deleted".to_owned();
                }
                let place = said.reactions.iter_mut().find(|(known, _)| known == emoji);
                let there = place.as_ref().is_some_and(|(_, users)| users.contains(who));
                match place {
                    Some((_, users)) if *add && !there => users.push(*who),
                    Some((_, users)) if !*add => users.retain(|user| user != who),
                    None if *add => said.reactions.push((*emoji, vec![*who])),
                    _ => {}
                }
                said.reactions.retain(|(_, users)| !users.is_empty());
                let changed = (there != *add).then_some(Seq(self.head + 1));
                if let Some(seq) = changed {
                    (self.head, said.change) = (seq.0, seq.0);
                    self.others.insert(seq.0, (*message, false));
                }
                format!("{changed:?} {}", said.spelled_reactions(people))
            }
            (Act::Delete { who, moderator, .. }, Op::Delete { message, .. }) => {
                let Some(said) = self.said.iter_mut().find(|s| s.id == *message) else {
                    return "NoSuchMessage".to_owned();
                };
                if said.system || said.who != *who && !moderator {
                    return "NotYours".to_owned();
                }
                if said.deleted {
                    let by = &people[self.deletions[&said.change].1].id;
                    return format!("deleted at {} by {by}, already true", said.change);
                }
                self.head += 1;
                (said.deleted, said.change) = (true, self.head);
                said.reactions.clear();
                self.deletions.insert(self.head, (*message, *who));
                format!("deleted at {} by {}, already false", self.head, people[*who].id)
            }
            (Act::ReadSeq { who, .. } | Act::ReadMessage { who, .. }, Op::MarkRead { upto, .. }) => {
                let Some(cursor) = self.cursors.get(who).copied() else {
                    return "NotMember".to_owned();
                };
                let wanted = match upto {
                    ReadUpTo::Seq(seq) => seq.0.min(self.head),
                    ReadUpTo::Message(id) => match self.said.iter().find(|s| s.id == *id) {
                        Some(said) => said.seq,
                        None => return "NoSuchMessage".to_owned(),
                    },
                };
                let now = wanted.max(cursor);
                self.cursors.insert(*who, now);
                let (unread, mentions) = (self.unread(*who, now), self.mentions(*who, now));
                format!("read {now} {} {unread} {mentions}", wanted > cursor)
            }
            (Act::Add { who }, Op::AddMember { at, random, .. }) => {
                if self.cursors.contains_key(who) {
                    return "AlreadyMember".to_owned();
                }
                self.cursors.insert(*who, self.head);
                let id = MessageId::at_seq(*at, Seq(self.head + 1), *random);
                self.say(id, 0, true, None, String::new())
            }
            (Act::Remove { who }, Op::RemoveMember { at, random, .. }) => {
                if self.cursors.remove(who).is_none() {
                    return "NotMember".to_owned();
                }
                let id = MessageId::at_seq(*at, Seq(self.head + 1), *random);
                self.say(id, 0, true, None, String::new())
            }
            other => panic!("{other:?}"),
        }
    }

    fn say(&mut self, id: MessageId, who: usize, system: bool, client: Option<u8>, text: String) -> String {
        self.head += 1;
        let (seq, change) = (self.head, self.head);
        self.said.push(Said {
            id,
            seq,
            change,
            who,
            system,
            deleted: false,
            client,
            answers: None,
            texts: vec![text],
            calls: Vec::new(),
            reactions: Vec::new(),
        });
        format!("{id} at {seq}")
    }

    /// A message that was there before the batch; a made-up one while there is none.
    fn pick(&self, which: usize) -> MessageId {
        match self.said.len() {
            0 => MessageId(uuid::Uuid::nil()),
            n => self.said[which % n].id,
        }
    }
}

fn op(world: &World, model: &Model, people: &[Arc<User>], act: &Act) -> Op {
    let at = world.now();
    match act {
        Act::Send {
            who,
            client,
            text,
            calls,
            answers,
        } => {
            let draft = match client {
                Some(client) => named(&text.to_string(), &format!("c-{client}")),
                None => words(&text.to_string()),
            };
            let reply_to = answers.map(|which| model.pick(which));
            let called: Vec<&Arc<User>> = calls.iter().map(|who| &people[*who]).collect();
            world.calls(&people[*who], Draft { reply_to, ..draft }, &called)
        }
        Act::Edit {
            who,
            which,
            text,
            calls,
        } => {
            let called: Vec<&Arc<User>> = calls.iter().map(|who| &people[*who]).collect();
            world.edit(&people[*who], model.pick(*which), &text.to_string(), &called)
        }
        Act::React { who, which, emoji, add } => world.react(&people[*who], model.pick(*which), EMOJI[*emoji], *add),
        Act::Delete { who, which, moderator } => world.delete(&people[*who], model.pick(*which), *moderator),
        Act::ReadSeq { who, upto } => world.read(&people[*who], *upto),
        Act::ReadMessage { who, which } => Op::MarkRead {
            user: people[*who].key,
            upto: ReadUpTo::Message(model.pick(*which)),
            at,
        },
        Act::Add { who } => world.add(&people[0], &people[*who]),
        Act::Remove { who } => world.remove(&people[0], &people[*who], None),
    }
}

/// A message in words, as the store gives it.
fn seen(message: &Message) -> String {
    let quote = message.reply_to.as_ref().map(|quote| (quote.id, quote.preview.clone()));
    let mentions: Vec<&str> = message.mentions.iter().map(|user| user.as_str()).collect();
    let text = message.content.as_ref().filter(|_| message.kind == MessageType::Text);
    format!(
        "{} {} {} {:?} {:?} {quote:?} {mentions:?} {} {} {}",
        message.seq,
        message.change_seq,
        message.id,
        text.map(|text| text.as_str()),
        message.reply_to_id,
        spell_reactions(&message.reactions),
        message.edited_at.is_some(),
        message.deleted_at.is_some(),
    )
}

impl Model {
    /// The same as the model knows it.
    fn due(&self, said: &Said, people: &[Arc<User>]) -> String {
        let quoted = self.said.iter().find(|s| Some(s.id) == said.answers && !s.deleted);
        let quote = quoted.filter(|_| !said.deleted).map(|s| {
            let preview = (!s.system).then(|| s.texts.last().unwrap().clone());
            (s.id, preview)
        });
        let calls = said.calls.iter().filter(|_| !said.deleted);
        let mentions: Vec<&str> = calls.map(|who| people[*who].id.as_str()).collect();
        let text = said.texts.last().filter(|_| !said.deleted && !said.system);
        format!(
            "{} {} {} {text:?} {:?} {quote:?} {mentions:?} {} {} {}",
            said.seq,
            said.change,
            said.id,
            said.answers,
            said.spelled_reactions(people),
            said.texts.len() > 1,
            said.deleted,
        )
    }

    fn all_due<'a>(&self, said: impl IntoIterator<Item = &'a Said>, people: &[Arc<User>]) -> Vec<String> {
        said.into_iter().map(|said| self.due(said, people)).collect()
    }
}

async fn check(world: &World, room: &Conversation, model: &Model, people: &[Arc<User>], page: usize) {
    // History, backwards.
    let mut all = Vec::new();
    let mut at = HistoryAt::Newest;
    loop {
        let part = world.store.history(room, at, page).await.unwrap().unwrap();
        all.splice(0..0, part.messages.iter().map(seen));
        match part.messages.first() {
            Some(first) if part.has_more => at = HistoryAt::Before(first.id),
            _ => break,
        }
    }
    assert_eq!(all, model.all_due(&model.said, people));
    // Sync from everywhere.
    for after in 0..=model.head {
        let mut due: Vec<&Said> = model.said.iter().filter(|s| s.change > after).collect();
        due.sort_by_key(|s| s.change);
        let (mut got, mut cursor) = (Vec::new(), Seq(after));
        loop {
            let part = world.store.sync(room, cursor, page).await.unwrap();
            assert!(!part.reset && part.messages.len() <= page && part.seq >= cursor);
            got.extend(part.messages.iter().map(seen));
            cursor = part.seq;
            if !part.has_more {
                break;
            }
        }
        assert_eq!(
            (got, cursor.0),
            (model.all_due(due, people), model.head),
            "after {after}"
        );
    }
    // Every change, one by one.
    let changes = world.store.changes(room, Seq(0), 10_000).await.unwrap();
    let seqs: Vec<u32> = changes.iter().map(|change| change.seq().0).collect();
    assert_eq!(seqs, (1..=model.head).collect::<Vec<_>>());
    for change in &changes {
        let said = |id: &MessageId| model.said.iter().find(|s| s.id == *id).unwrap();
        match change {
            Change::Sent(message) => assert_eq!(seen(message), model.due(said(&message.id), people)),
            Change::Deleted { seq, message, by, .. } => {
                let (id, who) = model.deletions[&seq.0];
                assert_eq!((message, by), (&id, &people[who].id));
            }
            Change::Edited { seq, message } => {
                assert_eq!(model.others[&seq.0], (message.id, true));
                assert_eq!(seen(message), model.due(said(&message.id), people));
            }
            Change::Reacted {
                seq,
                message,
                reactions,
                ..
            } => {
                assert_eq!(model.others[&seq.0], (*message, false));
                assert_eq!(spell_reactions(reactions), said(message).spelled_reactions(people));
            }
        }
    }
    for said in &model.said {
        let versions = world.store.versions(room, said.id).await.unwrap().unwrap();
        let texts: Vec<&str> = versions.iter().map(|version| version.content.as_str()).collect();
        assert!(said.system || texts == said.texts, "{texts:?} and not {:?}", said.texts);
        assert!(versions.is_sorted_by_key(|version| version.written_at));
    }
    for (who, user) in people.iter().enumerate() {
        let view = world.store.conversation_view(room.id, user.key).await.unwrap();
        let cursor = model.cursors.get(&who).copied();
        assert_eq!(view.as_ref().map(|v| v.last_read_seq.0), cursor);
        if let (Some(view), Some(cursor)) = (view, cursor) {
            assert_eq!(view.unread_count as usize, model.unread(who, cursor));
            assert_eq!(view.mention_count as usize, model.mentions(who, cursor));
            assert_eq!(
                (view.member_count as usize, view.seq.0),
                (model.cursors.len(), model.head)
            );
            assert_eq!(
                view.last_message.as_ref().map(seen),
                model.said.last().map(|last| model.due(last, people))
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_agrees_with_a_naive_model(batches in vec(vec(act(), 1..25), 1..8), page in 1..9usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::fresh().await;
            let people = world.users(["ann", "bob", "cem"]).await;
            let room = world.group(&people[0], &[&people[1]]).await;
            let mut model = Model { cursors: [(0, 0), (1, 0)].into(), ..Model::default() };
            for batch in &batches {
                let ops: Vec<Op> = batch.iter().map(|act| op(&world, &model, &people, act)).collect();
                let before = model.head;
                let due: Vec<String> =
                    batch.iter().zip(&ops).map(|(act, op)| model.apply(act, op, &people)).collect();
                let Appended { outcomes, before: from, head } = world.append(&room, ops).await;
                assert_eq!(outcomes.iter().map(spell).collect::<Vec<_>>(), due);
                assert_eq!((from.0, head.0), (before, model.head));
            }
            check(&world, &room, &model, &people, page).await;
            let world = world.reopened();
            check(&world, &room, &model, &people, page + 1).await;
        });
    }
}
