//! What can be read: conversations, lists, history, changes.

use parlor::{
    db::{Change, HistoryAt, Outcome},
    domain::{ConversationKey, Kind, MessageId, Role, Seq, Timestamp},
};

use crate::world::{World, words};

#[tokio::test]
async fn a_group_has_its_owner_and_members() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let mut group = world.group_of(&bob, &[&ann]);
    (group.retention_seconds, group.slow_mode_seconds) = (Some(60), Some(2));
    let (id, at) = (group.id, group.at);
    let room = world.makes(group).await;
    assert_eq!(
        (room.id, room.kind, room.name.as_deref(), room.created_at),
        (id, Kind::Group, Some("friends"), at)
    );
    let policies = &room.policies;
    assert_eq!(
        (
            policies.retention_seconds,
            policies.slow_mode_seconds,
            policies.has_password
        ),
        (Some(60), Some(2), false)
    );
    assert_eq!(world.store.conversation(id).await.unwrap().unwrap(), room);
    let state = world.store.room_state(id).await.unwrap().unwrap();
    let seen: Vec<_> = state
        .members
        .iter()
        .map(|m| (m.user.name.as_str(), m.role, m.joined_at))
        .collect();
    assert_eq!(seen, [("bob", Role::Owner, at), ("ann", Role::Member, at)]);
    assert_eq!((state.head, &state.conversation), (Seq(0), &room));
    let role = async |user| world.store.membership(id, user).await.unwrap().unwrap().1;
    assert_eq!(role(bob.key).await, Some(Role::Owner));
    assert_eq!(role(cem.key).await, None);
    assert!(world.store.membership(world.new_id(), ann.key).await.unwrap().is_none());
    assert!(world.store.conversation(world.new_id()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_direct_conversation_is_one_whoever_asks() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let (made, new) = world
        .store
        .find_or_create_direct(bob.key, ann.key, world.new_id(), world.now())
        .await
        .unwrap();
    let (found, again) = world
        .store
        .find_or_create_direct(ann.key, bob.key, world.new_id(), world.now())
        .await
        .unwrap();
    assert_eq!((new, again, &found), (true, false, &made));
    assert_eq!((made.kind, &made.name), (Kind::Direct, &None));
    let (_, new) = world
        .store
        .find_or_create_direct(ann.key, cem.key, world.new_id(), world.now())
        .await
        .unwrap();
    assert!(new);
    let members = world.store.members(made.key).await.unwrap();
    let seen: Vec<_> = members.iter().map(|m| (m.user.name.as_str(), m.role)).collect();
    assert_eq!(seen, [("ann", Role::Member), ("bob", Role::Member)]);
    let view = world.store.conversation_view(made.id, ann.key).await.unwrap().unwrap();
    assert_eq!(view.other_user.unwrap(), bob);
    let view = world.store.conversation_view(made.id, bob.key).await.unwrap().unwrap();
    assert_eq!(view.other_user.unwrap(), ann);
}

#[tokio::test]
async fn a_hundred_at_once_get_the_same_direct_conversation() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let asked: Vec<_> = (0..100)
        .map(|n| {
            let (store, id, at) = (world.store.clone(), world.new_id(), world.now());
            let (one, other) = if n % 2 == 0 {
                (ann.key, bob.key)
            } else {
                (bob.key, ann.key)
            };
            tokio::spawn(async move { store.find_or_create_direct(one, other, id, at).await.unwrap() })
        })
        .collect();
    let mut made = 0;
    let mut ids = Vec::new();
    for one in asked {
        let (conversation, new) = one.await.unwrap();
        made += usize::from(new);
        ids.push(conversation.id);
    }
    ids.dedup();
    assert_eq!((made, ids.len()), (1, 1));
}

