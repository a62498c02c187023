//! How long a search takes, and how fast the index follows.
//!
//! `cargo bench --bench search [-- MESSAGES [postgres://…]]`, on a new file or on the empty database that is named: one
//! conversation of so many messages (100,000) of nine words each, and a thousand small ones beside it; then each question 51
//! times: the median, and the slowest. `zebra` was said once, as the first of all, and `yeti` in every message of the first
//! tenth, so that both are as far from the newest as can be. The figures are in `docs/decisions/0007-search.md`.

use std::{sync::Arc, time::Duration, time::Instant};

use parlor::{
    db::{
        ConversationAppend, Location, Log, NewAccount, NewConversation, NewMessage, Op, Opened, Purpose, Search, Store,
    },
    domain::{
        Content, Conversation, ConversationId, ConversationKey, MessageType, Timestamp, User, UserId, message::Draft,
        words::Sought,
    },
};

const WORDS_A_MESSAGE: u64 = 8;
const VOCABULARY: u64 = 20_000;
const SMALL_ONES: u64 = 1000;
const MESSAGES_EACH: u64 = 100;
const TIMES: usize = 51;

/// A number that looks random, the same in each run.
fn random(n: u64) -> u64 {
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x ^= x >> 32;
    x = x.wrapping_mul(0xd6e8_feb8_6659_fd93);
    x ^ (x >> 32)
}

/// Where the large conversation begins.
const LARGE: u64 = 1_000_000;

/// Few words are common, most are rare, as people write.
fn text(n: u64, messages: u64) -> String {
    let word = |i| {
        let share = (random(n * WORDS_A_MESSAGE + i) % 1_000_000) as f64 / 1e6;
        format!("w{}", (VOCABULARY as f64).powf(share) as u64)
    };
    let words: Vec<String> = (0..WORDS_A_MESSAGE).map(word).collect();
    let more = match n {
        LARGE => " zebra",
        _ if (LARGE..LARGE + messages / 10).contains(&n) => " yeti",
        _ => "",
    };
    format!("the {}{more}", words.join(" "))
}

fn send(sender: &Arc<User>, n: u64, text: &str) -> Op {
    let draft = Draft {
        kind: MessageType::Text,
        content: Content::text(text).expect("a text"),
        client_id: None,
        reply_to: None,
    };
    Op::Send(Arc::new(NewMessage {
        sender: sender.clone(),
        draft,
        at: Timestamp::from_millis(1_800_000_000_000 + n as i64),
        random: random(n),
        mentions: Vec::new(),
        pause_seconds: None,
    }))
}

async fn group(store: &dyn Store, owner: &User, n: u64) -> Conversation {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&random(n).to_le_bytes());
    let group = NewConversation::group(ConversationId::generate(at, bytes), "bench", owner.key, at);
    store.create_conversation(group).await.expect("answered").expect("made")
}

async fn fill(log: &mut dyn Log, to: &Conversation, sender: &Arc<User>, messages: std::ops::Range<u64>) {
    let many = messages.end - messages.start;
    let numbers: Vec<u64> = messages.collect();
    for some in numbers.chunks(1000) {
        let append = ConversationAppend {
            conversation: to.key,
            ops: some.iter().map(|n| send(sender, *n, &text(*n, many))).collect(),
        };
        for answer in log.append(vec![append]).await {
            answer.expect("committed");
        }
    }
}

async fn ask(store: &dyn Store, user: &User, q: &str, only: Option<ConversationKey>) -> (usize, Duration, Duration) {
    let (mut took, mut found) = (Vec::new(), 0);
    for _ in 0..TIMES {
        let search = Search {
            sought: Sought::parse(q).expect("a question"),
            conversation: only,
            from: None,
            before: None,
            limit: 20,
        };
        let began = Instant::now();
        found = store.search(user.key, search).await.expect("an answer").hits.len();
        took.push(began.elapsed());
    }
    took.sort_unstable();
    (found, took[TIMES / 2], took[TIMES - 1])
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let messages: u64 = arguments
        .first()
        .map_or(100_000, |n| n.parse().expect("MESSAGES is a number"));
    let dir = tempfile::tempdir().expect("a directory");
    let location = match arguments.get(1) {
        Some(url) => Location::Postgres(url.clone()),
        None => Location::Sqlite(dir.path().join("store")),
    };
    let purpose = Purpose::Serve {
        migrate: true,
        readers: 1,
    };
    let Opened { store, mut log, .. } = location.open(purpose).expect("a store");
    let account = NewAccount {
        id: UserId::parse("ann").expect("an id"),
        name: "ann".to_owned(),
        folded: "ann".to_owned(),
        display_name: "Ann".to_owned(),
        password_hash: String::new(),
        admin: false,
        at: Timestamp::from_millis(0),
    };
    let ann = store.create_account(account).await.expect("made").expect("new");
    let large = group(&*store, &ann, 0).await;
    for n in 1..=SMALL_ONES {
        let small = group(&*store, &ann, n).await;
        fill(&mut *log, &small, &ann, n * MESSAGES_EACH..(n + 1) * MESSAGES_EACH).await;
    }
    let began = Instant::now();
    fill(&mut *log, &large, &ann, LARGE..LARGE + messages).await;
    println!("{messages} messages sent in {:.1} s", began.elapsed().as_secs_f64());
    while store.search_backlog() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("all is in the index after {:.1} s", began.elapsed().as_secs_f64());
    if let Ok(file) = std::fs::metadata(dir.path().join("store")) {
        println!("the file has {} MiB", file.len() >> 20);
    }
    println!(
        "{:<52} {:>6} {:>10} {:>10}",
        "looked for", "found", "median ms", "slowest"
    );
    for (what, q, only) in [
        ("a word of every message, in the large one", "the", Some(large.key)),
        ("a rare word, in the large one", "w19999", Some(large.key)),
        (
            "a word of the first message, in the large one",
            "zebra",
            Some(large.key),
        ),
        ("the beginning of one, in the large one", "zebr", Some(large.key)),
        ("a word of the first tenth, in the large one", "yeti", Some(large.key)),
        ("a letter of the first tenth, in the large one", "y", Some(large.key)),
        ("two common words, in the large one", "w2 w1", Some(large.key)),
        (
            "a common word and a rare one, in the large one",
            "the zebra",
            Some(large.key),
        ),
        ("a rare word and a letter, in the large one", "zebra w", Some(large.key)),
        ("a word of the first tenth and a letter", "yeti w", Some(large.key)),
        ("a letter, in the large one", "w", Some(large.key)),
        ("nothing, in the large one", "nowhere", Some(large.key)),
        ("a word of every message, everywhere", "the", None),
        ("a rare word, everywhere", "w19999", None),
        ("a word of the first message, everywhere", "zebra", None),
        ("two common words, everywhere", "w2 w1", None),
        ("a letter, everywhere", "w", None),
        ("nothing, everywhere", "nowhere", None),
    ] {
        let (found, median, slowest) = ask(&*store, &ann, q, only).await;
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!("{what:<52} {found:>6} {:>10.2} {:>10.2}", ms(median), ms(slowest));
    }
}
