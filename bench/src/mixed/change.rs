//! The four events that take a position in a conversation, read from their JSON. The judge examines them.
//! Never judges: a change is what the server says it is.

use std::collections::BTreeSet;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use serde::Deserialize;

use crate::message::Parsed;

/// Who has put which emoji on a message: (emoji, user).
pub type Reactions = BTreeSet<(String, String)>;

/// A durable change of a conversation and where it stands.
#[derive(Debug)]
pub struct Change {
    pub conversation: String,
    pub seq: u64,
    pub what: What,
}

#[derive(Debug)]
pub enum What {
    New(Parsed),
    Edited(Parsed),
    Deleted {
        message: String,
    },
    /// `twice`: somebody has the same emoji there more than once.
    Reacted {
        message: String,
        reactions: Reactions,
        twice: bool,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Edited {
    conversation_id: String,
    seq: u64,
    message: Parsed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Deleted {
    conversation_id: String,
    seq: u64,
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reacted {
    conversation_id: String,
    seq: u64,
    message_id: String,
    reactions: Vec<Reaction>,
}

/// One emoji of a message, as events and answers have it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    pub emoji: String,
    pub user_ids: Vec<String>,
}

impl Change {
    /// `None` for an event that takes no position.
    pub fn read(event: &str, data: &str) -> serde_json::Result<Option<Self>> {
        let (conversation, seq, what) = match event {
            "new_message" => {
                let message: Parsed = serde_json::from_str(data)?;
                (message.conversation_id.clone(), message.seq, What::New(message))
            }
            "message_edited" => {
                let it: Edited = serde_json::from_str(data)?;
                (it.conversation_id, it.seq, What::Edited(it.message))
            }
            "message_deleted" => {
                let it: Deleted = serde_json::from_str(data)?;
                (it.conversation_id, it.seq, What::Deleted { message: it.message_id })
            }
            "reaction_updated" => {
                let it: Reacted = serde_json::from_str(data)?;
                let (reactions, twice) = set(it.reactions);
                let message = it.message_id;
                (
                    it.conversation_id,
                    it.seq,
                    What::Reacted {
                        message,
                        reactions,
                        twice,
                    },
                )
            }
            _ => return Ok(None),
        };
        Ok(Some(Self {
            conversation,
            seq,
            what,
        }))
    }

    /// Of what must be the same for everybody.
    pub fn meaning(&self, hasher: &FixedState) -> u64 {
        match &self.what {
            What::New(it) => {
                let view = it.view();
                hasher.hash_one((0, view.id, view.sender, view.client_id, view.content))
            }
            What::Edited(it) => hasher.hash_one((1, it.view().id, it.view().content)),
            What::Deleted { message } => hasher.hash_one((2, message)),
            What::Reacted { message, reactions, .. } => hasher.hash_one((3, message, reactions)),
        }
    }
}

/// The pairs, and whether one of them was there twice.
pub fn set(reactions: Vec<Reaction>) -> (Reactions, bool) {
    let mut pairs = Reactions::new();
    let mut twice = false;
    for Reaction { emoji, user_ids } in reactions {
        for user in user_ids {
            twice |= !pairs.insert((emoji.clone(), user));
        }
    }
    (pairs, twice)
}
