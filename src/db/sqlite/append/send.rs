//! Sending: once for each client id.

use std::sync::Arc;

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

use super::{Decision, Turn, insert::NewRow};
use crate::{
    db::{
        NewMessage, Outcome, Refusal, StoreError,
        position::{client_hash, pack},
        query,
        rows::{ConversationRow, MessageRow},
        sqlite::{
            statement::statement,
            store::assemble::{self, Assembly},
        },
        types::{Id, UuidType},
    },
    domain::{
        ClientId, Content, ConversationId, Message, MessageId, MessageType, Seq, Timestamp, User, UserId, UserKey,
        message::Draft,
    },
};

impl Turn<'_> {
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
        if let Some(reply_to) = draft.reply_to
            && !self.exists(reply_to)?
        {
            return Ok(Err(Refusal::NoSuchReply));
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
        row.execute(self.connection)?;
        if let Some(name) = &upload {
            self.show_upload(name, seq)?;
        }
        self.mention(pack(self.key, seq), &message.sender, &message.mentions)?;
        self.take(seq, Some(message.at));
        let quote = match draft.reply_to {
            Some(reply_to) => assemble::quote(self.connection, self.key, reply_to)?,
            None => None,
        };
        Ok(Ok(Outcome::Sent { id, seq, quote }))
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
            NewMention {
                user: user.key.0,
                position,
            }
            .execute(self.connection)?;
        }
        Ok(())
    }

    /// It mentions nobody any more.
    pub(super) fn forget_mentions(&mut self, position: i64) -> Result<(), StoreError> {
        ForgetMentions { position }.execute(self.connection)?;
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
        row.execute(self.connection)?;
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
        let positions: Vec<i64> = ByClient { hash }.load(self.connection)?;
        for position in positions {
            let row: MessageRow = query::messages::at(position).get_result(self.connection)?;
            let same = row.position >> 32 == self.key.0
                && row.sender_key == sender.0
                && row.client_id.as_deref() == Some(client_id.as_str());
            if same {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Whether a message of this id is in this conversation.
    fn exists(&mut self, id: MessageId) -> Result<bool, StoreError> {
        let position = self.position(id.claimed_seq());
        let there: Option<Id> = IdAt { position }.get_result(self.connection).optional()?;
        Ok(there == Some(Id(id.0)))
    }

    /// A row of this conversation as clients see it.
    pub(super) fn load(&mut self, row: MessageRow) -> Result<Message, StoreError> {
        let conversation: ConversationRow = query::conversations::by_key(self.key.0).get_result(self.connection)?;
        let rows = [row];
        let mut assembly = Assembly::of(self.connection, &rows, Vec::new())?;
        let [row] = rows;
        assembly.message(row, ConversationId(conversation.id.0))
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
    /// The id of the message at a position.
    IdAt { position: i64 as BigInt } -> UuidType,
    "SELECT id FROM messages WHERE position = " {position}
}

statement! {
    /// What an edited message said first.
    FirstVersion { position: i64 as BigInt } -> Text,
    "SELECT content FROM message_versions WHERE message_position = " {position} " ORDER BY change_position LIMIT 1"
}

statement! {
    /// A message calls somebody by name.
    NewMention { user: i64 as BigInt, position: i64 as BigInt },
    "INSERT OR IGNORE INTO mentions (user_key, position) VALUES (" {user} ", " {position} ")"
}

statement! {
    /// It calls nobody any more.
    ForgetMentions { position: i64 as BigInt },
    "DELETE FROM mentions WHERE position = " {position}
}
