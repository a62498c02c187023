//! Search: the index says which messages may fit, the rows decide. Brings the index up to date first, finds where to look and
//! where a page begins, and loads what `walk` found. Called by the store's methods.

use crate::db::run::*;
use std::collections::HashMap;

use async_trait::async_trait;
use diesel::sql_types::BigInt;

use super::{
    Engine, Storage,
    assemble::Assembly,
    walk::{self, Candidate},
};
use crate::{
    db::{
        Before, Found, Hit, Search, SearchStore, StoreError,
        common::index::{self, STEP, Stepped, WordIndex},
        position::{pack, unpack},
        query,
        rows::{self, ConversationRow, MessageRow},
        statement::statement,
    },
    domain::{Conversation, ConversationKey, MessageId, Seq, Timestamp, UserKey, limits},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Changes that one search brings into the index at the most, before it answers with what is there.
const CATCH_UP: u32 = 20_000;

#[async_trait]
impl<E: Engine> SearchStore for Storage<E> {
    async fn search(&self, user: UserKey, search: Search) -> Result<Found> {
        if search.sought.phrases().is_empty() {
            let (hits, has_more) = (Vec::new(), false);
            return Ok(Found { hits, has_more });
        }
        let only = search.conversation;
        let places = self.engine.read(move |c| places(c, user, only)).await?;
        let behind: Vec<i64> = places
            .iter()
            .filter(|place| place.behind)
            .map(|place| place.key.0)
            .collect();
        if let Err(error) = catch_up(&self.engine, behind).await {
            // A store that cannot be written to can still be searched.
            log::warn!(target: "parlor::db", "a search goes on without the newest messages: {error}");
        }
        self.engine.read(move |c| find(c, user, &search)).await
    }

    fn search_backlog(&self) -> u64 {
        self.engine.backlog()
    }
}

/// Brings conversations up to date, a step at a time, so that sends go on in between.
async fn catch_up(engine: &impl Engine, mut behind: Vec<i64>) -> Result<()> {
    let mut looked = 0;
    while !behind.is_empty() && looked < CATCH_UP {
        let some: Vec<i64> = behind.iter().copied().take(index::CONVERSATIONS).collect();
        let Stepped { done, looked: more } = engine.write(move |c| index::step(c, &some)).await?;
        behind.drain(..done);
        // Counted, or conversations without end would be free.
        looked += more.max(STEP / 10);
    }
    Ok(())
}

/// A conversation to look through.
pub(super) struct Place {
    pub key: ConversationKey,
    pub head: Seq,
    /// Nothing in it is newer.
    pub active_at: Timestamp,
    pub expired: Seq,
    /// Whether the index lacks something of it.
    behind: bool,
}

/// What a row of it reads.
type PlaceRow = (i64, i64, i64, i64, i64);

fn places(connection: &mut impl Db, user: UserKey, only: Option<ConversationKey>) -> Result<Vec<Place>> {
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
pub(super) struct Anchor {
    pub at: i64,
    /// Of equal times, what stands below this is older.
    pub position: i64,
}

fn find(connection: &mut impl WordIndex, user: UserKey, search: &Search) -> Result<Found> {
    let places = places(connection, user, search.conversation)?;
    let anchor = match search.before {
        None => None,
        Some(before) => Some(anchor(connection, &places, before)?),
    };
    let (rows, has_more) = walk::walk(connection, &places, search, anchor)?;
    let hits = load(connection, rows)?;
    Ok(Found { hits, has_more })
}

/// The messages as history shows them.
fn load(connection: &mut impl Db, candidates: Vec<Candidate>) -> Result<Vec<Hit>> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let (rows, highlights): (Vec<MessageRow>, Vec<_>) = candidates
        .into_iter()
        .map(|candidate| (candidate.row, candidate.highlights))
        .unzip();
    let mut keys: Vec<i64> = rows.iter().map(|row| unpack(row.position).0.0).collect();
    keys.sort_unstable();
    keys.dedup();
    let conversations: Vec<ConversationRow> = query::conversations::by_keys(keys).load(connection)?;
    let mut ids = HashMap::new();
    for row in conversations {
        let conversation = Conversation::try_from(row)?;
        ids.insert(conversation.key, conversation.id);
    }
    let mut assembly = Assembly::of(connection, &rows, Vec::new())?;
    let hits = rows.into_iter().zip(highlights).map(|(row, highlights)| {
        let id = ids.get(&unpack(row.position).0);
        let id = *id.ok_or_else(|| rows::broken("the conversation of a message", row.position))?;
        Ok(Hit {
            message: assembly.message(row, id)?,
            highlights,
        })
    });
    hits.collect()
}

fn anchor(connection: &mut impl Db, places: &[Place], before: Before) -> Result<Anchor> {
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

statement! {
    /// A user's conversations, newest activity first: key, last seq, activity, up to where it is gone, how far the index is.
    AllPlaces { user: i64 as BigInt, most: i64 as BigInt } -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT m.conversation_key, h.seq, h.active_at, h.expired_seq, \
     coalesce((SELECT p.seq FROM search_progress p WHERE p.conversation_key = m.conversation_key), 0) FROM members m "
    ["CROSS JOIN" | "JOIN"]
    " heads h ON h.conversation_key = m.conversation_key
     WHERE m.user_key = " {user} " AND NOT h.deleted ORDER BY h.active_at DESC, m.conversation_key DESC LIMIT " {most}
}

statement! {
    /// One of them.
    OnePlace { user: i64 as BigInt, key: i64 as BigInt } -> (BigInt, BigInt, BigInt, BigInt, BigInt),
    "SELECT m.conversation_key, h.seq, h.active_at, h.expired_seq, \
     coalesce((SELECT p.seq FROM search_progress p WHERE p.conversation_key = m.conversation_key), 0) FROM members m "
    ["CROSS JOIN" | "JOIN"]
    " heads h ON h.conversation_key = m.conversation_key
     WHERE m.user_key = " {user} " AND m.conversation_key = " {key} " AND NOT h.deleted"
}
