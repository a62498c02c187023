//! How a batch is divided over the connections that append. All that one conversation has stays together and in its order; of
//! different ones the order means nothing. Called by `PostgresEngine`; knows no connection.

use std::collections::HashMap;

use super::{guesses::Guesses, sends};
use crate::{
    db::{ConversationAppend, Op},
    domain::MessageType,
};

/// Connections that append at the same time: one for what only sends, one for what concerns more than its conversation, the
/// others for the rest.
pub const CONNECTIONS: u32 = 4;

/// Changes below which a second transaction would cost more than it saves.
const WORTH: usize = 128;

/// What a group does, and so how it is committed. The greatest of a conversation's ops decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Plain sends to conversations of which we believe to know where they stand.
    Sends,
    /// What touches no row of any other conversation.
    Own,
    /// What may: members are in other rooms too, names belong to one channel, uploads are shown in several places. One group,
    /// or two of them could wait for each other.
    Apart,
}

/// A part of a batch, for one connection.
#[derive(Debug)]
pub struct Group {
    /// How it is committed.
    pub kind: Kind,
    /// Where in the batch each part stood.
    pub places: Vec<usize>,
    /// The parts.
    pub batch: Vec<ConversationAppend>,
}

impl Group {
    fn new(kind: Kind) -> Self {
        let (places, batch) = (Vec::new(), Vec::new());
        Self { kind, places, batch }
    }
}

/// Divides a batch: no conversation is in two groups, and there are no more than [`CONNECTIONS`].
pub fn split(batch: Vec<ConversationAppend>, guesses: &Guesses) -> Vec<Group> {
    let kinds = kinds(&batch, guesses);
    let mut groups: Vec<Group> = Vec::new();
    for kind in [Kind::Sends, Kind::Apart] {
        if kinds.values().any(|one| *one == kind) {
            groups.push(Group::new(kind));
        }
    }
    let own = batch
        .iter()
        .filter(|one| kinds.get(&one.conversation.0) == Some(&Kind::Own));
    let (parts, ops) = own.fold((0, 0), |(parts, ops), one| (parts + 1, ops + one.ops.len()));
    let first = groups.len();
    if parts > 0 {
        let free = CONNECTIONS as usize - first;
        groups.extend((0..ops.div_ceil(WORTH).clamp(1, free)).map(|_| Group::new(Kind::Own)));
    }
    // Of what stands for itself: which group has the conversation, and how many ops each group has.
    let mut chosen: HashMap<i64, usize> = HashMap::new();
    let mut loads = vec![0; groups.len() - first];
    for (place, one) in batch.into_iter().enumerate() {
        let key = one.conversation.0;
        let at = match kinds.get(&key) {
            Some(Kind::Own) | None => {
                let lightest = || (0..loads.len()).min_by_key(|at| loads[*at]).unwrap_or(0);
                let at = *chosen.entry(key).or_insert_with(lightest);
                loads[at] += one.ops.len();
                first + at
            }
            Some(kind) => groups.iter().position(|group| group.kind == *kind).unwrap_or(0),
        };
        groups[at].places.push(place);
        groups[at].batch.push(one);
    }
    groups
}

/// What each conversation of a batch is.
fn kinds(batch: &[ConversationAppend], guesses: &Guesses) -> HashMap<i64, Kind> {
    let mut kinds: HashMap<i64, Kind> = HashMap::new();
    guesses.look(|known| {
        for one in batch {
            let key = one.conversation.0;
            let least = if known.contains_key(&key) {
                Kind::Sends
            } else {
                Kind::Own
            };
            let kind = kinds.entry(key).or_insert(least);
            *kind = one.ops.iter().map(kind_of).fold(*kind, Kind::max);
            if one.ops.is_empty() {
                // Whoever appends nothing wants to know, not to believe.
                *kind = Kind::max(*kind, Kind::Own);
            }
        }
    });
    kinds
}

fn kind_of(op: &Op) -> Kind {
    match op {
        Op::Send(message) if message.draft.kind == MessageType::Image => Kind::Apart,
        Op::Send(message) if sends::is_plain(message) => Kind::Sends,
        Op::Delete { .. } | Op::Expire { .. } => Kind::Apart,
        op if op.decides_what_follows() => Kind::Apart,
        _ => Kind::Own,
    }
}
