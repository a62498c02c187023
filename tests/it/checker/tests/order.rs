//! Tampering with the three orders.

use super::{Act, Message, Promise, Run, caught, exchange, is_received, live, some_act};

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
        let of = |act: &Act| live(act).map(|(conversation, _)| conversation.to_owned());
        let acts = &mut run.0[log].acts;
        let next = (at + 1..acts.len()).find(|next| of(&acts[*next].1) == of(&acts[at].1))?;
        let act = acts[at].1.clone();
        acts[at].1 = std::mem::replace(&mut acts[next].1, act);
        Some(())
    });
}

/// A live message with live neighbours of its conversation on the same connection.
fn between_two_of_the_same_conversation(run: &Run) -> Option<(usize, usize)> {
    let neighbour = |act: &Act, conversation: &str| live(act).is_some_and(|(of, _)| of == conversation);
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
