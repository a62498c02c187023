//! Search: what was acknowledged is found at once, in its latest form, by those who may see it, in order and page by page.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use parlor::{
    db::{Before, Found, Op, Outcome, Search},
    domain::{Content, MessageId, Seq, Timestamp, User, UserKey, words::Sought},
};
use proptest::{collection::vec, prelude::*};

use crate::world::{World, words};

/// After this the index does not follow any more.
const DEADLINE: Duration = Duration::from_secs(60);

/// Everywhere, a page of 20.
pub fn search(q: &str) -> Search {
    Search {
        sought: Sought::parse(q).unwrap(),
        conversation: None,
        from: None,
        before: None,
        limit: 20,
    }
}

impl World {
    pub async fn finds(&self, user: &User, search: Search) -> Found {
        self.store.search(user.key, search).await.unwrap()
    }

    /// The texts that a search finds, newest first.
    async fn found(&self, user: &User, q: &str) -> Vec<String> {
        texts(&self.finds(user, search(q)).await)
    }

    /// All pages of a search.
    pub async fn pages(&self, user: &User, mut search: Search) -> Vec<MessageId> {
        let mut all = Vec::new();
        loop {
            let page = self.finds(user, search.clone()).await;
            assert!(page.hits.len() <= search.limit);
            all.extend(page.hits.iter().map(|hit| hit.message.id));
            if !page.has_more {
                return all;
            }
            search.before = Some(Before::Message(*all.last().expect("a page with more has something")));
        }
    }
}

fn texts(found: &Found) -> Vec<String> {
    let text = |content: &Option<Content>| {
        content
            .as_ref()
            .map_or_else(String::new, |text| text.as_str().to_owned())
    };
    found.hits.iter().map(|hit| text(&hit.message.content)).collect()
}

#[tokio::test]
async fn what_was_acknowledged_is_found_at_once_in_its_latest_form() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let (first, _) = world.says(&room, &ann, "Café au lait").await;
    let (second, _) = world.says(&room, &bob, "café noir, s'il vous plaît").await;
    assert_eq!(
        world.found(&ann, "cafe").await,
        ["café noir, s'il vous plaît", "Café au lait"]
    );
    assert_eq!(world.found(&bob, "lait CAF").await, ["Café au lait"]);
    world
        .does(&room, world.edit(&ann, first, "Tee mit Milch", &[]))
        .await
        .unwrap();
    assert_eq!(world.found(&ann, "cafe").await, ["café noir, s'il vous plaît"]);
    assert_eq!(world.found(&ann, "milch").await, ["Tee mit Milch"]);
    world.does(&room, world.delete(&bob, second, false)).await.unwrap();
    assert_eq!(world.found(&ann, "cafe").await, Vec::<String>::new());
    let hit = world.finds(&ann, search("mit")).await.hits.remove(0);
    let history = world
        .store
        .history(&room, parlor::db::HistoryAt::Newest, 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(hit.message, history.messages[0], "as history shows it");
    let pieces: Vec<_> = hit.highlights.iter().map(|s| (s.text.as_str(), s.matches)).collect();
    assert_eq!(pieces, [("Tee ", false), ("mit", true), (" Milch", false)]);
    world.is_sound();
}

#[tokio::test]
async fn what_the_system_says_is_not_found() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[]).await;
    world.does(&room, world.add(&ann, &bob)).await.unwrap();
    world.says(&room, &ann, "who came?").await;
    assert_eq!(world.found(&ann, "came").await, ["who came?"]);
}

#[tokio::test]
async fn only_ones_own_conversations_are_looked_through() {
    let world = World::fresh().await;
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let both = world.group(&ann, &[&bob]).await;
    let others = world.group(&cem, &[&bob]).await;
    world.says(&both, &ann, "a secret").await;
    world.says(&others, &cem, "another secret").await;
    assert_eq!(world.found(&ann, "secret").await, ["a secret"]);
    assert_eq!(world.found(&bob, "secret").await, ["another secret", "a secret"]);
    let mut there = search("secret");
    there.conversation = Some(others.key);
    assert!(
        world.finds(&ann, there.clone()).await.hits.is_empty(),
        "named, and yet not a member"
    );
    assert_eq!(texts(&world.finds(&bob, there).await), ["another secret"]);
    world.does(&both, world.remove(&ann, &bob, None)).await.unwrap();
    assert_eq!(world.found(&bob, "secret").await, ["another secret"]);
    world.does(&others, world.ends(&cem)).await.unwrap();
    assert_eq!(world.found(&bob, "secret").await, Vec::<String>::new());
    assert_eq!(world.found(&cem, "secret").await, Vec::<String>::new());
}

