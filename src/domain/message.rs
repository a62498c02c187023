//! A message and what may stand in it. Parsed at the door by `protocol`, stored by `db`, encoded once by its room.

use std::{borrow::Cow, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{PartialSchema, ToSchema, openapi};

use super::{
    ClientId, ConversationId, Invalid, MessageId, Role, Seq, Timestamp, UploadName, User, UserId,
    conversation::Settings, drawing, limits,
};

/// What kind of content a message has. The numbers are what the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[repr(i16)]
pub enum MessageType {
    /// Words.
    Text = 0,
    /// `{operations, width, height}`.
    Drawing = 1,
    /// The URL of an upload.
    Image = 2,
    /// What the server says about a membership or settings change.
    System = 3,
}

impl MessageType {
    /// The number in the store.
    pub fn code(self) -> i16 {
        self as i16
    }

    /// From the number in the store.
    pub fn from_code(code: i16) -> Option<Self> {
        [Self::Text, Self::Drawing, Self::Image, Self::System]
            .into_iter()
            .find(|t| t.code() == code)
    }
}

/// The content of a message that is not deleted.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum Content {
    /// Of a `text` (the words, as they were sent but trimmed) or an `image` (its URL).
    Text(Box<str>),
    /// Of a `drawing` or a `system` message: a JSON object, kept as it was written.
    Json(Box<RawValue>),
}

impl Content {
    /// Parses the content of a text message: 1 to 2000 code points after trimming, not all of them invisible, no control
    /// characters but `\n` and `\t`.
    pub fn text(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        // A text of at most that many bytes has at most that many code points: the common case needs no counting.
        if text.is_empty() || (text.len() > limits::TEXT_CHARS && text.chars().count() > limits::TEXT_CHARS) {
            return Err(Invalid::new(
                "content",
                format!("must be 1 to {} characters after trimming", limits::TEXT_CHARS),
            ));
        }
        if text.chars().all(is_invisible) {
            return Err(Invalid::new("content", "must have characters that can be seen"));
        }
        if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return Err(Invalid::new(
                "content",
                "must have no control characters but newline and tab",
            ));
        }
        Ok(Self::Text(text.into()))
    }

    /// The same from a JSON string.
    pub fn text_json(json: &RawValue) -> Result<Self, Invalid> {
        Self::text(&string(json)?)
    }

    /// Parses the content of a drawing; see [`drawing::check`].
    pub fn drawing(json: &RawValue) -> Result<Self, Invalid> {
        drawing::check(json)?;
        Ok(Self::Json(json.to_owned()))
    }

    /// Parses the content of an image: the URL of an upload. Whether there is one, and whose, is for the log to say.
    pub fn image(url: &str) -> Result<Self, Invalid> {
        UploadName::from_url(url).map(|name| Self::Text(name.url().into()))
    }

    /// The content as the store keeps it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Json(json) => json.get(),
        }
    }

    /// From what the store keeps. JSON that cannot be read (a damaged store) is shown as text rather than refused.
    pub fn from_store(kind: MessageType, stored: String) -> Self {
        match kind {
            MessageType::Text | MessageType::Image => Self::Text(stored.into()),
            MessageType::Drawing | MessageType::System => match RawValue::from_string(stored) {
                Ok(json) => Self::Json(json),
                Err(error) => Self::Text(format!("unreadable: {error}").into()),
            },
        }
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl PartialSchema for Content {
    fn schema() -> openapi::RefOr<openapi::schema::Schema> {
        openapi::OneOfBuilder::new()
            .item(openapi::ObjectBuilder::new().schema_type(openapi::schema::Type::String))
            .item(
                openapi::ObjectBuilder::new()
                    .additional_properties(Some(openapi::schema::AdditionalProperties::FreeForm(true))),
            )
            .description(Some("text: the words; image: its URL; drawing and system: an object"))
            .into()
    }
}

impl ToSchema for Content {}

/// What a system message says, as its `content`. `text` is a sentence for clients that know no better.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemNote {
    /// What happened: `member_added`, `member_removed`, `member_left`, `role_changed`, `owner_changed` (the owner before is
    /// the message's sender, and an admin from now on), `member_joined` (by themselves), `conversation_updated`,
    /// `announcement` (an administrator of the server has it say `text`), `conversation_deleted` (nobody gets to see that one:
    /// it is the last line of the log).
    pub event: &'static str,
    /// Whom it happened to, if it happened to somebody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// What they are from now on, when a role changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// What changed and to what, when the settings did: `name`, `slug`, `maxMembers`, `retentionSeconds`,
    /// `slowModeSeconds`, `hasPassword`, `hasInviteCode`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Settings>,
    /// The same in English.
    pub text: String,
}

impl SystemNote {
    /// The note as a message's content.
    pub fn into_content(self) -> Content {
        let json = serde_json::value::to_raw_value(&self).unwrap_or_else(|_| RawValue::NULL.to_owned());
        Content::Json(json)
    }
}

/// Who reacted with one emoji, in the order they did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// One of the configured set.
    pub emoji: String,
    /// Who, first to last.
    pub user_ids: Vec<UserId>,
}

/// What is shown of a message that another one answers.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// Which.
    pub id: MessageId,
    /// Its position.
    pub seq: Seq,
    /// What its content is.
    #[serde(rename = "type")]
    pub kind: MessageType,
    /// Who wrote it.
    pub sender: Arc<User>,
    /// The beginning of a text (at most [`limits::QUOTE_CHARS`] code points) or the URL of an image; `None` for the others.
    #[schema(required)]
    pub preview: Option<String>,
}

