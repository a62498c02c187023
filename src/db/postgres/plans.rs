//! What PostgreSQL makes of the hot queries, and of everything that the log runs, under the settings of our connections: the plans
//! of the very statements that a connection has prepared. On tables that nobody ever counted, and on full ones; and how many
//! pages they touch with ten times the messages. Tests only.

use diesel::{
    QueryableByName,
    pg::Pg,
    query_builder::{QueryFragment, QueryId},
    sql_types::Text,
    sqlite::Sqlite,
};
use serde_json::Value;
use std::sync::Arc;

use super::{
    append,
    connection::{End, PgDb},
    groups::Kind,
    guesses::Guesses,
    target::Target,
};
use crate::{
    db::{
        ConversationAppend, NewMessage, Op, Outcome,
        common::index::{self, Range, WordIndex},
        hot::{self, Looks},
        position::pack,
        run::Db,
    },
    domain::{
        ClientId, Content, ConversationKey, Emoji, MessageId, MessageType, Seq, Timestamp, User, UserId, UserKey,
        message::Draft, words::Sought,
    },
    protocol::command::ReadUpTo,
};

#[path = "../../../tests/ports/mod.rs"]
mod ports;
#[path = "../../../tests/postgres/mod.rs"]
mod server;

use server::{Cluster, Database};

/// People; each is in every conversation.
const PEOPLE: i64 = 20;
/// Conversations, with messages in each.
const PLACES: i64 = 30;
/// The user, and the conversation, that everything is asked about.
const WHO: i64 = 3;
const WHERE: ConversationKey = ConversationKey(5);

fn connect(database: &Database<'_>) -> PgDb {
    PgDb::connect(&Target::parse(&database.url()).unwrap()).unwrap()
}

/// People and conversations, with `messages` in each, of which some were changed, reacted to, and call somebody.
fn fill(db: &mut PgDb, messages: i64) {
    db.batch(&format!(
        "INSERT INTO users (key, id, name, name_folded, display_name, display_name_folded, is_admin, created_at) \
           SELECT n, 'u' || n, 'u' || n, 'u' || n, 'u' || n, 'u' || n, false, 1 FROM generate_series(1, {PEOPLE}) n; \
         INSERT INTO conversations (key, id, kind, name, created_by, created_at) \
           SELECT n, md5(n::text)::uuid, 1, 'group', 1, 1 FROM generate_series(1, {PLACES}) n; \
         INSERT INTO heads (conversation_key, seq, last_message_seq, active_at, member_count) \
           SELECT n, {messages}, {messages}, 1, {PEOPLE} FROM generate_series(1, {PLACES}) n; \
         INSERT INTO members (conversation_key, user_key, role, joined_at, last_read_seq) \
           SELECT c, u, 1, 1, greatest({messages} - 5, 0) FROM generate_series(1, {PLACES}) c, generate_series(1, {PEOPLE}) u; \
         INSERT INTO messages (position, change_position, id, kind, sender_key, content, client_id, client_hash, created_at) \
           SELECT (c << 32) + n, (c << 32) + n, md5(c || '-' || n)::uuid, 0, 1 + n % {PEOPLE}, 'words of ' || n, 'c' || n, \
           hashint8extended((c << 32) + n, 0), n FROM generate_series(1::bigint, {PLACES}) c, generate_series(1, {messages}) n; \
         INSERT INTO reactions (message_position, emoji, user_key, position, first_position) \
           SELECT position, 'x', {WHO}, position, position FROM messages WHERE created_at % 10 = 0; \
         INSERT INTO mentions (user_key, position) SELECT {WHO}, position FROM messages WHERE created_at % 10 = 1; \
         INSERT INTO changes (position, message_position, message_id, kind, actor_key, at) \
           SELECT position + 4, position, id, 2, {WHO}, 1 FROM messages \
           WHERE created_at % 10 = 0 AND created_at < {messages} - 9; \
         INSERT INTO message_index (position, block_terms) \
           SELECT position, array_to_tsvector(ARRAY[to_hex(position >> 32) || '.' || to_hex((position & 4294967295) >> 12) \
           || '.w' || created_at % 7]) FROM messages; \
         INSERT INTO search_progress (conversation_key, seq, expired_seq) \
           SELECT n, {messages}, 0 FROM generate_series(1, {PLACES}) n; \
         INSERT INTO uploads (name, user_key, content_type, bytes, width, height, created_at, sweep_at) \
           SELECT position::text, sender_key, 'image/png', 1, 1, 1, 1, nullif(created_at % 20, 2) FROM messages WHERE created_at % 10 = 2; \
         INSERT INTO upload_uses (position, name) SELECT position, position::text FROM messages WHERE created_at % 10 = 2; \
         UPDATE messages SET change_position = position + 4 \
           WHERE created_at % 10 = 0 AND created_at < {messages} - 9;"
    ))
    .unwrap();
    // In this order: what is vacuumed shows its own pages only.
    db.batch("VACUUM ANALYZE").unwrap();
}

