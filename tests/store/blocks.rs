//! Search in conversations of many blocks of the index: every hit once and in order, whatever was changed meanwhile and
//! wherever a page begins; and what becomes of an index of the version before.

use std::sync::Arc;

use diesel::connection::SimpleConnection;
use parlor::{
    db::{Before, Op, Outcome, Search},
    domain::{Conversation, MessageId, Seq, Timestamp, User, words::Sought},
};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use crate::{
    search::search,
    world::{World, words},
};

/// As `index::BLOCK_BITS` says.
const BLOCK: usize = 4096;

/// Seqs of the long conversation, at least: a bit of a fourth block.
const LONG: usize = 3 * BLOCK + 100;

/// Seqs whose messages stand at the edges of blocks.
const EDGES: [usize; 7] = [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK - 1, 2 * BLOCK, 3 * BLOCK];

/// A message as the test knows it.
#[derive(Clone)]
struct Said {
    id: MessageId,
    room: usize,
    seq: Seq,
    by: Arc<User>,
    text: String,
    at: Timestamp,
}

/// What is said as the `n`th: a word of all, words that get rarer, one that was only said long ago, and at the edges of
/// blocks one that is nowhere else. `前後` is nearly everywhere as two characters, and `一二三` as two
/// pairs, and together only at the edges.
fn text(n: usize) -> String {
    let mut text = format!("every m{} n{} k{}", n % 7, n % 211, n % 2003);
    if n < 300 {
        text.push_str(" ancient");
    }
    text.push_str(if EDGES.contains(&n) {
        " edge 前後 一二三"
    } else {
        " 後x前 二三 一二"
    });
    text
}

/// What was said in some conversations, the long one first; and the test's own idea of a search.
struct Talk {
    world: World,
    ann: Arc<User>,
    bob: Arc<User>,
    rooms: Vec<Conversation>,
    said: Vec<Said>,
}

impl Talk {
    async fn begin() -> Self {
        let world = World::fresh().await;
        let [ann, bob] = world.users(["ann", "bob"]).await;
        let mut rooms = Vec::new();
        for _ in 0..7 {
            rooms.push(world.group(&ann, &[&bob]).await);
        }
        let mut talk = Self {
            world,
            ann,
            bob,
            rooms,
            said: Vec::new(),
        };
        // The small ones are said to now and then: before, between and behind what is said in the long one.
        for (chunk, from) in (1..=LONG).step_by(500).enumerate() {
            let room = 1 + chunk % 6;
            talk.says(room, (from..from + 5).collect()).await;
            talk.says(0, (from..(from + 500).min(LONG + 1)).collect()).await;
        }
        talk
    }

    async fn says(&mut self, room: usize, numbers: Vec<usize>) {
        let mut ops = Vec::new();
        let mut sent = Vec::new();
        for n in numbers {
            let by = if n % 5 == 0 { self.bob.clone() } else { self.ann.clone() };
            let op = self.world.send(&by, words(&text(n)));
            let Op::Send(message) = &op else { panic!("a send") };
            sent.push((by, text(n), message.at));
            ops.push(op);
        }
        let answer = self.world.append(&self.rooms[room], ops).await;
        for ((by, text, at), outcome) in sent.into_iter().zip(answer.outcomes) {
            let Ok(Outcome::Sent { id, seq, .. }) = outcome else {
                panic!("{outcome:?}")
            };
            self.said.push(Said {
                id,
                room,
                seq,
                by,
                text,
                at,
            });
        }
    }

    /// What a search must find: by looking at everything.
    fn expected(&self, search: &Search) -> Vec<MessageId> {
        let anchor = match search.before {
            Some(Before::Message(id)) => {
                let message = self.said.iter().find(|said| said.id == id).expect("it was said");
                Some((message.at, message.room, message.seq))
            }
            Some(Before::Time(at)) => Some((at, 0, Seq(0))),
            None => None,
        };
        let mut found: Vec<&Said> = self.said.iter().filter(|said| self.fits(said, search)).collect();
        found.sort_by_key(|said| std::cmp::Reverse((said.at, said.room, said.seq)));
        found.retain(|said| anchor.is_none_or(|anchor| (said.at, said.room, said.seq) < anchor));
        found.iter().map(|said| said.id).collect()
    }

