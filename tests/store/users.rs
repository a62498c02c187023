//! Users, their credentials, and revoked tokens.

use parlor::{
    db::TokenUser,
    domain::{Timestamp, UserId},
};

use crate::world::World;

fn token(id: &str) -> TokenUser {
    TokenUser {
        id: UserId::parse(id).unwrap(),
        name: None,
        display_name: None,
        avatar_url: None,
        at: Timestamp::from_millis(7),
    }
}

#[tokio::test]
async fn a_login_name_is_taken_once_in_any_case() {
    let world = World::fresh().await;
    let mut first = world.account("Ann");
    first.admin = true;
    let ann = world.store.create_account(first).await.unwrap().unwrap();
    assert_eq!(
        (ann.id.as_str(), ann.name.as_str(), ann.display_name.as_str()),
        ("id-Ann", "Ann", "The Ann")
    );
    assert!(
        world
            .store
            .create_account(world.account("ANN"))
            .await
            .unwrap()
            .is_none()
    );
    let found = world.store.credentials("ann").await.unwrap().unwrap();
    assert_eq!(
        (found.account.user.clone(), found.password_hash.as_str()),
        (ann.clone(), "hash of Ann")
    );
    assert!(found.account.admin && found.account.local);
    assert!(world.store.credentials("Ann").await.unwrap().is_none());
    assert!(world.store.set_password("ann", "other").await.unwrap());
    assert!(!world.store.set_password("bob", "other").await.unwrap());
    assert_eq!(
        world.store.credentials("ann").await.unwrap().unwrap().password_hash,
        "other"
    );
    assert!(world.store.set_admin(&ann.id, false).await.unwrap());
    assert!(
        !world
            .store
            .set_admin(&UserId::parse("nobody").unwrap(), true)
            .await
            .unwrap()
    );
    let world = world.reopened();
    let account = world.store.account(&ann.id).await.unwrap().unwrap();
    assert_eq!((account.user, account.admin, account.last_seen_at), (ann, false, None));
}

#[tokio::test]
async fn a_token_records_a_user_and_what_it_says_anew() {
    let world = World::fresh().await;
    let first = world.store.record_token_user(token("ext|1")).await.unwrap();
    assert_eq!(
        (first.user.name.as_str(), first.user.display_name.as_str()),
        ("ext|1", "ext|1")
    );
    assert!(!first.admin && !first.local && first.user.avatar_url.is_none());
    let said = TokenUser {
        name: Some("eve".to_owned()),
        avatar_url: Some("u".to_owned()),
        ..token("ext|1")
    };
    let second = world.store.record_token_user(said).await.unwrap();
    assert_eq!((second.user.key, second.user.name.as_str()), (first.user.key, "eve"));
    assert_eq!(
        (second.user.display_name.as_str(), second.user.avatar_url.as_deref()),
        ("ext|1", Some("u"))
    );
    // A token that says nothing takes nothing away.
    assert_eq!(world.store.record_token_user(token("ext|1")).await.unwrap(), second);
    let named = TokenUser {
        name: Some("Zoë".to_owned()),
        ..token("ext|2")
    };
    assert_eq!(
        world.store.record_token_user(named).await.unwrap().user.display_name,
        "Zoë"
    );
    // The name of an embedding product's user is nobody's login.
    assert!(
        world
            .store
            .create_account(world.account("eve"))
            .await
            .unwrap()
            .is_some()
    );
    assert!(world.store.credentials("ext|1").await.unwrap().is_none());
}

#[tokio::test]
async fn only_what_a_token_says_other_than_the_last_one_is_taken_over() {
    let world = World::fresh().await;
    let says = |name: &str, picture: Option<&str>| TokenUser {
        name: Some(name.to_owned()),
        display_name: Some("Eve".to_owned()),
        avatar_url: picture.map(str::to_owned),
        ..token("ext|1")
    };
    let eve = world.store.record_token_user(says("eve", None)).await.unwrap().user;
    let changed = world.store.update_profile(eve.key, Some("Evie"), Some(Some("mine")));
    let changed = changed.await.unwrap();
    let world = world.reopened();
    let again = world.store.record_token_user(says("eve", None)).await.unwrap();
    assert_eq!((&again.user, says("eve", None).is_old(&again)), (&changed, true));
    // Another name, and a picture for the first time: what to show stays as she wants it.
    let third = world
        .store
        .record_token_user(says("eva", Some("theirs")))
        .await
        .unwrap()
        .user;
    let shown = (
        third.name.as_str(),
        third.display_name.as_str(),
        third.avatar_url.as_deref(),
    );
    assert_eq!(shown, ("eva", "Evie", Some("theirs")));
    // The product's server is right whatever tokens said, and they do not take it back.
    let put = world.store.put_product_user(says("eve", None)).await.unwrap();
    assert_eq!((put.user.name.as_str(), put.user.display_name.as_str()), ("eve", "Eve"));
    let old = world
        .store
        .record_token_user(says("eva", Some("theirs")))
        .await
        .unwrap();
    assert_eq!(old.user, put.user);
}

