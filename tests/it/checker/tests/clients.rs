//! Tampering with what clients are left with: holes, fences, counts, sends without an end.

use super::{Act, Promise, SEEDS, appends, caught, check, is_received, live, message_of, model, shown, some_act};

#[test]
fn the_last_live_message_dropped() {
    caught(Promise::Complete, |run| {
        let at = run.0[1].acts.iter().rposition(|(_, act)| live(act).is_some())?;
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
                if live(&run.0[log].acts[at].1).is_some() {
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

#[test]
fn reactions_that_a_client_shows_no_more() {
    caught(Promise::Complete, |run| {
        // The last word on a message's reactions, behind which nobody connects again and is told anew.
        let chats = run.1.conversations.values();
        let words = chats
            .flat_map(|chat| &chat.messages)
            .map(|message| (&message.id, message.change_seq));
        let last: std::collections::BTreeMap<_, _> = words.collect();
        let place = run.0.iter().enumerate().find_map(|(log, of)| {
            let from = of.acts.iter().rposition(|(_, act)| matches!(act, Act::Synced { .. }))?;
            let fits = |act: &Act| matches!(act, Act::Reacted { seq, id, .. } if last.get(id) == Some(seq));
            let at = of.acts[from..].iter().position(|(_, act)| fits(act))?;
            Some((log, from + at))
        });
        let (log, at) = place?;
        if let Act::Reacted { reactions, .. } = &mut run.0[log].acts[at].1 {
            *reactions = "[]".to_owned();
        }
        Some(())
    });
}
