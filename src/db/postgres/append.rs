//! The log on PostgreSQL: what costs one statement an op on a file is gathered here, since each statement is a round trip.
//! Called by the appender's thread.
//!
//! A batch that only sends is one statement ([`super::sends`]), checked by the server against what we believe about the
//! counter rows. Everything else, and whatever that check refuses, is a transaction: the counter rows are locked in the
//! order of their keys, so that servers on one database neither deadlock nor leave gaps; the client ids of the batch are
//! looked up at once; then the ops run as they do everywhere. New messages and counter rows wait in [`Turns`] until another
//! statement wants to see them, or the end.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    result::QueryResult,
    sql_types::{Array, BigInt, Bool, Integer},
};

use super::{
    connection::{End, PgDb},
    rows::{InsertMessages, Rows},
    sends,
};
use crate::{
    db::{
        Appended, ConversationAppend, Op, StoreError,
        common::append::{self, Head, HeadRow, Ledger, NewRow},
        position::client_hash,
        statement::statement,
    },
    domain::ConversationKey,
};

/// Held by every write of the store, and by batches that change who may do what: what one looked at stays so until it is
/// done, as if there were one writer. (The number is arbitrary; locks belong to one database.)
pub const WRITE_LOCKED: &str = "BEGIN; SELECT pg_advisory_xact_lock(7310021)";

/// Counter rows that are remembered between batches. Beyond it all are forgotten.
const REMEMBERED: usize = 100_000;

/// What the log knows and has not written yet.
#[derive(Default)]
pub struct Turns {
    /// The counter rows of this batch, as they are to be.
    heads: HashMap<i64, Head>,
    /// Those that were changed and not written, in the order of their keys.
    changed: BTreeMap<i64, Head>,
    /// Where messages of the client ids of this batch stand; every hash of the batch is a key.
    known: HashMap<i64, Vec<i64>>,
    /// New messages that were not written.
    rows: Rows,
    /// Counter rows as the last commit left them. Only a guess: others may have appended since.
    pub guesses: HashMap<i64, Head>,
}

impl Turns {
    /// Forgets the batch.
    pub fn end(&mut self) {
        self.heads.clear();
        self.changed.clear();
        self.known.clear();
        self.rows.clear();
    }

    /// Remembers what a commit left.
    pub fn learn(&mut self, key: i64, head: Head) {
        if self.guesses.len() >= REMEMBERED {
            self.guesses.clear();
        }
        if head.deleted {
            self.guesses.remove(&key);
        } else {
            self.guesses.insert(key, head);
        }
    }
}

/// Commits a batch. See [`crate::db::Log`].
pub fn commit(db: &mut PgDb, batch: &[ConversationAppend]) -> Result<Vec<Appended>, StoreError> {
    if let Some(sent) = sends::try_commit(db, batch)? {
        return Ok(sent);
    }
    db.turns.end();
    let alone = batch.iter().flat_map(|one| &one.ops).any(Op::decides_what_follows);
    db.begin(if alone { WRITE_LOCKED } else { "BEGIN" });
    let done = append::append(db, batch).and_then(|appended| {
        db.write_turns()?;
        Ok(appended)
    });
    let heads = std::mem::take(&mut db.turns.heads);
    db.turns.end();
    match done {
        Ok(appended) => {
            for key in heads.keys() {
                // Not to be believed until the COMMIT succeeded.
                db.turns.guesses.remove(key);
            }
            db.end(End::Commit)?;
            for (key, head) in heads {
                db.turns.learn(key, head);
            }
            Ok(appended)
        }
        Err(error) => {
            db.end(End::Rollback)?;
            Err(error)
        }
    }
}

impl PgDb {
    /// Writes what waits, if anything does.
    pub fn write_turns(&mut self) -> QueryResult<()> {
        if !self.turns.rows.is_empty() {
            let rows = std::mem::take(&mut self.turns.rows);
            self.run_now(InsertMessages(&rows))?;
            // Its buffers are used again.
            self.turns.rows = rows;
            self.turns.rows.clear();
        }
        if !self.turns.changed.is_empty() {
            let changed = std::mem::take(&mut self.turns.changed);
            self.run_now(WriteHeads::new(&changed))?;
        }
        Ok(())
    }
}

