//! Each way in which a change can be wrong must be caught, and a right one must not be accused.

use serde_json::{Value, json};

use super::*;
use crate::message::put_content;
use crate::world::{Room, User};

const SIZE: usize = 24;
/// The position at which everybody joins.
const HEAD: u64 = 4;

fn world() -> Arc<World> {
    let user = |index: usize| User {
        id: format!("u-{index}"),
        token: String::new(),
    };
    Arc::new(World {
        run: "run".into(),
        users: (0..2).map(user).collect(),
        rooms: vec![Room {
            conversation: "c-0".into(),
            first: 0,
            members: 2,
        }],
    })
}

/// A room with two members, and what the server tells them.
struct Two {
    judge: Judge,
    next: [u64; 2],
}

impl Two {
    fn new() -> Self {
        let mut judge = Judge::new(world(), 0, SIZE);
        judge.joined(0, HEAD);
        judge.joined(1, HEAD);
        Self {
            judge,
            next: [HEAD + 1; 2],
        }
    }

    fn gets(&mut self, who: usize, (event, data): &(&str, Value)) {
        let hash = self.judge.hasher.hash_one((event, data.to_string()));
        let change = Change::read(event, &data.to_string()).unwrap().unwrap();
        if self.judge.delivered(&mut self.next[who], hash).is_none() {
            self.judge.examine(who as u32, &mut self.next[who], change, hash);
        }
    }

    fn both_get(&mut self, event: &(&str, Value)) {
        self.gets(0, event);
        self.gets(1, event);
    }

    /// Member 0 sends, is answered, and both get it: message 0 at position 5.
    fn after_a_message() -> Self {
        let mut two = Self::new();
        two.judge.expect_send(0, 0);
        let event = message(5, 0);
        let parsed: Parsed = serde_json::from_value(event.1.clone()).unwrap();
        assert_eq!(two.judge.send_acked(0, 0, &parsed), Some(0));
        two.both_get(&event);
        two
    }

    /// And what the judge says of all of it.
    fn verdict(mut self) -> Vec<(&'static str, u64)> {
        let open: Vec<_> = (0..).zip(self.next).collect();
        self.judge.settle(open.into_iter());
        self.judge.faults.kinds.into_iter().collect()
    }
}

fn message(seq: u64, number: u32) -> (&'static str, Value) {
    let (mut client_id, mut content) = (Vec::new(), Vec::new());
    let stamp = Stamp {
        sender: 0,
        number,
        sent_at: 1000,
    };
    stamp.put_client_id("run", &mut client_id);
    put_content(&client_id, SIZE, &mut content);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let data = json!({
        "id": format!("m-{number}"), "conversationId": "c-0", "seq": seq, "type": "text", "content": text(content),
        "sender": {"id": "u-0"}, "clientId": text(client_id), "reactions": [],
    });
    ("new_message", data)
}

fn edited(seq: u64, content: &str) -> (&'static str, Value) {
    let mut it = message(5, 0).1;
    it["content"] = json!(content);
    (
        "message_edited",
        json!({"conversationId": "c-0", "seq": seq, "message": it}),
    )
}

fn reacted(seq: u64, users: &[&str]) -> (&'static str, Value) {
    let reactions = json!([{"emoji": "heart", "userIds": users}]);
    let data = json!({"conversationId": "c-0", "seq": seq, "messageId": "m-0", "reactions": reactions});
    ("reaction_updated", data)
}

#[test]
fn a_right_room_is_not_accused() {
    let mut two = Two::after_a_message();
    let edit = two.judge.expect_edit(0, "new");
    two.judge.edit_ended(edit, Outcome::Acked(0));
    two.both_get(&edited(6, "new"));
    for (seq, users) in [(7, &["u-1"][..]), (8, &[])] {
        let toggle = two.judge.expect_toggle(0, "u-1", "heart");
        two.both_get(&reacted(seq, users));
        two.judge.toggle_ended(toggle, Outcome::Acked(0));
    }
    assert!(two.judge.is_complete(two.next.into_iter()));
    assert_eq!(two.verdict(), []);
}

#[test]
fn a_change_of_any_kind_takes_the_next_position() {
    let wrong = |event: (&str, Value)| {
        let mut two = Two::after_a_message();
        two.judge.expect_toggle(0, "u-1", "heart");
        two.judge.expect_edit(0, "new");
        two.both_get(&event);
        two.verdict()
    };
    // Both miss position 6, and nobody else has it.
    assert_eq!(wrong(reacted(7, &["u-1"])), [("gap", 3)]);
    assert_eq!(wrong(edited(7, "new")), [("gap", 3)]);
    assert!(wrong(reacted(5, &["u-1"])).contains(&("doubled-or-late", 2)));
    assert!(wrong(reacted(6, &["u-1"])).is_empty());
}

#[test]
fn a_doubled_change_is_caught() {
    let mut two = Two::after_a_message();
    two.judge.expect_toggle(0, "u-1", "heart");
    two.both_get(&reacted(6, &["u-1"]));
    two.gets(1, &reacted(6, &["u-1"]));
    assert_eq!(two.verdict(), [("doubled-or-late", 1)]);
}

