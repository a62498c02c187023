//! The tool as a whole, as a process, against the mock server: it measures a good server, and convicts a bad one of
//! what it did. Run by `cargo test`; never needs Parlor.

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

const SEND: &str = "send --rooms 3 --members 3 --in-flight 4 --seconds 0.3 --warmup 0.1 --drain 2";
const FANOUT: &str = "fanout --members 20 --burst 8 --seconds 0.3 --warmup 0.1 --drain 2";

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_is_measured_by_send() {
    let mock = Mock::start(Breach::None).await;
    for threads in [1, 2] {
        let arguments = format!("{SEND} --verify-history 2 --threads {threads}");
        let report = is_good(&bench(&mock, &arguments).await).remove(0);
        let (acked, delivered) = (&report["ackedPerSecond"], &report["deliveriesPerSecond"]);
        let ratio = delivered.as_f64().unwrap() / acked.as_f64().unwrap();
        assert!((2.5..3.5).contains(&ratio), "three members each: {report:#}");
        assert!(report["answerMs"]["p50"].as_f64().unwrap() > 0.0);
        assert!(report["historyChecked"].as_u64().unwrap() > 10);
        assert_eq!(report["connections"], 9);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_is_measured_by_fanout() {
    let mock = Mock::start(Breach::None).await;
    for more in ["", "--burst 1 --in-flight 3 --senders 2", "--threads 2", "--size 7"] {
        let arguments = format!("{FANOUT} {more}").replacen(
            "--burst 8 ",
            if more.contains("--burst") { "" } else { "--burst 8 " },
            1,
        );
        let report = is_good(&bench(&mock, &arguments).await).remove(0);
        let ratio = report["deliveriesPerSecond"].as_f64().unwrap() / report["ackedPerSecond"].as_f64().unwrap();
        assert!((15.0..25.0).contains(&ratio), "twenty members: {report:#}");
        assert!(report["deliveryMs"]["p99"].as_f64().unwrap() > 0.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_loop_keeps_its_rate() {
    let mock = Mock::start(Breach::None).await;
    let output = bench(
        &mock,
        "send --rooms 2 --members 2 --rate 500 --seconds 1 --warmup 0.2 --drain 2",
    )
    .await;
    let report = is_good(&output).remove(0);
    let rate = report["ackedPerSecond"].as_f64().unwrap();
    // Never faster than the schedule; on a busy machine some of it comes after the end.
    assert!((300.0..550.0).contains(&rate), "{report:#}");
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
    let output = bench(
        &mock,
        "all --rooms 3 --members 20 --connections 30 --seconds 0.3 --warmup 0.1 --drain 2",
    )
    .await;
    assert_eq!(is_good(&output).len(), 6);
}

/// Runs `send` against a server with one fault, and expects to be told of it by one of its names.
async fn convicts(breach: Breach, names: &[&str]) {
    let mock = Mock::start(breach).await;
    let output = bench(&mock, &format!("{SEND} --verify-history 3")).await;
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
    let output = bench(&mock, FANOUT).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(reports(&output)[0]["violations"]["kinds"]["changed"].as_u64() > Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rate_limits_are_named() {
    let mock = Mock::start(Breach::RateLimited).await;
    let output = bench(&mock, SEND).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PARLOR_RATE_LIMITS=off"));
}

/// `UNAVAILABLE` is an answer that promises nothing: counted as an error, no violation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unavailable_is_an_error_and_no_violation() {
    let mock = Mock::start(Breach::Unavailable).await;
    let report = is_good(&bench(&mock, SEND).await).remove(0);
    assert!(report["errors"]["UNAVAILABLE"].as_u64() > Some(0), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_secret_is_named() {
    let mock = Mock::start(Breach::None).await;
    let output = bench(&mock, "--secret-file /dev/null send").await;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("secret"));
}
