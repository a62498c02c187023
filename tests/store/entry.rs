//! Finding and coming in: channels by their slugs, doors and what stands before them, passes that no longer hold, places
//! and rooms that are counted, and what an end sets free.

use std::sync::Arc;

use parlor::{
    db::{Door, Doorway, NewConversation, Op, Outcome, Pass, Refusal, sqlite::verify::verify},
    domain::{Conversation, ConversationName, InviteCode, Kind, PasswordHash, Role, Settings, Slug, User},
};

use crate::world::{World, code, words};

fn slug(name: &str) -> Slug {
    Slug::of(&ConversationName::parse(name).unwrap()).unwrap()
}

fn renamed(name: &str) -> Settings {
    Settings {
        name: ConversationName::parse(name).ok(),
        slug: Some(slug(name)),
        ..Settings::default()
    }
}

fn hash(text: &str) -> PasswordHash {
    PasswordHash::new(format!("hash of {text}"))
}

fn pass(code: Option<InviteCode>, password: Option<&str>) -> Pass {
    Pass {
        code,
        password_hash: password.map(hash),
    }
}

/// Somebody comes in by themselves.
fn joins(world: &World, user: &Arc<User>, by: Pass) -> Op {
    match world.add(user, user) {
        Op::AddMember {
            actor,
            user,
            role,
            note,
            at,
            random,
            ..
        } => Op::AddMember {
            actor,
            user,
            role,
            pass: Some(Box::new(by)),
            note,
            at,
            random,
        },
        other => other,
    }
}

async fn door(world: &World, by: &Doorway, user: &User) -> Option<Door> {
    world.store.door(by, user.key).await.unwrap()
}

async fn slugs(world: &World, user: &User, folded: &str) -> Vec<String> {
    let (channels, next) = world.store.channels(user.key, folded, 100, None).await.unwrap();
    assert_eq!(next, None);
    channels.into_iter().map(|channel| channel.slug).collect()
}

fn assert_clean(world: &World) {
    let report = verify(&world.path(), &mut |_| {}).unwrap();
    assert_eq!(report.findings, Vec::<String>::new());
}

#[tokio::test]
async fn a_conversation_is_made_as_it_is_asked_for() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let new = NewConversation {
        password_hash: Some(hash("sesame")),
        max_members: Some(16),
        ..world.room_of(&ann, &[&bob])
    };
    let key = code(new.id);
    let room = world.makes(new.clone()).await;
    assert_eq!((room.id, room.kind, room.slug.as_deref()), (new.id, Kind::Room, None));
    assert_eq!(room.invite_code.as_deref(), Some(key.as_str()));
    assert!(room.policies.has_password && room.policies.max_members == Some(16));
    let channel = world.makes(world.channel_of(&bob, "Tea Room")).await;
    assert_eq!(
        (channel.kind, channel.slug.as_deref()),
        (Kind::Channel, Some("tea-room"))
    );
    let world = world.reopened();
    assert_eq!(world.store.conversation(room.id).await.unwrap(), Some(room.clone()));
    let found = door(&world, &Doorway::Code(key), &bob).await.unwrap();
    let expected = Door {
        conversation: room.clone(),
        role: Some(Role::Member),
        password_hash: Some(hash("sesame")),
    };
    assert_eq!(found, expected);
    let open = door(&world, &Doorway::Id(channel.id), &ann).await.unwrap();
    assert_eq!(
        (open.conversation, open.role, open.password_hash),
        (channel, None, None)
    );
    assert_eq!(
        door(&world, &Doorway::Code(InviteCode::generate([9; 16])), &ann).await,
        None
    );
    assert_eq!(door(&world, &Doorway::Id(world.new_id()), &ann).await, None);
    // Who may see the code in their list.
    let view = |user: &Arc<User>| world.store.conversation_view(room.id, user.key);
    assert!(view(&ann).await.unwrap().unwrap().invite_code.is_some());
    assert!(view(&bob).await.unwrap().unwrap().invite_code.is_none());
    assert_clean(&world);
}

