//! What only the end can show must be caught: each test spoils a good run in one way.
//! The tests of `settle`, in a file of their own for its length.

use super::*;
use crate::check::Position;
use crate::conn::Sent;
use crate::measure::Tally;

/// Seq 1 to 4 of one room: two sends of connection 0, two of connection 1.
const ORDER: [(u32, u32); 4] = [(0, 0), (1, 0), (1, 1), (0, 1)];

fn ledger(order: &[(u32, u32)]) -> Ledger {
    let mut ledger = Ledger::default();
    for (index, (sender, number)) in order.iter().enumerate() {
        let entry = ledger.at(index as u64 + 1).unwrap();
        (entry.sender, entry.number) = (*sender, *number);
        entry.meaning = u64::from(sender * 100 + number);
    }
    ledger
}

fn member(connection: u32, seqs: [u64; 2]) -> Member {
    let sends = seqs
        .map(|seq| Sent {
            at: 0,
            outcome: Outcome::Acked(seq),
        })
        .to_vec();
    Member {
        connection,
        room: 0,
        position: Position { first: 1, next: 5 },
        closed: false,
        sends,
    }
}

fn share(ledger: Ledger, members: Vec<Member>) -> Share {
    let (faults, tally) = (Faults::default(), Tally::default());
    Share {
        ledgers: vec![ledger],
        faults,
        tally,
        members,
        hopeless: None,
    }
}

fn good() -> Vec<Share> {
    vec![share(ledger(&ORDER), vec![member(0, [1, 4]), member(1, [2, 3])])]
}

fn faults(mut shares: Vec<Share>) -> Vec<&'static str> {
    let mut faults = Faults::default();
    settle(&mut shares, &mut faults);
    faults.kinds.into_keys().collect()
}

fn spoilt(spoil: impl FnOnce(&mut Share)) -> Vec<&'static str> {
    let mut shares = good();
    spoil(&mut shares[0]);
    faults(shares)
}

#[test]
fn a_good_run() {
    assert!(faults(good()).is_empty());
}

#[test]
fn a_member_that_came_late_or_ended_early() {
    assert_eq!(spoilt(|share| share.members[1].position.first = 2), ["incomplete"]);
    assert_eq!(spoilt(|share| share.members[1].position.next = 4), ["incomplete"]);
    assert_eq!(
        spoilt(|share| share.members[1].position = Position::default()),
        ["incomplete"]
    );
}

#[test]
fn a_closed_connection_is_not_accused_again() {
    let spoil = |share: &mut Share| {
        share.members[1].position.next = 4;
        share.members[1].closed = true;
    };
    assert!(spoilt(spoil).is_empty());
}

#[test]
fn acknowledged_and_not_there() {
    assert_eq!(
        spoilt(|share| share.members[0].sends[1].outcome = Outcome::Acked(9)),
        ["acknowledged-lost"]
    );
    assert_eq!(
        spoilt(|share| share.members[0].sends[1].outcome = Outcome::Acked(3)),
        ["acknowledged-lost"]
    );
}

#[test]
fn refused_and_there() {
    assert_eq!(
        spoilt(|share| share.members[0].sends[1].outcome = Outcome::Refused),
        ["phantom"]
    );
    assert!(spoilt(|share| share.members[0].sends[1].outcome = Outcome::Unknown).is_empty());
}

#[test]
fn one_senders_messages_out_of_order_or_doubled() {
    let swapped = [(0, 1), (1, 0), (1, 1), (0, 0)];
    assert!(spoilt(|share| share.ledgers[0] = ledger(&swapped)).contains(&"sender-order"));
    let doubled = [(0, 0), (1, 0), (1, 1), (0, 0)];
    assert!(spoilt(|share| share.ledgers[0] = ledger(&doubled)).contains(&"sender-order"));
}

#[test]
fn a_hole_that_everybody_has() {
    let spoil = |share: &mut Share| {
        share.ledgers[0].at(6).unwrap().sender = 0;
        share.ledgers[0].at(6).unwrap().number = 7;
    };
    assert!(spoilt(spoil).contains(&"gap"));
}

#[test]
fn threads_that_saw_different_messages() {
    let second = || share(ledger(&ORDER), vec![]);
    let mut agreeing = good();
    agreeing.push(second());
    assert!(faults(agreeing).is_empty());
    let mut other = second();
    other.ledgers[0].at(2).unwrap().meaning += 1;
    let mut disagreeing = good();
    disagreeing.push(other);
    assert_eq!(faults(disagreeing), ["disagreement"]);
}

#[test]
fn what_only_another_thread_saw_counts() {
    let mut shares = good();
    let whole = std::mem::replace(&mut shares[0].ledgers[0], ledger(&ORDER[..2]));
    shares.push(share(whole, vec![]));
    assert!(faults(shares).is_empty());
}
