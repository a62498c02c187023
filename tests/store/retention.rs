//! What is past its time: removed as a prefix, in steps of a bounded size, and nothing else is harmed by it.

use std::sync::Arc;

use diesel::{
    RunQueryDsl,
    connection::SimpleConnection,
    dsl::sql,
    sql_types::{BigInt, Text},
};
use parlor::{
    db::{Change, DueConversation, HistoryAt, Op, Outcome, Refusal},
    domain::{Conversation, ConversationKey, MessageId, Seq, Timestamp, User},
};
use proptest::{collection::vec, prelude::*};

use crate::{
    failures::raw,
    world::{World, named, words},
};

impl World {
    async fn kept_group(&self, owner: &User, members: &[&User], seconds: u32) -> Conversation {
        let mut group = self.group_of(owner, members);
        group.retention_seconds = Some(seconds);
        self.makes(group).await
    }

    /// Up to where it is gone, and whether there is more.
    async fn expires(&self, from: &Conversation, before: Timestamp, limit: u32) -> (u32, bool) {
        match self.does(from, Op::Expire { before, limit }).await {
            Ok(Outcome::Expired { upto, more }) => (upto.0, more),
            other => panic!("{other:?}"),
        }
    }

    async fn seqs(&self, of: &Conversation) -> Vec<u32> {
        let page = self.store.history(of, HistoryAt::Newest, 100).await.unwrap().unwrap();
        page.messages.iter().map(|message| message.seq.0).collect()
    }

    fn count(&self, of: &str) -> i64 {
        let count = format!("(SELECT count(*) FROM {of})");
        diesel::select(sql::<BigInt>(&count))
            .get_result(&mut raw(&self.path()))
            .unwrap()
    }
}

/// Ten messages, and the moment between each and the next one.
async fn ten(world: &World, room: &Conversation, sender: &Arc<User>) -> Vec<(MessageId, Timestamp)> {
    let mut said = Vec::new();
    for n in 1..=10 {
        let (id, seq) = world.says(room, sender, &format!("message {n}")).await;
        assert_eq!(seq, Seq(n));
        said.push((id, world.now()));
    }
    said
}

#[tokio::test]
async fn what_is_past_its_time_goes_in_bounded_steps_and_the_rest_stays_right() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.kept_group(&ann, &[&bob], 60).await;
    let said = ten(&world, &room, &ann).await;
    let after_seven = said[6].1;
    assert_eq!(world.expires(&room, after_seven, 3).await, (3, true));
    assert_eq!(world.expires(&room, after_seven, 3).await, (6, true));
    assert_eq!(world.expires(&room, after_seven, 3).await, (7, false));
    assert_eq!(world.expires(&room, after_seven, 3).await, (7, false), "nothing more");
    assert_eq!(world.seqs(&room).await, [8, 9, 10]);
    let view = world.store.conversation_view(room.id, bob.key).await.unwrap().unwrap();
    assert_eq!((view.seq, view.expired_seq, view.unread_count), (Seq(10), Seq(7), 3));
    let state = world.store.room_state(room.id).await.unwrap().unwrap();
    assert_eq!((state.head, state.expired), (Seq(10), Seq(7)));
    let page = world.store.sync(&room, Seq(2), 100).await.unwrap();
    let seqs: Vec<u32> = page.messages.iter().map(|message| message.seq.0).collect();
    assert_eq!(
        (seqs, page.seq, page.expired, page.reset),
        (vec![8, 9, 10], Seq(10), Seq(7), false)
    );
    let newest = world.store.sync(&room, Seq(u32::MAX), 100).await.unwrap();
    assert!(newest.reset && !newest.older, "expired messages are not older ones");
    let history = world.store.history(&room, HistoryAt::Newest, 3).await.unwrap().unwrap();
    assert!(!history.has_more);
    assert!(
        world
            .store
            .history(&room, HistoryAt::Before(said[2].0), 3)
            .await
            .unwrap()
            .is_none()
    );
    // No seq is taken, and none given twice.
    assert_eq!(world.says(&room, &bob, "next").await.1, Seq(11));
    world.is_sound();
    // A restart changes nothing of it.
    let world = world.reopened();
    assert_eq!(world.expires(&room, after_seven, 3).await, (7, false));
    assert_eq!(world.seqs(&room).await, [8, 9, 10, 11]);
}

