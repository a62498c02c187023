//! The hot path: a batch that does nothing but send, in one statement, which is one round trip and one transaction. Called
//! by `append`.
//!
//! The next seqs follow from the counter rows as our last commit left them. The statement locks those rows in the order of
//! their keys and goes through only when every one is still where we believe it to be, and when none of the batch's client
//! ids is known; else it changes nothing, and the batch goes the long way. A process that is alone on its conversations,
//! which is the usual case, is never wrong.

use std::collections::{BTreeMap, HashSet};

use diesel::{
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
    result::QueryResult,
    sql_types::{Array, BigInt},
};

use super::{connection::PgDb, rows::Rows};
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

/// What a batch of sends would make of the store.
#[derive(Default)]
struct Plan {
    rows: Rows,
    hashes: Vec<i64>,
    seen: HashSet<i64>,
    /// By key: where we believe the conversation to be, and where it will be.
    heads: BTreeMap<i64, (Head, Head)>,
    appended: Vec<Appended>,
}

/// Commits `batch` if it only sends and all is as we believe; `None` when nothing was done. An error after which it may
/// have been committed all the same is [`StoreError::Unknown`].
pub fn try_commit(db: &mut PgDb, batch: &[ConversationAppend]) -> Result<Option<Vec<Appended>>, StoreError> {
    let Some(plan) = Plan::of(db, batch) else {
        return Ok(None);
    };
    let statement = SendAll::new(&plan);
    let written = db.run_now(&statement);
    match written {
        Ok(count) if count == plan.heads.len() => {
            for (key, (_, head)) in &plan.heads {
                db.turns.learn(*key, *head);
            }
            Ok(Some(plan.appended))
        }
        Ok(_) => {
            for key in plan.heads.keys() {
                db.turns.guesses.remove(key);
            }
            Ok(None)
        }
        Err(error) => {
            for key in plan.heads.keys() {
                db.turns.guesses.remove(key);
            }
            let refused = db.is_usable() && db.batch("ROLLBACK").is_ok();
            Err(if refused {
                // The server said no, and is there to say more.
                error.into()
            } else {
                StoreError::Unknown(error.to_string())
            })
        }
    }
}

impl Plan {
    /// `None`: there is more to it than sending, or we do not know where the conversations stand.
    fn of(db: &PgDb, batch: &[ConversationAppend]) -> Option<Self> {
        let mut plan = Self::default();
        for one in batch {
            if one.ops.is_empty() {
                // Whoever appends nothing wants to know, not to believe.
                return None;
            }
            let key = one.conversation;
            let believed = match plan.heads.get(&key.0) {
                Some((believed, _)) => *believed,
                None => *db.turns.guesses.get(&key.0)?,
            };
            let mut head = plan.heads.get(&key.0).map_or(believed, |(_, head)| *head);
            let before = head.seq;
            let mut outcomes = Vec::with_capacity(one.ops.len());
            for op in &one.ops {
                let Op::Send(message) = op else { return None };
                outcomes.push(Ok(plan.send(key, &mut head, message)?));
            }
            plan.heads.insert(key.0, (believed, head));
            plan.appended.push(Appended {
                outcomes,
                before,
                head: head.seq,
            });
        }
        (!plan.heads.is_empty()).then_some(plan)
    }

    fn send(&mut self, key: ConversationKey, head: &mut Head, message: &NewMessage) -> Option<Outcome> {
        let draft = &message.draft;
        let simple = draft.reply_to.is_none()
            && draft.kind != MessageType::Image
            && message.mentions.is_empty()
            && message.pause_seconds.is_none_or(|seconds| seconds == 0);
        if !simple || head.seq == Seq(u32::MAX) {
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

/// The statement. It says how many counter rows it moved: all, or none.
struct SendAll<'b> {
    rows: &'b Rows,
    hashes: &'b Vec<i64>,
    keys: Vec<i64>,
    believed: Vec<i64>,
    seqs: Vec<i64>,
    active_ats: Vec<i64>,
    conversations: i64,
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
            conversations: plan.heads.len() as i64,
        }
    }
}

impl QueryId for SendAll<'_> {
    type QueryId = SendAll<'static>;
    const HAS_STATIC_QUERY_ID: bool = true;
}

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
             ORDER BY h.conversation_key FOR UPDATE OF h), go AS MATERIALIZED (SELECT (SELECT count(*) FROM locked) = ",
        );
        out.push_bind_param::<BigInt, _>(&self.conversations)?;
        out.push_sql(" AND NOT EXISTS (SELECT 1 FROM unnest(");
        out.push_bind_param::<Array<BigInt>, _>(self.hashes)?;
        out.push_sql(
            ") AS sought (hash) JOIN messages m ON m.client_hash = sought.hash WHERE m.client_hash IS NOT NULL) AS all_is_well), \
             sent AS (",
        );
        self.rows.insert(&mut out)?;
        out.push_sql(
            " WHERE (SELECT all_is_well FROM go)) UPDATE heads SET seq = w.seq, last_message_seq = w.seq, \
             active_at = greatest(heads.active_at, w.active_at) FROM wanted w WHERE conversation_key = w.key \
             AND (SELECT all_is_well FROM go)",
        );
        Ok(())
    }
}