#[test]
fn a_position_without_a_cause_is_caught() {
    let phantoms: [(&str, Value); 6] = [
        reacted(6, &["u-1"]),
        reacted(6, &[]),
        edited(6, "new"),
        message(6, 1),
        (
            "message_deleted",
            json!({"conversationId": "c-0", "seq": 6, "messageId": "m-0"}),
        ),
        (
            "reaction_updated",
            json!({"conversationId": "c-0", "seq": 6, "messageId": "m-9", "reactions": []}),
        ),
    ];
    for phantom in phantoms {
        let mut two = Two::after_a_message();
        two.both_get(&phantom);
        assert_eq!(two.verdict(), [("phantom", 1)], "{phantom:?}");
    }
}

#[test]
fn one_call_is_one_change() {
    // Of two users at once, the wrong way round, and a second time.
    for (seq, users) in [(6, &["u-0", "u-1"][..]), (7, &["u-1"])] {
        let mut two = Two::after_a_message();
        two.judge.expect_toggle(0, "u-1", "heart");
        if seq == 7 {
            two.both_get(&reacted(6, users));
        }
        two.both_get(&reacted(seq, users));
        assert_eq!(two.verdict(), [("phantom", 1)]);
    }
    let mut two = Two::after_a_message();
    two.judge.expect_send(0, 1);
    two.both_get(&message(6, 1));
    two.both_get(&message(7, 1));
    assert_eq!(two.verdict(), [("sender-order", 1)]);
}

#[test]
fn one_senders_messages_stand_in_order() {
    let mut two = Two::after_a_message();
    for number in [1, 2] {
        two.judge.expect_send(0, number);
    }
    two.both_get(&message(6, 2));
    two.both_get(&message(7, 1));
    assert_eq!(two.verdict(), [("sender-order", 1)]);
}

#[test]
fn somebody_who_reacts_twice_is_caught() {
    let mut two = Two::after_a_message();
    two.judge.expect_toggle(0, "u-1", "heart");
    two.both_get(&reacted(6, &["u-1", "u-1"]));
    assert_eq!(two.verdict(), [("changed", 1)]);
}

#[test]
fn members_must_have_the_same() {
    let mut two = Two::after_a_message();
    two.judge.expect_edit(0, "new");
    two.gets(0, &edited(6, "new"));
    two.gets(1, &edited(6, "old"));
    assert_eq!(two.verdict(), [("disagreement", 1)]);
    let mut two = Two::after_a_message();
    two.judge.expect_edit(0, "new");
    two.gets(0, &edited(6, "new"));
    assert_eq!(two.verdict(), [("incomplete", 1)]);
}

#[test]
fn what_was_acknowledged_must_stand_and_what_was_refused_must_not() {
    for (outcome, seen, verdict) in [
        (Outcome::Acked(0), false, Some("acknowledged-lost")),
        (Outcome::Acked(0), true, None),
        (Outcome::Refused, true, Some("phantom")),
        (Outcome::Refused, false, None),
        (Outcome::Unknown, true, None),
        (Outcome::Unknown, false, None),
    ] {
        let verdict: Vec<_> = verdict.into_iter().map(|name| (name, 1)).collect();
        let mut edits = Two::after_a_message();
        let key = edits.judge.expect_edit(0, "new");
        let mut toggles = Two::after_a_message();
        let toggle = toggles.judge.expect_toggle(0, "u-1", "heart");
        if seen {
            edits.both_get(&edited(6, "new"));
            toggles.both_get(&reacted(6, &["u-1"]));
        }
        edits.judge.edit_ended(key, outcome);
        toggles.judge.toggle_ended(toggle, outcome);
        assert_eq!(edits.verdict(), verdict, "an edit, {outcome:?}, seen: {seen}");
        assert_eq!(toggles.verdict(), verdict, "a reaction, {outcome:?}, seen: {seen}");
    }
}

#[test]
fn a_send_must_stand_where_its_answer_said() {
    let mut two = Two::new();
    two.judge.expect_send(0, 0);
    let parsed: Parsed = serde_json::from_value(message(6, 0).1).unwrap();
    two.judge.send_acked(0, 0, &parsed);
    two.both_get(&message(5, 0));
    assert_eq!(two.verdict(), [("acknowledged-lost", 1)]);
}

#[test]
fn pages_are_compared() {
    let page = |numbers: &[u32]| -> Vec<Parsed> {
        let one = |number: &u32| serde_json::from_value(message(5 + u64::from(*number), *number).1).unwrap();
        numbers.iter().map(one).collect()
    };
    for (numbers, newest, faults) in [
        (&[0, 1, 2][..], 7, 0),
        // Older messages may be on another page, and newer ones may have come meanwhile.
        (&[1, 2], 7, 0),
        (&[0, 1, 2], 6, 0),
        // Even all of it.
        (&[2], 5, 0),
        (&[0, 1], 7, 1),
        (&[0, 2], 7, 1),
        (&[1, 0], 6, 1),
        (&[0, 1, 1, 2], 7, 1),
        (&[], 7, 1),
    ] {
        let mut two = Two::after_a_message();
        for number in 1..3 {
            two.judge.expect_send(0, number);
            two.both_get(&message(5 + u64::from(number), number));
        }
        two.judge.page(&page(numbers), newest);
        let count = two.judge.faults.kinds.get("history").copied().unwrap_or(0);
        assert_eq!(count > 0, faults > 0, "{numbers:?}: {:?}", two.judge.faults);
    }
}
