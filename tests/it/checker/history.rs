//! What the history must be: durable, agreed on, without a gap, each send in one place, nothing from nowhere.

use std::collections::BTreeMap;

use super::{Act, Breaches, Facts, Key, Message, Promise, Sighting};

/// Everything that was acknowledged, and everything that anybody was shown, is in the final history: a broadcast comes
/// after the commit, so what was seen is as durable as what was answered.
pub fn durable(facts: &Facts<'_>, breaches: &mut Breaches) {
    let histories: BTreeMap<&str, BTreeMap<&str, &Message>> = facts
        .end
        .conversations
        .iter()
        .map(|(chat, known)| {
            (
                chat.as_str(),
                known
                    .messages
                    .iter()
                    .map(|message| (message.id.as_str(), message))
                    .collect(),
            )
        })
        .collect();
    let kept = |chat: &str, id: &str| histories.get(chat).and_then(|history| history.get(id)).copied();
    for Sighting { by, message, .. } in &facts.sightings {
        let kept = kept(&message.conversation, &message.id);
        let same = kept.is_some_and(|kept| {
            kept.seq == message.seq
                && kept.client_id == message.client_id
                && kept.change_seq >= message.change_seq
                && facts.same_content(kept, message)
                // Without its text only when a later change took it away.
                && (kept.content.is_some() || kept.change_seq > kept.seq)
        });
        if !same && !facts.is_gone(&message.conversation, message.seq) {
            breaches.add(Promise::Durable, format!("{by} has {message:?}, the history {kept:?}"));
        }
    }
    for log in facts.logs {
        for (_, act) in &log.acts {
            let (what, conversation, seq, id) = match act {
                Act::Deleted { conversation, seq, id } | Act::DeleteAnswered { conversation, seq, id } => {
                    ("deleted", conversation, *seq, id)
                }
                Act::Edited { seq, message } => ("edited", &message.conversation, *seq, &message.id),
                Act::Reacted {
                    conversation, seq, id, ..
                } => ("reacted to", conversation, *seq, id),
                _ => continue,
            };
            let of = facts.sightings.iter().find(|sighting| sighting.message.id == *id);
            if of.is_some_and(|of| facts.is_gone(conversation, of.message.seq)) {
                continue;
            }
            let found = kept(conversation, id);
            let same = found.is_some_and(|kept| match what {
                "deleted" => kept.content.is_none() && kept.change_seq == seq,
                _ => kept.change_seq >= seq,
            });
            if !same {
                let by = &log.user;
                let what = format!("for {by} {id} was {what} at {seq}, in the history {found:?}");
                breaches.add(Promise::Durable, what);
            }
        }
    }
}

/// One message and one change for each number of a conversation, the same for everybody.
pub fn agreement(facts: &Facts<'_>, breaches: &mut Breaches) {
    let mut owners: BTreeMap<(&str, u64), &str> = BTreeMap::new();
    let mut forms: BTreeMap<&str, &Message> = BTreeMap::new();
    let mut after_change: BTreeMap<(&str, u64), &Message> = BTreeMap::new();
    let mut own = |conversation, number, id, by: &str, breaches: &mut Breaches| {
        let owner = *owners.entry((conversation, number)).or_insert(id);
        if owner != id {
            let what = format!("{conversation} {number} is {owner} for one and {id} for {by}");
            breaches.add(Promise::Agreement, what);
        }
    };
    for Sighting { by, message, .. } in &facts.sightings {
        own(&message.conversation, message.seq, &message.id, by, breaches);
        own(&message.conversation, message.change_seq, &message.id, by, breaches);
        let form = *forms.entry(&message.id).or_insert(message);
        let same = form.conversation == message.conversation
            && form.seq == message.seq
            && form.sender == message.sender
            && form.client_id == message.client_id
            && form.created_at == message.created_at
            && facts.same_content(form, message)
            && {
                let form = *after_change.entry((&message.id, message.change_seq)).or_insert(message);
                facts.same_content(form, message)
            };
        if !same {
            breaches.add(Promise::Agreement, format!("{form:?} for one is {message:?} for {by}"));
        }
    }
    for log in facts.logs {
        for (_, act) in &log.acts {
            match act {
                Act::Deleted { conversation, seq, id }
                | Act::DeleteAnswered { conversation, seq, id }
                | Act::Reacted {
                    conversation, seq, id, ..
                } => own(conversation, *seq, id, &log.user, breaches),
                Act::Edited { seq, message } => own(&message.conversation, *seq, &message.id, &log.user, breaches),
                _ => {}
            }
        }
    }
    for (chat, conversation) in &facts.end.conversations {
        for (seq, id) in &conversation.changes {
            own(chat, *seq, id, "the history", breaches);
        }
    }
}

