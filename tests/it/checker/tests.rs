//! The checker on sound logs, which must pass, and on the same logs tampered with: each tampering must be caught,
//! and as the breach that it is.

use super::{Act, Breach, End, Log, Message, Promise, check, model};

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
            Act::Received(message) | Act::Answered(message) => change(message),
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

#[test]
fn a_message_lost_from_the_history() {
    caught(Promise::Durable, |run| {
        let chat = run.1.conversations.get_mut("tea")?;
        let at = chat.messages.iter().position(|message| message.content.is_some())?;
        chat.messages.remove(at);
        Some(())
    });
}

#[test]
fn a_message_that_lost_its_text() {
    caught(Promise::Durable, |run| {
        let chat = run.1.conversations.get_mut("tea")?;
        chat.messages
            .iter_mut()
            .find(|message| message.content.is_some())?
            .content = None;
        Some(())
    });
}

#[test]
fn a_deletion_lost_from_the_history() {
    caught(Promise::Durable, |run| {
        let chat = run.1.conversations.get_mut("tea")?;
        let deleted = chat.messages.iter_mut().find(|message| message.content.is_none())?;
        (deleted.content, deleted.change_seq) = (Some("back again".to_owned()), deleted.seq);
        Some(())
    });
}

#[test]
fn another_content_in_the_history() {
    caught(Promise::Durable, |run| {
        let chat = run.1.conversations.get_mut("tea")?;
        chat.messages
            .iter_mut()
            .find(|message| message.content.is_some())?
            .content = Some("other".to_owned());
        Some(())
    });
}

#[test]
fn another_content_at_one_client() {
    for promise in [Promise::Agreement, Promise::NoPhantom] {
        caught(promise, |run| {
            let kept: Vec<String> = run.1.conversations["tea"]
                .messages
                .iter()
                .filter(|message| message.content.is_some())
                .map(|message| message.id.clone())
                .collect();
            let place = some_act(
                run,
                |act| matches!(act, Act::Received(message) if kept.contains(&message.id)),
            )?;
            message_of(run, place).content = Some("other".to_owned());
            Some(())
        });
    }
}

#[test]
fn another_place_at_one_client() {
    caught(Promise::Agreement, |run| {
        let place = some_act(run, is_received)?;
        message_of(run, place).seq += 1;
        Some(())
    });
}

#[test]
fn two_messages_in_one_place() {
    caught(Promise::Agreement, |run| {
        let place = some_act(run, is_received)?;
        message_of(run, place).id = "another".to_owned();
        Some(())
    });
}

#[test]
fn a_deletion_of_something_else_at_one_client() {
    caught(Promise::Agreement, |run| {
        let (log, at) = some_act(run, |act| matches!(act, Act::Deleted { .. }))?;
        if let Act::Deleted { id, .. } = &mut run.0[log].acts[at].1 {
            *id = "another".to_owned();
        }
        Some(())
    });
}

#[test]
fn a_gap_that_all_agree_on() {
    caught(Promise::GapFree, |run| {
        let middle = run.1.conversations["tea"].seq / 2;
        let up = |seq: &mut u64| *seq += u64::from(*seq > middle);
        every_message(run, |message| {
            if message.conversation == "tea" {
                up(&mut message.seq);
                up(&mut message.change_seq);
            }
        });
        up(&mut run.1.conversations.get_mut("tea")?.seq);
        Some(())
    });
}

#[test]
fn a_message_twice_in_the_history() {
    caught(Promise::OnePlace, |run| {
        let chat = run.1.conversations.get_mut("tea")?;
        let mut twin = chat.messages.last()?.clone();
        chat.seq += 1;
        (twin.id, twin.seq, twin.change_seq) = ("a twin".to_owned(), chat.seq, chat.seq);
        chat.messages.push(twin);
        Some(())
    });
}

#[test]
fn another_answer_to_the_same_client_id() {
    caught(Promise::OnePlace, |run| {
        let place = some_act(
            run,
            |act| matches!(act, Act::Answered(message) if message.content.is_some()),
        )?;
        let mut again = message_of(run, place).clone();
        again.created_at = "later".to_owned();
        appends(run, place.0, Act::Answered(again));
        Some(())
    });
}