    fn fits(&self, said: &Said, search: &Search) -> bool {
        search.conversation.is_none_or(|key| key == self.rooms[said.room].key)
            && search.from.is_none_or(|user| user == said.by.key)
            && search.sought.marks(&said.text).is_some()
    }

    async fn agrees(&self, search: Search, what: &str) {
        let mut expected = self.expected(&search);
        let found = if expected.len() > 40 * search.limit {
            // Some pages of many.
            let mut found = Vec::new();
            let mut next = search.clone();
            for _ in 0..12 {
                let page = self.world.finds(&self.bob, next.clone()).await;
                assert!(page.has_more && page.hits.len() == search.limit, "{what}");
                found.extend(page.hits.iter().map(|hit| hit.message.id));
                next.before = found.last().copied().map(Before::Message);
            }
            expected.truncate(found.len());
            found
        } else {
            self.world.pages(&self.bob, search).await
        };
        assert!(found == expected, "{what}: {found:?} instead of {expected:?}");
    }

    /// Any questions, each through its pages.
    async fn answers(&self, cases: u32) {
        let mut runner = TestRunner::new(Config::default());
        let asked = (
            prop::sample::select(vec![
                "every",
                "e",
                "m3",
                "m",
                "n17",
                "n1",
                "k1000",
                "k100",
                "edge",
                "ed",
                "ancient",
                "anc",
                "前後",
                "一二三",
                "二三",
                "一二三 e",
                "後前",
                "every ancient",
                "ancient e",
                "every k",
                "m3 n17",
                "n17 m3 e",
                "k7 k8",
                "edge m",
                "nowhere",
                "nowhere e",
                "changed",
                "changed e",
                "every ch",
                "z",
            ]),
            (0..7usize, any::<bool>()),
            prop::sample::select(vec![None, Some(true), Some(false)]),
            (any::<prop::sample::Index>(), 0..3u8),
            prop::sample::select(vec![1usize, 7, 20, 100]),
        );
        for _ in 0..cases {
            let (q, (room, one), from, (anchor, kind), limit) =
                asked.new_tree(&mut runner).expect("a question").current();
            let anchor = anchor.get(&self.said);
            let search = Search {
                sought: Sought::parse(q).expect("words"),
                conversation: (one && room < 3).then(|| self.rooms[room].key),
                from: from.map(|ann| if ann { self.ann.key } else { self.bob.key }),
                before: match kind {
                    0 => None,
                    1 => Some(Before::Message(anchor.id)),
                    _ => Some(Before::Time(anchor.at)),
                },
                limit,
            };
            let what = format!(
                "{q} by {limit}, in {:?}, from {:?}, before {:?}",
                search.conversation, search.from, search.before
            );
            self.agrees(search, &what).await;
        }
    }

    /// Some of what was said, at the edges of blocks too, is edited and deleted.
    async fn changes(&mut self) {
        let mut edits = Vec::new();
        let mut deletions = Vec::new();
        for (at, said) in self.said.iter().enumerate() {
            let seq = said.seq.0 as usize;
            if said.room != 0 {
                continue;
            }
            if EDGES[..4].contains(&seq) || seq.is_multiple_of(301) {
                edits.push(at);
            } else if EDGES[4..].contains(&seq) || seq.is_multiple_of(307) {
                deletions.push(at);
            }
        }
        for at in &edits {
            let said = &mut self.said[*at];
            said.text = format!("changed edge {}", said.text.replace("every ", ""));
            let op = self.world.edit(&said.by, said.id, &said.text, &[]);
            self.world.does(&self.rooms[0], op).await.expect("edited");
        }
        for at in &deletions {
            let said = &self.said[*at];
            let op = self.world.delete(&said.by, said.id, false);
            self.world.does(&self.rooms[0], op).await.expect("deleted");
        }
        let mut at = 0;
        self.said.retain(|_| {
            at += 1;
            !deletions.contains(&(at - 1))
        });
    }

    /// Retention takes the beginning of the long conversation, up to the middle of a block.
    async fn expires(&mut self) {
        let end = self
            .said
            .iter()
            .find(|said| said.room == 0 && said.seq.0 as usize > BLOCK + 700);
        let before = end.expect("it is that long").at;
        loop {
            let op = Op::Expire { before, limit: 500 };
            match self.world.does(&self.rooms[0], op).await {
                Ok(Outcome::Expired { more: true, .. }) => {}
                Ok(Outcome::Expired { .. }) => break,
                other => panic!("{other:?}"),
            }
        }
        self.said.retain(|said| said.room != 0 || said.at >= before);
    }
}

