//! The tool as a whole, as a process, against the mock server: it measures a good server, and convicts a bad one of
//! what it did. Run by `cargo test`; never needs Parlor.
//!
//! The tool ends by its clock, whatever it got done until then: on a machine that has other things to do that may be little.
//! So nothing here depends on how much there was. Counts are compared with what the mock saw, and what convicts a server is
//! among the first that is sent, before anything is waited for.

mod mixed;
mod mock;

use std::process::Output;

use mock::{Breach, Mock, SECRET};
use serde_json::Value;

async fn bench(mock: &Mock, arguments: &str) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_parlor-bench"));
    command
        .env_remove("PARLOR_JWT_SECRET")
        .args(["--secret", SECRET, "--json", "--no-progress"]);
    command
        .args(["--url", &format!("http://{}", mock.address)])
        .args(arguments.split_whitespace());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn reports(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was measured must be more than nothing, so it is also how long the machine may stand still.
const MEASURING: &str = "--seconds 1 --warmup 0.1";
/// To convict a server it takes no more than that the load begins.
const CONVICTING: &str = "--seconds 0.6 --warmup 0.1";
/// Nobody waits for the whole of it where everything comes: after that something is said to be missing.
const DRAIN: &str = "--drain 20";
/// Of what never comes it is the time that the test takes.
const IN_VAIN: &str = "--drain 3";
/// The members of a room send 12 messages before they wait, and the mock breaks its promise before that.
const SEND: &str = "send --rooms 3 --members 3 --in-flight 4";
const FANOUT: &str = "fanout --members 20";

fn is_good(output: &Output) -> Vec<Value> {
    let reports = reports(output);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{reports:#?} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    for report in &reports {
        assert_eq!(report["violations"]["total"], 0, "{report:#}");
        assert_eq!(report["failed"], false);
    }
    reports
}

/// Every message was counted once, and once for each delivery; and so was what of it came within the measured span.
fn counts_what_there_was(report: &Value, acked: u64, delivered: u64) {
    for (all, rate, there_were) in [
        ("ackedInAll", "ackedPerSecond", acked),
        ("deliveredInAll", "deliveriesPerSecond", delivered),
    ] {
        assert_eq!(report[all], there_were, "{report:#}");
        let measured = report[rate].as_f64().unwrap() * report["seconds"].as_f64().unwrap();
        assert!(
            (0.5..there_were as f64 + 0.5).contains(&measured),
            "{rate} of {there_were}: {report:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_is_measured_by_send() {
    for threads in [1, 2] {
        let mock = Mock::start(Breach::None).await;
        let arguments = format!("{SEND} {MEASURING} {DRAIN} --verify-history 3 --threads {threads}");
        let report = is_good(&bench(&mock, &arguments).await).remove(0);
        let said = mock.said();
        assert!(said >= 36, "what is sent before anything is waited for: {report:#}");
        counts_what_there_was(&report, said, 3 * said);
        assert!(report["answerMs"]["p50"].as_f64().unwrap() > 0.0);
        assert_eq!(report["historyChecked"], said);
        assert_eq!(report["connections"], 9);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_is_measured_by_fanout() {
    for how in [
        "--burst 8",
        "--burst 1 --in-flight 3 --senders 2",
        "--burst 8 --threads 2",
        "--burst 8 --size 7",
    ] {
        let mock = Mock::start(Breach::None).await;
        let report = is_good(&bench(&mock, &format!("{FANOUT} {MEASURING} {DRAIN} {how}")).await).remove(0);
        counts_what_there_was(&report, mock.said(), 20 * mock.said());
        assert!(report["deliveryMs"]["p99"].as_f64().unwrap() > 0.0);
    }
}

/// An open loop keeps its schedule when nothing falls due between two times that are `rate` apart, and nothing that falls due
/// is left out: it was done, or the report says that it was not. When it was done is the machine's affair. `due` are the times
/// of some of what was done, `done` is how much that was altogether.
fn kept_the_schedule(report: &Value, rate: f64, due: &[u64], done: u64) {
    let every = 1e9 / rate;
    let (Some(first), Some(last)) = (due.first(), due.last()) else {
        panic!("nothing was done: {report:#}")
    };
    let place = |time: &u64| (time - first) as f64 / every;
    for pair in due.windows(2) {
        let (one, other) = (place(&pair[0]), place(&pair[1]));
        // Times are whole nanoseconds.
        assert!((one - one.round()).abs() * every < 3.0, "{one}: {report:#}");
        assert!(other - one > 0.5, "{one} and {other}: {report:#}");
    }
    let fell_due = place(last).round() as u64 + 1;
    assert!(fell_due > 50, "or it says nothing: {report:#}");
    let unsent = report["unsent"].as_u64().unwrap();
    assert!(done + unsent >= fell_due, "{done} of {fell_due}: {report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_keeps_its_rate() {
    let mock = Mock::start(Breach::None).await;
    let arguments = format!("send --rooms 2 --members 2 --rate 500 --seconds 1 --warmup 0.2 {DRAIN}");
    let report = is_good(&bench(&mock, &arguments).await).remove(0);
    counts_what_there_was(&report, mock.said(), 2 * mock.said());
    kept_the_schedule(&report, 500.0, &mock.due(0), mock.said());
    assert!(mock.said() <= 600, "more than the schedule has: {report:#}");
    assert!(report["lagMs"]["p50"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_weighed() {
    let mock = Mock::start(Breach::None).await;
    let report = is_good(&bench(&mock, "idle --connections 50 --users 7 --hold 0.1").await).remove(0);
    assert_eq!(
        (&report["connections"], &report["bytesPerConnection"]),
        (&Value::from(50), &Value::from(2048))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_runs_the_matrix() {
    let mock = Mock::start(Breach::None).await;
    let arguments = format!("all --rooms 3 --members 20 --connections 30 {MEASURING} {DRAIN}");
    let output = bench(&mock, &arguments).await;
    assert_eq!(is_good(&output).len(), 6);
}

/// A server that is to be told that something never came makes the tool wait for it.
fn drain_of(names: &[&str]) -> &'static str {
    match names.contains(&"unanswered") || names.contains(&"acknowledged-lost") {
        true => IN_VAIN,
        false => DRAIN,
    }
}

/// Runs `send` against a server with one fault, and expects to be told of it by one of its names.
async fn convicts(breach: Breach, names: &[&str]) {
    let mock = Mock::start(breach).await;
    let drain = drain_of(names);
    let output = bench(&mock, &format!("{SEND} {CONVICTING} {drain} --verify-history 3")).await;
    let report = reports(&output).remove(0);
    let kinds = &report["violations"]["kinds"];
    assert_eq!(output.status.code(), Some(1), "{breach:?}: {report:#}");
    for name in names {
        assert!(kinds[name].as_u64() > Some(0), "{breach:?} is no {name}: {report:#}");
    }
}

macro_rules! convictions {
    ($($test:ident: $breach:ident is $($name:literal)+;)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            convicts(Breach::$breach, &[$($name),+]).await;
        }
    )+};
}

convictions! {
    a_lost_message: Lose is "gap";
    a_doubled_message: Double is "doubled-or-late";
    swapped_messages: Swap is "gap" "doubled-or-late";
    changed_content: ChangeContent is "changed";
    a_changed_sender: ChangeSender is "changed";
    a_changed_id: ChangeId is "disagreement";
    a_skipped_position: SkipSeq is "gap";
    a_message_nobody_sent: Phantom is "phantom";
    the_wrong_answer: WrongAnswer is "wrong-answer";
    two_answers: AnswerTwice is "answered-twice";
    no_answer: AnswerNever is "unanswered";
    acknowledged_and_delivered_to_nobody: AnswerAndLose is "gap";
    a_repeated_send_made_anew: AnswerRepeatAnew is "wrong-answer" "sender-order";
    a_forgetful_history: HistoryForgets is "history";
    a_closed_connection: Hangup is "closed";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fanout_convicts_too() {
    let mock = Mock::start(Breach::ChangeContent).await;
    let output = bench(&mock, &format!("{FANOUT} {CONVICTING} {DRAIN} --burst 12")).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(reports(&output)[0]["violations"]["kinds"]["changed"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_are_named() {
    let mock = Mock::start(Breach::RateLimited).await;
    let output = bench(&mock, &format!("{SEND} {CONVICTING} {DRAIN}")).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PARLOR_RATE_LIMITS=off"));
}

/// `UNAVAILABLE` is an answer that promises nothing: counted as an error, no violation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unavailable_is_an_error_and_no_violation() {
    let mock = Mock::start(Breach::Unavailable).await;
    let report = is_good(&bench(&mock, &format!("{SEND} {MEASURING} {DRAIN}")).await).remove(0);
    assert!(report["errors"]["UNAVAILABLE"].as_u64() > Some(0), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_named() {
    let mock = Mock::start(Breach::None).await;
    let output = bench(&mock, "--secret-file /dev/null send").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("secret"));
}
