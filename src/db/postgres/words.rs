//! The search index in PostgreSQL: of each message the set of its terms, in an inverted index. As on SQLite, a term is
//! `<conversation's key in hex>.<block in hex>.<word>`, so that the words of one block stand together; its sender is the term
//! `@<key>.<block>.<user's key>`. Order and distance of words are not in it: what it names is checked against the rows. But
//! where a script has no blanks, and the characters of a phrase are in every other message, each pair is a term, too.
//! Each function asks the server once, however many ranges and messages it is given.

use diesel::{
    result::QueryResult,
    sql_types::{Array, BigInt, Text},
};

use super::connection::PgDb;
use crate::{
    db::{
        common::index::{self, Entry, Range, WordIndex},
        run::*,
        statement::statement,
    },
    domain::{UserKey, words::Sought},
};

impl WordIndex for PgDb {
    fn put_words(&mut self, entries: Vec<Entry>) -> QueryResult<()> {
        if entries.is_empty() {
            return Ok(());
        }
        let positions = entries.iter().map(|entry| entry.position).collect();
        let terms = entries.iter().map(terms).collect();
        self.run_now(PutWords { positions, terms })?;
        Ok(())
    }

    fn remove_words(&mut self, positions: Vec<i64>) -> QueryResult<()> {
        if positions.is_empty() {
            return Ok(());
        }
        self.run_now(RemoveWords { positions })?;
        Ok(())
    }

    fn words_of(&mut self, low: i64, high: i64) -> QueryResult<Vec<i64>> {
        WordsOf { low, high }.load(self)
    }

    fn words_match(
        &mut self,
        sought: &Sought,
        from: Option<UserKey>,
        ranges: &[Range],
        limit: i64,
    ) -> QueryResult<Vec<i64>> {
        self.load_now(Matching {
            question: question(sought, from, true),
            whole: question(sought, from, false),
            lows: ranges.iter().map(|range| range.low).collect(),
            belows: ranges.iter().map(|range| range.below).collect(),
            limit,
        })
    }

    fn newer_than(&mut self, at: i64, ranges: &[Range]) -> QueryResult<Vec<i64>> {
        self.load_now(NewerThan {
            at,
            lows: ranges.iter().map(|range| range.low + 1).collect(),
            belows: ranges.iter().map(|range| range.below).collect(),
        })
    }
}

/// The terms of a message, with blanks between them, which no term has.
fn terms(entry: &Entry) -> String {
    let place = format!("{:x}.{:x}", entry.position >> 32, index::block(entry.position));
    let mut terms = wrote(&place, entry.sender);
    for word in &entry.words {
        terms.push(' ');
        terms.push_str(&term(&place, &word.folded));
    }
    for pair in entry.words.windows(2) {
        // All that may be asked for: see `Word::alone`.
        if let [first, second] = pair
            && (first.alone || second.alone)
        {
            terms.push(' ');
            terms.push_str(&term(&place, &(first.folded.clone() + &second.folded)));
        }
    }
    terms
}

/// In a question, for the conversation and the block, which differ for each time that it is asked. No term has it.
const PLACE: &str = "%";

/// The statement below says it as a number.
const _: () = assert!(index::BLOCK_BITS == 12);

/// What is sought of a block, with or without the words that may go on; empty: nothing.
fn question(sought: &Sought, from: Option<UserKey>, open: bool) -> String {
    let mut parts: Vec<String> = Vec::new();
    for phrase in sought.phrases() {
        let texts: Vec<String> = match phrase.words.as_slice() {
            [word] => vec![word.clone()],
            words => words.windows(2).map(|pair| pair.concat()).collect(),
        };
        for (at, text) in texts.iter().enumerate() {
            // The last word may be the beginning of one.
            match phrase.open && at + 1 == texts.len() {
                true if open => parts.push(quoted(&term(PLACE, text), ":*")),
                true => {}
                false => parts.push(quoted(&term(PLACE, text), "")),
            }
        }
    }
    parts.extend(from.map(|user| quoted(&wrote(PLACE, user), "")));
    parts.sort_unstable();
    parts.dedup();
    parts.join(" & ")
}

