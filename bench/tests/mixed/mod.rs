//! The scenario `mixed` as a process against the mock server: it measures every kind of operation of a good server, and
//! convicts a bad one of what it did. Part of the end-to-end tests.

use std::process::Output;
use std::sync::Arc;

use serde_json::Value;

use crate::mock::{Breach, Mock};
use crate::{DRAIN, drain_of, kept_the_schedule};

/// For a server that breaks its promise: more of what it is broken with, and enough of it before anybody waits for anything
/// that it breaks it, however little there is of the time. The mock does so at the ninth message, third edit or third
/// reaction of a room. Without a warm-up, so that all of it counts as measured.
const SUSPECT: &str = "mixed --rooms 3 --members 3 --in-flight 16 --seconds 0.6 --warmup 0 \
                       --mix send=4,edit=3,react=3,read=1,history=1";

async fn bench(breach: Breach, arguments: &str) -> (Arc<Mock>, Output, Value) {
    let mock = Mock::start(breach).await;
    let output = crate::bench(&mock, arguments).await;
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (mock, output, report)
}

/// What a good server saw, and the report, which must find nothing wrong.
async fn is_good(arguments: &str) -> (Arc<Mock>, Value) {
    let (mock, output, report) = bench(Breach::None, &format!("{arguments} {DRAIN}")).await;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{report:#} {complaint}");
    assert_eq!(report["violations"]["total"], 0, "{report:#}");
    (mock, report)
}

fn per_second(report: &Value, operation: &str) -> f64 {
    report["operations"][operation]["perSecond"].as_f64().unwrap()
}

/// Operations of all kinds, without what comes before the load: everybody joins and says something.
fn operations(mock: &Mock, users: u64) -> u64 {
    let kinds = [
        "send_message",
        "typing_start",
        "mark_read",
        "add_reaction",
        "remove_reaction",
        "edit_message",
        "history",
    ];
    kinds.into_iter().map(|kind| mock.asked(kind)).sum::<u64>() - users
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_measured() {
    for threads in [1, 2, 8] {
        // What is asked for before anybody waits: 288 operations, of the rarest kinds one in twenty. All of it is within the
        // measured span, as there is no warm-up.
        let much = "mixed --rooms 3 --members 3 --in-flight 32 --seconds 1 --warmup 0";
        let (mock, report) = is_good(&format!("{much} --threads {threads}")).await;
        let kinds = ["send", "typing", "read", "react", "edit", "history"];
        for kind in kinds {
            let operation = &report["operations"][kind];
            assert!(operation["perSecond"].as_f64() > Some(0.0), "{kind}: {report:#}");
            for quantile in ["p50", "p99", "p999", "max"] {
                assert!(operation[quantile].as_f64() > Some(0.0), "{kind}: {report:#}");
            }
        }
        let sum: f64 = kinds.iter().map(|kind| per_second(&report, kind)).sum();
        let all = report["operationsPerSecond"].as_f64().unwrap();
        assert!((sum - all).abs() < 1.0, "{report:#}");
        assert!(all < operations(&mock, 9) as f64 + 0.5, "{report:#}");
        assert_eq!(report["ackedInAll"], mock.said(), "{report:#}");
        assert_eq!(report["deliveredInAll"], 3 * mock.positions(), "{report:#}");
        assert_eq!(report["connections"], 9);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mix_decides_what_is_done() {
    // Before anybody waits it is done 800 times: enough for the proportion, whatever comes later.
    let many = "mixed --rooms 10 --members 10 --in-flight 8 --seconds 1 --warmup 0";
    let (mock, report) = is_good(&format!("{many} --mix react=3,typing=1")).await;
    let (reactions, typing) = (
        mock.asked("add_reaction") + mock.asked("remove_reaction"),
        mock.asked("typing_start"),
    );
    assert!(reactions + typing >= 800, "{reactions} and {typing}");
    let ratio = reactions as f64 / typing as f64;
    assert!((2.0..4.5).contains(&ratio), "three to one: {reactions} and {typing}");
    let kinds: Vec<_> = report["operations"].as_object().unwrap().keys().collect();
    assert_eq!(kinds, ["react", "typing"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_keeps_its_rate() {
    let (mock, report) = is_good("mixed --rooms 2 --members 3 --rate 600 --seconds 1 --warmup 0.2").await;
    let done = operations(&mock, 6);
    // Of the messages the mock sees when they were due; the first ones come before the load.
    kept_the_schedule(&report, 600.0, &mock.due(1), done);
    assert!(done <= 720, "more than the schedule has: {done} {report:#}");
    assert!(
        report["operationsPerSecond"].as_f64().unwrap() < done as f64 + 0.5,
        "{report:#}"
    );
    assert!(report["lagMs"]["p50"].as_f64() > Some(0.0));
}

/// Runs it against a server with one fault, and expects to be told of it by these names; the names.
async fn convicts(breach: Breach, how: &str, names: &[&str]) -> Vec<String> {
    let drain = drain_of(names);
    let (_, output, report) = bench(breach, &format!("{how} {drain}")).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{breach:?}: {report:#} {complaint}");
    let kinds: Vec<_> = report["violations"]["kinds"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let has = |name: &&str| kinds.iter().any(|kind| kind == name);
    assert!(names.iter().all(has), "{breach:?} is not {names:?}: {report:#}");
    kinds
}

macro_rules! convictions {
    ($($test:ident: $breach:ident is $($name:literal)+;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            let names = [$($name),+];
            assert_eq!(convicts(Breach::$breach, SUSPECT, &names).await, names, "and of nothing else");
        }
    )+};
}

convictions! {
    a_lost_message: Lose is "gap";
    a_doubled_message: Double is "doubled-or-late";
    a_skipped_position: SkipSeq is "gap";
    the_wrong_answer: WrongAnswer is "wrong-answer";
    two_answers: AnswerTwice is "answered-twice";
    no_answer: AnswerNever is "unanswered";
    acknowledged_and_delivered_to_nobody: AnswerAndLose is "acknowledged-lost" "gap";
    a_closed_connection: Hangup is "closed";
    a_reaction_updated_twice: RepeatReaction is "doubled-or-late";
    a_reaction_updated_again_with_a_position_of_its_own: ReactionAgain is "phantom";
    a_forgotten_reaction: ForgetReaction is "acknowledged-lost" "phantom";
    a_forgotten_edit: ForgetEdit is "acknowledged-lost";
    an_edit_that_says_something_else: ChangeEdit is "acknowledged-lost" "phantom";
    a_cursor_that_stays_behind: WrongCursor is "wrong-answer";
}

/// One member has another message than the others. What it is accused of besides depends on who is looked at first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_disagree() {
    for breach in [
        Breach::ChangeContent,
        Breach::ChangeSender,
        Breach::ChangeId,
        Breach::Phantom,
    ] {
        convicts(breach, SUSPECT, &["disagreement"]).await;
    }
}

/// A page that ends too early is wrong only if what it lacks was known when it was asked for. So one user in each room, who
/// does one thing after the other: whatever was said is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_history_that_lags_behind() {
    let alone = "mixed --rooms 3 --members 1 --in-flight 1 --seconds 1 --warmup 0.1 --mix send=1,history=1";
    let names = convicts(Breach::StaleHistory, alone, &["history"]).await;
    assert_eq!(names, ["history"], "and of nothing else");
}

/// Refusals are no violations, but what is always refused was not measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_counted_by_code() {
    let (_, output, report) = bench(Breach::RefuseEdits, &format!("{SUSPECT} {DRAIN}")).await;
    assert_eq!(output.status.code(), Some(1), "{report:#}");
    assert!(
        report["operations"]["edit"]["refused"]["FORBIDDEN"].as_u64() > Some(0),
        "{report:#}"
    );
    assert_eq!(report["violations"]["total"], 0, "{report:#}");
}

/// `UNAVAILABLE` is an answer that promises nothing: counted as an error, no violation, whatever became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unavailable_is_an_error_and_no_violation() {
    let (_, output, report) = bench(Breach::UnavailableEdits, &format!("{SUSPECT} {DRAIN}")).await;
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert!(
        report["operations"]["edit"]["refused"]["UNAVAILABLE"].as_u64() > Some(0),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_are_named() {
    let (_, output, _) = bench(Breach::RateLimited, SUSPECT).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PARLOR_RATE_LIMITS=off"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_mix_is_named() {
    let (_, output, _) = bench(Breach::None, "mixed --mix sned=1").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there are send, typing, read, react, edit, history"));
}
