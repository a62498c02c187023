//! What the clients are left with: everything when all is quiet, nothing behind a fence, right counts and presence.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use super::{Act, Breaches, Facts, Log, Message, Promise, Tick, live};

/// A conversation as a client that follows the rule of the cursor has it.
#[derive(Default)]
struct Replica<'a> {
    cursor: u64,
    /// Below this nothing is known since a reset.
    floor: u64,
    /// Live changes beyond the cursor.
    ahead: BTreeMap<u64, &'a Act>,
    /// By seq.
    messages: BTreeMap<u64, Shown<'a>>,
}

/// What a client shows of a message.
#[derive(Debug, PartialEq, Eq)]
struct Shown<'a> {
    id: &'a str,
    content: Option<&'a str>,
    reactions: &'a str,
    /// The change that made it so.
    change: u64,
}

impl<'a> Shown<'a> {
    fn of(message: &'a Message) -> Shown<'a> {
        Shown {
            id: &message.id,
            content: message.content.as_deref(),
            reactions: &message.reactions,
            change: message.change_seq,
        }
    }
}

impl<'a> Replica<'a> {
    fn takes(&mut self, act: &'a Act) {
        match act {
            Act::Synced {
                messages, seq, reset, ..
            } => {
                if *reset {
                    *self = Replica {
                        cursor: *seq,
                        ahead: std::mem::take(&mut self.ahead),
                        ..Replica::default()
                    };
                    self.floor = messages.iter().map(|message| message.seq).min().unwrap_or(*seq);
                }
                messages.iter().for_each(|message| self.put(message));
                self.cursor = self.cursor.max(*seq);
            }
            _ => {
                if let Some((_, seq)) = live(act) {
                    self.ahead.insert(seq, act);
                }
            }
        }
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > self.cursor + 1 {
                break;
            }
            let (seq, act) = entry.remove_entry();
            if seq == self.cursor + 1 {
                self.cursor = seq;
                self.apply(act);
            }
        }
    }

    fn apply(&mut self, act: &'a Act) {
        match act {
            Act::Received(message) | Act::Edited { message, .. } => self.put(message),
            Act::Deleted { id, seq, .. } => {
                self.change(id, *seq, |known| (known.content, known.reactions) = (None, "[]"))
            }
            Act::Reacted { id, seq, reactions, .. } => self.change(id, *seq, |known| known.reactions = reactions),
            _ => {}
        }
    }

