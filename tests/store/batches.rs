//! Batches of everything over many conversations: what they answer does not depend on the database, on how it divides them, or on
//! who else appends; and what befalls one conversation's part says nothing about the others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parlor::{
    db::{ConversationAppend, LogError, Op, Outcome},
    domain::{Conversation, MessageId, Seq, Timestamp, User, message::Draft},
    protocol::command::ReadUpTo,
};

use crate::{
    postgres::Cluster,
    world::{World, named, shows, words},
};

const ROOMS: usize = 14;
const BATCHES: usize = 40;

/// After this something waits for ever.
const DEADLINE: Duration = Duration::from_secs(60);

/// The same numbers on every run, and on either database.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }
}

/// A conversation, and what was said there.
struct Place {
    room: Conversation,
    said: Vec<MessageId>,
}

struct Play {
    world: World,
    people: [Arc<User>; 4],
    places: Vec<Place>,
    dice: Dice,
}

impl Play {
    async fn on(world: World) -> Self {
        let people = world.users(["ann", "bob", "cem", "dan"]).await;
        let mut places = Vec::new();
        for _ in 0..ROOMS {
            let room = world.group(&people[0], &[&people[1], &people[2]]).await;
            places.push(Place { room, said: Vec::new() });
        }
        let dice = Dice(7);
        Self {
            world,
            people,
            places,
            dice,
        }
    }

    /// A message of the place, or one that is not there, or one that this batch may just be sending.
    fn message(&mut self, at: usize) -> MessageId {
        let said = &self.places[at].said;
        match said.len() {
            0 => MessageId::at_seq(Timestamp::from_millis(1), Seq(1), 1),
            many if self.dice.below(12) > 0 => said[many - 1 - self.dice.below(many.min(6))],
            many => MessageId::at_seq(Timestamp::from_millis(1), Seq(many as u32), 1),
        }
    }

    fn op(&mut self, at: usize, image: &parlor::domain::UploadName) -> Op {
        let who = self.people[self.dice.below(3)].clone();
        let other = self.people[self.dice.below(4)].clone();
        let number = self.dice.below(1000);
        let text = format!("words {number}");
        let id = self.message(at);
        let world = &self.world;
        match self.dice.below(20) {
            0..4 => world.send(&who, words(&text)),
            4..6 => {
                let text = if number.is_multiple_of(5) {
                    "another"
                } else {
                    "the same"
                };
                world.send(&who, named(text, &format!("c-{}", number % 9)))
            }
            6 | 7 => world.send(
                &who,
                Draft {
                    reply_to: Some(id),
                    ..words(&text)
                },
            ),
            8 => world.calls(&who, words(&text), &[&other, &self.people[0]]),
            9 => world.sends_at(&who, words(&text), world.now().millis(), Some(1 + number as u32 % 2)),
            10 => world.edit(&who, id, &text, &[&other]),
            11 => world.edit(&who, id, "the same", &[]),
            12..14 => world.react(&who, id, ["👍", "🎉"][number % 2], !number.is_multiple_of(3)),
            14 => world.delete(&who, id, number.is_multiple_of(2)),
            15 | 16 => world.read(&other, number as u32 % 60),
            17 => Op::MarkRead {
                user: other.key,
                upto: ReadUpTo::Message(id),
                at: world.now(),
            },
            18 if number.is_multiple_of(3) => world.send(&self.people[0], shows(image)),
            18 if number % 3 == 1 => world.add(&self.people[0], &self.people[3]),
            18 => world.remove(&self.people[0], &self.people[3], None),
            _ => Op::Expire {
                before: Timestamp::from_millis(world.now().millis() - 400),
                limit: 3,
            },
        }
    }

