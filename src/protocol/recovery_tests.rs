//! What a client was told, told again and shown again; and what is no such thing.

use proptest::prelude::*;

use super::*;

fn id(n: u8) -> ConversationId {
    ConversationId(Uuid::from_bytes([n; 16]))
}

fn mark() -> Mark {
    Mark::new("epoch", &UserId::parse("alice").unwrap())
}

fn track() -> Track {
    Track::fresh(
        mark(),
        *b"the origin: salt",
        [(id(1), Seq(10)), (id(2), Seq(0)), (id(3), Seq(70_000))].into_iter(),
    )
}

fn back(track: &mut Track) -> Track {
    let offset = track.offset().to_owned();
    Track::resumed(mark(), track.pid().unwrap(), Some(&offset)).unwrap()
}

#[test]
fn who_was_told_nothing_misses_what_came_since() {
    let track = Track::resumed(mark(), track().pid().unwrap(), None).unwrap();
    let standing = [(id(3), Seq(70_000)), (id(2), Seq(2)), (id(1), Seq(11))];
    assert_eq!(
        track.missed(&standing),
        Some(Missed {
            changes: vec![(id(2), Seq(0), Seq(2)), (id(1), Seq(10), Seq(11))],
            ..Missed::default()
        })
    );
    let same = [(id(1), Seq(10)), (id(2), Seq(0)), (id(3), Seq(70_000))];
    assert_eq!(track.missed(&same), Some(Missed::default()));
}

#[test]
fn what_was_told_is_in_the_offset_however_often_one_comes_back() {
    let mut track = track();
    track.tell(id(3), Seq(70_300));
    track.gain(id(4), Seq(5));
    track.gain(id(3), Seq(1));
    track.lose(id(1));
    let mut again = back(&mut back(&mut track));
    assert_eq!(again.pid(), track.pid());
    assert_eq!(again.offset(), track.offset());
    assert_eq!(
        again.missed(&[(id(1), Seq(12)), (id(3), Seq(70_301)), (id(4), Seq(5)), (id(5), Seq(9))]),
        Some(Missed {
            changes: vec![(id(3), Seq(70_300), Seq(70_301))],
            gained: vec![id(1), id(5)],
            lost: vec![id(2)],
        })
    );
    again.gain(id(1), Seq(12));
    again.lose(id(4));
    let last = back(&mut again);
    assert_eq!(
        last.missed(&[(id(1), Seq(12)), (id(2), Seq(0)), (id(3), Seq(70_300))]),
        Some(Missed::default())
    );
}

#[test]
fn an_offset_of_an_earlier_pid_says_nothing_of_this_one() {
    let mut earlier = track();
    earlier.tell(id(1), Seq(15));
    let offset = earlier.offset().to_owned();
    let later = Track::fresh(mark(), *b"the origin: SALT", [(id(1), Seq(2000))].into_iter());
    let later = Track::resumed(mark(), later.pid().unwrap(), Some(&offset)).unwrap();
    assert_eq!(
        later.missed(&[(id(1), Seq(2007))]).unwrap().changes,
        [(id(1), Seq(2000), Seq(2007))]
    );
}

#[test]
fn too_much_is_not_recovered() {
    let track = track();
    assert!(track.missed(&[(id(1), Seq(1010))]).is_some());
    assert_eq!(track.missed(&[(id(1), Seq(1011))]), None);
    assert_eq!(track.missed(&[(id(1), Seq(9))]), None, "a history that never was");
    let six = (1..=6).map(|n| (id(n), Seq(0)));
    let six = Track::fresh(mark(), *b"the origin: salt", six);
    let standing: Vec<_> = (1..=6).map(|n| (id(n), Seq(900))).collect();
    assert_eq!(six.missed(&standing), None);
    let many = |count: u32| (0..count).map(|n| (ConversationId(Uuid::from_u128(n.into())), Seq(n)));
    assert!(Track::fresh(mark(), *b"the origin: salt", many(1000)).pid().is_some());
    let mut none = Track::fresh(mark(), *b"the origin: salt", many(1001));
    assert_eq!(none.pid(), None);
    none.tell(id(1), Seq(1));
    assert_eq!(none.offset(), "");
    let mut wide = Track::fresh(mark(), *b"the origin: salt", many(1000));
    for (id, seq) in many(1000) {
        wide.tell(id, Seq(seq.0 + 100_000));
    }
    let offset = wide.offset().to_owned();
    assert!(
        Track::resumed(mark(), wide.pid().unwrap(), Some(&offset)).is_none(),
        "{offset}"
    );
}

#[test]
fn another_history_or_user_recovers_nothing() {
    let pid = track().pid().unwrap().to_owned();
    let alice = UserId::parse("alice").unwrap();
    let bob = UserId::parse("bob").unwrap();
    assert!(Track::resumed(Mark::new("epoch", &alice), &pid, None).is_some());
    assert!(Track::resumed(Mark::new("epoch", &bob), &pid, None).is_none());
    assert!(Track::resumed(Mark::new("epocha", &alice), &pid, None).is_none());
    for cut in 0..pid.len() {
        let _ = Track::resumed(mark(), &pid[..cut], None);
    }
}

proptest! {
    #[test]
    fn nothing_that_a_client_shows_harms(pid in ".{0,80}", offset in ".{0,80}", tail in proptest::collection::vec(any::<u8>(), 0..80)) {
        let good = track();
        let good = good.pid().unwrap();
        let bytes = URL_SAFE_NO_PAD.encode(&tail);
        for pid in [pid.as_str(), good, &format!("{good}{bytes}")] {
            let salted = URL_SAFE_NO_PAD.encode([b"salt", &tail[..]].concat());
            for offset in [offset.as_str(), &bytes, &salted] {
                if let Some(mut track) = Track::resumed(mark(), pid, Some(offset)) {
                    let _ = track.missed(&[(id(1), Seq(10))]);
                    let written = track.offset().to_owned();
                    let mut again = Track::resumed(mark(), pid, Some(&written)).expect("our own");
                    prop_assert_eq!(again.offset(), written);
                }
            }
        }
    }
}
