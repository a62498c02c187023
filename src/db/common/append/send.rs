//! Sending: once for each client id.

use std::sync::Arc;

use crate::db::run::*;
use diesel::sql_types::{BigInt, Text};

use super::{Decision, Ledger, Turn, insert::NewRow};
use crate::{
    db::{
        NewMessage, Outcome, Refusal, StoreError,
        common::store::assemble,
        position::{client_hash, pack},
        rows::{MessageRow, People, broken},
        statement::statement,
        types::Id,
    },
    domain::{
        ClientId, Content, Message, MessageId, MessageType, Seq, Timestamp, User, UserId, UserKey,
        message::{Draft, Quote},
    },
};

impl<C: Ledger> Turn<'_, C> {
    pub(super) fn send(&mut self, message: &NewMessage) -> Decision {
        let draft = &message.draft;
        let mut hash = None;
        if let Some(client_id) = &draft.client_id {
            let sought = client_hash(self.key, message.sender.key, client_id);
            if let Some(row) = self.sent_before(sought, message.sender.key, client_id)? {
                if !self.sent_as(&row, draft)? {
                    return Ok(Err(Refusal::OtherContent));
                }
                return Ok(Ok(Outcome::Repeated(Box::new(self.load(row)?))));
            }
            hash = Some(sought);
        }
        let mut answered = None;
        if let Some(reply_to) = draft.reply_to {
            answered = self.beginning(reply_to)?;
            if answered.is_none() {
                return Ok(Err(Refusal::NoSuchReply));
            }
        }
        let Some(seq) = self.next() else {
            return Ok(Err(Refusal::Ended));
        };
        let upload = match self.upload_of(message)? {
            Ok(upload) => upload,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(refusal) = self.keep_pace(message)? {
            return Ok(Err(refusal));
        }
        let id = MessageId::at_seq(message.at, seq, message.random);
        let mentions = ids_of(&message.mentions)?;
        let row = NewRow {
            position: pack(self.key, seq),
            id: Id(id.0),
            kind: draft.kind.code(),
            sender_key: message.sender.key.0,
            content: draft.content.as_str(),
            client_id: draft.client_id.as_ref().map(ClientId::as_str),
            client_hash: hash,
            reply_to: draft.reply_to.map(|id| Id(id.0)),
            created_at: message.at.millis(),
            mentions: mentions.as_deref(),
        };
        self.connection.put_message(row)?;
        if let Some(name) = &upload {
            self.show_upload(name, seq)?;
        }
        self.mention(pack(self.key, seq), &message.sender, &message.mentions)?;
        self.take(seq, Some(message.at));
        let quote = self.quote(answered)?;
        Ok(Ok(Outcome::Sent { id, seq, quote }))
    }

    /// What a message shows in those that answer it; `None` when it is deleted, or not there.
    fn quote(&mut self, row: Option<MessageRow>) -> Result<Option<Box<Quote>>, StoreError> {
        let Some(row) = row.filter(|row| row.deleted_at.is_none()) else {
            return Ok(None);
        };
        let kind = MessageType::from_code(row.kind).ok_or_else(|| broken("a message's type", row.position))?;
        let sender = self.connection.person(row.sender_key)?;
        let id = MessageId(row.id.0);
        Ok(Some(Box::new(Quote::new(
            id,
            id.claimed_seq(),
            kind,
            sender,
            &row.content,
        ))))
    }

    /// Whether this is what was sent as that row: what an edit made of it since is another matter.
    fn sent_as(&mut self, row: &MessageRow, draft: &Draft) -> Result<bool, StoreError> {
        let same = row.kind == draft.kind.code() && row.reply_to == draft.reply_to.map(|id| Id(id.0));
        if !same || row.edited_at.is_none() {
            return Ok(same && row.content == draft.content.as_str());
        }
        let position = row.position;
        let first: Option<String> = FirstVersion { position }.get_result(self.connection).optional()?;
        Ok(first.as_deref() == Some(draft.content.as_str()))
    }

    /// Notes whom a message mentions, for counting: nobody is told of what they said themselves.
    pub(super) fn mention(&mut self, position: i64, sender: &User, mentions: &[Arc<User>]) -> Result<(), StoreError> {
        for user in mentions.iter().filter(|user| user.key != sender.key) {
            self.connection.put_mention(user.key.0, position)?;
        }
        Ok(())
    }

    /// Appends what the server says about a change of membership.
    pub(super) fn say(
        &mut self,
        seq: Seq,
        actor: UserKey,
        note: &Content,
        at: Timestamp,
        random: u64,
    ) -> Result<MessageId, StoreError> {
        let id = MessageId::at_seq(at, seq, random);
        let row = NewRow {
            position: self.position(seq),
            id: Id(id.0),
            kind: MessageType::System.code(),
            sender_key: actor.0,
            content: note.as_str(),
            client_id: None,
            client_hash: None,
            reply_to: None,
            created_at: at.millis(),
            mentions: None,
        };
        self.connection.put_message(row)?;
        self.take(seq, Some(at));
        Ok(id)
    }

    /// The message that this sender called so. Of equal hashes the row decides.
    fn sent_before(
        &mut self,
        hash: i64,
        sender: UserKey,
        client_id: &ClientId,
    ) -> Result<Option<MessageRow>, StoreError> {
        let positions = self.connection.by_client(hash)?;
        for position in positions {
            // Gone since, perhaps by this batch itself.
            let Some(row) = self.connection.message(position)? else {
                continue;
            };
            let same = row.position >> 32 == self.key.0
                && row.sender_key == sender.0
                && row.client_id.as_deref() == Some(client_id.as_str());
            if same {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// A row of this conversation as clients see it.
    pub(super) fn load(&mut self, row: MessageRow) -> Result<Message, StoreError> {
        let conversation = self.connection.conversation_id(self.key)?;
        let position = row.position;
        let reactions = if assemble::may_have_reactions(&row) {
            self.connection.reactions(position)?
        } else {
            Vec::new()
        };
        let quote = match row.reply_to.filter(|_| row.deleted_at.is_none()) {
            Some(reply_to) => {
                let answered = self.beginning(MessageId(reply_to.0))?;
                self.quote(answered)?
            }
            None => None,
        };
        let people = People::from(self.connection.person(row.sender_key)?);
        let mut message = row.into_message(conversation, &people)?;
        message.reactions = assemble::by_emoji(reactions.into_iter().map(|one| (one.emoji, one.user_id)), position)?;
        message.reply_to = quote;
        Ok(message)
    }
}

/// What `messages.mentions` holds.
pub(super) fn ids_of(mentions: &[Arc<User>]) -> Result<Option<String>, StoreError> {
    if mentions.is_empty() {
        return Ok(None);
    }
    let ids: Vec<&UserId> = mentions.iter().map(|user| &user.id).collect();
    let json = serde_json::to_string(&ids).map_err(|error| StoreError::Broken(error.to_string()))?;
    Ok(Some(json))
}

statement! {
    /// Where messages with this hash of a client id stand.
    ByClient { hash: i64 as BigInt } -> BigInt,
    "SELECT position FROM messages WHERE client_hash = " {hash}
}

statement! {
    /// What an edited message said first.
    FirstVersion { position: i64 as BigInt } -> Text,
    "SELECT content FROM message_versions WHERE message_position = " {position} " ORDER BY change_position LIMIT 1"
}

statement! {
    /// A message calls somebody by name.
    NewMention { user: i64 as BigInt, position: i64 as BigInt },
    "INSERT INTO mentions (user_key, position) VALUES (" {user} ", " {position} ") ON CONFLICT DO NOTHING"
}

statement! {
    /// It calls nobody any more.
    ForgetMentions { position: i64 as BigInt },
    "DELETE FROM mentions WHERE position = " {position}
}
