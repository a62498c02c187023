//! The walk of one search: through the conversations with the newest messages first, in each from its newest block on, until
//! there is a page that nothing left can be newer than. Several conversations are asked at once, and a long one piece by piece,
//! so that no question to the index is without a bound and their number stays small: each is a round trip on PostgreSQL.
//! Called by `search`; reads in its transaction.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
};

use super::search::{Anchor, Place};
use crate::{
    db::{
        Search, StoreError,
        common::index::{Range, WordIndex},
        position::pack,
        query,
        rows::MessageRow,
        run::*,
    },
    domain::{MessageType, words::Segment},
};

type Result<T> = std::result::Result<T, StoreError>;

/// Blocks that one question goes through at the most.
const BLOCKS: u32 = 128;

/// Messages that one question may name.
const NAMED: usize = 4000;

/// Conversations in the first question about several; in the next ones twice as many, each time.
const WIDTH: usize = 4;

/// Blocks and messages that a search in one conversation looks at, if it has found something: then it says that there may
/// be more. With nothing found it goes on, for a page without messages has nothing to go on from.
const LOOKS: usize = 20_000;

/// A message that fits.
pub struct Candidate {
    /// In its latest form.
    pub row: MessageRow,
    /// Its content in pieces.
    pub highlights: Vec<Segment>,
}

impl Candidate {
    /// Where it stands among the results.
    fn rank(&self) -> (i64, i64) {
        (self.row.created_at, self.row.position)
    }
}

/// One conversation, as far as it was gone through.
struct Walk<'p> {
    place: &'p Place,
    /// What is left of it; `None`: nothing.
    rest: Option<Range>,
    /// Whether `rest` begins where the page does.
    begun: bool,
    /// How many were found.
    found: usize,
    /// Questions in a row whose answers were full of what does not fit (any more).
    futile: u32,
}

impl<'p> Walk<'p> {
    fn new(place: &'p Place) -> Self {
        Self {
            place,
            rest: Range::between(pack(place.key, place.expired), pack(place.key, place.head) + 1),
            begun: false,
            found: 0,
            futile: 0,
        }
    }
}

/// What fits, newest first, at most a page, and whether there may be more.
pub fn walk(
    connection: &mut impl WordIndex,
    places: &[Place],
    search: &Search,
    anchor: Option<Anchor>,
) -> Result<(Vec<Candidate>, bool)> {
    let wanted = search.limit + 1;
    let mut waiting: VecDeque<Walk> = places.iter().map(Walk::new).collect();
    let mut best: Vec<Candidate> = Vec::new();
    let (mut width, mut looked) = (WIDTH, 0);
    while let Some(next) = waiting.front() {
        let settled = best
            .get(search.limit)
            .is_some_and(|last| next.place.active_at.millis() < last.row.created_at);
        if settled {
            break;
        }
        if search.conversation.is_some() && looked > LOOKS && !best.is_empty() {
            best.truncate(search.limit);
            return Ok((best, true));
        }
        let mut group: Vec<Walk> = waiting.drain(..width.min(waiting.len())).collect();
        width = (width * 2).min((NAMED / wanted).max(1));
        begin(connection, &mut group, anchor)?;
        looked += ask(connection, &mut group, search, anchor, &mut best)?;
        // Within one conversation its own order counts, whatever its clocks said.
        if places.len() > 1 {
            best.sort_by_key(|candidate| Reverse(candidate.rank()));
        }
        best.truncate(wanted);
        for walk in group.into_iter().rev() {
            if walk.found < wanted && walk.rest.is_some() {
                waiting.push_front(walk);
            }
        }
    }
    let has_more = best.len() == wanted;
    best.truncate(search.limit);
    Ok((best, has_more))
}

