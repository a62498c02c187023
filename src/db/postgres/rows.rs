//! New messages, column by column: as PostgreSQL takes many of them in one statement whose text does not depend on how
//! many there are. Filled by `waits` and `sends`.

use diesel::{
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Array, BigInt, Nullable, SmallInt, Text},
};

use crate::db::{
    common::append::NewRow,
    types::{Id, UuidType},
};

/// Rows of `messages` that were never changed; all columns are of one length.
#[derive(Debug, Default)]
pub struct Rows {
    positions: Vec<i64>,
    ids: Vec<Id>,
    kinds: Vec<i16>,
    senders: Vec<i64>,
    contents: Vec<String>,
    client_ids: Vec<Option<String>>,
    client_hashes: Vec<Option<i64>>,
    replies: Vec<Option<Id>>,
    created_ats: Vec<i64>,
    mentions: Vec<Option<String>>,
}

impl Rows {
    /// Takes one more.
    pub fn push(&mut self, row: &NewRow<'_>) {
        self.positions.push(row.position);
        self.ids.push(row.id);
        self.kinds.push(row.kind);
        self.senders.push(row.sender_key);
        self.contents.push(row.content.to_owned());
        self.client_ids.push(row.client_id.map(str::to_owned));
        self.client_hashes.push(row.client_hash);
        self.replies.push(row.reply_to);
        self.created_ats.push(row.created_at);
        self.mentions.push(row.mentions.map(str::to_owned));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Forgets all but the first ones.
    pub fn truncate(&mut self, len: usize) {
        self.positions.truncate(len);
        self.ids.truncate(len);
        self.kinds.truncate(len);
        self.senders.truncate(len);
        self.contents.truncate(len);
        self.client_ids.truncate(len);
        self.client_hashes.truncate(len);
        self.replies.truncate(len);
        self.created_ats.truncate(len);
        self.mentions.truncate(len);
    }

    /// The insertion of all; what follows decides whether it takes place (a WHERE clause, or nothing).
    pub fn insert<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO messages (position, change_position, id, kind, sender_key, content, client_id, client_hash, \
             reply_to, created_at, mentions) SELECT position, position, id, kind, sender_key, content, client_id, client_hash, \
             reply_to, created_at, mentions FROM unnest(",
        );
        out.push_bind_param::<Array<BigInt>, _>(&self.positions)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<UuidType>, _>(&self.ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<SmallInt>, _>(&self.kinds)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.senders)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.contents)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.client_ids)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<BigInt>>, _>(&self.client_hashes)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<UuidType>>, _>(&self.replies)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.created_ats)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Nullable<Text>>, _>(&self.mentions)?;
        out.push_sql(
            ") AS new (position, id, kind, sender_key, content, client_id, client_hash, reply_to, created_at, mentions)",
        );
        Ok(())
    }
}

/// Inserts them.
pub struct InsertMessages(pub Rows);

impl QueryId for InsertMessages {
    type QueryId = InsertMessages;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for InsertMessages {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        self.0.insert(&mut out)
    }
}
