//! The search index in PostgreSQL: of each message the set of its terms, in an inverted index. As on SQLite, a term is
//! `<conversation's key in hex>.<word>`, so that the words of one conversation stand together; its sender is the term
//! `@<key in hex>.<user's key>`. Order and distance of words are not in it: what it names is checked against the rows.

use diesel::{
    result::QueryResult,
    sql_types::{Array, BigInt, Text},
};

use super::connection::PgDb;
use crate::{
    db::{
        common::index::{Range, WordIndex},
        run::*,
        statement::statement,
    },
    domain::{ConversationKey, UserKey, words::Sought},
};

impl WordIndex for PgDb {
    fn put_words(&mut self, key: ConversationKey, position: i64, words: &[&str], sender: UserKey) -> QueryResult<()> {
        let mut terms: Vec<String> = words.iter().map(|text| word(key, text)).collect();
        terms.push(wrote(key, sender));
        self.run_now(PutWords { position, terms })?;
        Ok(())
    }

    fn remove_words(&mut self, position: i64) -> QueryResult<()> {
        RemoveWords { position }.execute(self)?;
        Ok(())
    }

    fn words_of(&mut self, low: i64, high: i64) -> QueryResult<Vec<i64>> {
        WordsOf { low, high }.load(self)
    }

    fn words_match(
        &mut self,
        key: ConversationKey,
        sought: &Sought,
        from: Option<UserKey>,
        range: Range,
    ) -> QueryResult<Vec<i64>> {
        let mut parts: Vec<String> = Vec::new();
        for phrase in sought.phrases() {
            for (place, text) in phrase.words.iter().enumerate() {
                // The last word may be the beginning of one.
                let open = phrase.open && place + 1 == phrase.words.len();
                parts.push(quoted(&word(key, text), if open { ":*" } else { "" }));
            }
        }
        parts.extend(from.map(|user| quoted(&wrote(key, user), "")));
        parts.sort_unstable();
        parts.dedup();
        let Range { low, below, limit } = range;
        self.load_now(Matching {
            question: parts.join(" & "),
            low,
            below,
            limit,
        })
    }
}

fn word(key: ConversationKey, text: &str) -> String {
    // A term has at most 2,046 bytes; a longer word is found by its beginning, and checked against the row.
    let end = (0..=text.len().min(1000)).rev().find(|end| text.is_char_boundary(*end));
    format!("{:x}.{}", key.0, &text[..end.unwrap_or(0)])
}

fn wrote(key: ConversationKey, user: UserKey) -> String {
    format!("@{:x}.{}", key.0, user.0)
}

/// A term of a question. Words hold nothing but letters, digits and marks (`domain::words`); quoted all the same.
fn quoted(term: &str, how: &str) -> String {
    format!("'{}'{how}", term.replace('\\', "\\\\").replace('\'', "''"))
}

statement! {
    /// A message has these terms.
    PutWords { position: i64 as BigInt, terms: Vec<String> as Array<Text> },
    "INSERT INTO message_index (position, terms) VALUES (" {position} ", array_to_tsvector(" {terms}
    ")) ON CONFLICT (position) DO UPDATE SET terms = excluded.terms"
}

statement! {
    /// It has none any more.
    RemoveWords { position: i64 as BigInt },
    "DELETE FROM message_index WHERE position = " {position}
}

statement! {
    /// What of a range is in the index.
    WordsOf { low: i64 as BigInt, high: i64 as BigInt } -> BigInt,
    "SELECT position FROM message_index WHERE position > " {low} " AND position <= " {high} " ORDER BY position"
}

statement! {
    /// The newest messages in a range that have what is asked for. First all that have it, which the inverted index knows;
    /// walking through the range instead would read a whole conversation for a rare word.
    Matching { question: String as Text, low: i64 as BigInt, below: i64 as BigInt, limit: i64 as BigInt } -> BigInt,
    "WITH named AS MATERIALIZED (SELECT position FROM message_index WHERE terms @@ CAST(" {question} " AS tsquery)) \
     SELECT position FROM named WHERE position > " {low} " AND position < " {below}
    " ORDER BY position DESC LIMIT " {limit}
}
