//! Sending, deleting, reading: every op of the log but those of `membership`, and every refusal.

use parlor::{
    db::{ConversationAppend, HistoryAt, Op, Outcome, Refusal},
    domain::{ConversationKey, MessageId, Seq, Timestamp, message::Draft},
    protocol::command::ReadUpTo,
};

use crate::world::{World, named, words};

#[tokio::test]
async fn messages_take_the_next_seq_and_stand_where_they_say() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    for n in 1..=40 {
        let (id, seq) = world.says(&room, &ann, &format!("message {n}")).await;
        assert_eq!((seq, id.claimed_seq()), (Seq(n), Seq(n)));
    }
    let ops = (0..40).map(|n| world.send(&bob, words(&format!("more {n}")))).collect();
    let answer = world.append(&room, ops).await;
    assert_eq!((answer.before, answer.head), (Seq(40), Seq(80)));
    let history = world
        .store
        .history(&room, HistoryAt::Newest, 100)
        .await
        .unwrap()
        .unwrap();
    let seqs: Vec<u32> = history.messages.iter().map(|m| m.seq.0).collect();
    assert_eq!(seqs, (1..=80).collect::<Vec<_>>());
    assert_eq!(history.messages[40].content.as_ref().unwrap().as_str(), "more 0");
    assert_eq!(history.messages[40].sender, bob);
    assert!(!history.has_more && !history.has_more_after);
}

#[tokio::test]
async fn a_client_id_sends_once_for_ever() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let other = world.group(&bob, &[&ann]).await;
    let Ok(Outcome::Sent { id, seq, .. }) = world.does(&room, world.send(&ann, named("hi", "c-1"))).await else {
        panic!("not sent")
    };
    let world = world.reopened();
    let Ok(Outcome::Repeated(first)) = world.does(&room, world.send(&ann, named("hi", "c-1"))).await else {
        panic!("not recognised")
    };
    assert_eq!((first.id, first.seq, first.conversation_id), (id, seq, room.id));
    assert_eq!(first.sender, ann);
    assert_eq!(first.client_id.as_ref().unwrap().as_str(), "c-1");
    let again = world.does(&room, world.send(&ann, named("ho", "c-1"))).await;
    assert!(matches!(again, Err(Refusal::OtherContent)));
    // The same name by somebody else and somewhere else is another one.
    assert!(matches!(
        world.does(&room, world.send(&bob, named("hi", "c-1"))).await,
        Ok(Outcome::Sent { .. })
    ));
    assert!(matches!(
        world.does(&other, world.send(&ann, named("hi", "c-1"))).await,
        Ok(Outcome::Sent { .. })
    ));
    assert_eq!(
        world.store.heads(&[room.key, other.key]).await.unwrap(),
        [Seq(2), Seq(1)]
    );
}

#[tokio::test]
async fn a_client_id_repeated_within_one_batch_is_recognised() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let mut ops: Vec<Op> = (0..20)
        .map(|n| world.send(&ann, named("hi", &format!("c-{n}"))))
        .collect();
    ops.push(world.send(&ann, named("hi", "c-0")));
    ops.push(world.send(&ann, named("hi", "c-19")));
    ops.push(world.send(&ann, named("else", "c-19")));
    ops.push(world.send(&ann, words("last")));
    let answer = world.append(&room, ops).await;
    assert_eq!(answer.head, Seq(21));
    assert!(matches!(&answer.outcomes[20], Ok(Outcome::Repeated(m)) if m.seq == Seq(1)));
    assert!(matches!(&answer.outcomes[21], Ok(Outcome::Repeated(m)) if m.seq == Seq(20)));
    assert!(matches!(answer.outcomes[22], Err(Refusal::OtherContent)));
    assert!(matches!(answer.outcomes[23], Ok(Outcome::Sent { seq: Seq(21), .. })));
}