fn term(place: &str, text: &str) -> String {
    // A term has at most 2,046 bytes; a longer word is found by its beginning, and checked against the row. The beginning of a
    // pair is that of the first word, so that this holds for pairs as well.
    let end = (0..=text.len().min(1000)).rev().find(|end| text.is_char_boundary(*end));
    format!("{place}.{}", &text[..end.unwrap_or(0)])
}

fn wrote(place: &str, user: UserKey) -> String {
    format!("@{place}.{}", user.0)
}

/// A term of a question. Words hold nothing but letters, digits and marks (`domain::words`); quoted all the same.
fn quoted(term: &str, how: &str) -> String {
    format!("'{}'{how}", term.replace('\\', "\\\\").replace('\'', "''"))
}

statement! {
    /// Messages have these terms.
    PutWords { positions: Vec<i64> as Array<BigInt>, terms: Vec<String> as Array<Text> },
    "INSERT INTO message_index (position, block_terms) SELECT position, array_to_tsvector(string_to_array(terms, ' ')) \
     FROM unnest(" {positions} ", " {terms} ") AS entry (position, terms) \
     ON CONFLICT (position) DO UPDATE SET block_terms = excluded.block_terms"
}

statement! {
    /// They have none any more.
    RemoveWords { positions: Vec<i64> as Array<BigInt> },
    "DELETE FROM message_index WHERE position = ANY(" {positions} ")"
}

statement! {
    /// What of a range is in the index.
    WordsOf { low: i64 as BigInt, high: i64 as BigInt } -> BigInt,
    "SELECT position FROM message_index WHERE position > " {low} " AND position <= " {high} " ORDER BY position"
}

statement! {
    /// The newest messages in each range that have what is asked for. Nothing but nested loops can run this, and they go
    /// through the blocks in the order in which they are made and stop at the limit. In a block, first whether the whole words
    /// are there; then all that has what is asked for, which the inverted index knows: MATERIALIZED, or the server might walk
    /// through the range instead, which reads a whole conversation for a rare word.
    Matching {
        question: String as Text, whole: String as Text, lows: Vec<i64> as Array<BigInt>, belows: Vec<i64> as Array<BigInt>,
        limit: i64 as BigInt
    } -> BigInt,
    "SELECT found.position FROM unnest(" {lows} ", " {belows} ") AS r (low, below) CROSS JOIN LATERAL \
     (SELECT hit.position FROM generate_series(((r.below - 1) & 4294967295) >> 12, ((r.low + 1) & 4294967295) >> 12, \
     CAST(-1 AS BIGINT)) AS s (block) CROSS JOIN LATERAL (WITH named AS MATERIALIZED (SELECT position FROM message_index \
     WHERE block_terms @@ CAST(replace(" {question} ", '%', to_hex(r.low >> 32) || '.' || to_hex(s.block)) AS tsquery)) \
     SELECT position FROM named WHERE position > r.low AND position < r.below AND (" {whole} " = '' OR EXISTS \
     (SELECT 1 FROM message_index WHERE block_terms @@ \
     CAST(replace(" {whole} ", '%', to_hex(r.low >> 32) || '.' || to_hex(s.block)) AS tsquery))) \
     ORDER BY position DESC LIMIT " {limit} ") AS hit LIMIT " {limit} ") AS found"
}

statement! {
    /// Where in each range the messages begin that are newer; by halves.
    NewerThan { at: i64 as BigInt, lows: Vec<i64> as Array<BigInt>, belows: Vec<i64> as Array<BigInt> } -> BigInt,
    "SELECT (WITH RECURSIVE half (low, high) AS (SELECT r.low, r.below UNION ALL SELECT \
     CASE WHEN m.created_at <= " {at} " THEN m.position + 1 ELSE half.low END, \
     CASE WHEN m.created_at <= " {at} " THEN half.high ELSE half.low + (half.high - half.low) / 2 END \
     FROM half LEFT JOIN LATERAL (SELECT position, created_at FROM messages WHERE position >= \
     half.low + (half.high - half.low) / 2 AND position < half.high ORDER BY position LIMIT 1) AS m ON true \
     WHERE half.low < half.high) SELECT max(low) FROM half) \
     FROM unnest(" {lows} ", " {belows} ") WITH ORDINALITY AS r (low, below, n) ORDER BY n"
}