/// The final history has the changes 1..N, each once; from behind what retention removed.
pub fn gap_free(facts: &Facts<'_>, breaches: &mut Breaches) {
    for (id, conversation) in &facts.end.conversations {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        last.extend(conversation.changes.iter().map(|(seq, id)| (id.as_str(), *seq)));
        let mut numbers: Vec<u64> = conversation.changes.keys().copied().collect();
        for message in &conversation.messages {
            numbers.push(message.seq);
            let due = last.get(message.id.as_str()).copied().unwrap_or(message.seq);
            if message.change_seq != due {
                breaches.add(Promise::GapFree, format!("{message:?} was last changed at {due}"));
            }
        }
        let first = conversation.expired + 1;
        numbers.retain(|number| *number >= first);
        let in_order = conversation.messages.windows(2).all(|pair| pair[0].seq < pair[1].seq);
        numbers.sort_unstable();
        let whole = numbers.iter().copied().eq(first..=conversation.seq);
        if !in_order || !whole {
            let odd = (first..).zip(&numbers).find(|(wanted, number)| wanted != *number);
            let what = format!(
                "{id} is to have {first}..{}: in order {in_order}, first odd (wanted, is) {odd:?}",
                conversation.seq
            );
            breaches.add(Promise::GapFree, what);
        }
    }
}

/// A send is in one place, and every answer to it is equal.
pub fn one_place(facts: &Facts<'_>, breaches: &mut Breaches) {
    let mut seen: BTreeMap<Key<'_>, &Message> = BTreeMap::new();
    for Sighting { by, message, .. } in &facts.sightings {
        let Some(key) = message.key() else { continue };
        let first = *seen.entry(key).or_insert(message);
        if facts.is_gone(&message.conversation, first.seq.min(message.seq)) {
            // The client id of a message that is gone is free again.
            continue;
        }
        if (first.seq, &first.id) != (message.seq, &message.id) {
            let what = format!(
                "{key:?} is at {} ({}) and, for {by}, at {} ({})",
                first.seq, first.id, message.seq, message.id
            );
            breaches.add(Promise::OnePlace, what);
        }
    }
    for (key, send) in &facts.sends {
        for pair in send.answers.windows(2) {
            let (one, other) = (pair[0].1, pair[1].1);
            // Changed in between, it is answered as it is then.
            let same = if facts.is_gone(key.1, one.seq.min(other.seq)) {
                true
            } else if one.change_seq == other.change_seq {
                one == other
            } else {
                (&one.id, one.seq) == (&other.id, other.seq) && facts.same_content(one, other)
            };
            if !same {
                breaches.add(
                    Promise::OnePlace,
                    format!("{key:?} was answered by {one:?} and by {other:?}"),
                );
            }
        }
    }
}

/// Nothing is seen that was not sent before, by this sender, in this form, or whose every try was refused.
pub fn no_phantom(facts: &Facts<'_>, breaches: &mut Breaches) {
    for Sighting { at, by, message } in &facts.sightings {
        if message.system {
            continue;
        }
        let send = message.key().and_then(|key| facts.sends.get(&key));
        let why = match (send, &message.content) {
            (None, _) => "was never sent",
            (Some(send), _) if send.tries == 0 || send.first > *at => "was not sent yet",
            (Some(send), _) if send.tries == send.refusals => "was refused",
            (Some(send), Some(content))
                if !send.contents.contains(content.as_str()) && !facts.was_to_say(message, content) =>
            {
                "was sent as something else"
            }
            _ => continue,
        };
        breaches.add(Promise::NoPhantom, format!("{by} saw {message:?}, which {why}"));
    }
}

/// Every send was acknowledged, or each of its tries refused.
pub fn every_send_ends(facts: &Facts<'_>, breaches: &mut Breaches) {
    for (key, send) in &facts.sends {
        if send.answers.is_empty() && send.refusals < send.tries {
            breaches.add(
                Promise::EverySendEnds,
                format!("{key:?}: {} tries, no outcome", send.tries),
            );
        }
    }
}
