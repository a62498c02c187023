//! Every change of every conversation, in order, from behind what retention removed up to its head, each once; and what
//! only we can compute of a message. One pass over the file. Called by `verify`.

use std::{cmp::Ordering, collections::HashMap};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection,
    connection::DefaultLoadingMode,
    prelude::{QueryDsl, QueryableByName},
    sql_types::{BigInt, Binary, Nullable, Text},
};

use super::Report;
use crate::{
    db::{
        position::{client_hash, unpack},
        schema::heads,
    },
    domain::{ClientId, ConversationKey, MessageId, Seq, UserKey},
};

/// Both tables are in this order already: SQLite merges them without sorting.
const BOTH: &str = "SELECT position, id, sender_key, client_id, client_hash FROM messages
     UNION ALL SELECT position, NULL, 0, NULL, NULL FROM changes ORDER BY position";

const PROGRESS_EVERY: u64 = 500_000;

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    position: i64,
    /// `None`: a change that is not a new message.
    #[diesel(sql_type = Nullable<Binary>)]
    id: Option<Vec<u8>>,
    #[diesel(sql_type = BigInt)]
    sender_key: i64,
    #[diesel(sql_type = Nullable<Text>)]
    client_id: Option<String>,
    #[diesel(sql_type = Nullable<BigInt>)]
    client_hash: Option<i64>,
}

/// Where the walk stands.
#[derive(Default)]
struct Walk {
    conversation: i64,
    seq: u32,
    last_message: u32,
    /// Up to where retention removed everything.
    expired: u32,
}

/// Walks through everything.
pub fn changes(connection: &mut SqliteConnection, report: &mut Report, progress: &mut dyn FnMut(String)) {
    if let Err(error) = walk(connection, report, progress) {
        report.find(format!("the messages cannot be read: {error}"));
    }
}

fn walk(connection: &mut SqliteConnection, report: &mut Report, progress: &mut dyn FnMut(String)) -> QueryResult<()> {
    let rows: Vec<(i64, i64, i64, i64)> = heads::table
        .select((
            heads::conversation_key,
            heads::seq,
            heads::last_message_seq,
            heads::expired_seq,
        ))
        .load(connection)?;
    let ends = rows
        .into_iter()
        .map(|(key, seq, last, expired)| (key, End { seq, last, expired }));
    let mut ends: HashMap<i64, End> = ends.collect();
    let all = report.messages + report.changes;
    let mut at = Walk {
        conversation: -1,
        ..Walk::default()
    };
    let mut seen: u64 = 0;
    for row in diesel::sql_query(BOTH).load_iter::<Row, DefaultLoadingMode>(connection)? {
        let row = row?;
        let (key, seq) = unpack(row.position);
        if key.0 != at.conversation {
            at.end(&mut ends, report);
            let expired = ends.get(&key.0).map_or(0, |end| end.expired);
            let expired = u32::try_from(expired).unwrap_or_default();
            at = Walk {
                conversation: key.0,
                seq: expired,
                last_message: 0,
                expired,
            };
        }
        at.step(seq, row.id.is_some(), report);
        check_message(&row, key, seq, report);
        seen += 1;
        if seen.is_multiple_of(PROGRESS_EVERY) {
            progress(format!("{seen} of {all} changes"));
        }
    }
    at.end(&mut ends, report);
    for (key, End { seq, last, expired }) in ends {
        if (seq, last) != (expired, 0) {
            report.find(format!(
                "conversation {key} should end at {seq} with message {last}, but has no changes"
            ));
        }
    }
    Ok(())
}

/// What a counter row says.
struct End {
    seq: i64,
    last: i64,
    expired: i64,
}

impl Walk {
    fn step(&mut self, seq: Seq, message: bool, report: &mut Report) {
        let (key, due) = (self.conversation, u64::from(self.seq) + 1);
        match u64::from(seq.0).cmp(&due) {
            Ordering::Equal => {}
            Ordering::Less if seq.0 == 0 => report.find(format!("conversation {key} has something at seq 0")),
            Ordering::Less if seq.0 <= self.expired => {
                report.find(format!("conversation {key} has seq {seq}, which retention removed"));
                return;
            }
            Ordering::Less => report.find(format!("conversation {key} has seq {seq} twice")),
            Ordering::Greater if u64::from(seq.0) == due + 1 => {
                report.find(format!("conversation {key} lacks seq {due}"));
            }
            Ordering::Greater => {
                report.find(format!("conversation {key} lacks seq {due} to {}", seq.0 - 1));
            }
        }
        self.seq = seq.0;
        if message {
            self.last_message = seq.0;
        }
    }

    /// The conversation has no further change: compares with its counter row.
    fn end(&self, ends: &mut HashMap<i64, End>, report: &mut Report) {
        let key = self.conversation;
        if key < 0 {
            return;
        }
        let Some(End { seq, last, .. }) = ends.remove(&key) else {
            report.find(format!(
                "{} changes belong to conversation {key}, which has no counter row",
                self.seq
            ));
            return;
        };
        if seq != i64::from(self.seq) {
            report.find(format!(
                "conversation {key} ends at {}, but its counter says {seq}",
                self.seq
            ));
        }
        if last != i64::from(self.last_message) {
            let newest = self.last_message;
            report.find(format!(
                "the newest message of conversation {key} is {newest}, but its counter says {last}"
            ));
        }
    }
}

/// What only we can compute: the seq that the id carries, the hash of the client id.
fn check_message(row: &Row, key: ConversationKey, seq: Seq, report: &mut Report) {
    let Some(id) = &row.id else { return };
    match uuid::Uuid::from_slice(id) {
        Ok(id) if MessageId(id).claimed_seq() == seq => {}
        Ok(_) => report.find(format!(
            "the id of message {seq} of conversation {key} carries another seq",
            key = key.0
        )),
        Err(_) => report.find(format!(
            "the id of message {seq} of conversation {key} is no UUID",
            key = key.0
        )),
    }
    let due = match row.client_id.as_deref().map(ClientId::parse) {
        None => None,
        Some(Ok(client_id)) => Some(client_hash(key, UserKey(row.sender_key), &client_id)),
        Some(Err(_)) => {
            report.find(format!(
                "the client id of message {seq} of conversation {key} is none",
                key = key.0
            ));
            return;
        }
    };
    if due != row.client_hash {
        report.find(format!(
            "the hash of the client id of message {seq} of conversation {key} is wrong",
            key = key.0
        ));
    }
}
