//! Tampering with what is kept: lost, doubled, changed, from nowhere.

use super::{Act, Message, Promise, appends, caught, every_message, is_received, message_of, some_act};

/// Half of a conversation goes, as retention would take it.
fn half_is_gone(run: &mut super::Run) -> Option<()> {
    let chat = run.1.conversations.get_mut("tea")?;
    chat.expired = chat.messages.get(chat.messages.len() / 2)?.seq;
    let expired = chat.expired;
    chat.messages.retain(|message| message.seq > expired);
    let messages = &chat.messages;
    for (user, _, unread) in &mut chat.standings {
        let counts = |message: &&Message| message.sender != *user && message.content.is_some();
        *unread = messages.iter().filter(counts).count() as u64;
    }
    Some(())
}

#[test]
fn what_retention_removed_is_not_missed() {
    for seed in super::SEEDS {
        let mut run = super::model::run(seed);
        half_is_gone(&mut run);
        let breaches = super::check(&run.0, &run.1);
        assert!(breaches.is_empty(), "seed {seed}: {}", super::shown(&breaches));
    }
}

#[test]
fn a_message_that_retention_should_have_left() {
    for promise in [Promise::Durable, Promise::GapFree] {
        caught(promise, |run| {
            half_is_gone(run)?;
            let chat = run.1.conversations.get_mut("tea")?;
            chat.messages.pop().map(drop)
        });
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
                .filter(|message| message.content.is_some() && message.change_seq == message.seq)
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
            reactions: "[]".to_owned(),
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
fn an_edit_that_nobody_made() {
    caught(Promise::NoPhantom, |run| {
        let (log, at) = some_act(run, |act| matches!(act, Act::Edited { .. }))?;
        if let Act::Edited { message, .. } = &mut run.0[log].acts[at].1 {
            message.content = Some("what nobody wrote".to_owned());
        }
        Some(())
    });
}

#[test]
fn an_edit_that_the_history_does_not_have() {
    caught(Promise::GapFree, |run| {
        let (log, at) = some_act(run, |act| matches!(act, Act::Edited { .. }))?;
        let Act::Edited { seq, message } = &run.0[log].acts[at].1 else {
            return None;
        };
        let (seq, chat) = (*seq, message.conversation.clone());
        run.1.conversations.get_mut(&chat)?.changes.remove(&seq);
        Some(())
    });
}

#[test]
fn a_message_whose_last_change_is_another() {
    caught(Promise::GapFree, |run| {
        let chat = run.1.conversations.get_mut("tea")?;
        let changed = chat
            .messages
            .iter_mut()
            .find(|message| message.change_seq > message.seq)?;
        changed.change_seq = changed.seq;
        Some(())
    });
}

#[test]
fn a_reaction_to_something_else_at_one_client() {
    caught(Promise::Agreement, |run| {
        let (log, at) = some_act(run, |act| matches!(act, Act::Reacted { .. }))?;
        if let Act::Reacted { id, .. } = &mut run.0[log].acts[at].1 {
            *id = "another".to_owned();
        }
        Some(())
    });
}

#[test]
fn an_edit_that_was_forgotten() {
    caught(Promise::Durable, |run| {
        let (log, at) = some_act(run, |act| matches!(act, Act::EditAnswered(_)))?;
        let Act::EditAnswered(answer) = &run.0[log].acts[at].1 else {
            return None;
        };
        let (chat, id) = (answer.conversation.clone(), answer.id.clone());
        let kept = run.1.conversations.get_mut(&chat)?;
        let message = kept.messages.iter_mut().find(|message| message.id == id)?;
        message.change_seq = message.seq;
        Some(())
    });
}
