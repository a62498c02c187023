//! A message out of its row and what is kept beside it: who wrote it, what it answers, who reacted. One query for each of
//! these however many rows there are, and none where there is nothing to ask for. Called by the store and by the log.

use crate::db::run::*;
use diesel::Queryable;
use std::collections::HashMap;

use crate::{
    db::{
        StoreError,
        position::{pack, unpack},
        query,
        rows::{MessageRow, People, broken},
        types::Id,
    },
    domain::{ConversationId, Message, MessageId, MessageType, Reaction, UserId, message::Quote},
};

type Result<T> = std::result::Result<T, StoreError>;

/// What belongs to some rows of `messages`.
pub struct Assembly {
    people: People,
    quoted: HashMap<i64, QuotedRow>,
    reactions: HashMap<i64, Vec<Reaction>>,
}

/// What is read of a quoted message: `query::messages::quoted`.
#[derive(Debug, Queryable)]
pub struct QuotedRow {
    position: i64,
    id: Id,
    kind: i16,
    sender_key: i64,
    beginning: String,
}

impl Assembly {
    /// Of these rows; `others` are users whom the caller needs too.
    pub fn of(connection: &mut impl Db, rows: &[MessageRow], others: Vec<i64>) -> Result<Self> {
        let quoted = quoted(connection, rows.iter().filter_map(quotes).collect())?;
        let changed = rows.iter().filter(|row| may_have_reactions(row));
        let reactions = reactions(connection, changed.map(|row| row.position).collect())?;
        let mut keys = others;
        keys.extend(rows.iter().map(|row| row.sender_key));
        keys.extend(quoted.iter().map(|row| row.sender_key));
        keys.sort_unstable();
        keys.dedup();
        Ok(Self {
            people: People::new(query::users::by_keys(keys).load(connection)?)?,
            quoted: quoted.into_iter().map(|row| (row.position, row)).collect(),
            reactions,
        })
    }

    /// The senders, and whom else the caller asked for.
    pub fn people(&self) -> &People {
        &self.people
    }

    /// The message of one of the rows, once.
    pub fn message(&mut self, row: MessageRow, conversation: ConversationId) -> Result<Message> {
        let reactions = self.reactions.remove(&row.position);
        let quote = quotes(&row).and_then(|position| self.quoted.get(&position));
        let quote = quote.filter(|quoted| Some(quoted.id) == row.reply_to);
        let quote = quote.map(|quoted| quoted.quote(&self.people)).transpose()?;
        let mut message = row.into_message(conversation, &self.people)?;
        message.reactions = reactions.unwrap_or_default();
        message.reply_to = quote.map(Box::new);
        Ok(message)
    }
}

impl QuotedRow {
    fn quote(&self, people: &People) -> Result<Quote> {
        let kind = MessageType::from_code(self.kind).ok_or_else(|| broken("a message's type", self.position))?;
        let sender = people.get(self.sender_key)?;
        let seq = unpack(self.position).1;
        Ok(Quote::new(MessageId(self.id.0), seq, kind, sender, &self.beginning))
    }
}

/// Where the message stands that a row quotes.
fn quotes(row: &MessageRow) -> Option<i64> {
    let reply_to = row.reply_to.filter(|_| row.deleted_at.is_none())?;
    Some(pack(unpack(row.position).0, MessageId(reply_to.0).claimed_seq()))
}

/// A message that was never changed has none, and that is nearly every one.
pub fn may_have_reactions(row: &MessageRow) -> bool {
    row.change_position != row.position && row.deleted_at.is_none()
}

fn quoted(connection: &mut impl Db, mut positions: Vec<i64>) -> Result<Vec<QuotedRow>> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    positions.sort_unstable();
    positions.dedup();
    Ok(query::messages::quoted(positions).load(connection)?)
}

fn reactions(connection: &mut impl Db, positions: Vec<i64>) -> Result<HashMap<i64, Vec<Reaction>>> {
    let mut found: HashMap<i64, Vec<(String, String)>> = HashMap::new();
    if positions.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(i64, String, String)> = query::messages::reactions_on(positions).load(connection)?;
    for (position, emoji, user) in rows {
        found.entry(position).or_default().push((emoji, user));
    }
    let sorted = found
        .into_iter()
        .map(|(position, pairs)| Ok((position, by_emoji(pairs.into_iter(), position)?)));
    sorted.collect()
}

/// Emoji and users of a message, of which equal emoji stand together.
pub fn by_emoji(pairs: impl Iterator<Item = (String, String)>, position: i64) -> Result<Vec<Reaction>> {
    let mut reactions: Vec<Reaction> = Vec::new();
    for (emoji, user) in pairs {
        let user = UserId::parse(&user).map_err(|_| broken("a user's id", position))?;
        match reactions.last_mut() {
            Some(last) if last.emoji == emoji => last.user_ids.push(user),
            _ => reactions.push(Reaction {
                emoji,
                user_ids: vec![user],
            }),
        }
    }
    Ok(reactions)
}
