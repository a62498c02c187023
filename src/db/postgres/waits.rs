//! What the ops of a batch have written and the server has not heard of yet: gathered while they run, sent in one round trip.
//! Filled by `ledger`. Each statement takes any number of rows and has one text.

use std::collections::{BTreeMap, BTreeSet};

use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text};

use super::{
    connection::{Sending, sending},
    rows::{InsertMessages, Rows},
};
use crate::db::{
    common::append::{Former, Head, NewChange, ReactionRow, Reading},
    rows::MessageRow,
    statement::statement,
    types::{Id, UuidType},
};

/// A reaction by what it is found by: message, emoji, user.
type Which = (i64, String, i64);

/// See the file's head.
#[derive(Default)]
pub struct Waits {
    /// Counter rows, by key.
    pub heads: BTreeMap<i64, Head>,
    /// New messages.
    pub rows: Rows,
    versions: Vec<(i64, i64, Former)>,
    edits: BTreeMap<i64, MessageRow>,
    deletions: BTreeMap<i64, MessageRow>,
    /// The last changes of messages that are otherwise as they were.
    touched: BTreeMap<i64, i64>,
    /// Changes that are no new messages.
    pub changes: Vec<NewChange>,
    mentions_gone: BTreeSet<i64>,
    /// Position and user.
    mentions: BTreeSet<(i64, i64)>,
    reactions_gone: BTreeSet<i64>,
    reactions_taken: BTreeSet<Which>,
    /// With the change, and the first one of the emoji.
    reactions: BTreeMap<Which, (i64, i64)>,
    /// When members sent something in slow mode: conversation and user.
    pub paces: BTreeMap<(i64, i64), i64>,
    /// Cursors that are to move once everything else is written, by conversation and user.
    pub readings: BTreeMap<(i64, i64), Reading>,
}

impl Waits {
    /// Whether there is nothing to write, which needs a look at all of it.
    pub fn is_empty(&self) -> bool {
        let messages = self.rows.is_empty() && self.versions.is_empty() && self.edits.is_empty();
        let marks = self.deletions.is_empty() && self.touched.is_empty() && self.changes.is_empty();
        let mentions = self.mentions_gone.is_empty() && self.mentions.is_empty();
        let taken = self.reactions_gone.is_empty() && self.reactions_taken.is_empty();
        let members = self.paces.is_empty() && self.readings.is_empty();
        messages && marks && mentions && taken && self.reactions.is_empty() && members && self.heads.is_empty()
    }

    /// A message has another content.
    pub fn edit(&mut self, row: &MessageRow, former: Former) {
        self.versions.push((row.position, row.change_position, former));
        self.touched.remove(&row.position);
        self.edits.insert(row.position, row.clone());
    }

    /// A message is deleted.
    pub fn delete(&mut self, row: &MessageRow) {
        self.touched.remove(&row.position);
        self.deletions.insert(row.position, row.clone());
    }

    /// A message has another last change.
    pub fn touch(&mut self, position: i64, change: i64) {
        self.touched.insert(position, change);
    }

    /// A message calls somebody.
    pub fn mention(&mut self, user: i64, position: i64) {
        self.mentions.insert((position, user));
    }

    /// It calls nobody.
    pub fn forget_mentions(&mut self, position: i64) {
        self.mentions.retain(|(at, _)| *at != position);
        self.mentions_gone.insert(position);
    }

    /// Somebody reacts.
    pub fn react(&mut self, reaction: &ReactionRow) {
        let position = (reaction.position, reaction.first_position);
        self.reactions.insert(which(reaction), position);
    }

    /// Somebody takes it back: what was never written, or what was.
    pub fn take(&mut self, reaction: &ReactionRow) {
        let which = which(reaction);
        if self.reactions.remove(&which).is_none() {
            self.reactions_taken.insert(which);
        }
    }

