//! What went against Parlor's promises: one list of kinds, counted, the first few kept with their detail.
//! Filled by `check`, `settle`, `history` and `mixed`, printed by `report`. Never decides anything itself.

use std::collections::BTreeMap;

use serde::Serialize;

/// How many are kept in words; the rest is counted.
const KEPT: usize = 20;

/// Everything this tool can accuse a server of. The name in the output is `name`, and only there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A connection got a position further ahead than the next.
    Gap,
    /// A connection got a position at or below the one it already had: doubled, or late after a gap.
    Behind,
    /// Two connections (or an answer and a delivery) have different messages at one position.
    Disagreement,
    /// Content, sender or conversation are not those of the send.
    Changed,
    /// A message that nobody sent, or whose send was refused; in `mixed` any change that nobody asked for.
    Phantom,
    /// An answer carries another message than the one that was asked about.
    WrongAnswer,
    AnsweredTwice,
    Unanswered,
    /// At the end a member lacks the first or the last positions of its conversation.
    Incomplete,
    /// Answered as committed, and at that position there is nothing or something else.
    AcknowledgedLost,
    /// One sender's messages do not stand in the order they were sent, or one stands there twice.
    SenderOrder,
    /// The server closed a connection, or it broke.
    Closed,
    Unreadable,
    /// The history read back over REST differs from what was delivered.
    History,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Behind => "doubled-or-late",
            Self::Disagreement => "disagreement",
            Self::Changed => "changed",
            Self::Phantom => "phantom",
            Self::WrongAnswer => "wrong-answer",
            Self::AnsweredTwice => "answered-twice",
            Self::Unanswered => "unanswered",
            Self::Incomplete => "incomplete",
            Self::AcknowledgedLost => "acknowledged-lost",
            Self::SenderOrder => "sender-order",
            Self::Closed => "closed",
            Self::Unreadable => "unreadable",
            Self::History => "history",
        }
    }
}

#[derive(Debug, Default, Serialize)]
pub struct Faults {
    pub total: u64,
    pub kinds: BTreeMap<&'static str, u64>,
    pub first: Vec<String>,
}

impl Faults {
    /// `detail` is only put into words while there is room for it: a broken server makes millions of these.
    pub fn add(&mut self, kind: Kind, detail: impl FnOnce() -> String) {
        self.total += 1;
        *self.kinds.entry(kind.name()).or_default() += 1;
        if self.first.len() < KEPT {
            self.first.push(format!("{}: {}", kind.name(), detail()));
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.total += other.total;
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.first.extend(other.first);
        self.first.truncate(KEPT);
    }
}
