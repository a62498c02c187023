//! The harness's own promise: a test run that is killed leaves no PostgreSQL server and no folder behind, and says what to
//! type when the server's programs are missing.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::postgres::Cluster;

const DEADLINE: Duration = Duration::from_secs(30);

/// Runs the test `name` of this file again in a process of its own, which then plays the run that is killed.
fn run(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("leftovers::{name}"), "--nocapture"])
        .env("PARLOR_TEST_LEAVES", "yes")
        .stdout(Stdio::piped());
    command
}

fn is_the_run() -> bool {
    std::env::var_os("PARLOR_TEST_LEAVES").is_some()
}

/// Starts a server, says which processes there are and where it works, and waits to be killed.
fn starts_a_server_and_waits() {
    let cluster = Cluster::start("", &[]);
    println!(
        "\nleaves {} {} {}",
        cluster.shell(),
        cluster.pid(),
        cluster.dir().display()
    );
    let _ = std::io::stdin().lines().next();
}

/// What a run would leave.
struct Left {
    run: Child,
    shell: u32,
    server: u32,
    dir: PathBuf,
}

fn left_by(name: &str) -> Left {
    let mut run = run(name).stdin(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(run.stdout.take().unwrap()).lines();
    let line = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("leaves ").map(str::to_owned))
        .expect("the server started");
    let mut words = line.splitn(3, ' ');
    let mut next = || words.next().unwrap().to_owned();
    let left = Left {
        run,
        shell: next().parse().unwrap(),
        server: next().parse().unwrap(),
        dir: next().into(),
    };
    assert!(runs(left.server) && left.dir.join("data").is_dir());
    left
}

/// Whether a process is there, and not only its number.
fn runs(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn waits_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_run_takes_its_server_with_it() {
    if is_the_run() {
        return starts_a_server_and_waits();
    }
    let mut left = left_by("a_killed_run_takes_its_server_with_it");
    left.run.kill().unwrap();
    left.run.wait().unwrap();
    waits_until("the server still runs", || !runs(left.server) && !runs(left.shell));
    waits_until("its folder is still there", || !left.dir.exists());
}

#[test]
fn what_was_left_all_the_same_is_swept_by_the_next_run() {
    if is_the_run() {
        return starts_a_server_and_waits();
    }
    let mut left = left_by("what_was_left_all_the_same_is_swept_by_the_next_run");
    // Nobody is left to clean up; but the server ends.
    let shell = rustix::process::Pid::from_raw(left.shell as i32).unwrap();
    rustix::process::kill_process(shell, rustix::process::Signal::KILL).unwrap();
    waits_until("the server still runs", || !runs(left.server));
    left.run.kill().unwrap();
    left.run.wait().unwrap();
    assert!(left.dir.join("data").is_dir(), "or there is nothing to sweep");
    let beside = Cluster::start("", &[]);
    let next = Cluster::start("", &[]);
    // It may be that another test's server was quicker to sweep it, and is not done yet.
    waits_until("its folder is still there", || !left.dir.exists());
    assert_eq!(
        beside.runs("postgres", "SELECT 7"),
        ["7"],
        "whoever is alive is left alone"
    );
    drop(next);
}

#[test]
fn missing_programs_are_named_with_the_line_to_type() {
    if is_the_run() {
        drop(Cluster::start("", &[]));
        return;
    }
    let nothing = tempfile::tempdir().unwrap();
    let ended = run("missing_programs_are_named_with_the_line_to_type")
        .env("PARLOR_TEST_POSTGRES", nothing.path())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
    assert!(!ended.status.success(), "{said}");
    assert!(said.contains("apt-get install -y postgresql"), "{said}");
}
