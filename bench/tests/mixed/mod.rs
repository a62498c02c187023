//! The scenario `mixed` as a process against the mock server: it measures every kind of operation of a good server, and
//! convicts a bad one of what it did. Part of the end-to-end tests.

use std::process::Output;

use serde_json::Value;

use crate::mock::{Breach, Mock};

const MIXED: &str = "mixed --rooms 3 --members 3 --seconds 0.5 --warmup 0.1 --drain 2";

/// Positions are known from the joining on, so it can be early: a busy machine gets there, too.
const AT: u64 = 8;
/// For a server that breaks its promise: more of what it is broken with.
const SUSPECT: &str = "mixed --rooms 3 --members 3 --seconds 1 --warmup 0.1 --drain 2 \
                       --mix send=4,edit=3,react=3,read=1,history=1";

async fn bench(breach: Breach, arguments: &str) -> (Output, Value) {
    let mock = Mock::start_at(breach, AT).await;
    let output = crate::bench(&mock, arguments).await;
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, report)
}

/// The report of a run that must find nothing wrong.
async fn is_good(arguments: &str) -> Value {
    let (output, report) = bench(Breach::None, arguments).await;
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{report:#} {complaint}");
    assert_eq!(report["violations"]["total"], 0, "{report:#}");
    report
}

fn per_second(report: &Value, operation: &str) -> f64 {
    report["operations"][operation]["perSecond"].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_measured() {
    for threads in [1, 2, 8] {
        let report = is_good(&format!("{MIXED} --threads {threads}")).await;
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
        assert!(
            report["deliveriesPerSecond"].as_f64() > report["ackedPerSecond"].as_f64(),
            "{report:#}"
        );
        assert_eq!(report["connections"], 9);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mix_decides_what_is_done() {
    let report = is_good(&format!("{MIXED} --mix react=3,typing=1")).await;
    let ratio = per_second(&report, "react") / per_second(&report, "typing");
    assert!((2.0..4.5).contains(&ratio), "three to one: {report:#}");
    let kinds: Vec<_> = report["operations"].as_object().unwrap().keys().collect();
    assert_eq!(kinds, ["react", "typing"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_keeps_its_rate() {
    let report = is_good("mixed --rooms 2 --members 3 --rate 600 --seconds 1 --warmup 0.2 --drain 2").await;
    let rate = report["operationsPerSecond"].as_f64().unwrap();
    // Never faster than the schedule; on a busy machine some of it comes after the end.
    assert!((350.0..660.0).contains(&rate), "{report:#}");
    assert!(report["lagMs"]["p50"].as_f64() > Some(0.0));
}

/// Runs it against a server with one fault, and expects to be told of it by these names; the names.
async fn convicts(breach: Breach, names: &[&str]) -> Vec<String> {
    let (output, report) = bench(breach, SUSPECT).await;
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
            assert_eq!(convicts(Breach::$breach, &names).await, names, "and of nothing else");
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
    a_history_that_lags_behind: StaleHistory is "history";
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
        convicts(breach, &["disagreement"]).await;
    }
}

/// Refusals are no violations, but what is always refused was not measured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_counted_by_code() {
    let (output, report) = bench(Breach::RefuseEdits, SUSPECT).await;
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
    let (output, report) = bench(Breach::UnavailableEdits, SUSPECT).await;
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert!(
        report["operations"]["edit"]["refused"]["UNAVAILABLE"].as_u64() > Some(0),
        "{report:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_are_named() {
    let (output, _) = bench(Breach::RateLimited, SUSPECT).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PARLOR_RATE_LIMITS=off"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_mix_is_named() {
    let (output, _) = bench(Breach::None, "mixed --mix sned=1").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there are send, typing, read, react, edit, history"));
}
