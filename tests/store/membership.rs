//! Coming and going: the log's ops on members, and what ends a conversation.

use parlor::{
    db::{Outcome, Refusal},
    domain::{ConversationKey, Role, Seq},
};

use crate::world::{World, words};

#[tokio::test]
async fn members_come_with_a_message_and_a_cursor_before_it() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let room = world.group(&ann, &[]).await;
    world.says(&room, &ann, "before").await;
    let ops = vec![
        world.send(&ann, words("just before")),
        world.add(&ann, &bob),
        world.add(&ann, &bob),
    ];
    let answer = world.append(&room, ops).await;
    assert!(matches!(
        answer.outcomes[1],
        Ok(Outcome::Membership { seq: Seq(3), .. })
    ));
    assert!(matches!(answer.outcomes[2], Err(Refusal::AlreadyMember)));
    let members = world.store.members(room.key).await.unwrap();
    let seen: Vec<_> = members
        .iter()
        .map(|m| (m.user.name.as_str(), m.last_read_seq.0))
        .collect();
    assert_eq!(seen, [("ann", 0), ("bob", 2)]);
    let view = world.store.conversation_view(room.id, bob.key).await.unwrap().unwrap();
    assert_eq!((view.unread_count, view.member_count, view.seq), (0, 2, Seq(3)));
    assert_eq!(
        view.last_message.unwrap().content.unwrap().as_str(),
        r#"{"text":"came"}"#
    );
    assert!(matches!(
        world.does(&room, world.remove(&ann, &cem, None)).await,
        Err(Refusal::NotMember)
    ));
}

#[tokio::test]
async fn a_conversation_holds_no_more_than_its_policy_allows() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let mut group = world.group_of(&ann, &[]);
    group.max_members = Some(2);
    let room = world.makes(group).await;
    assert_eq!(room.policies.max_members, Some(2));
    let ops = vec![
        world.add(&ann, &bob),
        world.add(&ann, &cem),
        world.remove(&bob, &bob, None),
        world.add(&ann, &cem),
    ];
    let answer = world.append(&room, ops).await;
    assert!(matches!(
        answer.outcomes[0],
        Ok(Outcome::Membership { seq: Seq(1), .. })
    ));
    assert!(matches!(answer.outcomes[1], Err(Refusal::Full)));
    assert!(matches!(
        answer.outcomes[2],
        Ok(Outcome::Membership { seq: Seq(2), .. })
    ));
    assert!(matches!(
        answer.outcomes[3],
        Ok(Outcome::Membership { seq: Seq(3), .. })
    ));
}

#[tokio::test]
async fn the_heir_owns_what_the_owner_leaves_and_the_last_one_ends_it() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let stranger = world.remove(&ann, &ann, Some(cem.key));
    assert!(matches!(world.does(&room, stranger).await, Err(Refusal::NotMember)));
    let leaves = world.remove(&ann, &ann, Some(bob.key));
    assert!(matches!(
        world.does(&room, leaves).await,
        Ok(Outcome::Membership { seq: Seq(1), .. })
    ));
    let state = world.store.room_state(room.id).await.unwrap().unwrap();
    assert_eq!(state.members.len(), 1);
    assert_eq!(
        (state.members[0].user.key, state.members[0].role),
        (bob.key, Role::Owner)
    );
    let ops = vec![
        world.remove(&bob, &bob, None),
        world.send(&bob, words("echo")),
        world.read(&bob, 1),
    ];
    let answer = world.append(&room, ops).await;
    assert!(matches!(
        answer.outcomes[0],
        Ok(Outcome::Membership { seq: Seq(2), .. })
    ));
    assert!(matches!(answer.outcomes[1], Err(Refusal::Ended)));
    assert!(matches!(answer.outcomes[2], Err(Refusal::Ended)));
    assert_eq!(answer.head, Seq(2));
    assert!(world.store.conversation(room.id).await.unwrap().is_none());
    assert!(world.store.room_state(room.id).await.unwrap().is_none());
    assert!(matches!(
        world.does(&room, world.send(&bob, words("echo"))).await,
        Err(Refusal::Ended)
    ));
}

#[tokio::test]
async fn a_conversation_that_never_was_refuses() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let mut room = world.group(&ann, &[]).await;
    room.key = ConversationKey(room.key.0 + 77);
    let answer = world.append(&room, vec![world.send(&ann, words("hi"))]).await;
    assert!(matches!(answer.outcomes[..], [Err(Refusal::Ended)]));
    assert_eq!((answer.before, answer.head), (Seq(0), Seq(0)));
}
