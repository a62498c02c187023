//! A new row of `messages`. One statement a row: sixteen rows in one were no faster (docs/decisions/0002-position.md).

use diesel::{
    QueryResult, RunQueryDsl,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Nullable, SmallInt, Text},
    sqlite::Sqlite,
};

use crate::db::{
    rows::MessageRow,
    types::{Id, UuidType},
};

/// A message that was never changed; as a statement, its insertion.
pub struct NewRow<'b> {
    pub position: i64,
    pub id: Id,
    pub kind: i16,
    pub sender_key: i64,
    pub content: &'b str,
    pub client_id: Option<&'b str>,
    pub client_hash: Option<i64>,
    pub reply_to: Option<Id>,
    pub created_at: i64,
    pub mentions: Option<&'b str>,
}

impl NewRow<'_> {
    /// The row as it is read.
    pub fn whole(&self) -> MessageRow {
        MessageRow {
            position: self.position,
            change_position: self.position,
            id: self.id,
            kind: self.kind,
            sender_key: self.sender_key,
            content: self.content.to_owned(),
            client_id: self.client_id.map(str::to_owned),
            client_hash: self.client_hash,
            reply_to: self.reply_to,
            created_at: self.created_at,
            edited_at: None,
            deleted_at: None,
            deleted_by: None,
            mentions: self.mentions.map(str::to_owned),
        }
    }
}

impl QueryId for NewRow<'_> {
    type QueryId = NewRow<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for NewRow<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO messages (position, change_position, id, kind, sender_key, content, client_id, client_hash, \
             reply_to, created_at, mentions) VALUES (",
        );
        out.push_bind_param::<BigInt, _>(&self.position)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.position)?;
        out.push_sql(", ");
        out.push_bind_param::<UuidType, _>(&self.id)?;
        out.push_sql(", ");
        out.push_bind_param::<SmallInt, _>(&self.kind)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.sender_key)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.content)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.client_id)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.client_hash)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<UuidType>, _>(&self.reply_to)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.created_at)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<Text>, _>(&self.mentions)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for NewRow<'_> {}