impl Quote {
    /// Of a message that is not deleted; `content` is what the store keeps of it, or the beginning of that.
    pub fn new(id: MessageId, seq: Seq, kind: MessageType, sender: Arc<User>, content: &str) -> Self {
        let preview = match kind {
            MessageType::Text => Some(content.chars().take(limits::QUOTE_CHARS).collect()),
            MessageType::Image => Some(content.to_owned()),
            MessageType::Drawing | MessageType::System => None,
        };
        Self {
            id,
            seq,
            kind,
            sender,
            preview,
        }
    }
}

/// A message in its latest form.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its name for clients.
    pub id: MessageId,
    /// Where it stands.
    pub conversation_id: ConversationId,
    /// Its position; stays for ever.
    pub seq: Seq,
    /// The position of its last change; `seq` while it was never changed.
    pub change_seq: Seq,
    /// What its content is.
    #[serde(rename = "type")]
    pub kind: MessageType,
    /// `None` once deleted.
    #[schema(required)]
    pub content: Option<Content>,
    /// Who wrote it; for a system message, who did what it says.
    pub sender: Arc<User>,
    /// What its sender's client called it.
    #[schema(required)]
    pub client_id: Option<ClientId>,
    /// The message it answers.
    #[schema(required)]
    pub reply_to_id: Option<MessageId>,
    /// What that one says, in its form of the moment; `None` when there is nothing to quote: this is no answer, this or that
    /// one is deleted, or retention removed it. A client that learns of a newer form of a message changes its quotes with it.
    #[schema(required)]
    pub reply_to: Option<Box<Quote>>,
    /// The members whose names it calls with `@name`, in the order of the text; none once deleted.
    pub mentions: Vec<UserId>,
    /// In the order in which the emoji were first used.
    pub reactions: Vec<Reaction>,
    /// When its room took it in.
    pub created_at: Timestamp,
    /// When it was last edited.
    #[schema(required)]
    pub edited_at: Option<Timestamp>,
    /// When it was deleted.
    #[schema(required)]
    pub deleted_at: Option<Timestamp>,
}

impl Message {
    /// How much there is to show of it, in bytes.
    pub fn content_bytes(&self) -> usize {
        self.content.as_ref().map_or(0, |content| content.as_str().len())
    }
}

/// What a client asks to send, parsed.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// What its content is.
    pub kind: MessageType,
    /// The content.
    pub content: Content,
    /// What makes the send idempotent.
    pub client_id: Option<ClientId>,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}

impl Draft {
    /// Parses what a client wants to send.
    pub fn parse(
        kind: Option<&str>,
        content: &serde_json::value::RawValue,
        client_id: Option<&str>,
        reply_to: Option<&str>,
    ) -> Result<Self, Invalid> {
        let (kind, content) = match kind.unwrap_or("text") {
            "text" => (MessageType::Text, Content::text_json(content)?),
            "drawing" => (MessageType::Drawing, Content::drawing(content)?),
            "image" => (MessageType::Image, Content::image(&string(content)?)?),
            "system" => return Err(Invalid::new("type", "system messages come from the server only")),
            _ => return Err(Invalid::new("type", "must be text, drawing or image")),
        };
        Self::of(kind, content, client_id, reply_to)
    }

    /// Parses what an administrator has the server say: a text, as the content of a system message.
    pub fn announcement(
        content: &serde_json::value::RawValue,
        client_id: Option<&str>,
        reply_to: Option<&str>,
    ) -> Result<Self, Invalid> {
        let text = Content::text_json(content)?;
        let note = SystemNote {
            event: "announcement",
            user_id: None,
            role: None,
            settings: None,
            text: text.as_str().to_owned(),
        };
        Self::of(MessageType::System, note.into_content(), client_id, reply_to)
    }

    fn of(
        kind: MessageType,
        content: Content,
        client_id: Option<&str>,
        reply_to: Option<&str>,
    ) -> Result<Self, Invalid> {
        Ok(Self {
            kind,
            content,
            client_id: client_id.map(ClientId::parse).transpose()?,
            reply_to: reply_to
                .map(|id| MessageId::from_str(id).map_err(|_| Invalid::new("replyToId", "must be a UUID")))
                .transpose()?,
        })
    }
}

/// Whether nothing is to be seen of a character that stands alone. Between others it may matter: joiners, marks of direction.
fn is_invisible(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

fn string(content: &RawValue) -> Result<Cow<'_, str>, Invalid> {
    serde_json::from_str(content.get()).map_err(|_| Invalid::new("content", "must be a string"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_counted_in_code_points_and_kept_as_it_is() {
        assert_eq!(
            Content::text("  <b>hi</b>\n\tthere  ").unwrap().as_str(),
            "<b>hi</b>\n\tthere"
        );
        assert!(Content::text(&"ä".repeat(2000)).is_ok());
        assert!(Content::text(&"ä".repeat(2001)).is_err());
        assert!(Content::text(" \n ").is_err());
        assert!(Content::text("a\u{0}b").is_err());
        for nothing in ["\u{200b}", "\u{feff}\u{2060}", "\u{ad} \u{200d}\n\u{200b}"] {
            assert!(Content::text(nothing).is_err(), "{nothing:?}");
        }
        // Elsewhere they mean something.
        for text in ["\u{200f}a", "\u{1f469}\u{200d}\u{1f680}", "co\u{ad}op\u{200b}"] {
            assert_eq!(Content::text(text).unwrap().as_str(), text);
        }
        assert!(Content::text("a\u{9f}b").is_err());
    }

    #[test]
    fn the_store_numbers_of_types_stay() {
        for (code, kind) in [
            (0, MessageType::Text),
            (1, MessageType::Drawing),
            (2, MessageType::Image),
            (3, MessageType::System),
        ] {
            assert_eq!(kind.code(), code);
            assert_eq!(MessageType::from_code(code), Some(kind));
        }
        assert_eq!(MessageType::from_code(4), None);
    }
}
