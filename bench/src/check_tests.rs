//! Each way in which a delivery or an answer can be wrong must be caught, and a right one must not be accused.
//! The tests of `check`, in a file of their own for its length.

use super::*;
use crate::world::{Room, User};

const SIZE: usize = 24;

fn world() -> Arc<World> {
    let user = |index: usize| User {
        id: format!("u-{index}"),
        token: String::new(),
    };
    let room = |index: usize| Room {
        conversation: format!("c-{index}"),
        first: 2 * index,
        members: 2,
    };
    Arc::new(World {
        run: "run".into(),
        users: (0..4).map(user).collect(),
        rooms: (0..2).map(room).collect(),
    })
}

/// A message of room 0 as a good server sends it.
fn message(seq: u64, sender: u32, number: u32) -> String {
    let mut client_id = Vec::new();
    Stamp {
        sender,
        number,
        sent_at: 1000 + u64::from(number),
    }
    .put_client_id("run", &mut client_id);
    let mut content = Vec::new();
    crate::message::put_content(&client_id, SIZE, &mut content);
    let (client_id, content) = (
        String::from_utf8(client_id).unwrap(),
        String::from_utf8(content).unwrap(),
    );
    format!(
        r#"{{"id":"m-{seq}","conversationId":"c-0","seq":{seq},"changeSeq":{seq},"type":"text","content":"{content}","sender":{{"id":"u-{sender}","name":"x"}},"clientId":"{client_id}","reactions":[]}}"#
    )
}

struct Two {
    checker: Checker,
    positions: [Position; 2],
}

impl Two {
    fn new() -> Self {
        Self {
            checker: Checker::new(world(), SIZE),
            positions: Default::default(),
        }
    }

    fn gets(&mut self, who: usize, message: &str) -> Option<Delivery> {
        self.checker
            .delivered(0, who as u32, &mut self.positions[who], message.as_bytes())
    }

    fn faults(&self) -> Vec<(&'static str, u64)> {
        self.checker
            .faults
            .kinds
            .iter()
            .map(|(kind, count)| (*kind, *count))
            .collect()
    }
}

/// Both members get 5 to 9, and then the second gets `more`.
fn after_five(more: &[String]) -> Vec<(&'static str, u64)> {
    let mut two = Two::new();
    for seq in 5..10 {
        for who in 0..2 {
            two.gets(who, &message(seq, 0, seq as u32)).unwrap();
        }
    }
    assert_eq!(two.faults(), []);
    for seq in 10..13 {
        two.gets(0, &message(seq, 0, seq as u32)).unwrap();
    }
    for message in more {
        two.gets(1, message);
    }
    two.faults()
}

fn right(seq: u64) -> String {
    message(seq, 0, seq as u32)
}

#[test]
fn what_is_right_is_not_accused() {
    assert_eq!(after_five(&[right(10), right(11), right(12)]), []);
}

#[test]
fn counts_who_has_it_and_remembers_when_it_was_sent() {
    let mut two = Two::new();
    assert_eq!(
        two.gets(0, &right(5)),
        Some(Delivery {
            sender: 0,
            sent_at: 1005,
            delivered: 1
        })
    );
    assert_eq!(
        two.gets(1, &right(5)),
        Some(Delivery {
            sender: 0,
            sent_at: 1005,
            delivered: 2
        })
    );
}

#[test]
fn lost_doubled_and_swapped() {
    assert_eq!(after_five(&[right(11), right(12)]), [("gap", 1)]);
    assert_eq!(after_five(&[right(10), right(10), right(11)]), [("doubled-or-late", 1)]);
    assert_eq!(
        after_five(&[right(11), right(10), right(12)]),
        [("doubled-or-late", 1), ("gap", 1)]
    );
    assert_eq!(after_five(&[right(u64::from(u32::MAX))]), [("gap", 2)]);
}

#[test]
fn every_changed_part_is_noticed() {
    let changes = [
        ("\"content\":\"r", "\"content\":\"R", "changed"),
        ("xx\"", "xy\"", "changed"),
        ("\"id\":\"u-0\"", "\"id\":\"u-1\"", "changed"),
        ("c-0", "c-1", "changed"),
        ("\"id\":\"m-10\"", "\"id\":\"m-11\"", "disagreement"),
        ("run-0-a", "run-0-b", "disagreement"),
        ("\"clientId\":\"run-", "\"clientId\":\"won-", "phantom"),
        ("\"seq\":10", "\"seq\":11", "disagreement"),
        ("\"seq\":10", "\"seq\":\"10\"", "unreadable"),
    ];
    for (part, other, kind) in changes {
        let changed = right(10).replace(part, other);
        assert_ne!(changed, right(10), "{part}");
        let faults = after_five(&[changed]);
        assert!(faults.iter().any(|(found, _)| *found == kind), "{part}: {faults:?}");
    }
}

#[test]
fn another_encoding_of_the_same_message_is_right() {
    let spaced = right(10)
        .replace("\"seq\":10", "\"seq\": 10")
        .replace(",\"reactions\":[]", "");
    assert_eq!(after_five(&[spaced, right(11)]), []);
    let escaped = right(10).replace("\"content\":\"r", "\"content\":\"\\u0072");
    assert_eq!(after_five(&[escaped, right(11)]), []);
}

#[test]
fn a_system_message_takes_its_place() {
    let system =
        r#"{"id":"m-10","conversationId":"c-0","seq":10,"type":"system","content":{"joined":"u-9"},"sender":null}"#;
    let mut two = Two::new();
    for who in 0..2 {
        two.gets(who, &right(9));
        assert_eq!(two.gets(who, system).unwrap().sender, NOBODY);
        two.gets(who, &right(11));
    }
    assert_eq!(two.faults(), []);
}

#[test]
fn an_answer_agrees_with_the_delivery_whichever_comes_first() {
    let mut two = Two::new();
    assert_eq!(two.checker.answered(0, 0, 5, right(5).as_bytes()), Some(5));
    two.gets(1, &right(5));
    two.gets(1, &right(6));
    assert_eq!(two.checker.answered(0, 0, 6, right(6).as_bytes()), Some(6));
    assert_eq!(two.faults(), []);
}

#[test]
fn wrong_answers() {
    let answer = |number: u32, message: &str| {
        let mut two = Two::new();
        two.gets(1, &right(5));
        two.gets(1, &right(6));
        assert_eq!(two.checker.answered(0, 0, number, message.as_bytes()), None);
        two.faults()
    };
    assert_eq!(answer(6, &right(5)), [("wrong-answer", 1)]);
    assert_eq!(answer(5, &message(6, 0, 5)), [("disagreement", 1)]);
    assert_eq!(answer(7, &right(5)), [("wrong-answer", 1)]);
    assert_eq!(answer(7, &right(8)), [("wrong-answer", 1)]);
    assert_eq!(answer(5, "{}"), [("unreadable", 1)]);
}

#[test]
fn a_ledger_grows_at_both_ends() {
    let mut ledger = Ledger::default();
    ledger.at(10).unwrap().sender = 1;
    ledger.at(12).unwrap().sender = 2;
    ledger.at(8).unwrap().sender = 3;
    let senders: Vec<_> = ledger.iter().map(|(seq, entry)| (seq, entry.is_vacant())).collect();
    assert_eq!(senders, [(8, false), (9, true), (10, false), (11, true), (12, false)]);
    assert_eq!(ledger.range(), Some((8, 12)));
    assert!(ledger.at(1 << 40).is_none());
}
