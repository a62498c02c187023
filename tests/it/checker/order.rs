//! The three orders: of real time, of one sender's connection, of what one connection gets live.

use std::collections::{BTreeMap, BTreeSet};

use super::{Act, Breaches, Facts, Key, Promise, Tick, live};

/// When a send was made, or answered with this seq.
type Moment<'a> = (Tick, Option<u64>, Key<'a>);

/// What was answered before another was sent has the lower seq.
pub fn real_time_order(facts: &Facts<'_>, breaches: &mut Breaches) {
    let mut timelines: BTreeMap<&str, Vec<Moment<'_>>> = BTreeMap::new();
    for (key, send) in &facts.sends {
        let timeline = timelines.entry(key.1).or_default();
        if send.tries > 0 {
            timeline.push((send.first, None, *key));
        }
        timeline.extend(send.answers.iter().map(|(at, answer)| (*at, Some(answer.seq), *key)));
    }
    for timeline in timelines.values_mut() {
        timeline.sort_unstable();
        let mut highest = (0, None);
        for (_, answered, key) in timeline {
            match (answered, facts.places.get(key)) {
                (Some(seq), _) if *seq > highest.0 => highest = (*seq, Some(*key)),
                (None, Some(place)) if *place <= highest.0 => {
                    let what = format!("{key:?} is at {place}, and was sent after {highest:?} was answered");
                    breaches.add(Promise::RealTimeOrder, what);
                }
                _ => {}
            }
        }
    }
}

/// The tries of one client on one connection in one conversation.
#[derive(Default)]
struct Tries<'a> {
    opened: Tick,
    keys: Vec<Key<'a>>,
}

/// Two sends in flight on one connection keep their order.
pub fn sender_order(facts: &Facts<'_>, breaches: &mut Breaches) {
    for log in facts.logs {
        let mut conversations: BTreeMap<&str, Vec<Tries<'_>>> = BTreeMap::new();
        let mut opened = 0;
        for (at, act) in &log.acts {
            match act {
                Act::Opened { .. } => opened = *at,
                Act::Sent {
                    conversation,
                    client_id,
                    ..
                } => {
                    let connections = conversations.entry(conversation).or_default();
                    if connections.last().is_none_or(|tries| tries.opened != opened) {
                        connections.push(Tries {
                            opened,
                            keys: Vec::new(),
                        });
                    }
                    let tries = connections.last_mut().expect("just made");
                    tries.keys.push((&log.user, conversation, client_id));
                }
                _ => {}
            }
        }
        for connections in conversations.values() {
            sender_order_over(facts, connections, breaches);
        }
    }
}

fn sender_order_over(facts: &Facts<'_>, connections: &[Tries<'_>], breaches: &mut Breaches) {
    let mut known: BTreeSet<Key<'_>> = BTreeSet::new();
    for (at, tries) in connections.iter().enumerate() {
        let firsts: Vec<Key<'_>> = tries.keys.iter().copied().filter(|key| known.insert(*key)).collect();
        let plain: Vec<Key<'_>> = firsts
            .into_iter()
            .filter(|key| facts.places.contains_key(key) && facts.sends.get(key).is_some_and(|send| !send.troubled))
            .collect();
        for pair in plain.windows(2) {
            let (one, other) = (pair[0], pair[1]);
            let kept = connections[at + 1..]
                .iter()
                .all(|later| tried_in_order(facts, later, one, other));
            if kept && facts.places[&one] > facts.places[&other] {
                let (before, after) = (facts.places[&one], facts.places[&other]);
                let what = format!("{one:?} was sent before {other:?} and is at {before}, after {after}");
                breaches.add(Promise::SenderOrder, what);
            }
        }
    }
}

/// Whether a later connection tried the second send only when the first was tried before it, or answered already:
/// only then has the client itself kept the order.
fn tried_in_order(facts: &Facts<'_>, later: &Tries<'_>, one: Key<'_>, other: Key<'_>) -> bool {
    let position = |key| later.keys.iter().position(|tried| *tried == key);
    let answered = facts.sends[&one].answers.iter().any(|(at, _)| *at < later.opened);
    match (position(one), position(other)) {
        (_, None) => true,
        (Some(one), Some(other)) => one < other || answered,
        (None, Some(_)) => answered,
    }
}

/// On one connection the changes of a conversation come one by one.
pub fn live_order(facts: &Facts<'_>, breaches: &mut Breaches) {
    for log in facts.logs {
        let mut last: BTreeMap<&str, u64> = BTreeMap::new();
        for (at, act) in &log.acts {
            match act {
                Act::Opened { .. } => last.clear(),
                Act::Removed { conversation }
                | Act::Synced {
                    conversation,
                    reset: true,
                    ..
                } => {
                    last.remove(conversation.as_str());
                }
                _ => {}
            }
            let Some((conversation, seq)) = live(act) else { continue };
            if let Some(before) = last.insert(conversation, seq)
                && seq != before + 1
            {
                let what = format!("{} got {seq} of {conversation} after {before}, at {at}", log.user);
                breaches.add(Promise::LiveOrder, what);
            }
        }
    }
}
