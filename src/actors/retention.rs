//! The janitor's rounds through what is past its time: finds the conversations, a bounded page at a time, and has each room
//! remove a bounded number of messages, one room after the other, so that no commit carries more than one such removal and
//! sends go on in between. Removes nothing itself, but in conversations that were deleted and have no room.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::oneshot;

use super::{Node, room::Expire};
use crate::{
    db::{DueConversation, StoreError, SweepFrom},
    domain::{ConversationKey, limits},
};

/// Conversations that are looked at in one go.
const PAGE: usize = 500;

/// Steps of read cursors that are looked at in one go.
const MARKS: usize = 2000;

/// How long a step of a read cursor is kept, in seconds.
const MARKS_KEPT: u32 = 30 * 24 * 3600;

/// Pause between two removals: most of the log's time belongs to those who write.
const PAUSE: Duration = Duration::from_millis(20);

/// How long a room may take for one removal. It is done all the same; somebody else is next meanwhile.
const PATIENCE: Duration = Duration::from_millis(limits::ANSWER_WITHIN_MS);

/// Where the rounds stand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Round {
    conversation: Option<ConversationKey>,
    mark: Option<SweepFrom>,
}

/// One page of the round, until nothing of it is past its time; where the next one begins.
pub async fn go_on(node: &Arc<Node>, round: Round) -> Round {
    match page(node, round.conversation).await {
        Ok(conversation) => Round { conversation, ..round },
        Err(error) => {
            log::warn!(target: "parlor::retention", "what is past its time cannot be removed yet: {error}");
            round
        }
    }
}

/// One page of the round through the read marks; where the next one begins.
pub async fn forget_reads(node: &Arc<Node>, round: Round) -> Round {
    let before = node.clock.now().before_seconds(MARKS_KEPT);
    match node.store.sweep_read_marks(round.mark, before, MARKS).await {
        Ok(swept) => Round {
            mark: swept.next,
            ..round
        },
        Err(error) => {
            log::warn!(target: "parlor::retention", "old read marks cannot be forgotten yet: {error}");
            round
        }
    }
}

async fn page(node: &Arc<Node>, after: Option<ConversationKey>) -> Result<Option<ConversationKey>, StoreError> {
    let page = node.store.due(node.clock.now(), after, PAGE).await?;
    let mut due: VecDeque<DueConversation> = page.due.into();
    while let Some(one) = due.pop_front() {
        if step(node, one).await? {
            // Behind the others: a conversation with a long past lets them have their turn.
            due.push_back(one);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(page.next)
}

/// Removes some of what is past its time; whether there is more.
async fn step(node: &Arc<Node>, one: DueConversation) -> Result<bool, StoreError> {
    if one.deleted {
        return node.store.purge(one.key, one.before, limits::EXPIRED_AT_ONCE).await;
    }
    let (reply, done) = oneshot::channel();
    if node.rooms.open(node, one.id).try_send(Expire(reply)).is_err() {
        return Ok(false);
    }
    // A room that could not: the next round finds the conversation again.
    Ok(matches!(tokio::time::timeout(PATIENCE, done).await, Ok(Ok(true))))
}
