//! What was considered and not taken: bare tables and statements on one diesel connection, a probe and an insert for each
//! message, one commit a batch. They differ in nothing but the keys and indexes of the table.

use std::time::Instant;

use diesel::{
    Connection, QueryResult, RunQueryDsl, SqliteConnection,
    connection::SimpleConnection,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Text},
    sqlite::Sqlite,
};

use crate::{CONVERSATIONS, Round, Variant};

/// What everybody says: 60 bytes.
pub const WORDS: &str = "the quick brown fox jumps over the lazy dog, and once again.";

/// As random as a UUID, in no order.
pub fn client_id(n: usize) -> String {
    let high = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635;
    let low = high.rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    uuid::Uuid::from_u64_pair(high, low).to_string()
}

struct Schema {
    name: &'static str,
    /// What follows the columns that all have.
    key: &'static str,
    indexes: &'static str,
    probe: Option<&'static str>,
}

const BY_HASH: Option<&str> = Some("SELECT seq FROM m WHERE client_hash = ");

const SCHEMAS: [Schema; 7] = [
    Schema {
        name: "position is the rowid; index on a hash of the client id",
        key: "position INTEGER PRIMARY KEY",
        indexes: "CREATE INDEX c ON m (client_hash);",
        probe: BY_HASH,
    },
    Schema {
        name: "position is the rowid; no index for client ids, no probe",
        key: "position INTEGER PRIMARY KEY",
        indexes: "",
        probe: None,
    },
    Schema {
        name: "position is the rowid; index on a hash with the conversation first (as the engine)",
        key: "position INTEGER PRIMARY KEY",
        indexes: "CREATE INDEX c ON m (client_hash);",
        probe: BY_HASH,
    },
    Schema {
        name: "position is the rowid; unique index on (conversation, sender, client id) as text",
        key: "position INTEGER PRIMARY KEY",
        indexes: "CREATE UNIQUE INDEX c ON m (conversation, sender, client_id);",
        probe: Some("SELECT seq FROM m WHERE conversation = 1 AND sender = 7 AND client_id = "),
    },
    Schema {
        name: "plain rowid; unique index on (conversation, seq); index on the hash",
        key: "position INTEGER",
        indexes: "CREATE UNIQUE INDEX p ON m (conversation, seq); CREATE INDEX c ON m (client_hash);",
        probe: BY_HASH,
    },
    Schema {
        name: "plain rowid; unique indexes on (conversation, seq) and on id; index on the hash",
        key: "position INTEGER",
        indexes: "CREATE UNIQUE INDEX p ON m (conversation, seq); CREATE UNIQUE INDEX i ON m (id);
                  CREATE INDEX c ON m (client_hash);",
        probe: BY_HASH,
    },
    Schema {
        name: "position is the rowid; unique index on id; index on the hash",
        key: "position INTEGER PRIMARY KEY",
        indexes: "CREATE UNIQUE INDEX i ON m (id); CREATE INDEX c ON m (client_hash);",
        probe: BY_HASH,
    },
];

/// Every schema as a variant with batches of this size.
pub fn variants(batch: usize) -> Vec<Variant> {
    let name = |n: usize| format!("bare, batches of {batch}: {}", SCHEMAS[n].name);
    vec![
        (name(0), Box::new(move |messages| round::<0>(messages, batch))),
        (name(1), Box::new(move |messages| round::<1>(messages, batch))),
        (name(2), Box::new(move |messages| round::<2>(messages, batch))),
        (name(3), Box::new(move |messages| round::<3>(messages, batch))),
        (name(4), Box::new(move |messages| round::<4>(messages, batch))),
        (name(5), Box::new(move |messages| round::<5>(messages, batch))),
        (name(6), Box::new(move |messages| round::<6>(messages, batch))),
    ]
}

fn round<const SCHEMA: usize>(messages: usize, batch: usize) -> Round {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("bench.sqlite3");
    let mut connection = SqliteConnection::establish(path.to_str().expect("a name")).expect("a file");
    let Schema { key, indexes, .. } = &SCHEMAS[SCHEMA];
    let setup = format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -65536;
         PRAGMA wal_autocheckpoint = 4000;
         CREATE TABLE h (conversation INTEGER PRIMARY KEY, seq BIGINT);
         CREATE TABLE m ({key}, change_position BIGINT, id BLOB, kind SMALLINT, sender BIGINT, content TEXT,
         client_id TEXT, client_hash BIGINT, created_at BIGINT, conversation BIGINT, seq BIGINT); {indexes}"
    );
    connection.batch_execute(&setup).expect("the schema");
    for n in 0..CONVERSATIONS {
        connection
            .batch_execute(&format!("INSERT INTO h VALUES ({n}, 0)"))
            .expect("a head");
    }
    let rows: Vec<Row<SCHEMA>> = (0..messages).map(Row::new).collect();
    let mut batches = Vec::new();
    let (start, cpu, written) = (Instant::now(), crate::cpu(), crate::written());
    for rows in rows.chunks_exact(batch) {
        let begin = Instant::now();
        connection
            .immediate_transaction(|connection| commit(connection, rows))
            .expect("a commit");
        batches.push(begin.elapsed());
    }
    Round {
        messages: batches.len() * batch,
        took: start.elapsed(),
        cpu: crate::cpu() - cpu,
        written: crate::written() - written,
        batches,
    }
}