#[tokio::test]
async fn everything_may_go() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.kept_group(&ann, &[&bob], 60).await;
    ten(&world, &room, &ann).await;
    assert_eq!(world.expires(&room, world.now(), 500).await, (10, false));
    let view = world.store.conversation_view(room.id, bob.key).await.unwrap().unwrap();
    assert_eq!(
        (view.last_message, view.last_message_at, view.unread_count),
        (None, None, 0)
    );
    assert_eq!((view.seq, view.expired_seq), (Seq(10), Seq(10)));
    let newest = world.store.sync(&room, Seq(u32::MAX), 100).await.unwrap();
    assert_eq!((newest.messages.len(), newest.seq, newest.older), (0, Seq(10), false));
    world.is_sound();
    let world = world.reopened();
    assert_eq!(world.says(&room, &bob, "again").await.1, Seq(11));
    let view = world.store.conversation_view(room.id, ann.key).await.unwrap().unwrap();
    assert_eq!((view.unread_count, view.last_message.unwrap().seq), (1, Seq(11)));
    world.is_sound();
}

#[tokio::test]
async fn a_message_that_is_not_past_its_time_protects_what_follows() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.kept_group(&ann, &[], 60).await;
    let said = ten(&world, &room, &ann).await;
    // A clock that was set back while the fourth was sent.
    raw(&world.path())
        .batch_execute("UPDATE messages SET created_at = created_at + 3600000 WHERE position & 4294967295 = 4")
        .unwrap();
    assert_eq!(world.expires(&room, said[8].1, 500).await, (3, false));
    assert_eq!(world.seqs(&room).await, [4, 5, 6, 7, 8, 9, 10]);
}

#[tokio::test]
async fn what_was_done_to_a_message_goes_with_it_or_is_told_as_its_deletion() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.kept_group(&ann, &[&bob], 60).await;
    let (first, _) = world.says(&room, &ann, "one").await;
    let (second, _) = world.says(&room, &ann, "two").await;
    world.does(&room, world.delete(&ann, first, false)).await.unwrap();
    world.says(&room, &ann, "four").await;
    let in_between = world.now();
    world.does(&room, world.delete(&ann, second, false)).await.unwrap();
    raw(&world.path())
        .batch_execute(
            "INSERT INTO mentions SELECT 2, position FROM messages WHERE position & 4294967295 = 1;
             INSERT INTO message_versions SELECT position, position + 2, 'before', 0 FROM messages
             WHERE position & 4294967295 = 1;
             INSERT INTO reactions SELECT position, 'heart', 2, position + 1, position + 1 FROM messages
             WHERE position & 4294967295 = 1",
        )
        .unwrap();
    assert_eq!(world.expires(&room, in_between, 500).await, (4, false));
    for gone in ["messages", "mentions", "message_versions", "reactions"] {
        assert_eq!(world.count(gone), 0, "{gone}");
    }
    world.is_sound();
    let told = world.store.changes(&room, Seq(4), 10).await.unwrap();
    assert!(
        matches!(told[..], [Change::Deleted { seq: Seq(5), message, .. }] if message == second),
        "{told:?}"
    );
    // The first deletion stood below, and is gone.
    assert_eq!(world.count("changes"), 1);
}