fn somebody(key: i64) -> Arc<User> {
    Arc::new(User {
        key: UserKey(key),
        id: UserId::parse(&format!("u{key}")).unwrap(),
        name: format!("u{key}"),
        display_name: format!("u{key}"),
        avatar_url: None,
    })
}

fn send(random: u64, reply_to: Option<MessageId>, mentions: Vec<Arc<User>>, pause_seconds: Option<u32>) -> Op {
    Op::Send(Arc::new(NewMessage {
        sender: somebody(WHO),
        draft: Draft {
            kind: MessageType::Text,
            content: Content::text("words").unwrap(),
            client_id: Some(ClientId::parse(&format!("c{random}")).unwrap()),
            reply_to,
        },
        mentions,
        at: Timestamp::from_millis(1),
        random,
        pause_seconds,
    }))
}

/// Appends one of each.
fn append_everything(db: &mut PgDb) {
    let guesses = Guesses::default();
    let mut does = |kind: Kind, ops: Vec<Op>| {
        let conversation = WHERE;
        let batch = [ConversationAppend { conversation, ops }];
        let answer = append::commit(db, &guesses, kind, &batch).remove(0).unwrap();
        answer.outcomes.into_iter().map(Result::unwrap).collect::<Vec<_>>()
    };
    let sent = does(Kind::Own, vec![send(1, None, Vec::new(), None)]);
    let Outcome::Sent { id: message, .. } = sent[0] else {
        panic!("{sent:?}")
    };
    // The hot statement, now that it is known where the conversation stands.
    does(Kind::Sends, vec![send(2, None, Vec::new(), None)]);
    let (by, at) = (somebody(WHO), Timestamp::from_millis(2));
    let react = |add: bool| Op::React {
        message,
        by: by.clone(),
        emoji: Emoji::parse("👍").unwrap(),
        add,
        at,
    };
    let upto = ReadUpTo::Message(message);
    let user = UserKey(WHO);
    let everything = vec![
        send(3, Some(message), vec![somebody(4)], Some(1)),
        react(true),
        Op::Edit {
            message,
            by: by.clone(),
            content: Content::text("others").unwrap(),
            mentions: vec![somebody(5)],
            at,
        },
        Op::MarkRead { user, upto, at },
    ];
    does(Kind::Own, everything);
    does(Kind::Own, vec![react(false), react(true)]);
    let delete = Op::Delete {
        message,
        by: by.clone(),
        moderator: false,
        at,
    };
    let expire = Op::Expire {
        before: Timestamp::from_millis(0),
        limit: 10,
    };
    does(Kind::Apart, vec![delete, expire]);
    assert!(
        does(Kind::Sends, vec![send(2, None, Vec::new(), None)]).len() == 1,
        "answered as before"
    );
}

/// Runs each query, so that it is prepared.
struct Runs<'d>(&'d mut PgDb);

impl Looks for Runs<'_> {
    fn at<Q: QueryFragment<Sqlite> + QueryFragment<Pg> + QueryId + Send>(&mut self, query: Q) {
        self.0.run_now(query).unwrap();
    }
}

fn run_everything(db: &mut PgDb) {
    let (low, high) = (pack(WHERE, Seq(1)), pack(WHERE, Seq(9)));
    db.begin("BEGIN");
    hot::all(&mut Runs(db), WHO, WHERE.0, (low, high));
    db.end(End::Commit).unwrap();
    append_everything(db);
    db.begin("BEGIN");
    index::step(db, &[WHERE.0]).unwrap();
    let sought = Sought::parse("words").unwrap();
    let ranges = [Range::between(low, high).unwrap()];
    db.words_match(&sought, Some(UserKey(WHO)), &ranges, 3).unwrap();
    db.newer_than(1, &ranges).unwrap();
    db.end(End::Commit).unwrap();
}

#[derive(QueryableByName)]
struct Prepared {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    statement: String,
    /// As many NULLs as it has parameters.
    #[diesel(sql_type = Text)]
    nothing: String,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    #[diesel(column_name = "QUERY PLAN")]
    text: String,
}

