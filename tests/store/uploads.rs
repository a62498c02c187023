//! Uploads: who may show them, how long they are kept, what is left when their messages go.

use parlor::{
    db::{NewUpload, Outcome, Refusal},
    domain::{Content, MessageType, Seq, Timestamp, UploadName, message::Draft},
};

use crate::world::{World, shows, words};

/// Far behind every moment of the world's.
const LATER: Timestamp = Timestamp::from_millis(i64::MAX);

impl World {
    /// What may go at a moment after `now`, all of it.
    async fn sweeps(&self, now: Timestamp) -> Vec<UploadName> {
        let mut swept: Vec<UploadName> = Vec::new();
        loop {
            let some = self.store.sweep_uploads(now, 3).await.unwrap();
            assert!(some.len() <= 3);
            if some.is_empty() {
                swept.sort_by(|one, other| one.as_str().cmp(other.as_str()));
                return swept;
            }
            swept.extend(some);
        }
    }
}

fn sorted<const N: usize>(mut names: [&UploadName; N]) -> Vec<UploadName> {
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.map(Clone::clone).to_vec()
}

#[tokio::test]
async fn only_the_uploader_shows_an_upload() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let name = world.uploads(&ann).await;
    let unknown = world.new_name();
    let ops = vec![
        world.send(&bob, shows(&name)),
        world.send(&ann, shows(&unknown)),
        world.send(&ann, shows(&name)),
    ];
    let answer = world.append(&room, ops).await;
    assert!(matches!(answer.outcomes[0], Err(Refusal::NotYourUpload)));
    assert!(matches!(answer.outcomes[1], Err(Refusal::NoSuchUpload)));
    assert!(matches!(answer.outcomes[2], Ok(Outcome::Sent { seq: Seq(1), .. })));
    assert_eq!(answer.head, Seq(1));
    world.is_sound();
}

#[tokio::test]
async fn an_upload_that_was_never_posted_is_swept_when_it_is_due() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let (posted, forgotten) = (world.uploads(&ann).await, world.uploads(&ann).await);
    world.does(&room, world.send(&ann, shows(&posted))).await.unwrap();
    assert_eq!(world.sweeps(world.now()).await, []);
    assert_eq!(world.sweeps(LATER).await, sorted([&forgotten]));
    assert_eq!(world.sweeps(LATER).await, []);
    let refused = world.does(&room, world.send(&ann, shows(&forgotten))).await;
    assert!(matches!(refused, Err(Refusal::NoSuchUpload)));
    let names = [posted.clone(), forgotten];
    assert_eq!(world.store.recorded_uploads(&names).await.unwrap(), [posted]);
    world.is_sound();
}

#[tokio::test]
async fn an_upload_goes_with_the_last_message_that_shows_it() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let (room, other) = (world.group(&ann, &[]).await, world.group(&ann, &[]).await);
    let name = world.uploads(&ann).await;
    let mut shown = Vec::new();
    for place in [&room, &room, &other] {
        match world.does(place, world.send(&ann, shows(&name))).await {
            Ok(Outcome::Sent { id, .. }) => shown.push((place, id)),
            other => panic!("{other:?}"),
        }
    }
    for (place, id) in shown {
        assert_eq!(world.sweeps(LATER).await, []);
        world.does(place, world.delete(&ann, id, false)).await.unwrap();
        // Deleted once more nothing changes.
        world.does(place, world.delete(&ann, id, false)).await.unwrap();
    }
    // Posted again before the sweep came by.
    let again = world.does(&room, world.send(&ann, shows(&name))).await;
    assert_eq!(world.sweeps(LATER).await, []);
    let Ok(Outcome::Sent { id, .. }) = again else {
        panic!("{again:?}")
    };
    world.does(&room, world.delete(&ann, id, false)).await.unwrap();
    world.is_sound();
    assert_eq!(world.sweeps(world.now()).await, sorted([&name]));
    world.is_sound();
}

#[tokio::test]
async fn what_an_ended_conversation_showed_is_swept_in_pieces() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let (ends, left, stays) = (
        world.group(&ann, &[&bob]).await,
        world.group(&ann, &[]).await,
        world.group(&ann, &[]).await,
    );
    let (one, two, shared) = (
        world.uploads(&ann).await,
        world.uploads(&bob).await,
        world.uploads(&ann).await,
    );
    let last = world.uploads(&ann).await;
    // More than one piece of it.
    for _ in 0..6 {
        let ops = (0..100).map(|_| world.send(&ann, shows(&one))).collect();
        world.append(&ends, ops).await;
    }
    world.does(&ends, world.send(&bob, shows(&two))).await.unwrap();
    world.does(&ends, world.send(&ann, shows(&shared))).await.unwrap();
    world.does(&stays, world.send(&ann, shows(&shared))).await.unwrap();
    world.does(&left, world.send(&ann, shows(&last))).await.unwrap();
    world.does(&ends, world.ends(&ann)).await.unwrap();
    world.does(&left, world.remove(&ann, &ann, None)).await.unwrap();
    world.is_sound();
    let mut swept: Vec<UploadName> = Vec::new();
    // A piece may free nothing.
    for _ in 0..4 {
        swept.extend(world.sweeps(world.now()).await);
    }
    swept.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    assert_eq!(swept, sorted([&one, &two, &last]));
    assert_eq!(world.sweeps(LATER).await, []);
    world.is_sound();
}

