//! Several servers on one PostgreSQL database: positions without a gap, nothing twice, nobody waits for the other for ever.

use std::{collections::BTreeSet, sync::Arc};

use parlor::{
    db::{ConversationAppend, Location, Op, Outcome, Purpose},
    domain::Seq,
};

use crate::{
    postgres::Cluster,
    world::{World, named, shows, words},
};

const SERVERS: usize = 3;
/// A prime, so that each server goes through all of them in an order of its own.
const ROOMS: usize = 11;
const BATCHES: usize = 25;

#[tokio::test]
async fn servers_that_write_to_the_same_conversations_leave_no_gap_and_no_double() {
    let database = Arc::new(Cluster::shared().database());
    let world = World::on_shared(database.clone());
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(world.group(&ann, &[&bob]).await);
    }
    let mut servers = Vec::new();
    for server in 0..SERVERS {
        let mut opened = Location::Postgres(database.url())
            .open(Purpose::Serve {
                migrate: true,
                readers: 1,
            })
            .unwrap();
        // Every server sends the same client ids, each in an order of conversations of its own, and things that are not sends.
        let mut batches = Vec::new();
        for number in 0..BATCHES {
            let mut batch: Vec<ConversationAppend> = Vec::new();
            for at in 0..ROOMS {
                let room = &rooms[(at * (server * 2 + 5) + number) % ROOMS];
                let mut ops: Vec<Op> = vec![
                    world.send(&ann, named("the same", &format!("c-{number}"))),
                    world.send(&bob, words(&format!("{server} {number}"))),
                ];
                if number % 5 == 0 {
                    ops.push(world.read(&bob, number as u32));
                }
                batch.push(ConversationAppend {
                    conversation: room.key,
                    ops,
                });
            }
            batches.push(batch);
        }
        servers.push(tokio::spawn(async move {
            let mut sent = 0;
            for batch in batches {
                for answer in opened.log.append(batch).await {
                    let outcomes = answer.expect("no deadlock, no timeout").outcomes;
                    sent += outcomes
                        .iter()
                        .filter(|outcome| matches!(outcome, Ok(Outcome::Sent { .. })))
                        .count();
                }
            }
            opened.closer.close();
            sent
        }));
    }
    let mut sent = 0;
    for server in servers {
        sent += server.await.unwrap();
    }
    let each = BATCHES * (SERVERS + 1);
    assert_eq!(
        sent,
        ROOMS * each,
        "a client id sends once, whichever server it comes to"
    );
    for room in &rooms {
        let changes = world.store.changes(room, Seq(0), 10_000).await.unwrap();
        let seqs: Vec<u32> = changes.iter().map(|change| change.seq().0).collect();
        assert_eq!(seqs, (1..=each as u32).collect::<Vec<_>>());
    }
    world.is_sound();
}

#[tokio::test]
async fn what_is_made_at_once_on_several_servers_is_made_once() {
    let database = Arc::new(Cluster::shared().database());
    let world = World::on_shared(database.clone());
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let mut stores = Vec::new();
    for _ in 0..SERVERS {
        stores.push(Location::Postgres(database.url()).open(Purpose::Tool).unwrap());
    }
    let mut asked = Vec::new();
    for opened in &stores {
        for _ in 0..5 {
            let (store, id, at) = (opened.store.clone(), world.new_id(), world.now());
            let account = world.account("carol");
            let (one, other) = (ann.key, bob.key);
            asked.push(tokio::spawn(async move {
                let direct = store.find_or_create_direct(one, other, id, at).await.unwrap();
                let made = store.create_account(account).await.unwrap();
                (direct.0.id, direct.1, made.is_some())
            }));
        }
    }
    let mut ids = BTreeSet::new();
    let (mut made, mut registered) = (0, 0);
    for one in asked {
        let (id, new, account) = one.await.unwrap();
        ids.insert(id.to_string());
        made += usize::from(new);
        registered += usize::from(account);
    }
    assert_eq!((ids.len(), made, registered), (1, 1, 1));
    stores.into_iter().for_each(|opened| opened.closer.close());
    world.is_sound();
}

#[tokio::test]
async fn a_picture_that_one_server_posts_while_another_deletes_it_elsewhere_is_kept() {
    let database = Arc::new(Cluster::shared().database());
    let world = World::on_shared(database.clone());
    let ann = world.user("ann").await;
    let (here, there) = (world.group(&ann, &[]).await, world.group(&ann, &[]).await);
    let serve = Purpose::Serve {
        migrate: true,
        readers: 1,
    };
    let mut other = Location::Postgres(database.url()).open(serve).unwrap();
    for _ in 0..40 {
        let name = world.uploads(&ann).await;
        let shown = match world.does(&here, world.send(&ann, shows(&name))).await {
            Ok(Outcome::Sent { id, .. }) => id,
            other => panic!("{other:?}"),
        };
        let posts = ConversationAppend {
            conversation: there.key,
            ops: vec![world.send(&ann, shows(&name))],
        };
        let deletes = vec![world.delete(&ann, shown, false)];
        let (posted, deleted) = tokio::join!(other.log.append(vec![posts]), world.append(&here, deletes));
        assert!(posted[0].as_ref().unwrap().outcomes[0].is_ok() && deleted.outcomes[0].is_ok());
    }
    other.closer.close();
    world.is_sound();
}