fn prepared(db: &mut PgDb) -> Vec<Prepared> {
    db.load_now(diesel::sql_query(
        "SELECT name, statement, coalesce('(' || nullif(array_to_string(array_fill('NULL'::text, \
         ARRAY[cardinality(parameter_types)]), ', '), '') || ')', '') AS nothing FROM pg_prepared_statements",
    ))
    .unwrap()
}

/// A plan, whatever its statement is about to do.
fn explain(db: &mut PgDb, how: &str, execute: &str) -> Value {
    let lines: Vec<Line> = db
        .load_now(diesel::sql_query(format!(
            "EXPLAIN ({how}, FORMAT JSON) EXECUTE {execute}"
        )))
        .unwrap_or_else(|error| panic!("{execute}: {error}"));
    serde_json::from_str(&lines.into_iter().map(|line| line.text).collect::<String>()).unwrap()
}

/// What is wrong with a plan: what costs more with each row of a table.
fn faults(node: &Value, found: &mut Vec<String>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let kind = text("Node Type");
    let through =
        matches!(kind, "Index Scan" | "Index Only Scan" | "Bitmap Index Scan") && node["Index Cond"].is_null();
    if matches!(kind, "Seq Scan" | "Hash Join" | "Merge Join") || through {
        found.push(format!("{kind} {} {}", text("Relation Name"), text("Index Name")));
    }
    for inner in node["Plans"].as_array().into_iter().flatten() {
        faults(inner, found);
    }
}

/// Tables with a row for each server, endpoint or the like: they never grow.
const SMALL: [&str; 2] = ["webhook_endpoints", "upload_endings"];

