//! Random ops against a naive model: what each op answers, and that sync, history, changes and unread counts agree with what
//! the model remembers, page size by page size.

use std::{collections::BTreeMap, sync::Arc};

use parlor::{
    db::{Appended, Change, HistoryAt, Op, Outcome, Refusal},
    domain::{Conversation, Message, MessageId, Seq, User},
    protocol::command::ReadUpTo,
};
use proptest::{collection::vec, prelude::*};

use crate::world::{World, named, words};

/// What somebody does; the numbers are taken modulo what there is.
#[derive(Debug, Clone)]
enum Act {
    Send { who: usize, client: Option<u8>, text: u8 },
    Delete { who: usize, which: usize, moderator: bool },
    ReadSeq { who: usize, upto: u32 },
    ReadMessage { who: usize, which: usize },
    Add { who: usize },
    Remove { who: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0..3usize, proptest::option::of(0..6u8), 0..2u8)
            .prop_map(|(who, client, text)| Act::Send { who, client, text }),
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
    text: String,
}

#[derive(Debug, Default)]
struct Model {
    said: Vec<Said>,
    deletions: BTreeMap<u32, (MessageId, usize)>,
    cursors: BTreeMap<usize, u32>,
    head: u32,
}

/// An outcome in words, so that the model's and the store's compare.
fn spell(outcome: &Result<Outcome, Refusal>) -> String {
    match outcome {
        Ok(Outcome::Sent { id, seq } | Outcome::Membership { id, seq }) => format!("{id} at {seq}"),
        Ok(Outcome::Repeated(m)) => format!("{} was at {} until {}", m.id, m.seq, m.change_seq),
        Ok(Outcome::Deleted { seq, by, already, .. }) => format!("deleted at {seq} by {by}, already {already}"),
        Ok(Outcome::Read {
            last_read_seq,
            moved,
            unread_count,
        }) => {
            format!("read {last_read_seq} {moved} {unread_count}")
        }
        Ok(Outcome::Expired { upto, more }) => format!("gone up to {upto}, more {more}"),
        Err(refusal) => format!("{refusal:?}"),
    }
}

impl Model {
    fn unread(&self, who: usize, after: u32) -> usize {
        let counts = |s: &&Said| s.seq > after && s.who != who && !s.system && !s.deleted;
        self.said.iter().filter(counts).count()
    }

    /// What the op should answer, and what it changes.
    fn apply(&mut self, act: &Act, op: &Op, people: &[Arc<User>]) -> String {
        match (act, op) {
            (Act::Send { who, client, text }, Op::Send(message)) => {
                let known = self
                    .said
                    .iter()
                    .find(|s| client.is_some() && s.client == *client && s.who == *who);
                if let Some(known) = known {
                    return match known.text == text.to_string() {
                        true => format!("{} was at {} until {}", known.id, known.seq, known.change),
                        false => "OtherContent".to_owned(),
                    };
                }
                let id = MessageId::at_seq(message.at, Seq(self.head + 1), message.random);
                self.say(id, *who, false, *client, text.to_string())
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
                format!("read {now} {} {}", wanted > cursor, self.unread(*who, now))
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
            text,
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
            client: Some(client),
            text,
        } => world.send(&people[*who], named(&text.to_string(), &format!("c-{client}"))),
        Act::Send {
            who,
            client: None,
            text,
        } => world.send(&people[*who], words(&text.to_string())),
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

/// What of a message the model knows.
fn seen(message: &Message) -> (u32, u32, MessageId, bool) {
    (
        message.seq.0,
        message.change_seq.0,
        message.id,
        message.content.is_none(),
    )
}

fn expected<'a>(said: impl IntoIterator<Item = &'a Said>) -> Vec<(u32, u32, MessageId, bool)> {
    said.into_iter().map(|s| (s.seq, s.change, s.id, s.deleted)).collect()
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
    assert_eq!(all, expected(&model.said));
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
        assert_eq!((got, cursor.0), (expected(due), model.head), "after {after}");
    }
    // Every change, one by one.
    let changes = world.store.changes(room, Seq(0), 10_000).await.unwrap();
    let seqs: Vec<u32> = changes.iter().map(|change| change.seq().0).collect();
    assert_eq!(seqs, (1..=model.head).collect::<Vec<_>>());
    for change in &changes {
        if let Change::Deleted { seq, message, by, .. } = change {
            let (id, who) = model.deletions[&seq.0];
            assert_eq!((message, by), (&id, &people[who].id));
        }
    }
    for (who, user) in people.iter().enumerate() {
        let view = world.store.conversation_view(room.id, user.key).await.unwrap();
        let cursor = model.cursors.get(&who).copied();
        assert_eq!(view.as_ref().map(|v| v.last_read_seq.0), cursor);
        if let (Some(view), Some(cursor)) = (view, cursor) {
            assert_eq!(view.unread_count as usize, model.unread(who, cursor));
            assert_eq!(
                (view.member_count as usize, view.seq.0),
                (model.cursors.len(), model.head)
            );
            assert_eq!(view.last_message.as_ref().map(seen), expected(model.said.last()).pop());
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