#[tokio::test]
async fn uploads_that_were_never_posted_are_counted() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[]).await;
    let first = world.uploads(&ann).await;
    world.uploads(&ann).await;
    let upload = || NewUpload {
        name: world.new_name(),
        user: ann.key,
        bytes: 1,
        width: 1,
        height: 1,
        at: world.now(),
        sweep_at: world.now(),
    };
    assert_eq!(world.store.unposted_uploads(ann.key).await.unwrap(), 2);
    assert!(!world.store.record_upload(upload(), 2).await.unwrap());
    world.does(&room, world.send(&ann, shows(&first))).await.unwrap();
    assert_eq!(world.store.unposted_uploads(ann.key).await.unwrap(), 1);
    assert!(world.store.record_upload(upload(), 2).await.unwrap());
    assert!(!world.store.record_upload(upload(), 2).await.unwrap());
    assert_eq!(world.store.unposted_uploads(bob.key).await.unwrap(), 0);
}

#[tokio::test]
async fn a_repeated_client_id_shows_an_upload_once_even_when_it_is_gone() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let name = world.uploads(&ann).await;
    let draft = || Draft {
        client_id: Some(parlor::domain::ClientId::parse("c-1").unwrap()),
        ..shows(&name)
    };
    let sent = world.does(&room, world.send(&ann, draft())).await;
    let Ok(Outcome::Sent { id, .. }) = sent else {
        panic!("{sent:?}")
    };
    world.does(&room, world.delete(&ann, id, false)).await.unwrap();
    assert_eq!(world.sweeps(LATER).await, sorted([&name]));
    let again = world.does(&room, world.send(&ann, draft())).await;
    assert!(
        matches!(&again, Ok(Outcome::Repeated(message)) if message.id == id),
        "{again:?}"
    );
    world.is_sound();
}

/// A drawing of about this many bytes.
fn drawing(bytes: usize) -> Draft {
    let text = format!(r#"{{"operations":[["{}"]],"width":1,"height":1}}"#, "x".repeat(bytes));
    Draft {
        kind: MessageType::Drawing,
        content: Content::drawing(&serde_json::value::RawValue::from_string(text).unwrap()).unwrap(),
        ..words("replaced")
    }
}

#[tokio::test]
async fn pages_of_large_messages_are_short_and_skip_nothing() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        let draft = if n % 10 == 3 { words("small") } else { drawing(60_000) };
        match world.does(&room, world.send(&ann, draft)).await {
            Ok(Outcome::Sent { id, .. }) => ids.push(id),
            other => panic!("{other:?}"),
        }
    }
    // Changed ones come later than those that never were.
    for id in ids.iter().step_by(2) {
        world.does(&room, world.delete(&ann, *id, false)).await.unwrap();
    }
    let (mut after, mut changes) = (Seq(0), Vec::new());
    loop {
        let page = world.store.sync(&room, after, 1000).await.unwrap();
        assert!(!page.reset && page.seq > after);
        changes.extend(page.messages.iter().map(|message| message.change_seq.0));
        after = page.seq;
        if !page.has_more {
            break;
        }
        assert!(page.messages.len() < 20);
    }
    assert_eq!(after, Seq(60));
    // The twenty that stayed, by their own position; then the twenty that were deleted, by their deletion's.
    let expected: Vec<u32> = (1..=20).map(|n| 2 * n).chain(41..=60).collect();
    assert_eq!(changes, expected);
}

/// The sweep comes while pictures that are due are posted: who was told that theirs is posted has it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_posted_while_it_is_swept_is_kept_or_refused() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let (mut posted, mut refused) = (Vec::new(), 0);
    for _ in 0..30 {
        let mut names = Vec::new();
        for _ in 0..6 {
            names.push(world.uploads(&ann).await);
        }
        let ops = names.iter().map(|name| world.send(&ann, shows(name))).collect();
        let (answer, _) = tokio::join!(world.append(&room, ops), world.sweeps(LATER));
        for (name, outcome) in names.iter().zip(&answer.outcomes) {
            match outcome {
                Ok(_) => posted.push(name.clone()),
                Err(Refusal::NoSuchUpload) => refused += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(posted.len() + refused, 180);
    let recorded = world.store.recorded_uploads(&posted).await.unwrap();
    assert_eq!(recorded.len(), posted.len(), "a picture that is shown was swept");
    world.is_sound();
}