fn no_plan_reads_a_whole_table(db: &mut PgDb) {
    let statements = prepared(db);
    let mut wrong = Vec::new();
    let mut planned = 0;
    for Prepared {
        name,
        statement,
        nothing,
    } in statements
    {
        if statement.contains("pg_prepared_statements")
            || statement.starts_with("EXPLAIN")
            || statement.starts_with("SET")
        {
            continue;
        }
        let plan = explain(db, "COSTS OFF", &format!("\"{name}\" {nothing}"));
        let mut found = Vec::new();
        faults(&plan[0]["Plan"], &mut found);
        found.retain(|fault| !SMALL.iter().any(|table| fault.contains(table)));
        planned += 1;
        if !found.is_empty() {
            wrong.push(format!("{found:?}\n  {statement}"));
        }
    }
    assert!(planned > 70, "only {planned} statements were prepared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_plan_reads_a_whole_table_whose_rows_were_never_counted() {
    nor_of_a_new_store(false);
}

#[test]
fn no_plan_reads_a_whole_table_that_was_empty_when_it_was_counted() {
    nor_of_a_new_store(true);
}

fn nor_of_a_new_store(counted: bool) {
    let database = Cluster::shared().database();
    let mut db = connect(&database);
    if counted {
        db.batch("VACUUM ANALYZE").unwrap();
    }
    db.batch("ALTER TABLE messages SET (autovacuum_enabled = off)").unwrap();
    // The least that the log can be asked about: a conversation with a member.
    db.batch(&format!(
        "INSERT INTO users (key, id, name, name_folded, display_name, display_name_folded, is_admin, created_at) \
           SELECT n, 'u' || n, 'u', 'u', 'u', 'u', false, 1 FROM generate_series(1, 9) n; \
         INSERT INTO conversations (key, id, kind, name, created_by, created_at) \
           VALUES ({0}, md5('a')::uuid, 1, 'group', 1, 1); \
         INSERT INTO heads (conversation_key, seq, last_message_seq, active_at, member_count) VALUES ({0}, 0, 0, 1, 1); \
         INSERT INTO members (conversation_key, user_key, role, joined_at, last_read_seq) VALUES ({0}, {WHO}, 1, 1, 0)",
        WHERE.0
    ))
    .unwrap();
    run_everything(&mut db);
    no_plan_reads_a_whole_table(&mut db);
    // And what would is noticed.
    db.batch("PREPARE whole AS SELECT 1 FROM messages WHERE content = $1")
        .unwrap();
    let mut found = Vec::new();
    faults(&explain(&mut db, "COSTS OFF", "whole (NULL)")[0]["Plan"], &mut found);
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn no_plan_reads_a_whole_table_that_is_full() {
    let database = Cluster::shared().database();
    fill(&mut connect(&database), 500);
    let mut db = connect(&database);
    run_everything(&mut db);
    no_plan_reads_a_whole_table(&mut db);
}

/// A statement that was prepared, by a part of its text, and what it is asked.
type Asked = (&'static str, &'static str, String);

/// What is asked most, of the end of the conversation, which `head` is.
fn hottest(head: i64) -> Vec<Asked> {
    let at = |seq: i64| pack(WHERE, Seq(seq as u32));
    let (key, low, last) = (WHERE.0, at(0), at(head));
    let next = last + 1;
    vec![
        (
            "the newest page",
            "ORDER BY \"messages\".\"position\" DESC",
            format!("{low}, {next}, 51"),
        ),
        (
            "the next page",
            "<= $2)) ORDER BY \"messages\".\"position\" ASC",
            format!("{}, {last}, 51", last - 200),
        ),
        (
            "what was changed",
            "ORDER BY \"messages\".\"change_position\" ASC",
            format!("{}, {last}, 51", last - 200),
        ),
        ("changes", "FROM (\"changes\"", format!("{}, {last}, 51", last - 200)),
        (
            "unread",
            "SELECT count(*) FROM (SELECT 1 FROM (SELECT",
            format!("{}, {last}, 50000, {WHO}, 10000", last - 50),
        ),
        (
            "mentions",
            "SELECT count(*) FROM (SELECT 1 FROM mentions",
            format!("{WHO}, {}, {last}, 10000", last - 50),
        ),
        (
            "the list",
            "(h.active_at, m.conversation_key) <",
            format!("{WHO}, 1000, 1000, 21, 50000, 10000, 10000"),
        ),
        (
            "one of it",
            "AND m.conversation_key = $2 ORDER BY",
            format!("{WHO}, {key}, 1, 50000, 10000, 10000"),
        ),
        ("client ids", "WITH found AS MATERIALIZED", "'{1, 2, 3}'".to_owned()),
        (
            "reading",
            "standing AS",
            format!(
                "'{{{key}}}', '{{{WHO}}}', '{{{}}}', '{{1}}', '{{{head}}}', 50000, 10000, 10000",
                head - 1
            ),
        ),
        (
            "sending",
            "refused AS",
            format!(
                "'{{{key}}}', '{{{head}}}', '{{{}}}', '{{1}}', '{{99}}', '{{{next}}}', \
                 '{{00000000-0000-0000-0000-000000000000}}', '{{0}}', '{{{WHO}}}', '{{words}}', '{{new}}', '{{99}}', '{{NULL}}', \
                 '{{1}}', '{{NULL}}'",
                head + 1
            ),
        ),
    ]
}

/// Pages that each of them touches.
fn pages(messages: i64) -> Vec<(&'static str, i64)> {
    let database = Cluster::shared().database();
    fill(&mut connect(&database), messages);
    let mut db = connect(&database);
    run_everything(&mut db);
    let statements = prepared(&mut db);
    let head: i64 = database.runs(&format!("SELECT seq FROM heads WHERE conversation_key = {}", WHERE.0))[0]
        .parse()
        .unwrap();
    let mut touched = Vec::new();
    for (what, part, asked) in hottest(head) {
        // Some are a part of others.
        let holding = statements.iter().filter(|one| one.statement.contains(part));
        let found = holding.min_by_key(|one| one.statement.len());
        let name = &found.unwrap_or_else(|| panic!("nothing was prepared with {part}")).name;
        db.batch("BEGIN").unwrap();
        // What a statement does the first time only (the hints of rows that nobody read yet) is none of its own.
        let plans = [0, 1].map(|_| {
            db.batch("SAVEPOINT before").unwrap();
            let plan = explain(
                &mut db,
                "ANALYZE, BUFFERS, TIMING OFF",
                &format!("\"{name}\" ({asked})"),
            );
            db.batch("ROLLBACK TO before").unwrap();
            plan
        });
        db.batch("ROLLBACK").unwrap();
        let plan = &plans[1][0]["Plan"];
        let blocks = |kind: &str| plan[kind].as_i64().unwrap();
        touched.push((what, blocks("Shared Hit Blocks") + blocks("Shared Read Blocks")));
    }
    touched
}

#[test]
fn ten_times_the_messages_touch_no_more_pages() {
    let (few, many) = (pages(300), pages(3000));
    for ((what, few), (_, many)) in few.into_iter().zip(many) {
        // A tree may be a level deeper wherever it is entered.
        assert!(
            few > 0 && many <= few * 3 / 2 + 12,
            "{what}: {few} pages, and {many} with ten times the messages"
        );
    }
}
