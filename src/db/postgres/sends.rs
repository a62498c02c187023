//! The hot path: what does nothing but send, in one statement, which is one round trip and one transaction. Called by `append`.
//!
//! The next seqs follow from the counter rows as our last commits left them. The statement locks those rows in the order of
//! their keys, and appends to each conversation that is still where we believe it to be, unless one of its client ids is known;
//! the others it leaves alone, and they go the long way. A process that is alone on its conversations, which is the usual
//! case, is never wrong; of several that share some, only those go the long way which another one has just moved.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::{
    pg::Pg,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Array, BigInt},
};

use super::{connection::PgDb, guesses::Guesses, rows::Rows};
use crate::{
    db::{
        Appended, ConversationAppend, NewMessage, Op, Outcome, StoreError,
        common::append::{Head, NewRow},
        position::{client_hash, pack},
        run::*,
        types::Id,
    },
    domain::{ClientId, ConversationKey, MessageId, MessageType, Seq},
};

/// What became of a part: `None`, nothing; it has to go the long way.
pub type Tried = Option<Result<Appended, StoreError>>;

/// Whether a send is nothing but a row and a step of the counter.
pub fn is_plain(message: &NewMessage) -> bool {
    let draft = &message.draft;
    draft.reply_to.is_none()
        && draft.kind != MessageType::Image
        && message.mentions.is_empty()
        && message.pause_seconds.is_none_or(|seconds| seconds == 0)
}

/// Commits what of `batch` only sends and is where we believe it to be; aligned. An error after which a part may have been
/// committed all the same is [`StoreError::Unknown`].
pub fn try_commit(db: &mut PgDb, guesses: &Guesses, batch: &[ConversationAppend]) -> Vec<Tried> {
    let mut plan = guesses.look(|known| Plan::of(known, batch));
    if plan.heads.is_empty() {
        return vec![None; batch.len()];
    }
    let moved: QueryResult<Vec<i64>> = db.load_now(SendAll::new(&plan));
    let planned = std::mem::take(&mut plan.appended);
    let moved = match moved {
        Ok(moved) => moved.into_iter().collect::<HashSet<i64>>(),
        Err(error) => {
            guesses.forget(plan.heads.keys().copied());
            let refused = db.is_usable() && db.batch("ROLLBACK").is_ok();
            let error = match refused {
                // The server said no, and is there to say more.
                true => error.into(),
                false => StoreError::Unknown(error.to_string()),
            };
            return planned.into_iter().map(|one| one.map(|_| Err(error.clone()))).collect();
        }
    };
    let (done, left): (Vec<_>, Vec<_>) = plan.heads.iter().partition(|(key, _)| moved.contains(key));
    guesses.learn(done.into_iter().map(|(key, (_, head))| (*key, *head)));
    guesses.forget(left.into_iter().map(|(key, _)| *key));
    let went = |one: &ConversationAppend| moved.contains(&one.conversation.0);
    let both = planned.into_iter().zip(batch);
    both.map(|(appended, one)| appended.filter(|_| went(one)).map(Ok))
        .collect()
}

/// What sends would make of the store.
#[derive(Default)]
struct Plan {
    rows: Rows,
    hashes: Vec<i64>,
    seen: HashSet<i64>,
    /// By key: where we believe the conversation to be, and where it will be.
    heads: BTreeMap<i64, (Head, Head)>,
    /// Conversations that cannot go this way, from some part on.
    out: HashSet<i64>,
    /// Aligned with the batch.
    appended: Vec<Option<Appended>>,
}

impl Plan {
    fn of(known: &HashMap<i64, Head>, batch: &[ConversationAppend]) -> Self {
        let mut plan = Self::default();
        for one in batch {
            let key = one.conversation.0;
            let (rows, hashes) = (plan.rows.len(), plan.hashes.len());
            let appended = match plan.out.contains(&key) {
                true => None,
                false => plan.part(known, one),
            };
            if appended.is_none() {
                // What comes behind has to stay behind.
                plan.out.insert(key);
                plan.rows.truncate(rows);
                plan.hashes.truncate(hashes);
            }
            plan.appended.push(appended);
        }
        plan
    }