    /// Everything that was answered.
    async fn play(&mut self) -> Vec<String> {
        let image = self.world.uploads(&self.people[0].clone()).await;
        let mut spelled = Vec::new();
        for _ in 0..BATCHES {
            let mut batch = Vec::new();
            let mut rooms = Vec::new();
            for _ in 0..1 + self.dice.below(2 * ROOMS) {
                let at = self.dice.below(ROOMS);
                // Now and then nothing but sends, and enough for several connections.
                let plain = self.dice.below(3) == 0;
                let most = if self.dice.below(9) == 0 { 60 } else { 6 };
                let many = 1 + self.dice.below(most);
                let ops = (0..many)
                    .map(|_| match plain {
                        true => self.world.send(&self.people[1], words("plain")),
                        false => self.op(at, &image),
                    })
                    .collect();
                let conversation = self.places[at].room.key;
                batch.push(ConversationAppend { conversation, ops });
                rooms.push(at);
            }
            for (at, answer) in rooms.into_iter().zip(self.world.appends(batch).await) {
                for outcome in &answer.outcomes {
                    if let Ok(Outcome::Sent { id, .. }) = outcome {
                        self.places[at].said.push(*id);
                    }
                }
                spelled.push(format!("{at}: {answer:?}"));
            }
        }
        spelled
    }
}

#[tokio::test]
async fn mixed_batches_are_answered_alike_on_both_databases() {
    let mut file = Play::on(World::on_sqlite()).await;
    let mut server = Play::on(World::on_database(Cluster::shared().database())).await;
    let (one, other) = (file.play().await, server.play().await);
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one, other);
    }
    for kind in [
        "Sent",
        "quote: Some",
        "Repeated",
        "Edited",
        "Reacted",
        "Deleted",
        "Read",
        "Expired",
        "Membership",
        "TooSoon",
        "NoSuchMessage",
        "NoSuchReply",
        "OtherContent",
        "NotMember",
        "NotYours",
    ] {
        assert!(one.iter().any(|line| line.contains(kind)), "nobody was answered {kind}");
    }
    for (mine, theirs) in file.places.iter().zip(&server.places) {
        let (one, other) = (&file.world.store, &server.world.store);
        let one = one.changes(&mine.room, Seq(0), 10_000).await.unwrap();
        let other = other.changes(&theirs.room, Seq(0), 10_000).await.unwrap();
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
    file.world.is_sound();
    server.world.is_sound();
}

/// Appends a batch next to others who do. A slow disk lets a part wait for its turn until the server gives up: nothing of it
/// was committed then, and whoever asked asks again. A deadlock is no such thing, nor is an outcome that nobody knows.
async fn appends_in_the_end(world: &World, mut batch: Vec<ConversationAppend>) {
    let start = Instant::now();
    while !batch.is_empty() {
        let answers = world.log.lock().await.append(batch.clone()).await;
        let mut asked = batch.into_iter();
        batch = Vec::new();
        for answer in answers {
            let part = asked.next().expect("as many answers as parts");
            match answer {
                Ok(_) => {}
                Err(LogError::Unavailable(why)) if !why.contains("deadlock") => {
                    assert!(start.elapsed() < DEADLINE, "still: {why}");
                    batch.push(part);
                }
                Err(other) => panic!("{other}"),
            }
        }
        assert!(asked.next().is_none(), "as many answers as parts");
    }
}