/// Leaves out what is newer than the page, in conversations that are asked for the first time.
fn begin(connection: &mut impl WordIndex, group: &mut [Walk], anchor: Option<Anchor>) -> Result<()> {
    let mut halved: Vec<(&mut Walk, Range)> = Vec::new();
    for walk in group.iter_mut().filter(|walk| !walk.begun) {
        walk.begun = true;
        match (anchor, walk.rest) {
            (Some(anchor), Some(range)) if anchor.position >> 32 == walk.place.key.0 => {
                walk.rest = Range::between(range.low, anchor.position.min(range.below));
            }
            (Some(anchor), Some(range)) if walk.place.active_at.millis() >= anchor.at => halved.push((walk, range)),
            _ => {}
        }
    }
    let (Some(anchor), false) = (anchor, halved.is_empty()) else {
        return Ok(());
    };
    let ranges: Vec<Range> = halved.iter().map(|(_, range)| *range).collect();
    let starts = connection.newer_than(anchor.at, &ranges)?;
    for ((walk, range), start) in halved.into_iter().zip(starts) {
        walk.rest = Range::between(range.low, start);
    }
    Ok(())
}

/// One question about the newest pieces of what is left of some conversations. Gives how much was looked at.
fn ask(
    connection: &mut impl WordIndex,
    group: &mut [Walk],
    search: &Search,
    anchor: Option<Anchor>,
    best: &mut Vec<Candidate>,
) -> Result<usize> {
    let wanted = search.limit + 1;
    // Where what is named does not fit, more and more of it is asked for.
    let futile = group.iter().map(|walk| walk.futile).max().unwrap_or_default();
    let limit = (wanted << futile.min(8)).min(NAMED).max(wanted);
    let mut asked: Vec<(&mut Walk, Range, Range)> = Vec::new();
    let mut blocks = 0;
    for walk in group.iter_mut() {
        let Some(rest) = walk.rest else { continue };
        let full = blocks >= BLOCKS || (asked.len() + 1) * limit > NAMED;
        if full && !asked.is_empty() {
            break;
        }
        let piece = rest.newest(BLOCKS - blocks);
        let (first, last) = piece.blocks();
        blocks += last - first + 1;
        asked.push((walk, rest, piece));
    }
    let pieces: Vec<Range> = asked.iter().map(|(_, _, piece)| *piece).collect();
    if pieces.is_empty() {
        return Ok(0);
    }
    let named = connection.words_match(&search.sought, search.from, &pieces, limit as i64)?;
    let looked = blocks as usize + named.len();
    // Of each conversation how many were named, and the oldest of them.
    let mut ends: HashMap<i64, (usize, i64)> = HashMap::new();
    for position in &named {
        let end = ends.entry(position >> 32).or_insert((0, *position));
        *end = (end.0 + 1, end.1.min(*position));
    }
    let mut found: HashMap<i64, usize> = HashMap::new();
    for candidate in fitting(connection, named, search, anchor)? {
        *found.entry(candidate.row.position >> 32).or_default() += 1;
        best.push(candidate);
    }
    for (walk, rest, piece) in asked {
        let key = walk.place.key.0;
        let (count, oldest) = ends.get(&key).copied().unwrap_or_default();
        let found = found.get(&key).copied().unwrap_or_default();
        let full = count >= limit;
        walk.rest = Range::between(rest.low, if full { oldest } else { piece.low + 1 });
        walk.found += found;
        walk.futile = if full && walk.found < wanted {
            walk.futile + 1
        } else {
            0
        };
    }
    Ok(looked)
}

/// What of these does fit, newest first.
fn fitting(
    connection: &mut impl WordIndex,
    named: Vec<i64>,
    search: &Search,
    anchor: Option<Anchor>,
) -> Result<Vec<Candidate>> {
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let mut rows: Vec<MessageRow> = query::messages::at_each(named).load(connection)?;
    rows.sort_unstable_by_key(|row| Reverse(row.position));
    Ok(rows.into_iter().filter_map(|row| fit(row, search, anchor)).collect())
}

/// Whether a message that the index names does fit, in its latest form.
fn fit(row: MessageRow, search: &Search, anchor: Option<Anchor>) -> Option<Candidate> {
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
