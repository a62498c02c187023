//! What the ops of a batch name, looked up behind the locks of its counter rows and in the same round trip. Kept up to date by
//! `ledger` while the ops run; what is missing here is asked for when it is needed.

use std::{collections::HashMap, sync::Arc};

use diesel::{
    prelude::*,
    result::QueryResult,
    sql_types::{Array, BigInt, Bool, Integer, Nullable},
};
use diesel_async::AsyncPgConnection;
use futures_util::{
    TryStreamExt,
    future::{join4, join5},
};

use super::connection::{PgDb, PgLoads};
use crate::{
    db::{
        ConversationAppend, Op, StoreError,
        common::append::{Head, HeadRow, ReactionRow},
        position::{client_hash, pack},
        query,
        rows::{MessageRow, UserRow},
        schema::{conversations, messages, users},
        statement::statement,
        types::Id,
    },
    domain::{ConversationId, ConversationKey, MessageId, User},
    protocol::command::ReadUpTo,
};

/// What was looked up; of what is not there, that it is not.
#[derive(Default)]
pub struct Lookups {
    /// By position.
    pub messages: HashMap<i64, Option<MessageRow>>,
    /// The same, whose content may be cut off.
    pub beginnings: HashMap<i64, Option<MessageRow>>,
    /// By position, in their order.
    pub reactions: HashMap<i64, Vec<ReactionRow>>,
    /// By conversation and user: when they last sent something where slow mode was on.
    pub paces: HashMap<(i64, i64), Option<i64>>,
    /// By key.
    pub people: HashMap<i64, Arc<User>>,
    /// By key.
    pub ids: HashMap<i64, ConversationId>,
}

impl Lookups {
    /// A statement ran that may have changed any of it.
    pub fn forget(&mut self) {
        self.messages.clear();
        self.beginnings.clear();
        self.reactions.clear();
        self.paces.clear();
    }

    /// Changes a message wherever it is held.
    pub fn change(&mut self, position: i64, change: impl Fn(&mut MessageRow)) {
        for held in [&mut self.messages, &mut self.beginnings] {
            if let Some(Some(row)) = held.get_mut(&position) {
                change(row);
            }
        }
    }

    /// A message has come to stand at a position.
    pub fn stands(&mut self, position: i64, row: impl Fn() -> MessageRow) {
        for held in [&mut self.messages, &mut self.beginnings] {
            if let Some(place) = held.get_mut(&position) {
                *place = Some(row());
            }
        }
    }
}

/// What a batch names.
#[derive(Default)]
struct Named {
    hashes: Vec<i64>,
    messages: Vec<i64>,
    beginnings: Vec<i64>,
    reactions: Vec<i64>,
    /// Conversations and users, aligned.
    paces: (Vec<i64>, Vec<i64>),
    ids: Vec<i64>,
}

impl Named {
    fn of(batch: &[ConversationAppend]) -> Self {
        let mut named = Self::default();
        for one in batch {
            for op in &one.ops {
                named.add(one.conversation, op);
            }
        }
        for positions in [
            &mut named.messages,
            &mut named.beginnings,
            &mut named.reactions,
            &mut named.ids,
        ] {
            positions.sort_unstable();
            positions.dedup();
        }
        named
    }

    fn add(&mut self, key: ConversationKey, op: &Op) {
        let at = |id: MessageId| pack(key, id.claimed_seq());
        match op {
            Op::Send(message) => {
                let client_id = message.draft.client_id.as_ref();
                self.hashes
                    .extend(client_id.map(|client_id| client_hash(key, message.sender.key, client_id)));
                self.beginnings.extend(message.draft.reply_to.map(at));
                if message.pause_seconds.is_some_and(|seconds| seconds > 0) {
                    self.paces.0.push(key.0);
                    self.paces.1.push(message.sender.key.0);
                }
            }
            Op::Edit { message, .. } => {
                self.messages.push(at(*message));
                self.reactions.push(at(*message));
                self.ids.push(key.0);
            }
            Op::React { message, .. } => {
                self.beginnings.push(at(*message));
                self.reactions.push(at(*message));
            }
            Op::Delete { message, .. } => self.beginnings.push(at(*message)),
            Op::MarkRead {
                upto: ReadUpTo::Message(id),
                ..
            } => self.beginnings.push(at(*id)),
            _ => {}
        }
    }
}