#[tokio::test]
async fn who_wrote_it_may_be_named() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    for (who, text) in [(&ann, "tea?"), (&bob, "tea!"), (&bob, "coffee")] {
        world.says(&room, who, text).await;
    }
    let by = async |user: UserKey| {
        let mut search = search("tea");
        search.from = Some(user);
        texts(&world.finds(&ann, search).await)
    };
    assert_eq!(by(ann.key).await, ["tea?"]);
    assert_eq!(by(bob.key).await, ["tea!"]);
    assert_eq!(by(UserKey(99)).await, Vec::<String>::new());
}

#[tokio::test]
async fn pages_follow_each_other_through_all_conversations_newest_first() {
    let world = World::fresh().await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let mut rooms = Vec::new();
    for _ in 0..4 {
        rooms.push(world.group(&ann, &[&bob]).await);
    }
    let mut said = Vec::new();
    for n in 0..60usize {
        // The first room has most, the last one only old ones.
        let room = &rooms[[0, 0, 1, 2, 0, if n < 20 { 3 } else { 1 }][n % 6]];
        let (id, _) = world.says(room, &ann, &format!("tea number {n}")).await;
        said.push((id, room.key));
        world.says(room, &bob, "something else").await;
    }
    said.reverse();
    let all: Vec<MessageId> = said.iter().map(|(id, _)| *id).collect();
    for limit in [1, 2, 7, 20, 60, 100] {
        let search = Search { limit, ..search("tea") };
        assert_eq!(world.pages(&bob, search).await, all, "by {limit}");
    }
    let only = rooms[0].key;
    let there: Vec<MessageId> = said.iter().filter(|(_, key)| *key == only).map(|(id, _)| *id).collect();
    let in_one = Search {
        limit: 3,
        conversation: Some(only),
        ..search("number")
    };
    assert_eq!(world.pages(&bob, in_one).await, there);
    // A moment: strictly before it. And a message that is gone: its own moment counts.
    let (tenth, _) = said[10];
    let moment = tenth.claimed_at().unwrap();
    let mut then = search("tea");
    then.before = Some(Before::Time(moment));
    assert_eq!(world.finds(&bob, then.clone()).await.hits[0].message.id, said[11].0);
    then.before = Some(Before::Message(MessageId::at_seq(moment, Seq(4_000_000), 77)));
    assert_eq!(world.finds(&bob, then.clone()).await.hits[0].message.id, said[11].0);
    then.before = Some(Before::Time(Timestamp::from_millis(0)));
    let none = world.finds(&bob, then).await;
    assert!(none.hits.is_empty() && !none.has_more);
}

#[tokio::test]
async fn messages_of_one_moment_are_not_lost_between_pages() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let rooms = [world.group(&ann, &[]).await, world.group(&ann, &[]).await];
    let moment = world.now();
    for n in 0..12 {
        let Op::Send(mut message) = world.send(&ann, words("tick")) else {
            panic!("a send")
        };
        Arc::get_mut(&mut message).unwrap().at = moment;
        world.does(&rooms[n % 2], Op::Send(message)).await.unwrap();
    }
    for limit in [1, 5] {
        let all = world
            .pages(
                &ann,
                Search {
                    limit,
                    ..search("tick")
                },
            )
            .await;
        assert_eq!(
            (all.len(), all.iter().collect::<BTreeSet<_>>().len()),
            (12, 12),
            "by {limit}"
        );
    }
}

#[tokio::test]
async fn what_is_gone_is_not_found_and_leaves_the_index() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    for n in 0..10 {
        world.says(&room, &ann, &format!("tea {n}")).await;
    }
    assert_eq!(world.found(&ann, "tea").await.len(), 10);
    let op = Op::Expire {
        before: Timestamp::from_millis(i64::MAX),
        limit: 7,
    };
    world.does(&room, op).await.unwrap();
    assert_eq!(world.found(&ann, "tea").await, ["tea 9", "tea 8", "tea 7"]);
    world.is_sound();
    world.is_indexed().await;
    world.is_sound();
    let left = world.indexed();
    assert_eq!(left, 3);
}

