//! Every op and every refusal of the log.

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