#[tokio::test]
async fn a_slug_belongs_to_one_channel_until_its_end() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let tea = world.makes(world.channel_of(&ann, "Tea")).await;
    let second = world
        .store
        .create_conversation(world.channel_of(&bob, "TEA"))
        .await
        .unwrap();
    assert_eq!(second, Err(Refusal::NameTaken));
    let coffee = world.makes(world.channel_of(&bob, "Coffee")).await;
    let taken = world.does(&coffee, world.configures(&bob, renamed("tea"))).await;
    assert!(matches!(taken, Err(Refusal::NameTaken)));
    world
        .does(&tea, world.configures(&ann, renamed("TEA")))
        .await
        .expect("its own");
    world
        .does(&tea, world.configures(&ann, renamed("Cocoa")))
        .await
        .unwrap();
    assert_eq!(slugs(&world, &ann, "").await, ["cocoa", "coffee"]);
    // In one batch, each sees what was done before it.
    let other = world.makes(world.channel_of(&bob, "Milk")).await;
    let ops = vec![
        world.configures(&bob, renamed("tea")),
        world.configures(&bob, renamed("cocoa")),
        world.configures(&bob, renamed("milk")),
    ];
    let answer = world.append(&other, ops).await;
    assert!(answer.outcomes[0].is_ok() && answer.outcomes[2].is_ok());
    assert!(matches!(answer.outcomes[1], Err(Refusal::NameTaken)));
    world.does(&tea, world.ends(&ann)).await.unwrap();
    world.does(&coffee, world.remove(&bob, &bob, None)).await.unwrap();
    assert_eq!(slugs(&world, &ann, "").await, ["milk"]);
    world.makes(world.channel_of(&bob, "cocoa")).await;
    world.makes(world.channel_of(&bob, "coffee")).await;
    assert_clean(&world);
}

#[tokio::test]
async fn channels_are_read_by_slug_in_pages() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    for name in ["tea b", "tea", "tea a", "zoo", "äpfel", "coffee"] {
        world.makes(world.channel_of(&ann, name)).await;
    }
    world.makes(world.room_of(&ann, &[])).await;
    world.group(&ann, &[]).await;
    assert_eq!(
        slugs(&world, &bob, "").await,
        ["coffee", "tea", "tea-a", "tea-b", "zoo", "äpfel"]
    );
    assert_eq!(slugs(&world, &bob, "tea-").await, ["tea-a", "tea-b"]);
    let page = async |after: Option<&str>| {
        let (channels, next) = world.store.channels(bob.key, "tea", 2, after).await.unwrap();
        (channels.into_iter().map(|one| one.slug).collect::<Vec<_>>(), next)
    };
    let (first, next) = page(None).await;
    assert_eq!(
        (first, next.as_deref()),
        (vec!["tea".into(), "tea-a".into()], Some("tea-a"))
    );
    assert_eq!(page(Some("tea-a")).await, (vec!["tea-b".into()], None));
    assert_eq!(page(Some("tea-b")).await, (vec![], None));
    assert_eq!(page(Some("a")).await.0, ["tea", "tea-a"], "a cursor of another list");
    let tea = door_of(&world, &bob, "tea").await;
    world.does(&tea, joins(&world, &bob, pass(None, None))).await.unwrap();
    let (channels, _) = world.store.channels(bob.key, "tea", 1, None).await.unwrap();
    assert_eq!((channels[0].joined, channels[0].member_count), (true, 2));
    let at = world.store.conversation_view(tea.id, bob.key).await.unwrap().unwrap();
    assert_eq!(channels[0].last_message_at, at.last_message_at);
    let (channels, _) = world.store.channels(ann.key, "zoo", 1, None).await.unwrap();
    assert_eq!((channels[0].joined, channels[0].last_message_at), (true, None));
}