#[tokio::test]
async fn a_repeated_send_answers_with_the_message_as_it_is_now() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let Ok(Outcome::Sent { id, .. }) = world.does(&room, world.send(&ann, named("hi", "c-1"))).await else {
        panic!("not sent")
    };
    let ops = vec![world.delete(&ann, id, false), world.send(&ann, named("hi", "c-1"))];
    let answer = world.append(&room, ops).await;
    let Ok(Outcome::Repeated(now)) = &answer.outcomes[1] else {
        panic!("{answer:?}")
    };
    assert_eq!((now.change_seq, &now.content), (Seq(2), &None));
    assert_eq!(answer.head, Seq(2));
}

#[tokio::test]
async fn one_call_takes_many_conversations_and_one_of_them_twice() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let (one, two) = (world.group(&ann, &[&bob]).await, world.group(&bob, &[&ann]).await);
    let part = |room: ConversationKey, n: usize| ConversationAppend {
        conversation: room,
        ops: (0..n).map(|n| world.send(&ann, words(&format!("{n}")))).collect(),
    };
    let batch = vec![part(one.key, 3), part(two.key, 5), part(one.key, 2), part(two.key, 0)];
    let answers = world.appends(batch).await;
    let spans: Vec<(u32, u32)> = answers.iter().map(|a| (a.before.0, a.head.0)).collect();
    assert_eq!(spans, [(0, 3), (0, 5), (3, 5), (5, 5)]);
    let outcomes: Vec<usize> = answers.iter().map(|a| a.outcomes.len()).collect();
    assert_eq!(
        outcomes,
        [3, 5, 2, 0],
        "an append of nothing says where the conversation stands"
    );
    assert!(world.appends(Vec::new()).await.is_empty());
}

#[tokio::test]
async fn a_reply_must_name_a_message_of_the_conversation() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let (room, other) = (world.group(&ann, &[]).await, world.group(&ann, &[]).await);
    let (here, _) = world.says(&room, &ann, "here").await;
    let (there, _) = world.says(&other, &ann, "there").await;
    let to = |id| Draft {
        reply_to: Some(id),
        ..words("yes")
    };
    assert!(matches!(
        world.does(&room, world.send(&ann, to(there))).await,
        Err(Refusal::NoSuchReply)
    ));
    let nowhere = MessageId::at_seq(Timestamp::from_millis(1), Seq(900), 1);
    assert!(matches!(
        world.does(&room, world.send(&ann, to(nowhere))).await,
        Err(Refusal::NoSuchReply)
    ));
    assert!(matches!(
        world.does(&room, world.send(&ann, to(here))).await,
        Ok(Outcome::Sent { .. })
    ));
    // A message of the same batch, which is not in the table yet: its id follows from what the op says.
    let first = world.send(&ann, words("first"));
    let Op::Send(message) = &first else { unreachable!() };
    let id = MessageId::at_seq(message.at, Seq(3), message.random);
    let wrong = MessageId::at_seq(message.at, Seq(3), message.random + 1);
    let ops = vec![first, world.send(&ann, to(id)), world.send(&ann, to(wrong))];
    let answer = world.append(&room, ops).await;
    assert!(matches!(answer.outcomes[1], Ok(Outcome::Sent { seq: Seq(4), .. })));
    assert!(matches!(answer.outcomes[2], Err(Refusal::NoSuchReply)));
    let history = world.store.history(&room, HistoryAt::Newest, 1).await.unwrap().unwrap();
    assert_eq!(history.messages[0].reply_to_id, Some(id));
}