    /// Nobody reacts any more.
    pub fn forget_reactions(&mut self, position: i64) {
        self.reactions.retain(|(at, _, _), _| *at != position);
        self.reactions_gone.insert(position);
    }

    /// What to write, in this order, and the cursors that are to move behind it.
    pub fn into_statements(self) -> (Vec<Sending>, Vec<Reading>) {
        let mut all = Vec::new();
        if !self.rows.is_empty() {
            all.push(sending(InsertMessages(self.rows)));
        }
        if !self.versions.is_empty() {
            all.push(sending(InsertVersions::new(self.versions)));
        }
        if !self.edits.is_empty() {
            all.push(sending(WriteEdits::new(self.edits)));
        }
        if !self.deletions.is_empty() {
            all.push(sending(WriteDeletions::new(&self.deletions)));
        }
        if !self.touched.is_empty() {
            let (positions, changes) = self.touched.into_iter().unzip();
            all.push(sending(WriteTouched { positions, changes }));
        }
        if !self.changes.is_empty() {
            all.push(sending(InsertChanges::new(&self.changes)));
        }
        if !self.mentions_gone.is_empty() {
            let positions = self.mentions_gone.into_iter().collect();
            all.push(sending(RemoveMentions { positions }));
        }
        if !self.mentions.is_empty() {
            let (positions, users) = self.mentions.into_iter().unzip();
            all.push(sending(InsertMentions { positions, users }));
        }
        if !self.reactions_gone.is_empty() {
            let messages = self.reactions_gone.into_iter().collect();
            all.push(sending(RemoveReactions { messages }));
        }
        if !self.reactions_taken.is_empty() {
            all.push(sending(TakeReactions::new(self.reactions_taken)));
        }
        if !self.reactions.is_empty() {
            all.push(sending(InsertReactions::new(self.reactions)));
        }
        if !self.paces.is_empty() {
            all.push(sending(WritePaces::new(&self.paces)));
        }
        if !self.heads.is_empty() {
            all.push(sending(WriteHeads::new(&self.heads)));
        }
        (all, self.readings.into_values().collect())
    }
}

fn which(reaction: &ReactionRow) -> Which {
    (reaction.message, reaction.emoji.clone(), reaction.user_key)
}

statement! {
    /// Counter rows as they are now, all of one length.
    WriteHeads {
        keys: Vec<i64> as Array<BigInt>,
        seqs: Vec<i64> as Array<BigInt>,
        last_messages: Vec<i64> as Array<BigInt>,
        active_ats: Vec<i64> as Array<BigInt>,
        members: Vec<i32> as Array<Integer>,
        deleted: Vec<bool> as Array<Bool>,
    },
    "UPDATE heads SET seq = w.seq, last_message_seq = w.last_message_seq, active_at = w.active_at, \
     member_count = w.member_count, deleted = w.deleted FROM unnest(" {keys} ", " {seqs} ", " {last_messages} ", "
    {active_ats} ", " {members} ", " {deleted} ") AS w (key, seq, last_message_seq, active_at, member_count, deleted) \
     WHERE conversation_key = w.key"
}

impl WriteHeads {
    fn new(changed: &BTreeMap<i64, Head>) -> Self {
        Self {
            keys: changed.keys().copied().collect(),
            seqs: changed.values().map(|head| i64::from(head.seq.0)).collect(),
            last_messages: changed.values().map(|head| i64::from(head.last_message.0)).collect(),
            active_ats: changed.values().map(|head| head.active_at).collect(),
            members: changed.values().map(|head| head.members).collect(),
            deleted: changed.values().map(|head| head.deleted).collect(),
        }
    }
}

statement! {
    /// What messages said before.
    InsertVersions {
        messages: Vec<i64> as Array<BigInt>,
        changes: Vec<i64> as Array<BigInt>,
        contents: Vec<String> as Array<Text>,
        written_ats: Vec<i64> as Array<BigInt>,
    },
    "INSERT INTO message_versions (message_position, change_position, content, written_at) SELECT * FROM unnest("
    {messages} ", " {changes} ", " {contents} ", " {written_ats} ")"
}