async fn door_of(world: &World, user: &User, slug: &str) -> Conversation {
    let (channels, _) = world.store.channels(user.key, slug, 1, None).await.unwrap();
    world.store.conversation(channels[0].id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_pass_must_hold_when_it_is_used() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let room = world.makes(world.room_of(&ann, &[])).await;
    let old = code(room.id);
    let new = InviteCode::generate([9; 16]);
    let rotate = Settings {
        invite_code: Some(Some(new.clone())),
        ..Settings::default()
    };
    let guard = Settings {
        password_hash: Some(Some(hash("sesame"))),
        ..Settings::default()
    };
    let ops = vec![
        joins(&world, &bob, pass(None, None)),
        joins(&world, &bob, pass(Some(new.clone()), None)),
        world.configures(&ann, rotate),
        joins(&world, &bob, pass(Some(old.clone()), None)),
        joins(&world, &bob, pass(Some(new.clone()), Some("sesame"))),
        joins(&world, &bob, pass(Some(new.clone()), None)),
        world.configures(&ann, guard),
        joins(&world, &cem, pass(Some(new.clone()), None)),
        joins(&world, &cem, pass(Some(new.clone()), Some("open up"))),
        joins(&world, &cem, pass(Some(new.clone()), Some("sesame"))),
        joins(&world, &cem, pass(Some(new.clone()), Some("sesame"))),
    ];
    let answer = world.append(&room, ops).await;
    let refusals: Vec<_> = answer
        .outcomes
        .iter()
        .map(|outcome| outcome.as_ref().err().copied())
        .collect();
    let (code, password) = (Some(Refusal::OtherCode), Some(Refusal::OtherPassword));
    let expected = [
        code,
        code,
        None,
        code,
        password,
        None,
        None,
        password,
        password,
        None,
        Some(Refusal::AlreadyMember),
    ];
    assert_eq!(refusals, expected);
    assert_eq!(answer.head.0, 4, "what was refused took no seq");
    let world = world.reopened();
    assert_eq!(world.store.members(room.key).await.unwrap().len(), 3);
    let away = Settings {
        invite_code: Some(None),
        password_hash: Some(None),
        ..Settings::default()
    };
    let group = world.group(&ann, &[]).await;
    let of_group = Settings {
        invite_code: Some(Some(old.clone())),
        ..Settings::default()
    };
    world
        .does(&group, world.configures(&ann, of_group))
        .await
        .expect("a code that is free again");
    assert_eq!(
        door(&world, &Doorway::Code(old.clone()), &bob)
            .await
            .map(|door| door.conversation.id),
        Some(group.id)
    );
    world.does(&group, world.configures(&ann, away)).await.unwrap();
    assert_eq!(door(&world, &Doorway::Code(old), &bob).await, None);
    world.does(&room, world.ends(&ann)).await.unwrap();
    assert_eq!(door(&world, &Doorway::Code(new), &bob).await, None);
    assert_eq!(door(&world, &Doorway::Id(room.id), &bob).await, None);
    assert_clean(&world);
}

#[tokio::test]
async fn a_user_has_room_for_twenty() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let mut rooms = Vec::new();
    for _ in 0..20 {
        rooms.push(world.makes(world.room_of(&ann, &[])).await);
    }
    let one_more = world.store.create_conversation(world.room_of(&ann, &[])).await.unwrap();
    assert_eq!(one_more, Err(Refusal::TooManyRooms));
    let with_her = world
        .store
        .create_conversation(world.room_of(&bob, &[&ann]))
        .await
        .unwrap();
    assert_eq!(with_her, Err(Refusal::TooManyRooms));
    assert!(
        world.store.memberships(bob.key).await.unwrap().is_empty(),
        "nothing was made by halves"
    );
    let other = world.makes(world.room_of(&bob, &[])).await;
    let group = world.group(&bob, &[]).await;
    let ops = vec![
        world.add(&bob, &ann),
        joins(&world, &ann, pass(Some(code(other.id)), None)),
    ];
    let answer = world.append(&other, ops).await;
    assert!(matches!(
        answer.outcomes[..],
        [Err(Refusal::TooManyRooms), Err(Refusal::TooManyRooms)]
    ));
    world
        .does(&group, world.add(&bob, &ann))
        .await
        .expect("groups are not counted");
    world.does(&rooms[0], world.ends(&ann)).await.unwrap();
    world.does(&other, world.add(&bob, &ann)).await.unwrap();
    assert_clean(&world);
}

