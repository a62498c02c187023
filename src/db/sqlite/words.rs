//! The search index in SQLite: one FTS5 table without content; see its migration. Asked by `common::index` and by searches.

use std::fmt::Write;

use diesel::{
    OptionalExtension, QueryResult, RunQueryDsl, SqliteConnection,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};

use crate::{
    db::{
        common::index::{self, Entry, Range, WordIndex},
        statement::statement,
    },
    domain::{UserKey, words::Sought},
};

impl WordIndex for SqliteConnection {
    fn put_words(&mut self, entries: Vec<Entry>) -> QueryResult<()> {
        for entry in entries {
            let terms = Terms::at(entry.position);
            let content = terms.of(entry.words.iter().map(|word| &word.folded));
            let sender = terms.one(entry.sender.0);
            Insert {
                position: entry.position,
                content: &content,
                sender: &sender,
            }
            .execute(self)?;
        }
        Ok(())
    }

    fn remove_words(&mut self, positions: Vec<i64>) -> QueryResult<()> {
        for position in positions {
            Remove { position }.execute(self)?;
        }
        Ok(())
    }

    fn words_of(&mut self, low: i64, high: i64) -> QueryResult<Vec<i64>> {
        Indexed { low, high }.load(self)
    }

    fn words_match(
        &mut self,
        sought: &Sought,
        from: Option<UserKey>,
        ranges: &[Range],
        limit: i64,
    ) -> QueryResult<Vec<i64>> {
        let mut named = Vec::new();
        for range in ranges {
            let mut left = limit;
            let (first, last) = range.blocks();
            for block in (first..=last).rev() {
                let terms = Terms {
                    key: range.low >> 32,
                    block,
                };
                let found = self.in_block(terms, sought, from, *range, left)?;
                left -= found.len() as i64;
                named.extend(found);
                if left <= 0 {
                    break;
                }
            }
        }
        Ok(named)
    }

    fn newer_than(&mut self, at: i64, ranges: &[Range]) -> QueryResult<Vec<i64>> {
        let mut starts = Vec::new();
        for range in ranges {
            let (mut low, mut high) = (range.low + 1, range.below);
            while low < high {
                let from = low + (high - low) / 2;
                let next: Option<(i64, i64)> = TimeFrom { from, below: high }.get_result(self).optional()?;
                match next {
                    Some((position, then)) if then <= at => low = position + 1,
                    _ => high = from,
                }
            }
            starts.push(low);
        }
        Ok(starts)
    }
}

/// The question to one block.
trait InBlock {
    fn in_block(
        &mut self,
        terms: Terms,
        sought: &Sought,
        from: Option<UserKey>,
        range: Range,
        limit: i64,
    ) -> QueryResult<Vec<i64>>;
}

impl InBlock for SqliteConnection {
    fn in_block(
        &mut self,
        terms: Terms,
        sought: &Sought,
        from: Option<UserKey>,
        range: Range,
        limit: i64,
    ) -> QueryResult<Vec<i64>> {
        let Range { low, below } = range;
        let mut ask = |expression: &str, limit| -> QueryResult<Vec<i64>> {
            Matching {
                expression,
                low,
                below,
                limit,
            }
            .load(self)
        };
        // Collecting what a beginning stands for takes longest, and FTS5 does it before it looks at the other words.
        let whole = terms.expression(sought, from, false);
        if !whole.is_empty() && ask(&whole, 1)?.is_empty() {
            return Ok(Vec::new());
        }
        ask(&terms.expression(sought, from, true), limit)
    }
}

/// How words of a block are written in the index; see `WordIndex`.
#[derive(Debug, Clone, Copy)]
struct Terms {
    key: i64,
    block: u32,
}

impl Terms {
    fn at(position: i64) -> Self {
        Self {
            key: position >> 32,
            block: index::block(position),
        }
    }

    /// Words, one behind the other.
    fn of<'a>(self, words: impl Iterator<Item = &'a String>) -> String {
        let mut terms = String::new();
        for word in words {
            if !terms.is_empty() {
                terms.push(' ');
            }
            // Writing to a string does not fail.
            let _ = write!(terms, "{:x}.{:x}.{word}", self.key, self.block);
        }
        terms
    }

    /// A user.
    fn one(self, user: i64) -> String {
        format!("{:x}.{:x}.{user}", self.key, self.block)
    }

    /// The question to the index, with or without the word that may go on. Each word is quoted, and holds nothing but
    /// letters, digits and marks (`domain::words`).
    fn expression(self, sought: &Sought, from: Option<UserKey>, open: bool) -> String {
        let mut parts: Vec<String> = Vec::new();
        for phrase in sought.phrases().iter().filter(|phrase| open || !phrase.open) {
            let star = if phrase.open { " *" } else { "" };
            let part = format!("content : \"{}\"{star}", self.of(phrase.words.iter()));
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        parts.extend(from.map(|user| format!("sender : \"{}\"", self.one(user.0))));
        parts.join(" AND ")
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

statement! {
    /// The first message from a position on: where it stands, when it was sent.
    TimeFrom { from: i64 as BigInt, below: i64 as BigInt } -> (BigInt, BigInt),
    "SELECT position, created_at FROM messages WHERE position >= " {from} " AND position < " {below}
    " ORDER BY position LIMIT 1"
}
