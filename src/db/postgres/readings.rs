//! Moving read cursors: any number of them, and what is behind each, in one statement. Called by `ledger`, behind everything else
//! that a batch writes.

use diesel::sql_types::{Array, BigInt, Bool};

use crate::{
    db::{
        Outcome, Refusal, StoreError,
        common::{
            append::{Late, Reading},
            store::unread,
        },
        rows,
        statement::statement,
    },
    domain::limits,
};

/// Cursors in one statement: each may have to look at a great many messages, and a statement has its time.
pub const AT_ONCE: usize = 64;

/// What is read of each: its number, where it stands, whether it moved, messages and mentions behind it.
pub type ReadRow = (i64, i64, bool, i64, i64);

impl ReadAll {
    /// Of no more than [`AT_ONCE`], each of somebody else or somewhere else.
    pub fn new(readings: &[Reading]) -> Self {
        let upto = |reading: &Reading| reading.upto.map_or(0, |seq| i64::from(seq.0));
        Self {
            conversations: readings.iter().map(|reading| reading.conversation.0).collect(),
            users: readings.iter().map(|reading| reading.user.0).collect(),
            seqs: readings.iter().map(upto).collect(),
            ats: readings.iter().map(|reading| reading.at.millis()).collect(),
            heads: readings.iter().map(|reading| i64::from(reading.head.0)).collect(),
            scan: i64::from(unread::SCAN_MAX),
            most: i64::from(limits::UNREAD_COUNT_MAX),
        }
    }
}

/// The answers of those who are members.
pub fn answers(readings: &[Reading], rows: Vec<ReadRow>) -> Result<Vec<Late>, StoreError> {
    let mut late = Vec::with_capacity(rows.len());
    for (number, last_read, moved, unread, mentions) in rows {
        let reading = usize::try_from(number - 1).ok().and_then(|at| readings.get(at));
        let reading = reading.ok_or_else(|| StoreError::Broken("an answer to nothing".to_owned()))?;
        let answer = match reading.upto {
            None => Err(Refusal::NoSuchMessage),
            Some(_) => Ok(Outcome::Read {
                last_read_seq: rows::seq(last_read, reading.conversation.0)?,
                moved,
                unread_count: unread as u32,
                mention_count: mentions as u32,
            }),
        };
        let place = reading.place;
        late.push(Late { place, answer });
    }
    Ok(late)
}

statement! {
    /// Moves cursors forward, notes each step, and counts as `unread::count` and `unread::mentions` do; 3 is
    /// `MessageType::System`.
    ReadAll {
        conversations: Vec<i64> as Array<BigInt>,
        users: Vec<i64> as Array<BigInt>,
        seqs: Vec<i64> as Array<BigInt>,
        ats: Vec<i64> as Array<BigInt>,
        heads: Vec<i64> as Array<BigInt>,
        scan: i64 as BigInt,
        most: i64 as BigInt,
    } -> (BigInt, BigInt, Bool, BigInt, BigInt),
    "WITH wanted AS MATERIALIZED (SELECT * FROM unnest(" {conversations} ", " {users} ", " {seqs} ", " {ats} ", " {heads}
    ") WITH ORDINALITY AS w (conversation, reader, seq, at, head, number)), standing AS MATERIALIZED (SELECT w.*, \
     m.last_read_seq AS before, greatest(w.seq, m.last_read_seq) AS upto FROM wanted w JOIN members m \
     ON m.conversation_key = w.conversation AND m.user_key = w.reader), moved AS (UPDATE members SET last_read_seq = s.seq, \
     last_read_at = s.at FROM standing s WHERE conversation_key = s.conversation AND user_key = s.reader \
     AND s.seq > s.before), marked AS (INSERT INTO read_marks (conversation_key, user_key, seq, at) \
     SELECT conversation, reader, seq, at FROM standing WHERE seq > before ON CONFLICT DO NOTHING) \
     SELECT number, upto, seq > before, CASE WHEN upto < head THEN (SELECT count(*) FROM (SELECT 1 FROM (\
     SELECT sender_key, kind, deleted_at FROM messages WHERE position > (conversation << 32) + upto \
     AND position <= (conversation << 32) + head ORDER BY position DESC LIMIT " {scan}
    ") AS newest WHERE sender_key <> reader AND kind <> 3 AND deleted_at IS NULL LIMIT " {most}
    ") AS unread) ELSE 0 END, CASE WHEN upto < head THEN (SELECT count(*) FROM (SELECT 1 FROM mentions \
     WHERE user_key = reader AND position > (conversation << 32) + upto AND position <= (conversation << 32) + head LIMIT "
    {most} ") AS mentioned) ELSE 0 END FROM standing"
}