#[tokio::test]
async fn a_full_room_is_full_for_whoever_comes() {
    let world = World::fresh().await;
    let [ann, bob, cem, dan] = world.users(["ann", "bob", "cem", "dan"]).await;
    let new = NewConversation {
        max_members: Some(3),
        ..world.room_of(&ann, &[&bob])
    };
    let room = world.makes(new).await;
    let by = pass(Some(code(room.id)), None);
    let ops = vec![
        joins(&world, &cem, by.clone()),
        joins(&world, &dan, by.clone()),
        world.add(&ann, &dan),
        world.remove(&bob, &bob, None),
        joins(&world, &dan, by),
    ];
    let answer = world.append(&room, ops).await;
    let refusals: Vec<_> = answer
        .outcomes
        .iter()
        .map(|outcome| outcome.as_ref().err().copied())
        .collect();
    assert_eq!(refusals, [None, Some(Refusal::Full), Some(Refusal::Full), None, None]);
}

/// Slow mode, by the times that messages carry.
#[tokio::test]
async fn a_pause_is_kept_by_the_log() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let says = async |who: &Arc<User>, at: i64, pause: Option<u32>| {
        let op = world.sends_at(who, words("hi"), at, pause);
        world
            .does(&room, op)
            .await
            .map(|_| ())
            .map_err(|refusal| match refusal {
                Refusal::TooSoon { retry_after_ms } => retry_after_ms,
                other => panic!("{other:?}"),
            })
    };
    let day = 86_400_000;
    assert_eq!(says(&ann, day, Some(10)).await, Ok(()));
    assert_eq!(says(&ann, day, Some(10)).await, Err(10_000));
    assert_eq!(says(&ann, day + 9_999, Some(10)).await, Err(1));
    assert_eq!(says(&bob, day + 1, Some(10)).await, Ok(()), "each for themselves");
    assert_eq!(says(&ann, day + 10_000, Some(10)).await, Ok(()));
    assert_eq!(says(&ann, day + 10_001, None).await, Ok(()), "it was turned off");
    assert_eq!(
        says(&ann, day + 10_002, Some(10)).await,
        Err(9_998),
        "since the last one that was counted"
    );
    assert_eq!(says(&ann, day + 10_002, Some(0)).await, Ok(()));
    // The clock is adjusted by a second: the pause is a little longer. It is set back by a day: nobody waits for it.
    assert_eq!(says(&ann, day + 9_000, Some(10)).await, Err(11_000));
    assert_eq!(says(&ann, 5_000, Some(10)).await, Ok(()));
    assert_eq!(says(&ann, 5_001, Some(10)).await, Err(9_999));
}

#[tokio::test]
async fn a_repeated_or_refused_message_costs_no_pause() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let day = 86_400_000;
    let named = |text, id, at| world.sends_at(&ann, crate::world::named(text, id), at, Some(10));
    let mut answers_nothing = words("no");
    answers_nothing.reply_to = Some(parlor::domain::MessageId(uuid::Uuid::nil()));
    let ops = vec![
        world.sends_at(&ann, answers_nothing, day, Some(10)),
        named("one", "c-1", day),
        named("one", "c-1", day + 1),
        named("other", "c-1", day + 2),
        named("two", "c-2", day + 3),
        named("two", "c-2", day + 10_000),
    ];
    let answer = world.append(&room, ops).await;
    assert!(matches!(
        answer.outcomes[..],
        [
            Err(Refusal::NoSuchReply),
            Ok(Outcome::Sent { .. }),
            Ok(Outcome::Repeated(_)),
            Err(Refusal::OtherContent),
            Err(Refusal::TooSoon { retry_after_ms: 9_997 }),
            Ok(Outcome::Sent { .. }),
        ]
    ));
    let world = world.reopened();
    let op = world.sends_at(&ann, words("three"), day + 15_000, Some(10));
    let late = world.does(&room, op).await;
    assert!(matches!(late, Err(Refusal::TooSoon { retry_after_ms: 5_000 })));
}