#[tokio::test]
async fn the_list_is_by_activity_with_the_younger_first_of_equal_ones() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let at = Timestamp::from_millis(1000);
    let mut rooms = Vec::new();
    for n in 0..7 {
        let mut group = world.group_of(&ann, &[&bob]);
        (group.at, group.name) = (at, format!("{n}"));
        rooms.push(world.makes(group).await);
    }
    world.group(&bob, &[]).await;
    world.says(&rooms[2], &bob, "hello").await;
    world.says(&rooms[5], &bob, "hello").await;
    let (deleted, _) = world.says(&rooms[5], &bob, "gone").await;
    world.does(&rooms[5], world.delete(&bob, deleted, false)).await.unwrap();
    let mut names = Vec::new();
    let mut cursor = None;
    for expected in [3, 3, 1] {
        let (page, next) = world.store.conversation_list(ann.key, 3, cursor).await.unwrap();
        assert_eq!(page.len(), expected);
        for view in &page {
            let alone = world.store.conversation_view(view.id, ann.key).await.unwrap().unwrap();
            assert_eq!(&alone, view);
        }
        names.extend(page.into_iter().map(|view| view.name.unwrap()));
        cursor = next;
    }
    assert_eq!(cursor, None);
    assert_eq!(names, ["5", "2", "6", "4", "3", "1", "0"]);
    let (page, _) = world.store.conversation_list(ann.key, 2, None).await.unwrap();
    let five = &page[0];
    assert_eq!(
        (five.unread_count, five.seq, five.last_read_seq, five.member_count),
        (1, Seq(3), Seq(0), 2)
    );
    let last = five.last_message.as_ref().unwrap();
    assert_eq!(
        (last.seq, &last.content, Some(last.created_at)),
        (Seq(2), &None, five.last_message_at)
    );
    assert_eq!(page[1].last_message.as_ref().unwrap().sender, bob);
    // A page that ends exactly at the end has no next one.
    assert!(
        world
            .store
            .conversation_list(ann.key, 7, None)
            .await
            .unwrap()
            .1
            .is_none()
    );
    assert_eq!(world.store.memberships(ann.key).await.unwrap().len(), 7);
    assert_eq!(world.store.memberships(bob.key).await.unwrap().len(), 8);
}

#[tokio::test]
async fn the_view_is_for_members() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[]).await;
    assert!(world.store.conversation_view(room.id, bob.key).await.unwrap().is_none());
    assert!(
        world
            .store
            .conversation_view(world.new_id(), ann.key)
            .await
            .unwrap()
            .is_none()
    );
    let view = world.store.conversation_view(room.id, ann.key).await.unwrap().unwrap();
    assert_eq!(
        (view.last_message, view.last_message_at, view.role),
        (None, None, Role::Owner)
    );
    world.does(&room, world.remove(&ann, &ann, None)).await.unwrap();
    assert!(world.store.conversation_view(room.id, ann.key).await.unwrap().is_none());
    assert!(world.store.memberships(ann.key).await.unwrap().is_empty());
    assert!(
        world
            .store
            .conversation_list(ann.key, 10, None)
            .await
            .unwrap()
            .0
            .is_empty()
    );
}

#[tokio::test]
async fn heads_are_aligned_with_what_was_asked() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let (one, two) = (world.group(&ann, &[]).await, world.group(&ann, &[]).await);
    world.says(&two, &ann, "hi").await;
    let heads = world
        .store
        .heads(&[two.key, ConversationKey(999), one.key, two.key])
        .await
        .unwrap();
    assert_eq!(heads, [Seq(1), Seq(0), Seq(0), Seq(1)]);
    assert!(world.store.heads(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn history_goes_back_and_forth() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let (before, room, after) = (
        world.group(&ann, &[]).await,
        world.group(&ann, &[]).await,
        world.group(&ann, &[]).await,
    );
    let (elsewhere, _) = world.says(&before, &ann, "before").await;
    world.says(&after, &ann, "after").await;
    let mut ids = vec![elsewhere];
    for n in 1..=20 {
        ids.push(world.says(&room, &ann, &format!("{n}")).await.0);
    }
    let page = async |at, limit| {
        let page = world.store.history(&room, at, limit).await.unwrap().unwrap();
        let seqs: Vec<u32> = page.messages.iter().map(|m| m.seq.0).collect();
        (seqs, page.has_more, page.has_more_after)
    };
    use HistoryAt::{After, Around, Before, Newest};
    assert_eq!(page(Newest, 3).await, (vec![18, 19, 20], true, false));
    assert_eq!(page(Newest, 20).await, ((1..=20).collect(), false, false));
    assert_eq!(page(Before(ids[18]), 3).await, (vec![15, 16, 17], true, true));
    assert_eq!(page(Before(ids[3]), 3).await, (vec![1, 2], false, true));
    assert_eq!(page(Before(ids[1]), 3).await, (vec![], false, true));
    assert_eq!(page(After(ids[3]), 3).await, (vec![4, 5, 6], true, true));
    assert_eq!(page(After(ids[17]), 3).await, (vec![18, 19, 20], true, false));
    assert_eq!(page(After(ids[20]), 3).await, (vec![], true, false));
    assert_eq!(page(Around(ids[10]), 5).await, (vec![8, 9, 10, 11, 12], true, true));
    assert_eq!(page(Around(ids[10]), 4).await, (vec![8, 9, 10, 11], true, true));
    assert_eq!(page(Around(ids[1]), 5).await, (vec![1, 2, 3], false, true));
    assert_eq!(page(Around(ids[20]), 1).await, (vec![20], true, false));
    for at in [Before(elsewhere), After(elsewhere), Around(elsewhere)] {
        assert!(world.store.history(&room, at, 5).await.unwrap().is_none());
    }
    let empty = world.group(&ann, &[]).await;
    let page = world.store.history(&empty, Newest, 5).await.unwrap().unwrap();
    assert!(page.messages.is_empty() && !page.has_more && !page.has_more_after);
}

#[tokio::test]
async fn changes_are_told_one_by_one() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let (first, _) = world.says(&room, &ann, "1").await;
    world.says(&room, &bob, "2").await;
    let Ok(Outcome::Deleted { at, .. }) = world.does(&room, world.delete(&bob, first, true)).await else {
        panic!("not deleted")
    };
    world
        .append(&room, vec![world.send(&ann, words("4")), world.send(&ann, words("5"))])
        .await;
    let changes = world.store.changes(&room, Seq(0), 100).await.unwrap();
    let seqs: Vec<u32> = changes.iter().map(|c| c.seq().0).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5]);
    assert_eq!(
        changes[2],
        Change::Deleted {
            seq: Seq(3),
            message: first,
            at,
            by: bob.id.clone()
        }
    );
    assert!(matches!(&changes[0], Change::Sent(m) if m.content.is_none() && m.change_seq == Seq(3)));
    let some = world.store.changes(&room, Seq(1), 2).await.unwrap();
    assert_eq!(some, changes[1..3]);
    assert!(world.store.changes(&room, Seq(5), 2).await.unwrap().is_empty());
}