impl World {
    /// How many messages the index has.
    pub fn indexed(&self) -> i64 {
        match self.database {
            Some(_) => self.count("message_index"),
            None => self.count("message_index_docsize"),
        }
    }

    /// Forgets the index.
    fn forgets(&self) {
        self.sql(match self.database {
            Some(_) => "DELETE FROM search_progress; DELETE FROM message_index",
            None => "DELETE FROM search_progress; INSERT INTO message_index (message_index) VALUES ('delete-all')",
        });
    }

    /// Waits until the index has everything, without a search.
    pub async fn is_indexed(&self) {
        let lag = "heads h LEFT JOIN search_progress p USING (conversation_key)
                   WHERE h.seq > coalesce(p.seq, 0) OR h.expired_seq > coalesce(p.expired_seq, 0)";
        let start = Instant::now();
        loop {
            let behind = (self.count(lag), self.store.search_backlog());
            if behind == (0, 0) {
                return;
            }
            assert!(start.elapsed() < DEADLINE, "the index does not follow: {behind:?}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_index_follows_by_itself_and_after_a_restart() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let rooms = [world.group(&ann, &[]).await, world.group(&ann, &[]).await];
    for room in &rooms {
        let ops = (0..450).map(|n| world.send(&ann, words(&format!("tea {n}")))).collect();
        world.append(room, ops).await;
    }
    world.is_indexed().await;
    assert_eq!(world.indexed(), 900);
    world.is_sound();
    // An index that was forgotten is made again by the next start.
    world.forgets();
    assert_eq!(world.indexed(), 0);
    let world = world.reopened();
    world.is_indexed().await;
    assert_eq!(world.indexed(), 900);
    assert_eq!(world.found(&ann, "449").await, ["tea 449", "tea 449"]);
    world.is_sound();
}

/// What somebody may type, also to break something.
fn typed() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "tea",
        "Té",
        "TEAPOT",
        "東京",
        "東",
        "京",
        "شاي",
        "שלום",
        "\"",
        "'",
        "*",
        "AND",
        "OR",
        "NOT",
        "NEAR(",
        "(",
        ")",
        "-",
        "+",
        ":",
        "content:",
        "^",
        "{a b}",
        "1.5",
        "5.tea",
        ".",
        "\u{0}",
        "\u{200d}",
        "\u{200b}",
        "\u{202e}",
        "🎉",
        "𝓽𝓮𝓪",
        "e\u{301}",
        "\n",
        "%",
        "_",
        "\\",
        ";--",
    ]);
    let known = vec((pieces, prop::sample::select(vec!["", " ", " "])), 1..6).prop_map(|parts| {
        parts
            .into_iter()
            .flat_map(|(piece, gap)| [piece, gap])
            .collect::<String>()
    });
    prop_oneof![3 => known, 1 => "\\PC{1,20}", 1 => any::<String>().prop_map(|s| s.chars().take(30).collect())]
        .prop_filter("something is typed", |text: &String| !text.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, ..ProptestConfig::default() })]
    #[test]
    fn whatever_is_typed_finds_what_has_its_words_and_breaks_nothing(
        said in vec((typed(), 0..2usize), 1..12),
        sought in vec(typed(), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::fresh().await;
            let ann = world.user("ann").await;
            let rooms = [world.group(&ann, &[]).await, world.group(&ann, &[]).await];
            let mut kept = Vec::new();
            for (text, room) in said {
                let Ok(content) = Content::text(&text) else { continue };
                let Op::Send(mut message) = world.send(&ann, words("x")) else { panic!("a send") };
                Arc::get_mut(&mut message).unwrap().draft.content = content.clone();
                let Ok(Outcome::Sent { id, .. }) = world.does(&rooms[room], Op::Send(message)).await else { panic!("sent") };
                kept.push((id, content));
            }
            kept.reverse();
            for q in sought {
                let search = search(&q);
                let fits = |(_, content): &&(MessageId, Content)| {
                    !search.sought.phrases().is_empty() && search.sought.marks(content.as_str()).is_some()
                };
                let expected: Vec<MessageId> = kept.iter().filter(fits).map(|(id, _)| *id).collect();
                let found = world.finds(&ann, search.clone()).await;
                let ids: Vec<MessageId> = found.hits.iter().map(|hit| hit.message.id).collect();
                assert_eq!(ids, expected, "{q:?}");
            }
            world.is_sound();
        });
    }
}
