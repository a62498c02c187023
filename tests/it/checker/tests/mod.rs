//! The checker on sound logs, which must pass, and on the same logs tampered with: each tampering must be caught,
//! and as the breach that it is.

mod clients;
mod history;
mod order;

use super::{Act, Breach, End, Log, Message, Promise, check, live, model};

/// Enough runs that each tampering finds something to tamper with, in several situations.
const SEEDS: std::ops::Range<u64> = 1..41;

type Run = (Vec<Log>, End);

/// Tampers with every run; the breach must be found wherever there was something to tamper with.
fn caught(promise: Promise, tamper: impl Fn(&mut Run) -> Option<()>) {
    let mut tampered = 0;
    for seed in SEEDS {
        let mut run = model::run(seed);
        if tamper(&mut run).is_none() {
            continue;
        }
        tampered += 1;
        let breaches = check(&run.0, &run.1);
        let found = breaches.iter().any(|breach| breach.promise == promise);
        assert!(found, "seed {seed}: {promise:?} is not among {}", shown(&breaches));
    }
    assert!(tampered > 5, "only {tampered} runs had something to tamper with");
}

fn shown(breaches: &[Breach]) -> String {
    let lines: Vec<String> = breaches.iter().take(5).map(|breach| format!("{breach:?}")).collect();
    format!("{} breaches\n{}", breaches.len(), lines.join("\n"))
}

/// The act in the middle of those that fit: which log, which place in it.
fn some_act(run: &Run, fits: impl Fn(&Act) -> bool) -> Option<(usize, usize)> {
    let acts = run
        .0
        .iter()
        .enumerate()
        .flat_map(|(log, of)| of.acts.iter().enumerate().map(move |act| (log, act)));
    let fitting: Vec<(usize, usize)> = acts
        .filter(|(_, (_, (_, act)))| fits(act))
        .map(|(log, (place, _))| (log, place))
        .collect();
    fitting.get(fitting.len() / 2).copied()
}

fn message_of(run: &mut Run, place: (usize, usize)) -> &mut Message {
    match &mut run.0[place.0].acts[place.1].1 {
        Act::Received(message) | Act::Answered(message) => message,
        other => panic!("no message: {other:?}"),
    }
}

fn is_received(act: &Act) -> bool {
    matches!(act, Act::Received(_))
}

/// An act at the very end of a log.
fn appends(run: &mut Run, log: usize, act: Act) {
    let last = run
        .0
        .iter()
        .flat_map(|log| &log.acts)
        .map(|(at, _)| *at)
        .max()
        .expect("acts");
    run.0[log].acts.push((last + 1, act));
}

/// Every message in the logs and the history.
fn every_message(run: &mut Run, mut change: impl FnMut(&mut Message)) {
    for (_, act) in run.0.iter_mut().flat_map(|log| &mut log.acts) {
        match act {
            Act::Received(message)
            | Act::Answered(message)
            | Act::Edited { message, .. }
            | Act::EditAnswered(message) => change(message),
            Act::Synced { messages, .. } => messages.iter_mut().for_each(&mut change),
            _ => {}
        }
    }
    for conversation in run.1.conversations.values_mut() {
        conversation.messages.iter_mut().for_each(&mut change);
    }
}

/// Gives two messages each other's place, everywhere: the order alone is wrong, and all agree on it.
fn exchange(run: &mut Run, one: &Message, other: &Message) {
    let (one, other) = (one.clone(), other.clone());
    every_message(run, |message| {
        let new = match &message.id {
            id if *id == one.id => &other,
            id if *id == other.id => &one,
            _ => return,
        };
        (message.id, message.seq, message.change_seq) = (new.id.clone(), new.seq, new.change_seq);
        message.created_at = new.created_at.clone();
    });
    for conversation in run.1.conversations.values_mut() {
        conversation.messages.sort_by_key(|message| message.seq);
    }
}

#[test]
fn sound_logs_pass() {
    for seed in 1..301 {
        let (logs, end) = model::run(seed);
        let breaches = check(&logs, &end);
        assert!(breaches.is_empty(), "seed {seed}: {}", shown(&breaches));
        assert!(
            end.conversations.values().map(|chat| chat.seq).sum::<u64>() > 50,
            "seed {seed} has hardly a message"
        );
    }
}