#[tokio::test]
async fn sync_resets_when_too_much_was_missed_or_the_cursor_is_beyond_the_end() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let ops = (0..1001).map(|n| world.send(&ann, words(&format!("{n}")))).collect();
    world.append(&room, ops).await;
    let page = world.store.sync(&room, Seq(0), 200).await.unwrap();
    let seqs: Vec<u32> = page.messages.iter().map(|m| m.seq.0).collect();
    assert!(page.reset && !page.has_more);
    assert_eq!((page.seq, seqs), (Seq(1001), (952..=1001).collect::<Vec<_>>()));
    let page = world.store.sync(&room, Seq(1), 200).await.unwrap();
    assert_eq!(
        (page.messages.len(), page.seq, page.has_more, page.reset),
        (200, Seq(201), true, false)
    );
    let page = world.store.sync(&room, Seq(1), 1000).await.unwrap();
    assert_eq!(
        (page.messages.len(), page.seq, page.has_more, page.reset),
        (1000, Seq(1001), false, false)
    );
    let page = world.store.sync(&room, Seq(1002), 200).await.unwrap();
    assert_eq!(
        (page.messages.len(), page.seq, page.has_more, page.reset),
        (50, Seq(1001), false, true)
    );
    let page = world.store.sync(&room, Seq(1001), 200).await.unwrap();
    assert_eq!(
        (page.messages.len(), page.seq, page.has_more, page.reset),
        (0, Seq(1001), false, false)
    );
    let nowhere = MessageId::at_seq(Timestamp::from_millis(1), Seq(2000), 0);
    assert!(
        world
            .store
            .history(&room, HistoryAt::Around(nowhere), 5)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn unread_messages_are_counted_up_to_ten_thousand() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    // Not all at once: a statement has four seconds.
    for many in [1_000; 10].into_iter().chain([3]) {
        let ops = (0..many).map(|_| world.send(&ann, words("hi"))).collect();
        world.append(&room, ops).await;
    }
    let unread = async |user| {
        world
            .store
            .conversation_view(room.id, user)
            .await
            .unwrap()
            .unwrap()
            .unread_count
    };
    assert_eq!((unread(bob.key).await, unread(ann.key).await), (10_000, 0));
    let Ok(Outcome::Read { unread_count, .. }) = world.does(&room, world.read(&bob, 2)).await else {
        panic!("not read")
    };
    assert_eq!(unread_count, 10_000);
    world.does(&room, world.read(&bob, 4)).await.unwrap();
    assert_eq!(unread(bob.key).await, 9_999);
}