#[test]
fn a_message_that_nobody_sent() {
    caught(Promise::NoPhantom, |run| {
        let place = some_act(run, is_received)?;
        let mut phantom = message_of(run, place).clone();
        (phantom.client_id, phantom.id, phantom.seq) = (Some("c-phantom".to_owned()), "phantom".to_owned(), 9999);
        appends(run, place.0, Act::Received(phantom));
        Some(())
    });
}

#[test]
fn a_message_with_another_sender() {
    caught(Promise::NoPhantom, |run| {
        let place = some_act(run, is_received)?;
        message_of(run, place).sender = "mallory".to_owned();
        Some(())
    });
}

#[test]
fn a_message_whose_send_was_refused() {
    caught(Promise::NoPhantom, |run| {
        let refused = run.0.iter().enumerate().find_map(|(log, of)| {
            let refusal = of.acts.iter().find_map(|(_, act)| match act {
                Act::Refused {
                    conversation,
                    client_id,
                    ..
                } => Some((conversation.clone(), client_id.clone())),
                _ => None,
            });
            refusal.map(|(conversation, client_id)| (log, conversation, client_id))
        });
        let (log, conversation, client_id) = refused?;
        let content = run.0[log].acts.iter().find_map(|(_, act)| match act {
            Act::Sent {
                client_id: of, content, ..
            } if *of == client_id => Some(content.clone()),
            _ => None,
        });
        let chat = run.1.conversations.get_mut(&conversation)?;
        chat.seq += 1;
        chat.messages.push(Message {
            id: "sent all the same".to_owned(),
            conversation,
            seq: chat.seq,
            change_seq: chat.seq,
            sender: run.0[log].user.clone(),
            client_id: Some(client_id),
            content,
            system: false,
            created_at: "t".to_owned(),
        });
        Some(())
    });
}

#[test]
fn a_message_seen_before_it_was_sent() {
    caught(Promise::NoPhantom, |run| {
        let (log, at) = some_act(run, is_received)?;
        run.0[log].acts[at].0 = 0;
        Some(())
    });
}

#[test]
fn a_later_message_before_one_that_was_answered() {
    caught(Promise::RealTimeOrder, |run| {
        let messages = &run.1.conversations["tea"].messages;
        let whole: Vec<&Message> = messages.iter().filter(|message| message.content.is_some()).collect();
        let (first, last) = ((*whole.first()?).clone(), (*whole.last()?).clone());
        let at = |fits: &dyn Fn(&Act) -> bool| {
            let acts = run.0.iter().flat_map(|log| &log.acts);
            acts.filter(|(_, act)| fits(act)).map(|(at, _)| *at).min()
        };
        let answered = at(&|act| matches!(act, Act::Answered(message) if message.id == first.id))?;
        let sent = at(&|act| matches!(act, Act::Sent { client_id, .. } if Some(client_id) == last.client_id.as_ref()))?;
        exchange(run, &first, &last);
        (answered < sent).then_some(())
    });
}

#[test]
fn two_messages_of_one_sender_in_the_wrong_order() {
    caught(Promise::SenderOrder, |run| {
        // The first two of a client before the first crash, so on one connection.
        let log = &run.0[0];
        let connection = log.acts.iter().take_while(|(_, act)| !matches!(act, Act::Closed));
        let sent: Vec<&str> = connection
            .filter_map(|(_, act)| match act {
                Act::Sent {
                    conversation,
                    client_id,
                    ..
                } if conversation == "tea" => Some(client_id.as_str()),
                _ => None,
            })
            .collect();
        let place = |client_id: &str| {
            let messages = &run.1.conversations["tea"].messages;
            messages
                .iter()
                .find(|m| m.client_id.as_deref() == Some(client_id) && m.sender == log.user)
                .cloned()
        };
        let (one, other) = (place(sent.first()?)?, place(sent.get(1)?)?);
        exchange(run, &one, &other);
        (one.id != other.id).then_some(())
    });
}

#[test]
fn a_live_message_dropped() {
    caught(Promise::LiveOrder, |run| {
        let (log, at) = between_two_of_the_same_conversation(run)?;
        run.0[log].acts.remove(at);
        Some(())
    });
}

