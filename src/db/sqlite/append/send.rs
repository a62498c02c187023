//! Sending: once for each client id.

use diesel::{prelude::*, sql_types::BigInt};

use super::{Decision, Turn, insert::NewRow};
use crate::{
    db::{
        NewMessage, Outcome, Refusal, StoreError,
        position::{client_hash, pack},
        query,
        rows::{ConversationRow, MessageRow, People},
        sqlite::statement::statement,
        types::{Id, UuidType},
    },
    domain::{ClientId, Content, ConversationId, Message, MessageId, MessageType, Seq, Timestamp, UserKey},
};

impl Turn<'_> {
    pub(super) fn send(&mut self, message: &NewMessage) -> Decision {
        let draft = &message.draft;
        let mut hash = None;
        if let Some(client_id) = &draft.client_id {
            let sought = client_hash(self.key, message.sender.key, client_id);
            if let Some(row) = self.sent_before(sought, message.sender.key, client_id)? {
                if row.kind != draft.kind.code() || row.content != draft.content.as_str() {
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
        if let Err(refusal) = self.show_upload(message, seq)? {
            return Ok(Err(refusal));
        }
        let id = MessageId::at_seq(message.at, seq, message.random);
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
        };
        row.execute(self.connection)?;
        self.take(seq, Some(message.at));
        Ok(Ok(Outcome::Sent { id, seq }))
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
    fn load(&mut self, row: MessageRow) -> Result<Message, StoreError> {
        let conversation: ConversationRow = query::conversations::by_key(self.key.0).get_result(self.connection)?;
        let sender = query::users::by_keys(vec![row.sender_key]).load(self.connection)?;
        row.into_message(ConversationId(conversation.id.0), &People::new(sender)?)
    }
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