    /// What is shown already may have been told in a later form.
    fn change(&mut self, id: &str, seq: u64, change: impl FnOnce(&mut Shown<'a>)) {
        let known = self.messages.values_mut().find(|known| known.id == id);
        if let Some(known) = known.filter(|known| known.change < seq) {
            known.change = seq;
            change(known);
        }
    }

    /// An older form never replaces a later one: pages may be older than live events.
    fn put(&mut self, message: &'a Message) {
        let form = Shown::of(message);
        match self.messages.entry(message.seq) {
            Entry::Vacant(free) => {
                free.insert(form);
            }
            Entry::Occupied(mut known) if known.get().change < form.change => {
                known.insert(form);
            }
            Entry::Occupied(_) => {}
        }
    }
}

/// When all is quiet, every connected member has every change: what it would show is the final history.
pub fn complete(facts: &Facts<'_>, breaches: &mut Breaches) {
    for log in facts.logs.iter().filter(|log| is_open(log)) {
        let mut replicas: BTreeMap<&str, Replica<'_>> = BTreeMap::new();
        for (_, act) in &log.acts {
            if let Act::Synced { conversation, .. } = act {
                replicas.entry(conversation).or_default().takes(act);
            } else if let Some((conversation, _)) = live(act) {
                replicas.entry(conversation).or_default().takes(act);
            }
        }
        let mine = facts
            .end
            .conversations
            .iter()
            .filter(|(_, known)| known.members.contains(&log.user));
        for (id, conversation) in mine {
            let replica = replicas.remove(id.as_str()).unwrap_or_default();
            if replica.cursor != conversation.seq {
                let what = format!("{} has {id} up to {} of {}", log.user, replica.cursor, conversation.seq);
                breaches.add(Promise::Complete, what);
                continue;
            }
            for message in conversation
                .messages
                .iter()
                .filter(|message| message.seq >= replica.floor)
            {
                let shown = replica.messages.get(&message.seq);
                if shown != Some(&Shown::of(message)) {
                    let what = format!("{} shows {shown:?} for {message:?}", log.user);
                    breaches.add(Promise::Complete, what);
                }
            }
        }
    }
}

fn is_open(log: &Log) -> bool {
    let last = log
        .acts
        .iter()
        .rev()
        .find(|(_, act)| matches!(act, Act::Opened { .. } | Act::Closed));
    matches!(last, Some((_, Act::Opened { .. })))
}

/// Nothing of a conversation after the removal from it, nothing at all after the token's expiry.
pub fn fence(facts: &Facts<'_>, breaches: &mut Breaches) {
    for log in facts.logs {
        let mut removed: BTreeSet<&str> = BTreeSet::new();
        let mut expired = false;
        for (at, act) in &log.acts {
            match act {
                Act::Opened { .. } => (expired, removed) = (false, BTreeSet::new()),
                Act::Expired => expired = true,
                Act::Removed { conversation } => {
                    removed.insert(conversation);
                }
                Act::Added { conversation } => {
                    removed.remove(conversation.as_str());
                }
                _ => {}
            }
            let of = match act {
                Act::Synced { conversation, .. } => Some(conversation.as_str()),
                Act::Answered(message) | Act::EditAnswered(message) => Some(message.conversation.as_str()),
                _ => live(act).map(|(conversation, _)| conversation),
            };
            let behind = of.is_some_and(|conversation| removed.contains(conversation));
            // Whoever is let in again may be answered before they are told of it: when it took a while to find out.
            let let_in = matches!(act, Act::Answered(_) | Act::EditAnswered(_))
                && of.is_some_and(|conversation| is_let_in_again(facts, *at, conversation, &log.user));
            if of.is_some() && (expired || behind && !let_in) {
                breaches.add(
                    Promise::Fence,
                    format!("{} got at {at}, behind the fence: {act:?}", log.user),
                );
            }
        }
    }
    for log in facts.logs {
        for (at, act) in &log.acts {
            if let Act::RemovalAnswered { conversation, user } = act {
                fence_after_removal(facts, *at, conversation, user, breaches);
            }
        }
    }
}

/// Whether somebody began to add this user after their last removal was answered.
fn is_let_in_again(facts: &Facts<'_>, before: Tick, conversation: &str, user: &str) -> bool {
    let about = |act: &Act| match act {
        Act::Adds {
            conversation: c,
            user: u,
        } => (c == conversation && u == user).then_some(true),
        Act::RemovalAnswered {
            conversation: c,
            user: u,
        } => (c == conversation && u == user).then_some(false),
        _ => None,
    };
    let acts = facts
        .logs
        .iter()
        .flat_map(|log| &log.acts)
        .filter(|(at, _)| *at < before);
    let last = acts
        .filter_map(|(at, act)| Some((*at, about(act)?)))
        .max_by_key(|(at, _)| *at);
    last.is_some_and(|(_, added)| added)
}

/// What was sent and answered while somebody was out never reaches them live.
fn fence_after_removal(facts: &Facts<'_>, from: Tick, conversation: &str, user: &str, breaches: &mut Breaches) {
    let back = |act: &Act| matches!(act, Act::Adds { conversation: c, user: u } if c == conversation && u == user);
    let acts = || facts.logs.iter().flat_map(|log| &log.acts);
    let until = acts()
        .filter(|(at, act)| *at > from && back(act))
        .map(|(at, _)| *at)
        .min()
        .unwrap_or(Tick::MAX);
    for log in facts.logs.iter().filter(|log| log.user == user) {
        for (at, act) in &log.acts {
            let Act::Received(message) = act else { continue };
            let Some(send) = message.key().and_then(|key| facts.sends.get(&key)) else {
                continue;
            };
            let answered = send.answers.iter().any(|(answered, _)| *answered < until);
            if message.conversation == conversation && send.first > from && answered {
                let what = format!("{user} got at {at} what was sent after the removal at {from}: {message:?}");
                breaches.add(Promise::Fence, what);
            }
        }
    }
}

/// The count of unread messages is what the history says. Whether deleted and system messages count is left open.
pub fn unread(facts: &Facts<'_>, breaches: &mut Breaches) {
    for (id, conversation) in &facts.end.conversations {
        for (user, read, count) in &conversation.standings {
            let beyond = || {
                conversation
                    .messages
                    .iter()
                    .filter(|message| message.seq > *read && message.sender != *user)
            };
            let least = beyond()
                .filter(|message| !message.system && message.content.is_some())
                .count() as u64;
            let most = beyond().count() as u64;
            if *read > conversation.seq || !(least..=most).contains(count) {
                let what = format!("{user} read {id} up to {read}: {count} unread, and should be {least} to {most}");
                breaches.add(Promise::Unread, what);
            }
        }
    }
}

/// Online is who has an open connection.
pub fn presence(facts: &Facts<'_>, breaches: &mut Breaches) {
    let connected: BTreeSet<&str> = facts
        .logs
        .iter()
        .filter(|log| is_open(log))
        .map(|log| log.user.as_str())
        .collect();
    for log in facts.logs {
        let user = log.user.as_str();
        if connected.contains(user) != facts.end.online.contains(user) {
            breaches.add(
                Promise::Presence,
                format!("{user} is connected: {}", connected.contains(user)),
            );
        }
    }
}

/// A crash is no reason for another epoch.
pub fn epoch(facts: &Facts<'_>, breaches: &mut Breaches) {
    let acts = facts.logs.iter().flat_map(|log| &log.acts);
    let epochs: BTreeSet<&str> = acts
        .filter_map(|(_, act)| {
            if let Act::Opened { epoch } = act {
                Some(epoch.as_str())
            } else {
                None
            }
        })
        .collect();
    if epochs.len() > 1 {
        breaches.add(Promise::Epoch, format!("{epochs:?}"));
    }
}
