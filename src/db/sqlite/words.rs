//! The search index in SQLite: one FTS5 table without content; see its migration. Asked by `common::index` and by searches.

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};

use crate::{
    db::{
        common::index::{Range, WordIndex},
        statement::statement,
    },
    domain::{ConversationKey, UserKey, words::Sought},
};

impl WordIndex for SqliteConnection {
    fn put_words(&mut self, key: ConversationKey, position: i64, words: &[&str], sender: UserKey) -> QueryResult<()> {
        let content = Terms(key).of(words.iter().copied());
        let sender = Terms(key).one(sender.0);
        Insert {
            position,
            content: &content,
            sender: &sender,
        }
        .execute(self)?;
        Ok(())
    }

    fn remove_words(&mut self, position: i64) -> QueryResult<()> {
        Remove { position }.execute(self)?;
        Ok(())
    }

    fn words_of(&mut self, low: i64, high: i64) -> QueryResult<Vec<i64>> {
        Indexed { low, high }.load(self)
    }

    fn words_match(
        &mut self,
        key: ConversationKey,
        sought: &Sought,
        from: Option<UserKey>,
        range: Range,
    ) -> QueryResult<Vec<i64>> {
        let Range { low, below, limit } = range;
        Matching {
            expression: &expression(key, sought, from),
            low,
            below,
            limit,
        }
        .load(self)
    }
}

/// How words of a conversation are written in the index; see its migration.
#[derive(Debug, Clone, Copy)]
struct Terms(ConversationKey);

impl Terms {
    /// Words, one behind the other.
    fn of<'a>(self, words: impl Iterator<Item = &'a str>) -> String {
        let mut terms = String::new();
        for word in words {
            if !terms.is_empty() {
                terms.push(' ');
            }
            terms.push_str(&format!("{:x}.", self.0.0));
            terms.push_str(word);
        }
        terms
    }

    /// A user.
    fn one(self, user: i64) -> String {
        format!("{:x}.{user}", self.0.0)
    }
}

struct Insert<'b> {
    position: i64,
    content: &'b str,
    sender: &'b str,
}

impl QueryId for Insert<'_> {
    type QueryId = Insert<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Sqlite> for Insert<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql("INSERT INTO message_index (rowid, content, sender) VALUES (");
        out.push_bind_param::<BigInt, _>(&self.position)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.content)?;
        out.push_sql(", ");
        out.push_bind_param::<Text, _>(self.sender)?;
        out.push_sql(")");
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for Insert<'_> {}

/// The question to the index. Each word is quoted, and holds nothing but letters, digits and marks (`domain::words`).
fn expression(key: ConversationKey, sought: &Sought, from: Option<UserKey>) -> String {
    let terms = Terms(key);
    let mut parts: Vec<String> = Vec::new();
    for phrase in sought.phrases() {
        let words = terms.of(phrase.words.iter().map(String::as_str));
        let open = if phrase.open { " *" } else { "" };
        let part = format!("content : \"{words}\"{open}");
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    parts.extend(from.map(|user| format!("sender : \"{}\"", terms.one(user.0))));
    parts.join(" AND ")
}

/// The newest messages below a position that the index names.
struct Matching<'b> {
    expression: &'b str,
    low: i64,
    below: i64,
    limit: i64,
}

impl QueryId for Matching<'_> {
    type QueryId = Matching<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for Matching<'_> {
    type SqlType = BigInt;
}

impl QueryFragment<Sqlite> for Matching<'_> {
    fn walk_ast<'q>(&'q self, mut out: AstPass<'_, 'q, Sqlite>) -> QueryResult<()> {
        out.push_sql("SELECT rowid FROM message_index WHERE message_index MATCH ");
        out.push_bind_param::<Text, _>(self.expression)?;
        out.push_sql(" AND rowid > ");
        out.push_bind_param::<BigInt, _>(&self.low)?;
        out.push_sql(" AND rowid < ");
        out.push_bind_param::<BigInt, _>(&self.below)?;
        out.push_sql(" ORDER BY rowid DESC LIMIT ");
        out.push_bind_param::<BigInt, _>(&self.limit)?;
        Ok(())
    }
}

impl<C> RunQueryDsl<C> for Matching<'_> {}

statement! {
    /// What of a range is in the index.
    Indexed { low: i64 as BigInt, high: i64 as BigInt } -> BigInt,
    "SELECT id FROM message_index_docsize WHERE id > " {low} " AND id <= " {high}
}

statement! {
    /// Takes a message out, if it is in.
    Remove { position: i64 as BigInt },
    "DELETE FROM message_index WHERE rowid = " {position}
}
