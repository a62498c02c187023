//! New rows of `messages`, several in one statement: a statement costs about as much as a row does.

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Nullable, SmallInt, Text},
    sqlite::Sqlite,
};

use crate::db::types::{Id, UuidType};

/// Rows in one statement.
const CHUNK: usize = 16;

/// A message that was never changed.
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
}

/// Rows that have their seq and are not in the table yet: fewer than [`CHUNK`]. Whoever reads `messages` looks here first
/// or flushes.
#[derive(Default)]
pub struct Pending<'b> {
    rows: Vec<NewRow<'b>>,
}

impl<'b> Pending<'b> {
    /// Takes a row in; writes when enough are here.
    pub fn push(&mut self, row: NewRow<'b>, connection: &mut SqliteConnection) -> QueryResult<()> {
        self.rows.push(row);
        if self.rows.len() == CHUNK {
            Insert::<CHUNK>(&self.rows).execute(connection)?;
            self.rows.clear();
        }
        Ok(())
    }

    /// Whether one of the rows is as described.
    pub fn any(&self, is: impl FnMut(&NewRow<'b>) -> bool) -> bool {
        self.rows.iter().any(is)
    }

    /// Writes what is here.
    pub fn flush(&mut self, connection: &mut SqliteConnection) -> QueryResult<()> {
        let (fours, rest) = self.rows.as_chunks::<4>();
        for four in fours {
            Insert::<4>(four).execute(connection)?;
        }
        for one in rest {
            Insert::<1>(std::slice::from_ref(one)).execute(connection)?;
        }
        self.rows.clear();
        Ok(())
    }
}

/// The statement for `N` rows; the slice has as many.
struct Insert<'a, 'b, const N: usize>(&'a [NewRow<'b>]);

impl<const N: usize> QueryId for Insert<'_, '_, N> {
    type QueryId = Insert<'static, 'static, N>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<const N: usize> QueryFragment<Sqlite> for Insert<'_, '_, N> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql(
            "INSERT INTO messages (position, change_position, id, kind, sender_key, content, client_id, client_hash, \
             reply_to, created_at) VALUES ",
        );
        for (n, row) in self.0.iter().enumerate() {
            out.push_sql(if n == 0 { "(" } else { ", (" });
            out.push_bind_param::<BigInt, _>(&row.position)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.position)?;
            out.push_sql(", ");
            out.push_bind_param::<UuidType, _>(&row.id)?;
            out.push_sql(", ");
            out.push_bind_param::<SmallInt, _>(&row.kind)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.sender_key)?;
            out.push_sql(", ");
            out.push_bind_param::<Text, _>(row.content)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<Text>, _>(&row.client_id)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<BigInt>, _>(&row.client_hash)?;
            out.push_sql(", ");
            out.push_bind_param::<Nullable<UuidType>, _>(&row.reply_to)?;
            out.push_sql(", ");
            out.push_bind_param::<BigInt, _>(&row.created_at)?;
            out.push_sql(")");
        }
        Ok(())
    }
}

impl<C, const N: usize> RunQueryDsl<C> for Insert<'_, '_, N> {}