#[tokio::test]
async fn every_hit_is_found_once_and_in_order_across_blocks() {
    let mut talk = Talk::begin().await;
    talk.answers(30).await;
    talk.changes().await;
    talk.answers(30).await;
    talk.expires().await;
    talk.answers(30).await;
    talk.world.is_indexed().await;
    talk.answers(30).await;
    talk.world.is_sound();
}

/// The conversation has so many seqs, in its head and in the index, without a message more.
async fn grown(world: World, room: &Conversation, seq: u32) -> World {
    world.is_indexed().await;
    world.sql(&format!(
        "UPDATE heads SET seq = {seq} WHERE conversation_key = {0};
         UPDATE search_progress SET seq = {seq} WHERE conversation_key = {0}",
        room.key.0
    ));
    world.reopened()
}

/// How long it is is made by hand: a conversation of a hundred million seqs, nearly all of them without a message.
#[tokio::test]
async fn a_search_in_a_huge_conversation_finds_all_and_stops_early_only_with_something_to_show() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let (first, _) = world.says(&room, &ann, "needle").await;
    // 128 blocks are looked at in one question: these stand on both sides of where the first one ends.
    let edge = (100_000_000 / 4096 - 127) * 4096;
    let world = grown(world, &room, edge - 2).await;
    let (below, seq) = world.says(&room, &ann, "needle").await;
    assert_eq!(seq, Seq(edge - 1));
    let (above, _) = world.says(&room, &ann, "needle").await;
    let world = grown(world, &room, 100_000_000).await;
    let (last, _) = world.says(&room, &ann, "needle").await;
    let there = Search {
        conversation: Some(room.key),
        ..search("needle")
    };
    let page = world.finds(&ann, there.clone()).await;
    let ids: Vec<MessageId> = page.hits.iter().map(|hit| hit.message.id).collect();
    assert_eq!(
        (ids, page.has_more),
        (vec![last, above, below], true),
        "there may be more"
    );
    let all = [last, above, below, first];
    assert_eq!(world.pages(&ann, there).await, all);
    assert_eq!(world.pages(&ann, search("needle")).await, all, "everywhere");
    let nothing = world.finds(&ann, search("hay")).await;
    assert!(nothing.hits.is_empty() && !nothing.has_more);
}

#[tokio::test]
async fn an_index_of_the_version_before_is_made_again_by_itself() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let rooms = [world.group(&ann, &[]).await, world.group(&ann, &[]).await];
    for room in &rooms {
        let ops = (0..250).map(|n| world.send(&ann, words(&format!("tea {n}")))).collect();
        world.append(room, ops).await;
    }
    world.is_indexed().await;
    let all = world.indexed();
    // As the version before has left it.
    let down = match world.database {
        Some(_) => include_str!("../../migrations/postgres/0006_search_blocks/down.sql"),
        None => include_str!("../../migrations/sqlite/0006_search_blocks/down.sql"),
    };
    let (database, dir) = (world.database.clone(), world.close());
    let before = |statements: &str| match &database {
        Some(database) => {
            database.runs(statements);
        }
        None => crate::failures::raw(&dir.path().join("parlor.sqlite3"))
            .batch_execute(statements)
            .unwrap(),
    };
    before("ALTER TABLE users DROP COLUMN told");
    before(down);
    before("DELETE FROM __diesel_schema_migrations WHERE version >= '0006'");
    for room in &rooms {
        let (key, head) = (room.key.0, 250);
        for seq in 1..=head {
            let position = (key << 32) + seq;
            before(&match database {
                Some(_) => {
                    format!("INSERT INTO message_index VALUES ({position}, array_to_tsvector(ARRAY['{key:x}.tea']))")
                }
                None => {
                    format!("INSERT INTO message_index (rowid, content, sender) VALUES ({position}, '{key:x}.tea', '')")
                }
            });
        }
        before(&format!("INSERT INTO search_progress VALUES ({key}, {head}, 0)"));
    }
    let world = World::opened(dir, database);
    // Nobody writes, nobody searches.
    world.is_indexed().await;
    assert_eq!(world.indexed(), all);
    assert_eq!(world.pages(&ann, search("tea")).await.len(), 500);
    assert_eq!(world.pages(&ann, search("249")).await.len(), 2);
    world.is_sound();
}
