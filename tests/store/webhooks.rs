//! What endpoints were told, and what they are to be told: nothing is missing, nothing of before is told.

use parlor::{
    db::{Behind, Change, EndpointKey, News, Told},
    domain::{Conversation, ConversationKey, Seq},
};

use crate::world::World;

const URL: &str = "https://product.example/hooks";

async fn endpoint(world: &World) -> EndpointKey {
    world.store.webhook_endpoint(URL, world.now()).await.unwrap().0
}

/// The keys of the conversations that hold something for the endpoint, page by page.
async fn behind(world: &World, endpoint: EndpointKey, look_at: usize) -> Vec<ConversationKey> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let Behind { conversations, next } = world.store.webhooks_behind(endpoint, after, look_at).await.unwrap();
        found.extend(conversations.into_iter().map(|(key, _)| key));
        match next {
            Some(_) => after = next,
            None => return found,
        }
    }
}

async fn news(world: &World, endpoint: EndpointKey, of: &Conversation, limit: usize) -> News {
    let news = world.store.webhook_news(endpoint, of.key, None, limit).await.unwrap();
    news.expect("the conversation exists")
}

async fn told(world: &World, endpoint: EndpointKey, of: &Conversation, upto: u32) {
    let told = Told {
        endpoint,
        conversation: of.key,
        upto: Seq(upto),
    };
    world.store.webhooks_told(&[told]).await.unwrap();
}

fn seqs(news: &News) -> Vec<u32> {
    news.changes.iter().map(|change| change.seq().0).collect()
}

#[tokio::test]
async fn a_new_endpoint_is_told_of_nothing_that_was_there_before() {
    let world = World::fresh().await;
    let [ann, ben] = world.users(["ann", "ben"]).await;
    let old = world.group(&ann, &[&ben]).await;
    world.says(&old, &ann, "before").await;
    let (key, made) = world.store.webhook_endpoint(URL, world.now()).await.unwrap();
    assert!(made);
    assert_eq!(
        world.store.webhook_endpoint(URL, world.now()).await.unwrap(),
        (key, false)
    );
    assert!(behind(&world, key, 10).await.is_empty());
    world.says(&old, &ben, "after").await;
    let found = news(&world, key, &old, 10).await;
    assert_eq!((seqs(&found), found.upto, found.more), (vec![2], Seq(2), false));
    assert!(found.introduced.is_none(), "it was there before");
    // Another one configured later starts later.
    let other = world
        .store
        .webhook_endpoint("https://other.example/", world.now())
        .await
        .unwrap();
    assert!(other.1 && other.0 != key);
    assert!(behind(&world, other.0, 10).await.is_empty());
    assert_eq!(behind(&world, key, 10).await, [old.key]);
}

#[tokio::test]
async fn a_conversation_that_was_not_heard_of_is_introduced_with_its_members() {
    let world = World::fresh().await;
    let [ann, ben] = world.users(["ann", "ben"]).await;
    let key = endpoint(&world).await;
    let empty = world.group(&ann, &[&ben]).await;
    assert_eq!(behind(&world, key, 10).await, [empty.key]);
    let found = news(&world, key, &empty, 10).await;
    let members: Vec<_> = found
        .introduced
        .unwrap()
        .into_iter()
        .map(|member| member.user.id.clone())
        .collect();
    assert_eq!(members, [ann.id.clone(), ben.id.clone()]);
    assert_eq!((found.upto, found.changes.len(), found.deleted), (Seq(0), 0, false));
    told(&world, key, &empty, 0).await;
    assert!(behind(&world, key, 10).await.is_empty());
    assert!(news(&world, key, &empty, 10).await.introduced.is_none());
    assert_eq!(
        world
            .store
            .webhook_news(key, ConversationKey(999), None, 10)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn changes_come_in_pages_in_their_order_and_the_cursor_says_what_is_left() {
    let world = World::fresh().await;
    let [ann, ben] = world.users(["ann", "ben"]).await;
    let key = endpoint(&world).await;
    let chat = world.group(&ann, &[&ben]).await;
    let (first, _) = world.says(&chat, &ann, "one").await;
    world.says(&chat, &ben, "two").await;
    world.does(&chat, world.delete(&ann, first, false)).await.unwrap();
    let page = news(&world, key, &chat, 2).await;
    assert_eq!((seqs(&page), page.upto, page.more), (vec![1, 2], Seq(2), true));
    assert!(
        matches!(&page.changes[0], Change::Sent(message) if message.content.is_none()),
        "in its latest form"
    );
    told(&world, key, &chat, 2).await;
    let page = news(&world, key, &chat, 2).await;
    assert_eq!((seqs(&page), page.upto, page.more), (vec![3], Seq(3), false));
    // What the caller knows better counts.
    let known = world
        .store
        .webhook_news(key, chat.key, Some(Seq(3)), 2)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((seqs(&known), known.upto), (vec![], Seq(3)));
    told(&world, key, &chat, 3).await;
    told(&world, key, &chat, 1).await;
    assert!(behind(&world, key, 1).await.is_empty(), "a cursor never moves back");
}

#[tokio::test]
async fn a_deleted_conversation_still_has_its_last_line() {
    let world = World::fresh().await;
    let [ann, ben] = world.users(["ann", "ben"]).await;
    let key = endpoint(&world).await;
    let chat = world.group(&ann, &[&ben]).await;
    told(&world, key, &chat, 0).await;
    world.does(&chat, world.ends(&ann)).await.unwrap();
    assert_eq!(behind(&world, key, 10).await, [chat.key]);
    let found = news(&world, key, &chat, 10).await;
    assert!(found.deleted);
    assert_eq!(seqs(&found), [1]);
}

#[tokio::test]
async fn what_is_behind_is_found_page_by_page_and_survives_a_restart() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let key = endpoint(&world).await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let chat = world.group(&ann, &[]).await;
        told(&world, key, &chat, 0).await;
        if number % 3 != 1 {
            world.says(&chat, &ann, "hi").await;
            expected.push(chat.key);
        }
    }
    let world = world.reopened();
    assert_eq!(endpoint(&world).await, key);
    for look_at in [1, 2, 3, 7, 100] {
        assert_eq!(behind(&world, key, look_at).await, expected, "{look_at}");
    }
}