#[tokio::test]
async fn who_was_put_before_their_first_token_is_called_what_it_says() {
    let world = World::fresh().await;
    let said = |name: &str| TokenUser {
        name: Some(name.to_owned()),
        ..token("ext|1")
    };
    let put = world.store.put_product_user(said("zoe")).await.unwrap();
    assert_eq!((put.told.as_deref(), put.user.display_name.as_str()), (None, "zoe"));
    let told = world.store.record_token_user(said("zora")).await.unwrap();
    assert_eq!((told.user.key, told.user.name.as_str()), (put.user.key, "zora"));
}

#[tokio::test]
async fn a_token_does_not_rename_who_registered_here() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let said = TokenUser {
        name: Some("mallory".to_owned()),
        ..token("id-ann")
    };
    let account = world.store.record_token_user(said).await.unwrap();
    assert_eq!((account.user, account.local), (ann, true));
}

#[tokio::test]
async fn search_is_by_the_beginning_of_either_name_in_any_case() {
    let world = World::fresh().await;
    for (name, display) in [
        ("ann", "Zora"),
        ("Anton", "Bert"),
        ("bo", "Ännchen"),
        ("a_b", "x"),
        ("axb", "x"),
        ("zed", "anna"),
        ("a%c", "y"),
    ] {
        let said = TokenUser {
            name: Some(name.to_owned()),
            display_name: Some(display.to_owned()),
            ..token(&format!("id:{}", name.replace('%', "-")))
        };
        world.store.record_token_user(said).await.unwrap();
    }
    let names = async |query: &str, limit| {
        let found = world.store.search_users(query, limit).await.unwrap();
        found.iter().map(|user| user.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names("AN", 10).await, ["ann", "Anton", "zed"]);
    assert_eq!(names("an", 2).await, ["ann", "Anton"]);
    assert_eq!(names("äNN", 10).await, ["bo"]);
    assert_eq!(names("a_", 10).await, ["a_b"]);
    assert_eq!(names("a%", 10).await, ["a%c"]);
    assert_eq!(names("z", 10).await, ["ann", "zed"]);
    assert_eq!(names("", 3).await, ["a%c", "a_b", "ann"]);
    assert_eq!(names("", 100).await.len(), 7);
    assert!(names("nn", 10).await.is_empty());
}

#[tokio::test]
async fn a_profile_changes_by_what_is_given() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let now = world
        .store
        .update_profile(ann.key, Some("Änn"), Some(Some("pic")))
        .await
        .unwrap();
    assert_eq!(
        (now.display_name.as_str(), now.avatar_url.as_deref()),
        ("Änn", Some("pic"))
    );
    assert_eq!(world.store.update_profile(ann.key, None, None).await.unwrap(), now);
    let now = world.store.update_profile(ann.key, None, Some(None)).await.unwrap();
    assert_eq!((now.display_name.as_str(), now.avatar_url.as_deref()), ("Änn", None));
    assert_eq!(
        world.store.search_users("än", 5).await.unwrap(),
        std::slice::from_ref(&now)
    );
    assert!(world.store.search_users("the", 5).await.unwrap().is_empty());
    assert_eq!(
        world
            .store
            .users(&[ann.id.clone(), UserId::parse("no").unwrap()])
            .await
            .unwrap(),
        [now]
    );
}

#[tokio::test]
async fn it_is_noted_when_users_were_last_seen() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let at = Timestamp::from_millis(77);
    world.store.set_last_seen(&[(ann.key, at)]).await.unwrap();
    let mut seen = world
        .store
        .last_seen(&[ann.id.clone(), UserId::parse("no").unwrap(), bob.id.clone()])
        .await
        .unwrap();
    seen.sort();
    assert_eq!(seen, [(ann.id.clone(), Some(at)), (bob.id.clone(), None)]);
    assert_eq!(
        world.store.account(&ann.id).await.unwrap().unwrap().last_seen_at,
        Some(at)
    );
}

#[tokio::test]
async fn a_revoked_token_is_remembered_until_its_end() {
    let world = World::fresh().await;
    let at = Timestamp::from_millis;
    world.store.revoke_token("one", at(10)).await.unwrap();
    world.store.revoke_token("two", at(20)).await.unwrap();
    world.store.revoke_token("two", at(30)).await.unwrap();
    assert_eq!(
        world.store.revoked_tokens(at(5)).await.unwrap(),
        [("one".to_owned(), at(10)), ("two".to_owned(), at(30))]
    );
    assert_eq!(
        world.store.revoked_tokens(at(10)).await.unwrap(),
        [("two".to_owned(), at(30))]
    );
    assert_eq!(world.store.revoked_tokens(at(1)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_store_says_what_it_is() {
    let world = World::fresh().await;
    world.store.check().await.unwrap();
    let epoch = world.store.epoch().to_owned();
    assert_eq!(epoch.len(), 36);
    assert_eq!(world.reopened().store.epoch(), epoch);
    assert_ne!(World::fresh().await.store.epoch(), epoch);
}