impl InsertVersions {
    fn new(versions: Vec<(i64, i64, Former)>) -> Self {
        Self {
            messages: versions.iter().map(|(message, _, _)| *message).collect(),
            changes: versions.iter().map(|(_, change, _)| *change).collect(),
            written_ats: versions.iter().map(|(_, _, former)| former.written_at).collect(),
            contents: versions.into_iter().map(|(_, _, former)| former.content).collect(),
        }
    }
}

statement! {
    /// Messages as edits left them.
    WriteEdits {
        positions: Vec<i64> as Array<BigInt>,
        changes: Vec<i64> as Array<BigInt>,
        contents: Vec<String> as Array<Text>,
        mentions: Vec<Option<String>> as Array<Nullable<Text>>,
        edited_ats: Vec<Option<i64>> as Array<Nullable<BigInt>>,
    },
    "UPDATE messages SET change_position = w.change, content = w.content, mentions = w.mentions, edited_at = w.edited_at \
     FROM unnest(" {positions} ", " {changes} ", " {contents} ", " {mentions} ", " {edited_ats}
    ") AS w (at, change, content, mentions, edited_at) WHERE messages.position = w.at"
}

impl WriteEdits {
    fn new(edits: BTreeMap<i64, MessageRow>) -> Self {
        Self {
            positions: edits.keys().copied().collect(),
            changes: edits.values().map(|row| row.change_position).collect(),
            mentions: edits.values().map(|row| row.mentions.clone()).collect(),
            edited_ats: edits.values().map(|row| row.edited_at).collect(),
            contents: edits.into_values().map(|row| row.content).collect(),
        }
    }
}

statement! {
    /// Messages are deleted.
    WriteDeletions {
        positions: Vec<i64> as Array<BigInt>,
        changes: Vec<i64> as Array<BigInt>,
        ats: Vec<Option<i64>> as Array<Nullable<BigInt>>,
        bys: Vec<Option<i64>> as Array<Nullable<BigInt>>,
    },
    "UPDATE messages SET change_position = w.change, deleted_at = w.deleted_at, deleted_by = w.deleted_by FROM unnest("
    {positions} ", " {changes} ", " {ats} ", " {bys} ") AS w (at, change, deleted_at, deleted_by) \
     WHERE messages.position = w.at"
}

impl WriteDeletions {
    fn new(deletions: &BTreeMap<i64, MessageRow>) -> Self {
        Self {
            positions: deletions.keys().copied().collect(),
            changes: deletions.values().map(|row| row.change_position).collect(),
            ats: deletions.values().map(|row| row.deleted_at).collect(),
            bys: deletions.values().map(|row| row.deleted_by).collect(),
        }
    }
}

statement! {
    /// The last changes of messages.
    WriteTouched { positions: Vec<i64> as Array<BigInt>, changes: Vec<i64> as Array<BigInt> },
    "UPDATE messages SET change_position = w.change FROM unnest(" {positions} ", " {changes}
    ") AS w (at, change) WHERE messages.position = w.at"
}

statement! {
    /// Changes that are no new messages.
    InsertChanges {
        positions: Vec<i64> as Array<BigInt>,
        messages: Vec<i64> as Array<BigInt>,
        ids: Vec<Id> as Array<UuidType>,
        kinds: Vec<i16> as Array<SmallInt>,
        actors: Vec<i64> as Array<BigInt>,
        ats: Vec<i64> as Array<BigInt>,
    },
    "INSERT INTO changes (position, message_position, message_id, kind, actor_key, at) SELECT * FROM unnest("
    {positions} ", " {messages} ", " {ids} ", " {kinds} ", " {actors} ", " {ats} ")"
}