#[test]
fn a_live_message_doubled() {
    caught(Promise::LiveOrder, |run| {
        let (log, at) = some_act(run, is_received)?;
        let again = run.0[log].acts[at].clone();
        run.0[log].acts.insert(at, again);
        Some(())
    });
}

#[test]
fn two_live_messages_swapped() {
    caught(Promise::LiveOrder, |run| {
        let (log, at) = between_two_of_the_same_conversation(run)?;
        let of = |act: &Act| super::live(act).map(|(conversation, _)| conversation.to_owned());
        let acts = &mut run.0[log].acts;
        let next = (at + 1..acts.len()).find(|next| of(&acts[*next].1) == of(&acts[at].1))?;
        let act = acts[at].1.clone();
        acts[at].1 = std::mem::replace(&mut acts[next].1, act);
        Some(())
    });
}

/// A live message with live neighbours of its conversation on the same connection.
fn between_two_of_the_same_conversation(run: &Run) -> Option<(usize, usize)> {
    let neighbour = |act: &Act, conversation: &str| super::live(act).is_some_and(|(of, _)| of == conversation);
    run.0.iter().enumerate().find_map(|(log, of)| {
        let connections = of.acts.split_inclusive(|(_, act)| matches!(act, Act::Closed));
        let mut start = 0;
        for acts in connections {
            let inner = acts.iter().enumerate().find(|(at, (_, act))| match act {
                Act::Received(message) => {
                    acts[..*at].iter().any(|(_, act)| neighbour(act, &message.conversation))
                        && acts[at + 1..]
                            .iter()
                            .any(|(_, act)| neighbour(act, &message.conversation))
                }
                _ => false,
            });
            if let Some((at, _)) = inner {
                return Some((log, start + at));
            }
            start += acts.len();
        }
        None
    })
}

#[test]
fn the_last_live_message_dropped() {
    caught(Promise::Complete, |run| {
        let at = run.0[1].acts.iter().rposition(|(_, act)| super::live(act).is_some())?;
        run.0[1].acts.remove(at);
        Some(())
    });
}

#[test]
fn a_page_with_a_message_missing() {
    caught(Promise::Complete, |run| {
        // One that came by no other way, and was not changed later on.
        let of = |act: &Act| matches!(act, Act::Synced { messages, .. } if !messages.is_empty());
        let (log, at) = some_act(run, of)?;
        let Act::Synced {
            messages, conversation, ..
        } = &run.0[log].acts[at].1
        else {
            return None;
        };
        let seen: Vec<&str> = run.0[log]
            .acts
            .iter()
            .filter_map(|(_, act)| {
                if let Act::Received(message) = act {
                    Some(message.id.as_str())
                } else {
                    None
                }
            })
            .collect();
        let kept = |id: &str| {
            run.1.conversations[conversation]
                .messages
                .iter()
                .any(|m| m.id == id && m.change_seq == m.seq)
        };
        let missing = messages
            .iter()
            .position(|m| !seen.contains(&m.id.as_str()) && kept(&m.id))?;
        if let Act::Synced { messages, .. } = &mut run.0[log].acts[at].1 {
            messages.remove(missing);
        }
        Some(())
    });
}

#[test]
fn something_after_the_removal() {
    caught(Promise::Fence, |run| {
        let place = some_act(run, is_received)?;
        let conversation = message_of(run, place).conversation.clone();
        let at = run.0[place.0].acts[place.1].0;
        run.0[place.0].acts.insert(place.1, (at, Act::Removed { conversation }));
        Some(())
    });
}

#[test]
fn something_sent_after_the_removal_was_answered() {
    caught(Promise::Fence, |run| {
        // Dan was removed by Ann before anything, and got all of it all the same.
        let removal = Act::RemovalAnswered {
            conversation: "tea".to_owned(),
            user: "dan".to_owned(),
        };
        run.0[0].acts.insert(0, (0, removal));
        let received = |(_, act): &(u64, Act)| matches!(act, Act::Received(message) if message.conversation == "tea");
        run.0[3].acts.iter().any(received).then_some(())
    });
}

