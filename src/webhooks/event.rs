//! What receivers are told: one line of the log is one event (the last line of a conversation may be two), in the form of
//! Standard Webhooks, `{"type", "timestamp", "data"}`. Pure; a new kind of change is one more arm of [`of_change`].

use serde::Serialize;
use serde_json::value::RawValue;

use super::hints::Presence;
use crate::{
    config::WebhookEvents,
    db::{Change, News},
    domain::{
        Content, Conversation, ConversationId, Kind, Member, Message, MessageId, MessageType, Reaction, Role, Seq,
        Timestamp, UserId, conversation::SharedView,
    },
};

/// Members that `conversation.created` names at the most.
const MEMBERS_NAMED: usize = 1000;

/// Which of the groups that an operator chooses from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Message,
    Membership,
    Presence,
}

impl Group {
    pub fn is_in(self, wanted: WebhookEvents) -> bool {
        match self {
            Self::Message => wanted.message,
            Self::Membership => wanted.membership,
            Self::Presence => wanted.presence,
        }
    }
}

/// One event, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub kind: &'static str,
    pub group: Group,
    /// When it happened.
    pub at: Timestamp,
    /// The line of the log that it tells of; 0 for what has none.
    pub seq: Seq,
    pub body: String,
}

impl Event {
    fn new(kind: &'static str, group: Group, at: Timestamp, seq: Seq, data: &Data<'_>) -> Self {
        #[derive(Serialize)]
        struct Envelope<'a> {
            #[serde(rename = "type")]
            kind: &'static str,
            timestamp: Timestamp,
            data: &'a Data<'a>,
        }
        let envelope = Envelope {
            kind,
            timestamp: at,
            data,
        };
        let body = serde_json::to_string(&envelope).unwrap_or_else(|error| {
            log::error!(target: "parlor::webhooks", "a {kind} could not be written: {error}");
            "{}".to_owned()
        });
        Self {
            kind,
            group,
            at,
            seq,
            body,
        }
    }
}

/// What `data` may hold; which of it does, its `type` says.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation: Option<Place>,
    /// The position of the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    members: Option<Vec<Named<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reactions: Option<&'a [Reaction]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_by: Option<&'a UserId>,
    /// Whom it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// Why a member is none any more: `removed`, `left`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seen_at: Option<Timestamp>,
}

/// The conversation: whole when it is introduced, by name otherwise.
#[derive(Serialize)]
#[serde(untagged)]
enum Place {
    Known { id: ConversationId, kind: Kind },
    New(Box<SharedView>),
}

impl Place {
    fn known(conversation: &Conversation) -> Option<Self> {
        Some(Self::Known {
            id: conversation.id,
            kind: conversation.kind,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    user_id: &'a UserId,
    role: Role,
}

/// What there is to tell, in order.
pub(super) fn all(news: &News) -> Vec<Event> {
    let conversation = &news.conversation;
    let introduced = news
        .introduced
        .iter()
        .map(|members| introduction(conversation, members));
    let changes = news.changes.iter().map(|change| of_change(conversation, change));
    let mut events: Vec<Event> = introduced.chain(changes).collect();
    // The last member's leaving ends a conversation without a line of its own.
    if news.deleted
        && !news.more
        && let Some(last) = events
            .last()
            .filter(|last| last.kind != DELETED && last.seq == news.upto)
    {
        let (at, seq) = (last.at, last.seq);
        let data = Data {
            conversation: Place::known(conversation),
            seq: Some(seq),
            ..Data::default()
        };
        events.push(Event::new(DELETED, Group::Membership, at, seq, &data));
    }
    events
}

const DELETED: &str = "conversation.deleted";

fn introduction(conversation: &Conversation, members: &[Member]) -> Event {
    let view = SharedView {
        id: conversation.id,
        kind: conversation.kind,
        name: conversation.name.clone(),
        slug: conversation.slug.clone(),
        member_count: members.len() as u32,
        // Everything that is told behind this stands above it.
        seq: Seq(0),
        policies: conversation.policies.clone(),
        created_at: conversation.created_at,
    };
    let named = members.iter().take(MEMBERS_NAMED).map(|member| Named {
        user_id: &member.user.id,
        role: member.role,
    });
    let data = Data {
        conversation: Some(Place::New(Box::new(view))),
        members: Some(named.collect()),
        ..Data::default()
    };
    let at = conversation.created_at;
    Event::new("conversation.created", Group::Membership, at, Seq(0), &data)
}

fn of_change(conversation: &Conversation, change: &Change) -> Event {
    let seq = change.seq();
    let data = Data {
        conversation: Place::known(conversation),
        seq: Some(seq),
        ..Data::default()
    };
    match change {
        Change::Sent(message) => of_message(message, data),
        Change::Deleted { message, at, by, .. } => {
            let data = Data {
                message_id: Some(*message),
                deleted_at: Some(*at),
                deleted_by: Some(by),
                ..data
            };
            Event::new("message.deleted", Group::Message, *at, seq, &data)
        }
        Change::Edited { message, .. } => {
            let at = message.edited_at.unwrap_or(message.created_at);
            let data = Data {
                message: Some(message),
                ..data
            };
            Event::new("message.edited", Group::Message, at, seq, &data)
        }
        Change::Reacted {
            message, reactions, at, ..
        } => {
            let data = Data {
                message_id: Some(*message),
                reactions: Some(reactions),
                ..data
            };
            Event::new("reaction.updated", Group::Message, *at, seq, &data)
        }
    }
}

/// What somebody said, or what the server says of a change: then it is that change that is told, with the message in it.
fn of_message(message: &Message, data: Data<'_>) -> Event {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Note<'a> {
        event: String,
        user_id: Option<UserId>,
        role: Option<Role>,
        #[serde(borrow)]
        settings: Option<&'a RawValue>,
    }
    let note = match (&message.kind, &message.content) {
        (MessageType::System, Some(Content::Json(json))) => serde_json::from_str::<Note<'_>>(json.get()).ok(),
        _ => None,
    };
    let (at, seq) = (message.created_at, message.seq);
    let data = Data {
        message: Some(message),
        ..data
    };
    let Some(note) = note else {
        return Event::new("message.created", Group::Message, at, seq, &data);
    };
    let (kind, reason) = match note.event.as_str() {
        "member_added" | "member_joined" => ("member.added", None),
        "member_removed" => ("member.removed", Some("removed")),
        "member_left" => ("member.removed", Some("left")),
        "role_changed" | "owner_changed" => ("member.updated", None),
        "conversation_updated" => ("conversation.updated", None),
        "conversation_deleted" => (DELETED, None),
        // An announcement, or what a later version says: it is at least a message.
        _ => return Event::new("message.created", Group::Message, at, seq, &data),
    };
    let data = Data {
        user_id: note.user_id.as_ref(),
        role: note.role,
        reason,
        settings: note.settings,
        ..data
    };
    Event::new(kind, Group::Membership, at, seq, &data)
}

/// Somebody came or went.
pub(super) fn of_presence(presence: &Presence) -> Event {
    let kind = if presence.online { "user.online" } else { "user.offline" };
    let data = Data {
        user_id: Some(&presence.user),
        last_seen_at: Some(presence.at).filter(|_| !presence.online),
        ..Data::default()
    };
    Event::new(kind, Group::Presence, presence.at, Seq(0), &data)
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