impl InsertChanges {
    fn new(changes: &[NewChange]) -> Self {
        Self {
            positions: changes.iter().map(|change| change.position).collect(),
            messages: changes.iter().map(|change| change.message).collect(),
            ids: changes.iter().map(|change| change.id).collect(),
            kinds: changes.iter().map(|change| change.kind).collect(),
            actors: changes.iter().map(|change| change.actor).collect(),
            ats: changes.iter().map(|change| change.at).collect(),
        }
    }
}

statement! {
    /// Messages call nobody any more.
    RemoveMentions { positions: Vec<i64> as Array<BigInt> },
    "DELETE FROM mentions WHERE position = ANY(" {positions} ")"
}

statement! {
    /// Messages call somebody.
    InsertMentions { positions: Vec<i64> as Array<BigInt>, users: Vec<i64> as Array<BigInt> },
    "INSERT INTO mentions (position, user_key) SELECT * FROM unnest(" {positions} ", " {users} ") ON CONFLICT DO NOTHING"
}

statement! {
    /// Messages have no reactions any more.
    RemoveReactions { messages: Vec<i64> as Array<BigInt> },
    "DELETE FROM reactions WHERE message_position = ANY(" {messages} ")"
}

statement! {
    /// Reactions are taken back.
    TakeReactions {
        messages: Vec<i64> as Array<BigInt>,
        emoji: Vec<String> as Array<Text>,
        users: Vec<i64> as Array<BigInt>,
    },
    "DELETE FROM reactions USING unnest(" {messages} ", " {emoji} ", " {users} ") AS w (message, emoji, reactor) \
     WHERE message_position = w.message AND reactions.emoji = w.emoji AND user_key = w.reactor"
}

impl TakeReactions {
    fn new(taken: BTreeSet<Which>) -> Self {
        Self {
            messages: taken.iter().map(|(message, _, _)| *message).collect(),
            users: taken.iter().map(|(_, _, user)| *user).collect(),
            emoji: taken.into_iter().map(|(_, emoji, _)| emoji).collect(),
        }
    }
}

statement! {
    /// Reactions come.
    InsertReactions {
        messages: Vec<i64> as Array<BigInt>,
        emoji: Vec<String> as Array<Text>,
        users: Vec<i64> as Array<BigInt>,
        positions: Vec<i64> as Array<BigInt>,
        firsts: Vec<i64> as Array<BigInt>,
    },
    "INSERT INTO reactions (message_position, emoji, user_key, position, first_position) SELECT * FROM unnest("
    {messages} ", " {emoji} ", " {users} ", " {positions} ", " {firsts} ")"
}

impl InsertReactions {
    fn new(reactions: BTreeMap<Which, (i64, i64)>) -> Self {
        Self {
            messages: reactions.keys().map(|(message, _, _)| *message).collect(),
            users: reactions.keys().map(|(_, _, user)| *user).collect(),
            positions: reactions.values().map(|(position, _)| *position).collect(),
            firsts: reactions.values().map(|(_, first)| *first).collect(),
            emoji: reactions.into_keys().map(|(_, emoji, _)| emoji).collect(),
        }
    }
}

statement! {
    /// Members sent something in slow mode.
    WritePaces {
        conversations: Vec<i64> as Array<BigInt>,
        users: Vec<i64> as Array<BigInt>,
        ats: Vec<i64> as Array<BigInt>,
    },
    "UPDATE members SET last_sent_at = w.at FROM unnest(" {conversations} ", " {users} ", " {ats}
    ") AS w (conversation, sender, at) WHERE conversation_key = w.conversation AND user_key = w.sender"
}

impl WritePaces {
    fn new(paces: &BTreeMap<(i64, i64), i64>) -> Self {
        Self {
            conversations: paces.keys().map(|(conversation, _)| *conversation).collect(),
            users: paces.keys().map(|(_, user)| *user).collect(),
            ats: paces.values().copied().collect(),
        }
    }
}