impl Ledger for PgDb {
    fn open_turns(&mut self, batch: &[ConversationAppend]) -> Result<(), StoreError> {
        let mut keys: Vec<i64> = batch.iter().map(|one| one.conversation.0).collect();
        keys.sort_unstable();
        keys.dedup();
        let rows: Vec<(i64, HeadRow)> = self.load_now(LockHeads { keys })?;
        for (key, row) in rows {
            let head = Head::from_row(key, row)?;
            self.turns.heads.insert(key, head);
        }
        let hashes = hashes(batch);
        if hashes.is_empty() {
            return Ok(());
        }
        let found: Vec<(i64, i64)> = self.load_now(ByClients { hashes: hashes.clone() })?;
        self.turns.known = hashes.into_iter().map(|hash| (hash, Vec::new())).collect();
        for (hash, position) in found {
            self.turns.known.entry(hash).or_default().push(position);
        }
        Ok(())
    }

    fn head(&mut self, key: i64) -> Result<Option<Head>, StoreError> {
        Ok(self.turns.heads.get(&key).copied())
    }

    fn put_head(&mut self, key: i64, head: Head) -> Result<(), StoreError> {
        self.turns.heads.insert(key, head);
        self.turns.changed.insert(key, head);
        Ok(())
    }

    fn put_message(&mut self, row: NewRow<'_>) -> Result<(), StoreError> {
        if let Some(hash) = row.client_hash {
            self.turns.known.entry(hash).or_default().push(row.position);
        }
        self.turns.rows.push(&row);
        Ok(())
    }

    fn by_client(&mut self, hash: i64) -> Result<Vec<i64>, StoreError> {
        Ok(self.turns.known.get(&hash).cloned().unwrap_or_default())
    }
}

/// The hashes of all client ids of a batch.
fn hashes(batch: &[ConversationAppend]) -> Vec<i64> {
    let of = |key: ConversationKey, op: &Op| match op {
        Op::Send(message) => {
            let client_id = message.draft.client_id.as_ref()?;
            Some(client_hash(key, message.sender.key, client_id))
        }
        _ => None,
    };
    batch
        .iter()
        .flat_map(|one| one.ops.iter().filter_map(move |op| of(one.conversation, op)))
        .collect()
}

statement! {
    /// The counter rows of these, nobody else's until the transaction ends. In the order of their keys, or two servers
    /// could wait for each other.
    LockHeads { keys: Vec<i64> as Array<BigInt> } -> (BigInt, (BigInt, BigInt, BigInt, Integer, Bool)),
    "SELECT conversation_key, seq, last_message_seq, active_at, member_count, deleted FROM heads \
     WHERE conversation_key = ANY(" {keys} ") ORDER BY conversation_key FOR UPDATE"
}

statement! {
    /// The messages of these client ids: hash, position.
    ByClients { hashes: Vec<i64> as Array<BigInt> } -> (BigInt, BigInt),
    "SELECT m.client_hash, m.position FROM unnest(" {hashes} ") AS sought (hash) \
     JOIN messages m ON m.client_hash = sought.hash WHERE m.client_hash IS NOT NULL ORDER BY m.position"
}

statement! {
    /// Counter rows as they are now, all of one length.
    WriteHeads {
        keys: Vec<i64> as Array<BigInt>,
        seqs: Vec<i64> as Array<BigInt>,
        last_messages: Vec<i64> as Array<BigInt>,
        active_ats: Vec<i64> as Array<BigInt>,
        members: Vec<i32> as Array<Integer>,
        deleted: Vec<bool> as Array<Bool>,
    },
    "UPDATE heads SET seq = w.seq, last_message_seq = w.last_message_seq, active_at = w.active_at, \
     member_count = w.member_count, deleted = w.deleted FROM unnest(" {keys} ", " {seqs} ", " {last_messages} ", "
    {active_ats} ", " {members} ", " {deleted} ") AS w (key, seq, last_message_seq, active_at, member_count, deleted) \
     WHERE conversation_key = w.key"
}

impl WriteHeads {
    fn new(changed: &BTreeMap<i64, Head>) -> Self {
        Self {
            keys: changed.keys().copied().collect(),
            seqs: changed.values().map(|head| i64::from(head.seq.0)).collect(),
            last_messages: changed.values().map(|head| i64::from(head.last_message.0)).collect(),
            active_ats: changed.values().map(|head| head.active_at).collect(),
            members: changed.values().map(|head| head.members).collect(),
            deleted: changed.values().map(|head| head.deleted).collect(),
        }
    }
}