#[tokio::test]
async fn a_step_is_bounded_by_positions_and_by_what_hangs_on_messages() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.kept_group(&ann, &[], 60).await;
    let said = ten(&world, &room, &ann).await;
    for (id, _) in &said[..9] {
        world.does(&room, world.delete(&ann, *id, false)).await.unwrap();
    }
    world.says(&room, &ann, "the twentieth").await;
    // Nine deletions stand between two messages: a step may end at one.
    assert_eq!(world.expires(&room, world.now(), 15).await, (15, true));
    assert_eq!(world.seqs(&room).await, [20]);
    world.is_sound();
    assert_eq!(world.expires(&room, world.now(), 15).await, (20, false));
    // Thousands of reactions: the message that has one too many is the last of its step.
    let other = world.kept_group(&ann, &[], 60).await;
    ten(&world, &other, &ann).await;
    let key = other.key.0;
    raw(&world.path())
        .batch_execute(&format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900)
             INSERT INTO reactions SELECT ({key} << 32) + m.i, 'heart', n.i, 0, 0 FROM n, n m WHERE m.i <= 10"
        ))
        .unwrap();
    assert_eq!(world.expires(&other, world.now(), 500).await, (3, true));
    assert_eq!(world.expires(&other, world.now(), 500).await, (6, true));
    assert_eq!(world.expires(&other, world.now(), 500).await, (9, true));
    assert_eq!(world.expires(&other, world.now(), 500).await, (10, false));
    assert_eq!(world.count("reactions"), 0);
}

#[tokio::test]
async fn a_client_id_is_free_again_when_its_message_is_gone() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.kept_group(&ann, &[], 60).await;
    world.does(&room, world.send(&ann, named("one", "c-1"))).await.unwrap();
    let batch = vec![
        Op::Expire {
            before: world.now(),
            limit: 10,
        },
        world.send(&ann, named("another", "c-1")),
    ];
    let outcomes = world.append(&room, batch).await.outcomes;
    assert!(
        matches!(
            outcomes[..],
            [
                Ok(Outcome::Expired { upto: Seq(1), .. }),
                Ok(Outcome::Sent { seq: Seq(2), .. })
            ]
        ),
        "{outcomes:?}"
    );
    world.is_sound();
}

#[tokio::test]
async fn the_conversations_that_are_due_are_found_page_by_page() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let plain = world.group(&ann, &[]).await;
    let (mut due, mut all) = (Vec::new(), Vec::new());
    for n in 0..5 {
        let room = world.kept_group(&ann, &[], if n == 3 { 600 } else { 60 }).await;
        if n != 2 {
            world.says(&room, &ann, "hi").await;
        }
        if n == 4 {
            world.does(&room, world.ends(&ann)).await.unwrap();
        }
        if [0, 1, 4].contains(&n) {
            due.push((room.key, room.id, n == 4));
        }
        all.push(room);
    }
    world.says(&plain, &ann, "kept for ever").await;
    let now = Timestamp::from_millis(world.now().millis() + 61_000);
    for limit in [1, 2, 5, 100] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = world.store.due(now, after, limit).await.unwrap();
            for DueConversation {
                key,
                id,
                deleted,
                before,
            } in page.due
            {
                assert_eq!(before.millis(), now.millis() - 60_000);
                found.push((key, id, deleted));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, due, "by {limit}");
    }
    world.expires(&all[0], now, 500).await;
    let page = world.store.due(now, None, 100).await.unwrap();
    let keys: Vec<ConversationKey> = page.due.iter().map(|due| due.key).collect();
    assert_eq!(keys, [all[1].key, all[4].key], "what was removed is not due any more");
}

#[tokio::test]
async fn a_deleted_conversation_is_purged_without_a_room() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.kept_group(&ann, &[], 60).await;
    ten(&world, &room, &ann).await;
    world.does(&room, world.ends(&ann)).await.unwrap();
    let op = Op::Expire {
        before: world.now(),
        limit: 500,
    };
    assert_eq!(world.does(&room, op).await.unwrap_err(), Refusal::Ended);
    let before = world.now();
    assert!(world.store.purge(room.key, before, 6).await.unwrap());
    assert_eq!(world.count("messages"), 5);
    world.is_sound();
    assert!(!world.store.purge(room.key, before, 6).await.unwrap());
    assert_eq!(world.count("messages"), 0);
    assert!(!world.store.purge(ConversationKey(99), before, 6).await.unwrap());
    world.is_sound();
}