#[tokio::test]
async fn deleting_takes_a_seq_once() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let (id, _) = world.says(&room, &ann, "hi").await;
    let (second, _) = world.says(&room, &bob, "ho").await;
    assert!(matches!(
        world.does(&room, world.delete(&bob, id, false)).await,
        Err(Refusal::NotYours)
    ));
    let Ok(Outcome::Deleted {
        seq,
        at,
        by,
        already: false,
    }) = world.does(&room, world.delete(&ann, id, false)).await
    else {
        panic!("not deleted")
    };
    assert_eq!((seq, &by), (Seq(3), &ann.id));
    // Again, by a moderator, later: the first deletion is the answer.
    let Ok(Outcome::Deleted {
        seq: s,
        at: a,
        by: b,
        already: true,
    }) = world.does(&room, world.delete(&bob, id, true)).await
    else {
        panic!("deleted twice")
    };
    assert_eq!((s, a, b), (seq, at, by));
    assert!(matches!(
        world.does(&room, world.delete(&bob, id, false)).await,
        Err(Refusal::NotYours)
    ));
    assert!(matches!(
        world.does(&room, world.delete(&ann, second, true)).await,
        Ok(Outcome::Deleted { seq: Seq(4), .. })
    ));
    let nothing = MessageId::at_seq(Timestamp::from_millis(5), Seq(1), 5);
    assert!(matches!(
        world.does(&room, world.delete(&ann, nothing, true)).await,
        Err(Refusal::NoSuchMessage)
    ));
    let history = world
        .store
        .history(&room, HistoryAt::Newest, 10)
        .await
        .unwrap()
        .unwrap();
    let seen: Vec<_> = history
        .messages
        .iter()
        .map(|m| (m.seq.0, m.change_seq.0, m.content.is_some()))
        .collect();
    assert_eq!(seen, [(1, 3, false), (2, 4, false)]);
    assert_eq!(history.messages[0].deleted_at, Some(at));
}

#[tokio::test]
async fn what_the_server_says_cannot_be_deleted() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[]).await;
    let Ok(Outcome::Membership { id, seq: Seq(1) }) = world.does(&room, world.add(&ann, &bob)).await else {
        panic!("not added")
    };
    assert!(matches!(
        world.does(&room, world.delete(&ann, id, true)).await,
        Err(Refusal::NotYours)
    ));
}

#[tokio::test]
async fn cursors_move_forward_and_stop_at_the_end() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let room = world.group(&ann, &[&bob]).await;
    for n in 0..5 {
        world.says(&room, &ann, &format!("{n}")).await;
    }
    let (own, _) = world.says(&room, &bob, "mine").await;
    let moved = |outcome| match outcome {
        Ok(Outcome::Read {
            last_read_seq,
            moved,
            unread_count,
            ..
        }) => (last_read_seq.0, moved, unread_count),
        other => panic!("{other:?}"),
    };
    assert_eq!(moved(world.does(&room, world.read(&bob, 2)).await), (2, true, 3));
    assert_eq!(moved(world.does(&room, world.read(&bob, 1)).await), (2, false, 3));
    assert_eq!(moved(world.does(&room, world.read(&bob, 99)).await), (6, true, 0));
    let to = Op::MarkRead {
        user: ann.key,
        upto: ReadUpTo::Message(own),
        at: world.now(),
    };
    assert_eq!(moved(world.does(&room, to).await), (6, true, 0));
    let nowhere = MessageId::at_seq(Timestamp::from_millis(5), Seq(1), 5);
    let to = Op::MarkRead {
        user: ann.key,
        upto: ReadUpTo::Message(nowhere),
        at: world.now(),
    };
    assert!(matches!(world.does(&room, to).await, Err(Refusal::NoSuchMessage)));
    assert!(matches!(
        world.does(&room, world.read(&cem, 1)).await,
        Err(Refusal::NotMember)
    ));
    // What is sent later in the same batch counts from there on.
    let ops = vec![world.send(&ann, words("new")), world.read(&bob, 6), world.read(&bob, 7)];
    let answer = world.append(&room, ops).await;
    assert!(matches!(
        answer.outcomes[1],
        Ok(Outcome::Read {
            unread_count: 1,
            moved: false,
            ..
        })
    ));
    assert!(matches!(
        answer.outcomes[2],
        Ok(Outcome::Read {
            unread_count: 0,
            moved: true,
            ..
        })
    ));
}