/// The fences fall when the member is taken in again.
#[test]
fn whoever_is_back_gets_everything_again() {
    for seed in SEEDS {
        let mut run = model::run(seed);
        let Some(place) = some_act(&run, is_received) else {
            continue;
        };
        let conversation = message_of(&mut run, place).conversation.clone();
        let at = run.0[place.0].acts[place.1].0;
        let user = run.0[place.0].user.clone();
        // Before anything was sent: removed and taken in again, at one tick.
        run.0[0].acts.insert(
            0,
            (
                0,
                Act::RemovalAnswered {
                    conversation: conversation.clone(),
                    user: user.clone(),
                },
            ),
        );
        run.0[0].acts.insert(
            1,
            (
                1,
                Act::Adds {
                    conversation: conversation.clone(),
                    user,
                },
            ),
        );
        let acts = &mut run.0[place.0].acts;
        let place = acts
            .iter()
            .position(|(tick, act)| *tick == at && is_received(act))
            .expect("still there");
        acts.insert(
            place,
            (
                at,
                Act::Removed {
                    conversation: conversation.clone(),
                },
            ),
        );
        acts.insert(place + 1, (at, Act::Added { conversation }));
        let breaches = check(&run.0, &run.1);
        assert!(breaches.is_empty(), "seed {seed}: {}", shown(&breaches));
    }
}

#[test]
fn something_after_the_expiry() {
    caught(Promise::Fence, |run| {
        let (log, at) = some_act(run, is_received)?;
        let tick = run.0[log].acts[at].0;
        run.0[log].acts.insert(at, (tick, Act::Expired));
        Some(())
    });
}

#[test]
fn a_wrong_count_of_unread_messages() {
    caught(Promise::Unread, |run| {
        run.1.conversations.get_mut("tea")?.standings[0].2 += 1000;
        Some(())
    });
    caught(Promise::Unread, |run| {
        let standing = &mut run.1.conversations.get_mut("tea")?.standings[0];
        standing.2 = standing.2.checked_sub(1)?;
        Some(())
    });
}

#[test]
fn a_wrong_presence() {
    caught(Promise::Presence, |run| {
        run.1.online.remove("ann");
        Some(())
    });
    caught(Promise::Presence, |run| {
        appends(run, 0, Act::Closed);
        Some(())
    });
}

#[test]
fn a_send_without_an_end() {
    caught(Promise::EverySendEnds, |run| {
        let place = some_act(run, |act| matches!(act, Act::Answered(_)))?;
        let lost = message_of(run, place).client_id.clone();
        let of = |act: &Act| matches!(act, Act::Answered(message) if message.client_id == lost);
        run.0[place.0].acts.retain(|(_, act)| !of(act));
        Some(())
    });
}

#[test]
fn an_outcome_that_is_only_unknown_is_no_end() {
    caught(Promise::EverySendEnds, |run| {
        let (log, at) = some_act(run, |act| matches!(act, Act::Refused { .. }))?;
        if let Act::Refused { known, .. } = &mut run.0[log].acts[at].1 {
            *known = false;
        }
        Some(())
    });
}

#[test]
fn another_epoch_after_a_crash() {
    caught(Promise::Epoch, |run| {
        let (log, at) = some_act(run, |act| matches!(act, Act::Opened { .. }))?;
        run.0[log].acts[at].1 = Act::Opened {
            epoch: "e-2".to_owned(),
        };
        Some(())
    });
}

/// Whatever single live event is taken out of a run, in any place, it is missed.
#[test]
fn any_single_live_event_that_is_missing_is_caught() {
    for seed in 1..3 {
        let run = model::run(seed);
        for log in 0..run.0.len() {
            // After the last crash nothing makes up for it: no page follows.
            let acts = &run.0[log].acts;
            let start = acts
                .iter()
                .rposition(|(_, act)| matches!(act, Act::Synced { .. }))
                .expect("it synced");
            for at in start..acts.len() {
                if super::live(&run.0[log].acts[at].1).is_some() {
                    let mut logs = run.0.clone();
                    let missing = logs[log].acts.remove(at);
                    assert!(
                        !check(&logs, &run.1).is_empty(),
                        "seed {seed}: {missing:?} is not missed"
                    );
                }
            }
        }
    }
}
