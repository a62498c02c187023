//! The final reckoning, when all is quiet: what no single message could tell. `drive` calls it with what the threads saw.
//! Pure: no sockets, no clock.

use crate::check::{Ledger, NOBODY};
use crate::conn::Outcome;
use crate::fault::{Faults, Kind};
use crate::shard::{Member, Share};

/// Joins the threads' ledgers and checks every room; the joined ledgers, for a comparison with the history.
pub fn settle(shares: &mut [Share], faults: &mut Faults) -> Vec<Ledger> {
    let mut ledgers: Vec<Ledger> = Vec::new();
    for share in shares.iter_mut() {
        for (room, theirs) in std::mem::take(&mut share.ledgers).into_iter().enumerate() {
            match ledgers.get_mut(room) {
                Some(ours) => join(room, ours, &theirs, faults),
                None => ledgers.push(theirs),
            }
        }
    }
    let mut members: Vec<Vec<&Member>> = Vec::new();
    members.resize_with(ledgers.len(), Vec::new);
    for member in shares.iter().flat_map(|share| &share.members) {
        members[member.room].push(member);
    }
    for (room, (ledger, members)) in ledgers.iter().zip(&members).enumerate() {
        check_gapless(room, ledger, faults);
        check_complete(room, ledger, members, faults);
        check_order(room, ledger, faults);
        check_sends(room, ledger, members, faults);
    }
    ledgers
}

/// Agreement between threads, which each knew only their own connections.
fn join(room: usize, ours: &mut Ledger, theirs: &Ledger, faults: &mut Faults) {
    for (seq, entry) in theirs.iter().filter(|(_, entry)| !entry.is_vacant()) {
        match ours.at(seq) {
            Some(place) if place.is_vacant() => *place = *entry,
            Some(place) if place.meaning == entry.meaning => {}
            _ => faults.add(Kind::Disagreement, || {
                format!("room {room}, seq {seq}: two threads saw two messages")
            }),
        }
    }
}

fn check_gapless(room: usize, ledger: &Ledger, faults: &mut Faults) {
    for (seq, _) in ledger.iter().filter(|(_, entry)| entry.is_vacant()) {
        faults.add(Kind::Gap, || format!("room {room}: nobody got seq {seq}"));
    }
}

/// Everybody was there before the first message, so everybody begins and ends at the same position.
fn check_complete(room: usize, ledger: &Ledger, members: &[&Member], faults: &mut Faults) {
    let Some((first, last)) = ledger.range() else { return };
    for member in members.iter().filter(|member| !member.closed) {
        let (begins, next) = (member.position.first, member.position.next);
        if (begins, next) != (first, last + 1) {
            faults.add(Kind::Incomplete, || {
                let got = if next == 0 {
                    "nothing".into()
                } else {
                    format!("{begins} to {}", next - 1)
                };
                format!(
                    "connection {} in room {room} got {got} of seq {first} to {last}",
                    member.connection
                )
            });
        }
    }
}

/// Along the positions each sender's numbers only rise. That is the order of sending and, because a number that stands
/// there twice does not rise, also “at most once”.
fn check_order(room: usize, ledger: &Ledger, faults: &mut Faults) {
    let mut highest = std::collections::HashMap::new();
    for (seq, entry) in ledger
        .iter()
        .filter(|(_, entry)| !entry.is_vacant() && entry.sender != NOBODY)
    {
        if let Some(before) = highest.insert(entry.sender, entry.number)
            && before >= entry.number
        {
            faults.add(Kind::SenderOrder, || {
                let (sender, number) = (entry.sender, entry.number);
                format!("room {room}, seq {seq}: send {number} of connection {sender} stands behind its send {before}")
            });
        }
    }
}

/// What was acknowledged stands where the answer said; what was refused stands nowhere.
fn check_sends(room: usize, ledger: &Ledger, members: &[&Member], faults: &mut Faults) {
    let mut refused = std::collections::HashSet::new();
    for member in members {
        for (number, sent) in member.sends.iter().enumerate() {
            let us = (member.connection, number as u32);
            match sent.outcome {
                Outcome::Acked(seq) if ledger.get(seq).is_none_or(|entry| (entry.sender, entry.number) != us) => {
                    faults.add(Kind::AcknowledgedLost, || {
                        format!(
                            "room {room}: send {number} of connection {} is not at its seq {seq}",
                            us.0
                        )
                    });
                }
                Outcome::Refused => drop(refused.insert(us)),
                Outcome::Acked(_) | Outcome::Waiting | Outcome::Unknown => {}
            }
        }
    }
    for (seq, entry) in ledger
        .iter()
        .filter(|(_, entry)| refused.contains(&(entry.sender, entry.number)))
    {
        faults.add(Kind::Phantom, || {
            format!(
                "room {room}, seq {seq}: send {} of connection {} was refused",
                entry.number, entry.sender
            )
        });
    }
}

#[cfg(test)]
#[path = "settle_tests.rs"]
mod tests;
