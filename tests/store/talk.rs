//! Editing, reacting, mentioning, answering, and who has read what: each op's outcomes and refusals, and what is read of them.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use parlor::{
    db::{Change, HistoryAt, Op, Outcome, Refusal},
    domain::{Conversation, Message, MessageId, Seq, Timestamp, User, message::Draft},
};

use crate::{
    failures::raw,
    world::{World, named, words},
};

async fn three() -> (World, [Arc<User>; 3], Conversation) {
    let world = World::fresh().await;
    let people = world.users(["ann", "bob", "cem"]).await;
    let room = world.group(&people[0], &[&people[1]]).await;
    (world, people, room)
}

/// The newest message as it is read.
async fn newest(world: &World, room: &Conversation) -> Message {
    let page = world.store.history(room, HistoryAt::Newest, 1).await.unwrap().unwrap();
    page.messages.into_iter().next().expect("a message")
}

fn edited(outcome: Result<Outcome, Refusal>) -> (Message, bool) {
    match outcome {
        Ok(Outcome::Edited { message, changed }) => (*message, changed),
        other => panic!("{other:?}"),
    }
}

/// The reactions as `heart:ann,bob fire:cem`, and the seq of the change.
fn reacted(outcome: Result<Outcome, Refusal>) -> (Option<u32>, String) {
    match outcome {
        Ok(Outcome::Reacted { seq, reactions }) => {
            let one = |reaction: &parlor::domain::Reaction| {
                let names = reaction.user_ids.iter().map(|id| id.as_str().trim_start_matches("id-"));
                format!("{}:{}", reaction.emoji, names.collect::<Vec<_>>().join(","))
            };
            (
                seq.map(|seq| seq.0),
                reactions.iter().map(one).collect::<Vec<_>>().join(" "),
            )
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_edit_takes_a_seq_and_keeps_what_was_said() {
    let (world, [ann, bob, _], room) = three().await;
    let (id, _) = world.says(&room, &ann, "one").await;
    let (now, changed) = edited(world.does(&room, world.edit(&ann, id, "two", &[&bob])).await);
    assert!(changed);
    assert_eq!((now.seq, now.change_seq), (Seq(1), Seq(2)));
    assert_eq!(now.mentions, std::slice::from_ref(&bob.id));
    assert_eq!(newest(&world, &room).await, now);
    // The same again, and back to the first words, in one batch.
    let ops = vec![world.edit(&ann, id, "two", &[]), world.edit(&ann, id, "one", &[])];
    let answer = world.append(&room, ops).await;
    assert_eq!(answer.head, Seq(3));
    assert!(matches!(&answer.outcomes[0], Ok(Outcome::Edited { message, changed: false }) if **message == now));
    let world = world.reopened();
    let versions = world.store.versions(&room, id).await.unwrap().unwrap();
    let said: Vec<&str> = versions.iter().map(|version| version.content.as_str()).collect();
    assert_eq!(said, ["one", "two", "one"]);
    let nothing = MessageId::at_seq(Timestamp::from_millis(5), Seq(1), 5);
    assert_eq!(world.store.versions(&room, nothing).await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_edited_or_reacted_to() {
    let (world, [ann, bob, cem], room) = three().await;
    let Ok(Outcome::Membership { id: note, .. }) = world.does(&room, world.add(&ann, &cem)).await else {
        panic!("not added")
    };
    let (theirs, _) = world.says(&room, &bob, "theirs").await;
    let (gone, _) = world.says(&room, &ann, "gone").await;
    world.does(&room, world.delete(&ann, gone, false)).await.unwrap();
    let nothing = MessageId::at_seq(Timestamp::from_millis(5), Seq(1), 5);
    for (id, edit, react) in [
        (note, Some(Refusal::NotYours), Some(Refusal::SystemMessage)),
        (theirs, Some(Refusal::NotYours), None),
        (gone, Some(Refusal::Deleted), Some(Refusal::Deleted)),
        (nothing, Some(Refusal::NoSuchMessage), Some(Refusal::NoSuchMessage)),
    ] {
        assert_eq!(world.does(&room, world.edit(&ann, id, "x", &[])).await.err(), edit);
        assert_eq!(
            world.does(&room, world.react(&ann, id, "heart", true)).await.err(),
            react
        );
    }
    // A drawing is no text, whoever's it is.
    let path = world.path();
    let (drawn, _) = world.says(&room, &ann, "a drawing").await;
    raw(&path)
        .batch_execute("UPDATE messages SET kind = 1, content = '{}' WHERE position & 4294967295 = 6")
        .unwrap();
    assert_eq!(drawn.claimed_seq(), Seq(6));
    let refused = world.does(&room, world.edit(&ann, drawn, "x", &[])).await.err();
    assert_eq!(refused, Some(Refusal::NoText));
    let end = world.append(&room, vec![world.ends(&ann)]).await.head;
    assert_eq!(end, Seq(7), "none of the refused took a seq");
    let late = world.does(&room, world.react(&ann, theirs, "heart", true)).await.err();
    assert_eq!(late, Some(Refusal::Ended));
}

#[tokio::test]
async fn reactions_come_and_go_in_a_stable_order() {
    let (world, [ann, bob, cem], room) = three().await;
    let (id, _) = world.says(&room, &ann, "hi").await;
    let react = |user: &Arc<User>, emoji: &str, add| world.react(user, id, emoji, add);
    let ops = vec![
        react(&bob, "heart", true),
        react(&cem, "fire", true),
        react(&ann, "heart", true),
        react(&ann, "heart", true),
        react(&bob, "heart", false),
        react(&bob, "heart", false),
        react(&bob, "heart", true),
        react(&cem, "fire", false),
        react(&ann, "heart", false),
        react(&cem, "fire", true),
    ];
    let outcomes = world.append(&room, ops).await.outcomes;
    let seen: Vec<(Option<u32>, String)> = outcomes.into_iter().map(reacted).collect();
    let due = [
        (Some(2), "heart:bob"),
        (Some(3), "heart:bob fire:cem"),
        (Some(4), "heart:bob,ann fire:cem"),
        (None, "heart:bob,ann fire:cem"),
        (Some(5), "heart:ann fire:cem"),
        (None, "heart:ann fire:cem"),
        (Some(6), "heart:ann,bob fire:cem"),
        (Some(7), "heart:ann,bob"),
        (Some(8), "heart:bob"),
        (Some(9), "heart:bob fire:cem"),
    ];
    assert_eq!(seen, due.map(|(seq, reactions)| (seq, reactions.to_owned())));
    let now = newest(&world, &room).await;
    assert_eq!((now.change_seq, now.reactions.len(), now.edited_at), (Seq(9), 2, None));
    let view = world.store.conversation_view(room.id, bob.key).await.unwrap().unwrap();
    assert_eq!(view.last_message, Some(now));
    world.does(&room, world.delete(&ann, id, false)).await.unwrap();
    assert!(newest(&world, &room).await.reactions.is_empty());
}

#[tokio::test]
async fn every_change_is_told_again_in_the_latest_form_or_as_a_deletion() {
    let (world, [ann, bob, _], room) = three().await;
    let (one, _) = world.says(&room, &ann, "one").await;
    let (two, _) = world.says(&room, &bob, "two").await;
    let ops = vec![
        world.edit(&ann, one, "ONE", &[]),
        world.react(&bob, one, "heart", true),
        world.edit(&ann, one, "One", &[]),
        world.edit(&bob, two, "TWO", &[]),
        world.react(&ann, two, "fire", true),
        world.delete(&bob, two, false),
    ];
    world.append(&room, ops).await;
    let told = async |after| {
        let changes = world.store.changes(&room, Seq(after), 100).await.unwrap();
        let tell = |change: &Change| match change {
            Change::Sent(message) => format!("sent {}", message.id),
            Change::Deleted { message, by, .. } => format!("deleted {message} by {by}"),
            Change::Edited { message, .. } => {
                let text = message.content.as_ref().map(|content| content.as_str());
                format!("edited {} {text:?} {}", message.id, message.change_seq)
            }
            Change::Reacted { message, reactions, .. } => format!("reacted {message} {}", reactions.len()),
        };
        changes.iter().map(tell).collect::<Vec<_>>()
    };
    let due = [
        format!("sent {one}"),
        format!("sent {two}"),
        format!("edited {one} Some(\"One\") 5"),
        format!("reacted {one} 1"),
        format!("edited {one} Some(\"One\") 5"),
        format!("edited {two} None 8"),
        format!("reacted {two} 0"),
        format!("deleted {two} by id-bob"),
    ];
    assert_eq!(told(0).await, due);
    assert_eq!(told(6).await, due[6..]);
    // As retention does it.
    raw(&world.path())
        .batch_execute("DELETE FROM messages WHERE position & 4294967295 IN (1, 2)")
        .unwrap();
    let gone = |id: MessageId, by: &User| format!("deleted {id} by {}", by.id);
    let due = [
        gone(one, &ann),
        gone(one, &bob),
        gone(one, &ann),
        gone(two, &bob),
        gone(two, &ann),
        gone(two, &bob),
    ];
    assert_eq!(told(0).await, due);
}

#[tokio::test]
async fn a_repeated_send_is_compared_with_what_was_sent() {
    let (world, [ann, _, _], room) = three().await;
    let (other, _) = world.says(&room, &ann, "other").await;
    let to = |id| Draft {
        reply_to: id,
        ..named("first", "c-1")
    };
    let Ok(Outcome::Sent { id, quote, .. }) = world.does(&room, world.send(&ann, to(Some(other)))).await else {
        panic!("not sent")
    };
    assert_eq!(
        quote.map(|quote| (quote.id, quote.preview)),
        Some((other, Some("other".to_owned())))
    );
    let ops = vec![
        world.edit(&ann, id, "second", &[]),
        world.edit(&ann, id, "third", &[]),
        world.send(&ann, to(Some(other))),
        world.send(&ann, to(None)),
        world.send(&ann, to(Some(id))),
        world.send(
            &ann,
            Draft {
                reply_to: Some(other),
                ..named("third", "c-1")
            },
        ),
    ];
    let mut outcomes = world.append(&room, ops).await.outcomes;
    for wrong in outcomes.split_off(3) {
        assert!(matches!(wrong, Err(Refusal::OtherContent)), "{wrong:?}");
    }
    let Some(Ok(Outcome::Repeated(now))) = outcomes.pop() else {
        panic!("{outcomes:?}")
    };
    assert_eq!(
        (now.content.as_ref().unwrap().as_str(), now.change_seq),
        ("third", Seq(4))
    );
    assert_eq!(now.reply_to.as_ref().map(|quote| quote.id), Some(other));
}

#[tokio::test]
async fn mentions_are_counted_behind_the_cursor() {
    let (world, [ann, bob, cem], room) = three().await;
    let count = async |user: &User| {
        let view = world.store.conversation_view(room.id, user.key).await.unwrap().unwrap();
        (view.unread_count, view.mention_count)
    };
    let Ok(Outcome::Sent { id: one, .. }) = world
        .does(&room, world.calls(&ann, words("@bob @ann"), &[&bob, &ann]))
        .await
    else {
        panic!("not sent")
    };
    world
        .does(&room, world.calls(&ann, words("@bob"), &[&bob]))
        .await
        .unwrap();
    assert_eq!((count(&bob).await, count(&ann).await), ((2, 2), (0, 0)));
    let read = world.does(&room, world.read(&bob, 1)).await;
    assert!(
        matches!(
            read,
            Ok(Outcome::Read {
                unread_count: 1,
                mention_count: 1,
                ..
            })
        ),
        "{read:?}"
    );
    // What is edited behind the cursor stays read.
    world.does(&room, world.edit(&ann, one, "bob", &[])).await.unwrap();
    world.does(&room, world.edit(&ann, one, "@bob", &[&bob])).await.unwrap();
    assert_eq!(count(&bob).await, (1, 1));
    let (last, _) = world.says(&room, &ann, "last").await;
    world
        .does(&room, world.edit(&ann, last, "@bob", &[&bob]))
        .await
        .unwrap();
    assert_eq!(count(&bob).await, (2, 2));
    world.does(&room, world.delete(&ann, last, false)).await.unwrap();
    assert_eq!(count(&bob).await, (1, 1));
    // Nobody is counted who is not there; whoever comes begins at nothing.
    world.does(&room, world.add(&ann, &cem)).await.unwrap();
    assert_eq!(count(&cem).await, (0, 0));
}

async fn readers(world: &World, room: &Conversation, id: MessageId) -> Vec<(String, i64)> {
    let receipts = world.store.receipts(room, id).await.unwrap().unwrap();
    let one = |receipt: &parlor::db::Receipt| (receipt.user.name.clone(), receipt.at.millis());
    receipts.iter().map(one).collect()
}

#[tokio::test]
async fn receipts_tell_the_first_step_of_each_reader() {
    let (world, [ann, bob, cem], room) = three().await;
    let (one, _) = world.says(&room, &ann, "one").await;
    let (two, _) = world.says(&room, &ann, "two").await;
    world.does(&room, world.add(&ann, &cem)).await.unwrap();
    let (four, _) = world.says(&room, &ann, "four").await;
    let read = |user: &User, upto: u32, at: i64| Op::MarkRead {
        user: user.key,
        upto: parlor::protocol::command::ReadUpTo::Seq(Seq(upto)),
        at: Timestamp::from_millis(at),
    };
    let ops = vec![
        read(&bob, 1, 100),
        read(&bob, 4, 300),
        read(&bob, 4, 400),
        read(&cem, 4, 200),
        read(&ann, 4, 500),
    ];
    world.append(&room, ops).await;
    let at = |name: &str, at| (name.to_owned(), at);
    assert_eq!(readers(&world, &room, one).await, [at("bob", 100)]);
    assert_eq!(readers(&world, &room, two).await, [at("bob", 300)]);
    assert_eq!(readers(&world, &room, four).await, [at("cem", 200), at("bob", 300)]);
    world.does(&room, world.remove(&ann, &cem, None)).await.unwrap();
    world.does(&room, world.add(&ann, &cem)).await.unwrap();
    assert_eq!(readers(&world, &room, four).await, [at("bob", 300)]);
    let nothing = MessageId::at_seq(Timestamp::from_millis(5), Seq(1), 5);
    assert!(world.store.receipts(&room, nothing).await.unwrap().is_none());
}

#[derive(diesel::prelude::QueryableByName, Debug, PartialEq)]
struct Mark {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    user_key: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    seq: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    at: i64,
}

#[test]
fn cursors_of_before_there_were_marks_get_one() {
    use diesel::RunQueryDsl;
    let dir = tempfile::tempdir().unwrap();
    let mut file = raw(&dir.path().join("store"));
    file.batch_execute(include_str!("../../migrations/sqlite/0001_engine/up.sql"))
        .unwrap();
    // One who never read, one who has, one who came later and has not.
    file.batch_execute(
        "INSERT INTO members (conversation_key, user_key, role, joined_at, last_read_seq, last_read_at)
         VALUES (1, 1, 0, 5, 0, NULL), (1, 2, 0, 5, 7, 99), (1, 3, 0, 50, 4, NULL)",
    )
    .unwrap();
    file.batch_execute(include_str!("../../migrations/sqlite/0002_conversations/up.sql"))
        .unwrap();
    let marks: Vec<Mark> = diesel::sql_query("SELECT user_key, seq, at FROM read_marks ORDER BY user_key")
        .load(&mut file)
        .unwrap();
    let mark = |user_key, seq, at| Mark { user_key, seq, at };
    assert_eq!(marks, [mark(2, 7, 99), mark(3, 4, 0)]);
}

#[tokio::test]
async fn what_is_unread_is_counted_past_any_number_of_other_changes() {
    let (world, [ann, bob, _], room) = three().await;
    world
        .does(&room, world.calls(&ann, words("@bob"), &[&bob]))
        .await
        .unwrap();
    world.says(&room, &ann, "hi").await;
    // As if these had been edited and reacted to a hundred thousand times.
    raw(&world.path())
        .batch_execute("UPDATE heads SET seq = seq + 100000")
        .unwrap();
    let view = world.store.conversation_view(room.id, bob.key).await.unwrap().unwrap();
    assert_eq!((view.unread_count, view.mention_count), (2, 1));
    let read = world.does(&room, world.read(&bob, 1)).await;
    assert!(
        matches!(
            read,
            Ok(Outcome::Read {
                unread_count: 1,
                mention_count: 0,
                ..
            })
        ),
        "{read:?}"
    );
}
