//! `--verify-history`: pages through a conversation over REST and compares it with what was delivered.
//! The sending scenarios call it after everything else. Never trusts the order of a page: positions decide.

use std::sync::Arc;

use serde::Deserialize;

use crate::check::{Checker, Ledger};
use crate::fault::{Faults, Kind};
use crate::message::Parsed;
use crate::progress::Progress;
use crate::provision::{call, client};
use crate::target::Target;
use crate::world::World;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    messages: Vec<Parsed>,
    has_more: bool,
}

/// Compares the first `rooms` rooms; how many messages were compared.
pub async fn verify(
    target: &Target,
    world: &Arc<World>,
    ledgers: &[Ledger],
    (rooms, size): (usize, usize),
    faults: &mut Faults,
    progress: &Progress,
) -> Result<u64, String> {
    let mut checker = Checker::new(world.clone(), size);
    let mut compared = 0;
    for (room, ledger) in ledgers.iter().enumerate().take(rooms) {
        let pages = read(target, world, room, progress).await?;
        compared += compare(&mut checker, room, ledger, &pages);
    }
    faults.merge(checker.faults);
    progress.done();
    Ok(compared)
}

/// The whole history, newest page first.
async fn read(target: &Target, world: &World, room: usize, progress: &Progress) -> Result<Vec<Parsed>, String> {
    let client = client()?;
    let room_ = &world.rooms[room];
    let url = format!(
        "{}/api/conversations/{}/messages?limit=100&markRead=false",
        target.base(),
        room_.conversation
    );
    let mut history: Vec<Parsed> = Vec::new();
    loop {
        let page = match history.iter().min_by_key(|message| message.seq) {
            Some(oldest) => format!("{url}&before={}", oldest.id),
            None => url.clone(),
        };
        let request = client.get(page).bearer_auth(&world.user_of(room_.first).token);
        let answer = call(request, "GET /api/conversations/{id}/messages").await?;
        let page: Page = serde_json::from_value(answer).map_err(|error| format!("a page of history: {error}"))?;
        let ends = !page.has_more || page.messages.is_empty();
        history.extend(page.messages);
        progress.show(|| format!("room {room}: {} messages of its history read", history.len()));
        if ends {
            return Ok(history);
        }
    }
}

/// Every delivered position must be there with the same message, and no position twice or in between.
fn compare(checker: &mut Checker, room: usize, ledger: &Ledger, history: &[Parsed]) -> u64 {
    let Some((first, last)) = ledger.range() else { return 0 };
    let mut seen = vec![false; (last - first + 1) as usize];
    let mut compared = 0;
    for message in history.iter().filter(|message| message.seq >= first) {
        compared += 1;
        let seq = message.seq;
        let meaning = checker.judge(room, &message.view()).map(|verdict| verdict.meaning);
        let known = ledger.get(seq).map(|entry| entry.meaning);
        let again = seen
            .get_mut((seq - first) as usize)
            .is_none_or(|seen| std::mem::replace(seen, true));
        if again || meaning.is_none() || meaning != known {
            checker.faults.add(Kind::History, || {
                format!("room {room}, seq {seq}: the history does not have what was delivered, or has it twice")
            });
        }
    }
    for (index, _) in seen.iter().enumerate().filter(|(_, seen)| !**seen) {
        let seq = first + index as u64;
        checker.faults.add(Kind::History, || {
            format!("room {room}, seq {seq}: delivered, and not in the history")
        });
    }
    compared
}