impl PgDb {
    /// Locks the counter rows of a batch and looks up what it names.
    pub fn look_up(&mut self, batch: &[ConversationAppend]) -> Result<(), StoreError> {
        let mut keys: Vec<i64> = batch.iter().map(|one| one.conversation.0).collect();
        keys.sort_unstable();
        keys.dedup();
        let named = Named::of(batch);
        let some = |positions: &Vec<i64>| Some(positions.clone()).filter(|positions| !positions.is_empty());
        let hashes = some(&named.hashes).map(|hashes| ByClients { hashes });
        let whole = some(&named.messages).map(messages_at);
        let beginnings = some(&named.beginnings).map(beginnings_at);
        let reactions = some(&named.reactions).map(query::messages::reaction_rows);
        let ids = some(&named.ids).map(ids_of);
        let (conversations, users) = named.paces;
        let paces = some(&conversations).map(|conversations| Paces { conversations, users });
        // The server runs them in this order, each on what is committed by then: behind the locks nothing changes any more.
        let (heads, (known, whole, beginnings, reactions), ids, paces) = self.ask(async |on| {
            let locked = rows::<_, (i64, HeadRow)>(on, Some(LockHeads { keys }));
            let looked = join4(
                rows::<_, (i64, i64)>(on, hashes),
                rows::<_, (MessageRow, UserRow)>(on, whole),
                rows::<_, (MessageRow, UserRow)>(on, beginnings),
                rows::<_, ReactionRow>(on, reactions),
            );
            let ids = rows::<_, (i64, Id)>(on, ids);
            let paces = rows::<_, (i64, i64, Option<i64>)>(on, paces);
            let (heads, looked, ids, paces, ()) = join5(locked, looked, ids, paces, async {}).await;
            let (heads, (known, whole, beginnings, reactions)) = (heads?, looked);
            Ok((heads, (known?, whole?, beginnings?, reactions?), ids?, paces?))
        })?;
        for (key, row) in heads {
            let head = Head::from_row(key, row)?;
            self.turns.heads.insert(key, head);
        }
        let mut repeated: Vec<i64> = known.iter().map(|(_, position)| *position).collect();
        for (hash, position) in known {
            self.turns.known.entry(hash).or_default().push(position);
        }
        let lookups = &mut self.turns.lookups;
        lookups.reactions = named.reactions.iter().map(|position| (*position, Vec::new())).collect();
        for reaction in reactions {
            lookups.reactions.entry(reaction.message).or_default().push(reaction);
        }
        lookups.ids = ids.into_iter().map(|(key, id)| (key, ConversationId(id.0))).collect();
        let paces = paces
            .into_iter()
            .map(|(conversation, user, at)| ((conversation, user), at));
        lookups.paces = paces.collect();
        self.hold(&named.messages, whole, true)?;
        self.hold(&named.beginnings, beginnings, false)?;
        // What was sent before, and what is answered by what is edited: rarely anything.
        repeated.retain(|position| !self.turns.lookups.messages.contains_key(position));
        if !repeated.is_empty() {
            let found = self.load_now(messages_at(repeated.clone()))?;
            self.hold(&repeated, found, true)?;
        }
        Ok(())
    }

    fn hold(&mut self, named: &[i64], found: Vec<(MessageRow, UserRow)>, whole: bool) -> Result<(), StoreError> {
        let lookups = &mut self.turns.lookups;
        let held = match whole {
            true => &mut lookups.messages,
            false => &mut lookups.beginnings,
        };
        held.extend(named.iter().map(|position| (*position, None)));
        for (row, user) in found {
            let person: User = user.try_into()?;
            lookups.people.insert(person.key.0, Arc::new(person));
            held.insert(row.position, Some(row));
        }
        Ok(())
    }
}

/// The rows of a query, if there is one to ask.
async fn rows<'q, Q: PgLoads<'q, U>, U>(mut on: &AsyncPgConnection, query: Option<Q>) -> QueryResult<Vec<U>> {
    match query {
        Some(query) => {
            diesel_async::methods::LoadQuery::internal_load(query, &mut on)
                .await?
                .try_collect()
                .await
        }
        None => Ok(Vec::new()),
    }
}

/// The messages at these positions, and who wrote them.
#[diesel::dsl::auto_type]
fn messages_at(positions: Vec<i64>) -> _ {
    let all: <messages::table as Table>::AllColumns = messages::all_columns;
    let columns: query::users::UserColumns = query::users::USER;
    messages::table
        .inner_join(users::table.on(users::key.eq(messages::sender_key)))
        .filter(messages::position.eq_any(positions))
        .select((all, columns))
}

/// The same, of each content the beginning.
#[diesel::dsl::auto_type]
fn beginnings_at(positions: Vec<i64>) -> _ {
    let columns: query::users::UserColumns = query::users::USER;
    let beginning: query::messages::BeginningColumns = query::messages::beginning();
    messages::table
        .inner_join(users::table.on(users::key.eq(messages::sender_key)))
        .filter(messages::position.eq_any(positions))
        .select((beginning, columns))
}

/// The ids of these conversations.
#[diesel::dsl::auto_type]
fn ids_of(keys: Vec<i64>) -> _ {
    conversations::table
        .filter(conversations::key.eq_any(keys))
        .select((conversations::key, conversations::id))
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
    "WITH found AS MATERIALIZED (SELECT client_hash, position FROM messages WHERE client_hash = ANY(" {hashes}
    ") AND client_hash IS NOT NULL) SELECT client_hash, position FROM found ORDER BY position"
}

statement! {
    /// When these members last sent something where slow mode was on.
    Paces { conversations: Vec<i64> as Array<BigInt>, users: Vec<i64> as Array<BigInt> }
        -> (BigInt, BigInt, Nullable<BigInt>),
    "SELECT m.conversation_key, m.user_key, m.last_sent_at FROM unnest(" {conversations} ", " {users}
    ") AS w (conversation, sender) JOIN members m ON m.conversation_key = w.conversation AND m.user_key = w.sender"
}