#[tokio::test]
async fn servers_that_do_everything_at_once_leave_no_gap_and_wait_for_nobody_for_ever() {
    let database = Arc::new(Cluster::shared().database());
    let world = World::on_shared(database.clone());
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let mut rooms = Vec::new();
    for _ in 0..11 {
        let room = world.group(&ann, &[&bob]).await;
        let (first, _) = world.says(&room, &ann, "first").await;
        rooms.push((room, first));
    }
    let mut servers = Vec::new();
    for server in 0..3 {
        let mut other = World::on_shared(database.clone());
        let mut batches: Vec<Vec<ConversationAppend>> = Vec::new();
        for number in 0..25 {
            let mut batch = Vec::new();
            for at in 0..rooms.len() {
                let (room, first) = &rooms[(at * (server * 2 + 5) + number) % rooms.len()];
                let reply = Draft {
                    reply_to: Some(*first),
                    ..words("yes")
                };
                let plain = world.send(&bob, words(&format!("{server} {number}")));
                let ops = match (at + number) % 4 {
                    0 => vec![plain],
                    1 => vec![
                        plain,
                        world.react(&bob, *first, "👍", (number + server).is_multiple_of(2)),
                        world.calls(&ann, reply, &[&bob]),
                        world.read(&bob, number as u32),
                    ],
                    2 => vec![world.edit(&ann, *first, &format!("{server} {number}"), &[&bob]), plain],
                    _ if number.is_multiple_of(5) => vec![world.add(&ann, &cem), plain, world.remove(&ann, &cem, None)],
                    _ => vec![
                        world.read(&ann, number as u32),
                        plain,
                        world.send(&ann, named("x", &format!("{number}"))),
                    ],
                };
                let conversation = room.key;
                batch.push(ConversationAppend { conversation, ops });
            }
            batches.push(batch);
        }
        servers.push(tokio::spawn(async move {
            for batch in batches {
                appends_in_the_end(&other, batch).await;
            }
            other.closer.take().unwrap().close();
        }));
    }
    for server in servers {
        server.await.unwrap();
    }
    for (room, _) in &rooms {
        let head = world.store.heads(&[room.key]).await.unwrap()[0];
        let changes = world.store.changes(room, Seq(0), 10_000).await.unwrap();
        let seqs: Vec<u32> = changes.iter().map(|change| change.seq().0).collect();
        assert_eq!(seqs, (1..=head.0).collect::<Vec<_>>());
    }
    world.is_sound();
}

/// Waits until so many of our connections wait for a row; their numbers.
async fn waiting(world: &World, many: usize) -> Vec<String> {
    let mut every = tokio::time::interval(Duration::from_millis(10));
    let start = Instant::now();
    loop {
        every.tick().await;
        let stuck = world.sql(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
             AND query LIKE '%conversation_key = ANY%'",
        );
        if stuck.len() >= many {
            return stuck;
        }
        // They give up after 3 s, and then there is nothing to be seen any more.
        assert!(start.elapsed() < DEADLINE, "{many} should wait for a row: {stuck:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_concerns_its_own_conversations() {
    let database = Arc::new(Cluster::shared().database());
    let world = Arc::new(World::on_shared(database.clone()));
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let (plain, mixed) = (world.group(&ann, &[&bob]).await, world.group(&ann, &[&bob]).await);
    let (first, _) = world.says(&mixed, &ann, "first").await;
    world.says(&plain, &ann, "first").await;
    // Somebody else has the counter row of one of them.
    let (url, key) = (database.url(), mixed.key.0);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let holding = tokio::spawn(connection);
    let held = format!("BEGIN; SELECT 1 FROM heads WHERE conversation_key = {key} FOR UPDATE");
    client.batch_execute(&held).await.unwrap();
    let of = |room: &Conversation, ops: Vec<Op>| ConversationAppend {
        conversation: room.key,
        ops,
    };
    let batch = vec![
        of(&mixed, vec![world.react(&bob, first, "👍", true)]),
        of(&plain, vec![world.send(&bob, words("second"))]),
    ];
    let appending = tokio::spawn({
        let world = world.clone();
        async move { world.log.lock().await.append(batch).await }
    });
    for pid in waiting(&world, 1).await {
        world.sql(&format!("SELECT pg_terminate_backend({pid})"));
    }
    let answers = appending.await.unwrap();
    // Nothing was committed where the connection went, as far as anybody knows; the other one stands.
    assert!(
        matches!(&answers[0], Err(LogError::Unavailable(_) | LogError::Unknown(_))),
        "{answers:?}"
    );
    assert!(
        matches!(&answers[1], Ok(answer) if answer.head == Seq(2)),
        "{answers:?}"
    );
    client.batch_execute("ROLLBACK").await.unwrap();
    drop(client);
    holding.await.unwrap().unwrap();
    // Both go on, on other connections.
    let reacted = world.does(&mixed, world.react(&bob, first, "👍", true)).await;
    assert!(
        matches!(reacted, Ok(Outcome::Reacted { seq: Some(Seq(2)), .. })),
        "{reacted:?}"
    );
    assert_eq!(world.says(&plain, &ann, "third").await.1, Seq(3));
    world.is_sound();
}
