//! Roles, settings and the end of a conversation, as ops of the log: one seq each, all or nothing, and a store that
//! `verify` finds nothing in.

use std::sync::Arc;

use parlor::{
    db::{Change, Outcome, Refusal, sqlite::verify::verify},
    domain::{Conversation, ConversationName, MessageType, Policies, Role, Seq, Settings, User},
};

use crate::world::{World, words};

fn named(name: &str) -> Settings {
    Settings {
        name: ConversationName::parse(name).ok(),
        ..Settings::default()
    }
}

fn most(most: Option<u32>) -> Settings {
    Settings {
        max_members: Some(most),
        ..Settings::default()
    }
}

async fn roles(world: &World, room: &Conversation) -> Vec<(String, Role)> {
    let members = world.store.members(room.key).await.unwrap();
    let mut roles: Vec<_> = members
        .into_iter()
        .map(|member| (member.user.name.clone(), member.role))
        .collect();
    roles.sort();
    roles
}

fn list(roles: [(&str, Role); 3]) -> Vec<(String, Role)> {
    roles.map(|(name, role)| (name.to_owned(), role)).into()
}

async fn three() -> (World, [Arc<User>; 3], Conversation) {
    let world = World::fresh().await;
    let people = world.users(["ann", "bob", "cem"]).await;
    let room = world.group(&people[0], &[&people[1], &people[2]]).await;
    (world, people, room)
}

#[tokio::test]
async fn roles_change_and_there_is_one_owner() {
    let (world, [ann, bob, cem], room) = three().await;
    let made = world.does(&room, world.gives(&ann, &bob, Role::Admin)).await;
    assert!(matches!(made, Ok(Outcome::Membership { seq: Seq(1), .. })));
    let expected = list([("ann", Role::Owner), ("bob", Role::Admin), ("cem", Role::Member)]);
    assert_eq!(roles(&world, &room).await, expected);
    let passed = world.does(&room, world.gives(&ann, &cem, Role::Owner)).await;
    assert!(matches!(passed, Ok(Outcome::Membership { seq: Seq(2), .. })));
    let expected = list([("ann", Role::Admin), ("bob", Role::Admin), ("cem", Role::Owner)]);
    assert_eq!(roles(&world, &room).await, expected);
    // Whatever a room believes.
    for op in [
        world.gives(&ann, &bob, Role::Owner),
        world.gives(&cem, &cem, Role::Member),
    ] {
        assert!(matches!(world.does(&room, op).await, Err(Refusal::NotOwner)));
    }
    let dan = world.user("dan").await;
    let stranger = world.does(&room, world.gives(&cem, &dan, Role::Admin)).await;
    assert!(matches!(stranger, Err(Refusal::NotMember)));
    let world = world.reopened();
    assert_eq!(roles(&world, &room).await, expected);
    let changes = world.store.changes(&room, Seq(0), 10).await.unwrap();
    let kinds: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Sent(message) => Some((message.kind, message.sender.name.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [Some((MessageType::System, "ann")); 2]);
}

#[tokio::test]
async fn settings_change_what_is_given() {
    let (world, [ann, ..], room) = three().await;
    let all = Settings {
        max_members: Some(Some(7)),
        retention_seconds: Some(Some(86_400)),
        slow_mode_seconds: Some(Some(5)),
        ..named("Coffee")
    };
    let done = world.does(&room, world.configures(&ann, all)).await;
    assert!(matches!(done, Ok(Outcome::Membership { seq: Seq(1), .. })));
    world.does(&room, world.configures(&ann, most(None))).await.unwrap();
    let world = world.reopened();
    let now = world.store.conversation(room.id).await.unwrap().unwrap();
    assert_eq!(now.name.as_deref(), Some("Coffee"));
    let expected = Policies {
        max_members: None,
        retention_seconds: Some(86_400),
        slow_mode_seconds: Some(5),
        has_password: false,
    };
    assert_eq!(now.policies, expected);
}

#[tokio::test]
async fn a_conversation_holds_no_more_than_it_may() {
    let (world, [ann, bob, _], room) = three().await;
    let too_few = world.does(&room, world.configures(&ann, most(Some(2)))).await;
    assert!(matches!(too_few, Err(Refusal::TooManyMembers)));
    let dan = world.user("dan").await;
    // In one batch: each sees what was done before it.
    let ops = vec![
        world.configures(&ann, most(Some(3))),
        world.add(&ann, &dan),
        world.remove(&ann, &bob, None),
        world.add(&ann, &dan),
        world.configures(&ann, most(Some(2))),
    ];
    let answer = world.append(&room, ops).await;
    let refusals: Vec<_> = answer.outcomes.iter().map(|outcome| outcome.as_ref().err()).collect();
    assert_eq!(
        refusals,
        [None, Some(&Refusal::Full), None, None, Some(&Refusal::TooManyMembers)]
    );
    assert_eq!(answer.head, Seq(3));
}

#[tokio::test]
async fn what_has_ended_is_there_for_nobody_and_its_rows_stay() {
    let (world, [ann, bob, _], room) = three().await;
    world.says(&room, &bob, "before").await;
    let ops = vec![
        world.send(&bob, words("last words")),
        world.ends(&ann),
        world.send(&bob, words("too late")),
        world.ends(&ann),
    ];
    let answer = world.append(&room, ops).await;
    assert!(matches!(
        answer.outcomes[..],
        [
            Ok(Outcome::Sent { seq: Seq(2), .. }),
            Ok(Outcome::Membership { seq: Seq(3), .. }),
            Err(Refusal::Ended),
            Err(Refusal::Ended),
        ]
    ));
    assert!(world.store.conversation(room.id).await.unwrap().is_none());
    assert!(world.store.room_state(room.id).await.unwrap().is_none());
    assert!(world.store.membership(room.id, bob.key).await.unwrap().is_none());
    assert!(world.store.conversation_view(room.id, bob.key).await.unwrap().is_none());
    assert!(world.store.memberships(bob.key).await.unwrap().is_empty());
    let (listed, _) = world.store.conversation_list(bob.key, 10, None).await.unwrap();
    assert!(listed.is_empty());
    let world = world.reopened();
    assert_eq!(world.store.changes(&room, Seq(0), 10).await.unwrap().len(), 3);
    let report = verify(&world.path(), &mut |_| {}).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
    assert_eq!((report.conversations, report.members), (1, 3));
}