#[tokio::test]
async fn read_marks_are_forgotten_when_old_or_below_what_is_gone() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.kept_group(&ann, &[&bob], 60).await;
    let said = ten(&world, &room, &ann).await;
    let key = room.key.0;
    // (user, seq, at): old, gone, and two to stay.
    raw(&world.path())
        .batch_execute(&format!(
            "DELETE FROM read_marks; INSERT INTO read_marks VALUES ({key}, 1, 9, 5), ({key}, 1, 10, 500), ({key}, 2, 3, 500), ({key}, 2, 8, 500)"
        ))
        .unwrap();
    world.expires(&room, said[4].1, 500).await;
    let old = Timestamp::from_millis(100);
    for limit in [1, 3, 10] {
        let (mut from, mut forgotten) = (None, 0);
        loop {
            let swept = world.store.sweep_read_marks(from, old, limit).await.unwrap();
            forgotten += swept.forgotten;
            from = swept.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(forgotten, if limit == 1 { 2 } else { 0 }, "by {limit}");
    }
    let left: Vec<String> = sql::<Text>("SELECT user_key || ' ' || seq FROM read_marks ORDER BY 1")
        .load(&mut raw(&world.path()))
        .unwrap();
    assert_eq!(left, ["1 10", "2 8"]);
}

#[derive(Debug, Clone)]
enum Act {
    /// At a moment that may lie before the one of the last message.
    Send {
        moment: i64,
    },
    Delete {
        which: usize,
    },
    Expire {
        before: i64,
        limit: u32,
    },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (0..100i64).prop_map(|moment| Act::Send { moment }),
        2 => any::<usize>().prop_map(|which| Act::Delete { which }),
        3 => (0..110i64, 1..8u32).prop_map(|(before, limit)| Act::Expire { before, limit }),
    ]
}

/// What ought to be there: messages by (seq, moment), the last seq, and up to where it is gone.
#[derive(Debug, Default)]
struct Model {
    said: Vec<(MessageId, u32, i64, bool)>,
    head: u32,
    gone: u32,
}

impl Model {
    fn expire(&mut self, before: i64, limit: u32) -> bool {
        let due = self.said.iter().take_while(|(_, _, moment, _)| *moment < before);
        let Some((_, target, ..)) = due.last().copied() else {
            return false;
        };
        self.gone = target.min(self.gone + limit);
        let gone = self.gone;
        self.said.retain(|(_, seq, ..)| *seq > gone);
        self.said.first().is_some_and(|(_, _, moment, _)| *moment < before)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
    #[test]
    fn a_naive_model_agrees(acts in vec(act(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::fresh().await;
            let ann = world.user("ann").await;
            let room = world.kept_group(&ann, &[], 60).await;
            let mut model = Model::default();
            for act in acts {
                match act {
                    Act::Send { moment } => {
                        let Op::Send(mut message) = world.send(&ann, words("hi")) else { panic!("a send") };
                        Arc::get_mut(&mut message).unwrap().at = Timestamp::from_millis(moment);
                        let Ok(Outcome::Sent { id, seq, .. }) = world.does(&room, Op::Send(message)).await else { panic!("sent") };
                        model.head += 1;
                        assert_eq!(seq.0, model.head);
                        model.said.push((id, seq.0, moment, false));
                    }
                    Act::Delete { which } if !model.said.is_empty() => {
                        let which = which % model.said.len();
                        let said = &mut model.said[which];
                        world.does(&room, world.delete(&ann, said.0, false)).await.unwrap();
                        if !said.3 {
                            said.3 = true;
                            model.head += 1;
                        }
                    }
                    Act::Delete { .. } => {}
                    Act::Expire { before, limit } => {
                        let (upto, more) = world.expires(&room, Timestamp::from_millis(before), limit).await;
                        let left = model.expire(before, limit);
                        assert_eq!((upto, more || !left), (model.gone, true), "more: {more}, left: {left}");
                        // It may say that there is more when the step was full to the brim, never for ever.
                        assert!(!more || left || upto == model.gone);
                    }
                }
                let seqs: Vec<u32> = model.said.iter().map(|said| said.1).collect();
                assert_eq!(world.seqs(&room).await, seqs);
            }
            let view = world.store.conversation_view(room.id, ann.key).await.unwrap().unwrap();
            assert_eq!((view.seq.0, view.expired_seq.0), (model.head, model.gone));
            assert_eq!(view.last_message.map(|message| message.seq.0), model.said.last().map(|said| said.1));
            world.is_sound();
        });
    }
}
