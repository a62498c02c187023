//! Decides, from the clients' own logs and the final history, whether the promises were kept. A pure function: it
//! knows no server. `swarm.rs` records the logs, `kill.rs` and others call it, `tests.rs` tests it on logs that were
//! tampered with.

mod clients;
mod history;
mod model;
mod order;
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// A moment on the one clock of all clients: of two acts, the one with the lower tick began (a send) or was over
/// (anything received) before the other.
pub type Tick = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub conversation: String,
    pub seq: u64,
    pub change_seq: u64,
    pub sender: String,
    pub client_id: Option<String>,
    /// None once it is deleted.
    pub content: Option<String>,
    /// Who reacted with what, as it is shown.
    pub reactions: String,
    /// Said by the server itself.
    pub system: bool,
    pub created_at: String,
}

/// What one client did or learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A connection is open: its `ready` has come.
    Opened {
        epoch: String,
    },
    Closed,
    /// The token of the connection expired more than five seconds ago.
    Expired,
    Sent {
        conversation: String,
        client_id: String,
        content: String,
    },
    /// `ok: true` to a send.
    Answered(Message),
    /// An error to a send; `known` when it says that nothing was sent, so everything but `UNAVAILABLE`.
    Refused {
        conversation: String,
        client_id: String,
        known: bool,
    },
    /// `new_message`.
    Received(Message),
    /// This client is about to edit a message.
    Edits {
        id: String,
        content: String,
    },
    /// `ok: true` to an edit.
    EditAnswered(Message),
    /// `message_edited`.
    Edited {
        seq: u64,
        message: Message,
    },
    /// `reaction_updated`.
    Reacted {
        conversation: String,
        seq: u64,
        id: String,
        reactions: String,
    },
    /// `message_deleted`.
    Deleted {
        conversation: String,
        seq: u64,
        id: String,
    },
    /// `ok: true` to a deletion.
    DeleteAnswered {
        conversation: String,
        seq: u64,
        id: String,
    },
    /// One conversation's page of a `sync`.
    Synced {
        conversation: String,
        messages: Vec<Message>,
        seq: u64,
        reset: bool,
    },
    /// `conversation_removed`.
    Removed {
        conversation: String,
    },
    /// `conversation_created`.
    Added {
        conversation: String,
    },
    /// This client's removal of somebody was answered.
    RemovalAnswered {
        conversation: String,
        user: String,
    },
    /// This client is about to add somebody.
    Adds {
        conversation: String,
        user: String,
    },
}

/// The log of one client, over all its connections, one at a time.
#[derive(Clone, Debug)]
pub struct Log {
    pub user: String,
    pub acts: Vec<(Tick, Act)>,
}

/// How everything stands when all is quiet, as the server tells it.
#[derive(Clone, Debug, Default)]
pub struct End {
    pub conversations: BTreeMap<String, Conversation>,
    pub online: BTreeSet<String>,
}

#[derive(Clone, Debug, Default)]
pub struct Conversation {
    pub members: BTreeSet<String>,
    pub seq: u64,
    /// Up to here retention has removed everything.
    pub expired: u64,
    /// The whole history, oldest first.
    pub messages: Vec<Message>,
    /// The changes that are no new message, by their number: which message they changed.
    pub changes: BTreeMap<u64, String>,
    /// (user, lastReadSeq, unreadCount)
    pub standings: Vec<(String, u64, u64)>,
}

/// The promises, named as in the architecture's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    Durable,
    Agreement,
    GapFree,
    OnePlace,
    NoPhantom,
    RealTimeOrder,
    SenderOrder,
    LiveOrder,
    Complete,
    Fence,
    Unread,
    Presence,
    EverySendEnds,
    Epoch,
}

/// A promise that was not kept.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    pub promise: Promise,
    pub what: String,
}

impl fmt::Debug for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.what)
    }
}

/// Every breach that the logs show; none when all promises were kept.
pub fn check(logs: &[Log], end: &End) -> Vec<Breach> {
    let facts = Facts::gather(logs, end);
    let mut breaches = Breaches(BTreeSet::new());
    history::durable(&facts, &mut breaches);
    history::agreement(&facts, &mut breaches);
    history::gap_free(&facts, &mut breaches);
    history::one_place(&facts, &mut breaches);
    history::no_phantom(&facts, &mut breaches);
    order::real_time_order(&facts, &mut breaches);
    order::sender_order(&facts, &mut breaches);
    order::live_order(&facts, &mut breaches);
    clients::complete(&facts, &mut breaches);
    clients::fence(&facts, &mut breaches);
    clients::unread(&facts, &mut breaches);
    clients::presence(&facts, &mut breaches);
    history::every_send_ends(&facts, &mut breaches);
    clients::epoch(&facts, &mut breaches);
    breaches.0.into_iter().collect()
}

struct Breaches(BTreeSet<Breach>);

