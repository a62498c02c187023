//! Search: the index says which messages may fit, the rows decide. Conversation by conversation, those with the newest
//! messages first, until what is left can hold nothing newer than what was found. Called by the store's methods.

use async_trait::async_trait;
use diesel::{
    SqliteConnection,
    prelude::*,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Text},
    sqlite::Sqlite,
};

use super::{SqliteStore, messages::messages};
use crate::{
    db::{
        Before, Found, Hit, Search, SearchStore, StoreError,
        position::{pack, unpack},
        query,
        rows::{self, ConversationRow, MessageRow},
        sqlite::{
            index::{self, STEP, Stepped, Terms},
            statement::statement,
            writer::WriterHandle,
        },
    },
    domain::{
        Conversation, ConversationKey, MessageId, MessageType, Seq, Timestamp, UserKey, limits,
        words::{Segment, Sought},
    },
};

type Result<T> = std::result::Result<T, StoreError>;

/// Changes that one search brings into the index at the most, before it answers with what is there.
const CATCH_UP: u32 = 20_000;

/// Questions to the index about one conversation: more than one only when the index names messages that do not fit any more.
const ROUNDS: usize = 100;

#[async_trait]
impl SearchStore for SqliteStore {
    async fn search(&self, user: UserKey, search: Search) -> Result<Found> {
        if search.sought.phrases().is_empty() {
            let (hits, has_more) = (Vec::new(), false);
            return Ok(Found { hits, has_more });
        }
        let only = search.conversation;
        let places = self.readers.read(move |c| places(c, user, only)).await?;
        let behind: Vec<i64> = places
            .iter()
            .filter(|place| place.behind)
            .map(|place| place.key.0)
            .collect();
        if let Err(error) = catch_up(&self.writer, behind).await {
            // A store that cannot be written to can still be searched.
            log::warn!(target: "parlor::db", "a search goes on without the newest messages: {error}");
        }
        self.readers.read(move |c| find(c, user, &search)).await
    }

    fn search_backlog(&self) -> u64 {
        self.writer.backlog()
    }
}

/// Brings conversations up to date, a step at a time, so that sends go on in between.
async fn catch_up(writer: &WriterHandle, mut behind: Vec<i64>) -> Result<()> {
    let mut looked = 0;
    while !behind.is_empty() && looked < CATCH_UP {
        let some: Vec<i64> = behind.iter().copied().take(index::CONVERSATIONS).collect();
        let Stepped { done, looked: more } = writer.write(move |c| index::step(c, &some)).await?;
        behind.drain(..done);
        // Counted, or conversations without end would be free.
        looked += more.max(STEP / 10);
    }
    Ok(())
}

/// A conversation to look through.
struct Place {
    key: ConversationKey,
    head: Seq,
    /// Nothing in it is newer.
    active_at: Timestamp,
    expired: Seq,
    /// Whether the index lacks something of it.
    behind: bool,
}

/// What a row of it reads.
type PlaceRow = (i64, i64, i64, i64, i64);

fn places(connection: &mut SqliteConnection, user: UserKey, only: Option<ConversationKey>) -> Result<Vec<Place>> {
    let rows: Vec<PlaceRow> = match only {
        Some(key) => OnePlace {
            user: user.0,
            key: key.0,
        }
        .load(connection)?,
        None => AllPlaces {
            user: user.0,
            most: limits::SEARCH_CONVERSATIONS as i64,
        }
        .load(connection)?,
    };
    let places = rows.into_iter().map(|(key, head, active_at, expired, indexed)| {
        Ok(Place {
            key: ConversationKey(key),
            head: rows::seq(head, key)?,
            active_at: Timestamp::from_millis(active_at),
            expired: rows::seq(expired, key)?,
            behind: indexed < head,
        })
    });
    places.collect()
}

/// Where a page begins: what is older than this.
#[derive(Clone, Copy)]
struct Anchor {
    at: i64,
    /// Of equal times, what stands below this is older.
    position: i64,
}

/// A message that fits.
struct Candidate {
    row: MessageRow,
    highlights: Vec<Segment>,
}

impl Candidate {
    /// Where it stands among the results.
    fn rank(&self) -> (i64, i64) {
        (self.row.created_at, self.row.position)
    }
}

fn find(connection: &mut SqliteConnection, user: UserKey, search: &Search) -> Result<Found> {
    let places = places(connection, user, search.conversation)?;
    let anchor = match search.before {
        None => None,
        Some(before) => Some(anchor(connection, &places, before)?),
    };
    let wanted = search.limit + 1;
    let mut best: Vec<Candidate> = Vec::new();
    for place in &places {
        let settled = best
            .get(search.limit)
            .is_some_and(|last| place.active_at.millis() < last.row.created_at);
        if settled {
            break;
        }
        best.extend(in_place(connection, place, search, anchor, wanted)?);
        // Within one conversation its own order counts, whatever its clocks said.
        if places.len() > 1 {
            best.sort_by_key(|candidate| std::cmp::Reverse(candidate.rank()));
        }
        best.truncate(wanted);
    }
    let has_more = best.len() == wanted;
    best.truncate(search.limit);
    let hits = best.into_iter().map(|candidate| load(connection, candidate));
    Ok(Found {
        hits: hits.collect::<Result<_>>()?,
        has_more,
    })
}