fn commit<const SCHEMA: usize>(connection: &mut SqliteConnection, rows: &[Row<SCHEMA>]) -> QueryResult<()> {
    for row in rows {
        if SCHEMAS[SCHEMA].probe.is_some() {
            let known: Vec<i64> = Probe(row).load(connection)?;
            assert!(known.is_empty());
        }
        Insert(row).execute(connection)?;
    }
    for row in rows.iter().take(CONVERSATIONS) {
        Head(row).execute(connection)?;
    }
    Ok(())
}

struct Row<const SCHEMA: usize> {
    position: i64,
    id: [u8; 16],
    conversation: i64,
    seq: i64,
    client_id: String,
    client_hash: i64,
    created_at: i64,
}

impl<const SCHEMA: usize> Row<SCHEMA> {
    fn new(n: usize) -> Self {
        let (conversation, seq) = ((n % CONVERSATIONS) as i64, (n / CONVERSATIONS + 1) as i64);
        let created_at = 1_768_693_477_120 + n as i64 / 50;
        let scattered = (n as i64).wrapping_mul(0x1e37_79b9_7f4a_7c15);
        let id = uuid::Uuid::from_u64_pair((created_at as u64) << 16, scattered as u64).into_bytes();
        let client_hash = match SCHEMA {
            2 => conversation << 44 | (scattered >> 20) & 0xfff_ffff_ffff,
            _ => scattered,
        };
        Self {
            position: conversation << 32 | seq,
            id,
            conversation,
            seq,
            client_id: client_id(n),
            client_hash,
            created_at,
        }
    }
}

struct Probe<'a, const SCHEMA: usize>(&'a Row<SCHEMA>);

impl<const SCHEMA: usize> QueryFragment<Sqlite> for Probe<'_, SCHEMA> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(SCHEMAS[SCHEMA].probe.unwrap_or_default());
        match SCHEMA {
            3 => out.push_bind_param::<Text, _>(&self.0.client_id),
            _ => out.push_bind_param::<BigInt, _>(&self.0.client_hash),
        }
    }
}

impl<const SCHEMA: usize> Query for Probe<'_, SCHEMA> {
    type SqlType = BigInt;
}

impl<C, const SCHEMA: usize> RunQueryDsl<C> for Probe<'_, SCHEMA> {}

struct Insert<'a, const SCHEMA: usize>(&'a Row<SCHEMA>);

impl<const SCHEMA: usize> QueryFragment<Sqlite> for Insert<'_, SCHEMA> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO m (kind, sender, content, position, change_position, id, client_id, client_hash, created_at, \
             conversation, seq) VALUES (0, 7, ",
        );
        out.push_bind_param::<Text, _>(WORDS)?;
        for number in [&self.0.position, &self.0.position] {
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(number)?;
        }
        out.push_sql(", ");
        out.push_bind_param::<Binary, _>(&self.0.id[..])?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(&self.0.client_id)?;
        for number in [
            &self.0.client_hash,
            &self.0.created_at,
            &self.0.conversation,
            &self.0.seq,
        ] {
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(number)?;
        }
        out.push_sql(")");
        Ok(())
    }
}

impl<C, const SCHEMA: usize> RunQueryDsl<C> for Insert<'_, SCHEMA> {}

struct Head<'a, const SCHEMA: usize>(&'a Row<SCHEMA>);

impl<const SCHEMA: usize> QueryFragment<Sqlite> for Head<'_, SCHEMA> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.push_sql("UPDATE h SET seq = ");
        out.push_bind_param::<BigInt, _>(&self.0.seq)?;
        out.push_sql(" WHERE conversation = ");
        out.push_bind_param::<BigInt, _>(&self.0.conversation)
    }
}

impl<C, const SCHEMA: usize> RunQueryDsl<C> for Head<'_, SCHEMA> {}

/// One statement for each schema, so that each is prepared once.
macro_rules! static_id {
    ($($name:ident),*) => {
        $(impl<const SCHEMA: usize> QueryId for $name<'_, SCHEMA> {
            type QueryId = $name<'static, SCHEMA>;
            const HAS_STATIC_QUERY_ID: bool = true;
        })*
    };
}
static_id!(Probe, Insert, Head);