impl Breaches {
    fn add(&mut self, promise: Promise, what: String) {
        self.0.insert(Breach { promise, what });
    }
}

/// (sender, conversation, client id): what makes a send one send, however often it is tried.
type Key<'a> = (&'a str, &'a str, &'a str);

/// One send with all its tries.
#[derive(Default)]
struct Send<'a> {
    first: Tick,
    tries: usize,
    /// Refused, and nothing was sent.
    refusals: usize,
    /// Some try was refused or its outcome was said to be unknown: its order says nothing.
    troubled: bool,
    contents: BTreeSet<&'a str>,
    answers: Vec<(Tick, &'a Message)>,
}

/// A message as somebody saw it.
struct Sighting<'a> {
    at: Tick,
    by: &'a str,
    message: &'a Message,
}

/// The logs, looked at once, in the forms in which the promises are asked.
struct Facts<'a> {
    logs: &'a [Log],
    end: &'a End,
    sends: BTreeMap<Key<'a>, Send<'a>>,
    sightings: Vec<Sighting<'a>>,
    /// Where each send ended up, by its first sighting.
    places: BTreeMap<Key<'a>, u64>,
    /// What each message was to say from some edit on, by its id.
    edits: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl Message {
    fn key(&self) -> Option<Key<'_>> {
        Some((
            self.sender.as_str(),
            self.conversation.as_str(),
            self.client_id.as_deref()?,
        ))
    }
}

impl<'a> Facts<'a> {
    /// Whether retention has removed what stood there: nobody can be expected to have it still.
    fn is_gone(&self, conversation: &str, seq: u64) -> bool {
        let known = self.end.conversations.get(conversation);
        known.is_some_and(|known| seq <= known.expired)
    }

    fn gather(logs: &'a [Log], end: &'a End) -> Facts<'a> {
        let mut facts = Facts {
            logs,
            end,
            sends: BTreeMap::new(),
            sightings: Vec::new(),
            places: BTreeMap::new(),
            edits: BTreeMap::new(),
        };
        for log in logs {
            for (at, act) in &log.acts {
                facts.take(log, *at, act);
            }
        }
        for conversation in end.conversations.values() {
            facts
                .sightings
                .extend(conversation.messages.iter().map(|message| Sighting {
                    at: Tick::MAX,
                    by: "the history",
                    message,
                }));
        }
        for sighting in &facts.sightings {
            if let Some(key) = sighting.message.key() {
                facts.places.entry(key).or_insert(sighting.message.seq);
            }
        }
        facts
    }

    fn take(&mut self, log: &'a Log, at: Tick, act: &'a Act) {
        let by = log.user.as_str();
        match act {
            Act::Sent {
                conversation,
                client_id,
                content,
            } => {
                let send = self.sends.entry((by, conversation, client_id)).or_default();
                send.first = if send.tries == 0 { at } else { send.first.min(at) };
                send.tries += 1;
                send.contents.insert(content);
            }
            Act::Refused {
                conversation,
                client_id,
                known,
            } => {
                let send = self.sends.entry((by, conversation, client_id)).or_default();
                send.refusals += usize::from(*known);
                send.troubled = true;
            }
            Act::Answered(message) => {
                if let Some(client_id) = &message.client_id {
                    let send = self.sends.entry((by, &message.conversation, client_id)).or_default();
                    send.answers.push((at, message));
                }
                self.sightings.push(Sighting { at, by, message });
            }
            Act::Edits { id, content } => {
                self.edits.entry(id).or_default().insert(content);
            }
            Act::Received(message) | Act::Edited { message, .. } | Act::EditAnswered(message) => {
                self.sightings.push(Sighting { at, by, message });
            }
            Act::Synced { messages, .. } => {
                self.sightings
                    .extend(messages.iter().map(|message| Sighting { at, by, message }));
            }
            _ => {}
        }
    }
}

impl Facts<'_> {
    /// Whether some edit was to make it say that.
    fn was_to_say(&self, message: &Message, content: &str) -> bool {
        self.edits
            .get(message.id.as_str())
            .is_some_and(|edits| edits.contains(content))
    }

    /// One form of a message after the same change; after different ones the same text, as far as it was not edited or deleted.
    fn same_content(&self, one: &Message, other: &Message) -> bool {
        if one.change_seq == other.change_seq {
            return (&one.content, &one.reactions) == (&other.content, &other.reactions);
        }
        match (&one.content, &other.content) {
            (Some(first), Some(second)) => first == second || self.edits.contains_key(one.id.as_str()),
            _ => true,
        }
    }
}

/// The number of a change that came live.
fn live(act: &Act) -> Option<(&str, u64)> {
    match act {
        Act::Received(message) => Some((&message.conversation, message.seq)),
        Act::Edited { seq, message } => Some((&message.conversation, *seq)),
        Act::Deleted { conversation, seq, .. } | Act::Reacted { conversation, seq, .. } => Some((conversation, *seq)),
        _ => None,
    }
}