/// The message as history shows it.
fn load(connection: &mut SqliteConnection, candidate: Candidate) -> Result<Hit> {
    let Candidate { row, highlights } = candidate;
    let (key, _) = unpack(row.position);
    let position = row.position;
    let conversation: ConversationRow = query::conversations::by_key(key.0).get_result(connection)?;
    let conversation = Conversation::try_from(conversation)?;
    let message = messages(connection, &conversation, vec![row])?.pop();
    Ok(Hit {
        message: message.ok_or_else(|| rows::broken("a message that was just read", position))?,
        highlights,
    })
}

fn anchor(connection: &mut SqliteConnection, places: &[Place], before: Before) -> Result<Anchor> {
    let id = match before {
        Before::Time(at) => {
            return Ok(Anchor {
                at: at.millis(),
                position: -1,
            });
        }
        Before::Message(id) => id,
    };
    let positions = places.iter().map(|place| pack(place.key, id.claimed_seq())).collect();
    let rows: Vec<MessageRow> = query::messages::at_each(positions).load(connection)?;
    Ok(match rows.into_iter().find(|row| row.id.0 == id.0) {
        Some(row) => Anchor {
            at: row.created_at,
            position: row.position,
        },
        None => Anchor {
            at: claimed_at(id),
            position: -1,
        },
    })
}

fn claimed_at(id: MessageId) -> i64 {
    id.claimed_at().map_or(i64::MAX, Timestamp::millis)
}

/// What fits in one conversation, newest first, at most `wanted`.
fn in_place(
    connection: &mut SqliteConnection,
    place: &Place,
    search: &Search,
    anchor: Option<Anchor>,
    wanted: usize,
) -> Result<Vec<Candidate>> {
    let expression = expression(place.key, &search.sought, search.from);
    let mut below = below(connection, place, anchor)?;
    let mut found = Vec::new();
    for _ in 0..ROUNDS {
        let named: Vec<i64> = Matching {
            expression: &expression,
            low: pack(place.key, place.expired),
            below,
            limit: wanted as i64,
        }
        .load(connection)?;
        let last = named.last().copied().filter(|_| named.len() == wanted);
        let mut rows: Vec<MessageRow> = query::messages::at_each(named).load(connection)?;
        rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.position));
        found.extend(rows.into_iter().filter_map(|row| fitting(row, search, anchor)));
        match last {
            Some(last) if found.len() < wanted => below = last,
            _ => break,
        }
    }
    found.truncate(wanted);
    Ok(found)
}

/// Whether a message that the index names does fit, in its latest form.
fn fitting(row: MessageRow, search: &Search, anchor: Option<Anchor>) -> Option<Candidate> {
    let older = |anchor: Anchor| {
        let same_place = row.position >> 32 == anchor.position >> 32;
        same_place && row.position < anchor.position
            || !same_place && (row.created_at, row.position) < (anchor.at, anchor.position)
    };
    let fits = row.kind == MessageType::Text.code()
        && row.deleted_at.is_none()
        && search.from.is_none_or(|user| user.0 == row.sender_key)
        && anchor.is_none_or(older);
    let highlights = search.sought.marks(&row.content).filter(|_| fits)?;
    Some(Candidate { row, highlights })
}

/// Below which position a page begins in a conversation.
fn below(connection: &mut SqliteConnection, place: &Place, anchor: Option<Anchor>) -> Result<i64> {
    let end = pack(place.key, place.head) + 1;
    match anchor {
        Some(anchor) if anchor.position >> 32 == place.key.0 => Ok(anchor.position),
        Some(anchor) if place.active_at.millis() >= anchor.at => {
            // The first message that is newer, by halves: messages come in the order of their times, as far as clocks do.
            let (mut low, mut high) = (pack(place.key, place.expired) + 1, end);
            while low < high {
                let middle = low + (high - low) / 2;
                let next: Option<(i64, i64)> = TimeFrom {
                    from: middle,
                    below: high,
                }
                .get_result(connection)
                .optional()?;
                match next {
                    Some((position, at)) if at <= anchor.at => low = position + 1,
                    _ => high = middle,
                }
            }
            Ok(low)
        }
        _ => Ok(end),
    }
}

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
    /// A user's conversations, newest activity first: key, last seq, activity, up to where it is gone, how far the index is.
    AllPlaces { user: i64 as BigInt, most: i64 as BigInt } -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT m.conversation_key, h.seq, h.active_at, h.expired_seq, coalesce(p.seq, 0) FROM members m
     CROSS JOIN heads h ON h.conversation_key = m.conversation_key
     LEFT JOIN search_progress p ON p.conversation_key = m.conversation_key
     WHERE m.user_key = " {user} " AND NOT h.deleted ORDER BY h.active_at DESC, m.conversation_key DESC LIMIT " {most}
}

statement! {
    /// One of them.
    OnePlace { user: i64 as BigInt, key: i64 as BigInt } -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT m.conversation_key, h.seq, h.active_at, h.expired_seq, coalesce(p.seq, 0) FROM members m
     CROSS JOIN heads h ON h.conversation_key = m.conversation_key
     LEFT JOIN search_progress p ON p.conversation_key = m.conversation_key
     WHERE m.user_key = " {user} " AND m.conversation_key = " {key} " AND NOT h.deleted"
}

statement! {
    /// The first message from a position on: where it stands, when it was sent.
    TimeFrom { from: i64 as BigInt, below: i64 as BigInt } -> (BigInt, BigInt),
    "SELECT position, created_at FROM messages WHERE position >= " {from} " AND position < " {below}
    " ORDER BY position LIMIT 1"
}