    /// `None`: there is more to it than sending, or we do not know where the conversation stands.
    fn part(&mut self, known: &HashMap<i64, Head>, one: &ConversationAppend) -> Option<Appended> {
        let key = one.conversation;
        let (believed, mut head) = match self.heads.get(&key.0) {
            Some(both) => *both,
            None => known.get(&key.0).map(|head| (*head, *head))?,
        };
        let before = head.seq;
        let mut outcomes = Vec::with_capacity(one.ops.len());
        for op in &one.ops {
            let Op::Send(message) = op else { return None };
            outcomes.push(Ok(self.send(key, &mut head, message)?));
        }
        if outcomes.is_empty() {
            return None;
        }
        self.heads.insert(key.0, (believed, head));
        Some(Appended {
            outcomes,
            before,
            head: head.seq,
        })
    }

    fn send(&mut self, key: ConversationKey, head: &mut Head, message: &NewMessage) -> Option<Outcome> {
        let draft = &message.draft;
        if !is_plain(message) || head.seq == Seq(u32::MAX) {
            return None;
        }
        let client_id = draft.client_id.as_ref();
        let hash = client_id.map(|client_id| client_hash(key, message.sender.key, client_id));
        if let Some(hash) = hash {
            if !self.seen.insert(hash) {
                return None;
            }
            self.hashes.push(hash);
        }
        let seq = head.seq.next();
        let id = MessageId::at_seq(message.at, seq, message.random);
        self.rows.push(&NewRow {
            position: pack(key, seq),
            id: Id(id.0),
            kind: draft.kind.code(),
            sender_key: message.sender.key.0,
            content: draft.content.as_str(),
            client_id: client_id.map(ClientId::as_str),
            client_hash: hash,
            reply_to: None,
            created_at: message.at.millis(),
            mentions: None,
        });
        (head.seq, head.last_message) = (seq, seq);
        head.active_at = head.active_at.max(message.at.millis());
        Some(Outcome::Sent { id, seq, quote: None })
    }
}

/// The statement. It gives the keys of the counter rows that it moved.
struct SendAll<'b> {
    rows: &'b Rows,
    hashes: &'b Vec<i64>,
    keys: Vec<i64>,
    believed: Vec<i64>,
    seqs: Vec<i64>,
    active_ats: Vec<i64>,
}

impl<'b> SendAll<'b> {
    fn new(plan: &'b Plan) -> Self {
        let heads = plan.heads.values();
        Self {
            rows: &plan.rows,
            hashes: &plan.hashes,
            keys: plan.heads.keys().copied().collect(),
            believed: heads.clone().map(|(believed, _)| i64::from(believed.seq.0)).collect(),
            seqs: heads.clone().map(|(_, head)| i64::from(head.seq.0)).collect(),
            active_ats: heads.map(|(_, head)| head.active_at).collect(),
        }
    }
}

impl QueryId for SendAll<'_> {
    type QueryId = SendAll<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl Query for SendAll<'_> {
    type SqlType = BigInt;
}

impl<C> diesel::RunQueryDsl<C> for SendAll<'_> {}

impl QueryFragment<Pg> for SendAll<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH wanted AS MATERIALIZED (SELECT * FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(&self.keys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.believed)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.seqs)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.active_ats)?;
        // A row that somebody else has just moved is looked at again once they have committed: then it does not match.
        out.push_sql(
            ") AS w (key, believed, seq, active_at)), locked AS MATERIALIZED (SELECT h.conversation_key FROM wanted w \
             JOIN heads h ON h.conversation_key = w.key WHERE h.seq = w.believed AND NOT h.deleted \
             ORDER BY h.conversation_key FOR UPDATE OF h), refused AS MATERIALIZED (\
             SELECT key FROM wanted EXCEPT SELECT conversation_key FROM locked \
             UNION ALL SELECT m.position >> 32 FROM unnest(",
        );
        out.push_bind_param::<Array<BigInt>, _>(self.hashes)?;
        out.push_sql(
            ") AS sought (hash) JOIN messages m ON m.client_hash = sought.hash WHERE m.client_hash IS NOT NULL), sent AS (",
        );
        self.rows.insert(&mut out)?;
        out.push_sql(
            " WHERE (position >> 32) <> ALL (ARRAY(SELECT key FROM refused))) UPDATE heads SET seq = w.seq, \
             last_message_seq = w.seq, active_at = greatest(heads.active_at, w.active_at) FROM wanted w \
             WHERE conversation_key = w.key AND w.key <> ALL (ARRAY(SELECT key FROM refused)) RETURNING conversation_key",
        );
        Ok(())
    }
}
