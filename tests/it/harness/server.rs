//! The real server as a child process: started on a free port in a place of its own, its output drained and shown
//! when the test fails, killed by its own process id when the test is over.

use std::{
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use super::{
    DEADLINE,
    http::Realm,
    place::{Finished, Place},
    token::SECRET,
};
use crate::ports::Port;

const LISTENING: &str = "Parlor is listening on http://127.0.0.1:";

/// Ends a test of a switch that is only compiled in with the feature, with a line that says what to type.
pub fn need_faults() {
    if !cfg!(feature = "faults") {
        panic!("this test needs the server's failure switches: cargo test --features faults");
    }
}

/// How a server is to be started. Rate limits are off unless a test turns them on: tests send as fast as they can.
#[derive(Clone)]
pub struct Setup {
    place: Arc<Place>,
    environment: Vec<(String, String)>,
    arguments: Vec<String>,
    port: Option<Arc<Port>>,
}

impl Setup {
    fn new() -> Setup {
        Setup::at(Place::new())
    }

    fn at(place: Place) -> Setup {
        Setup {
            place: Arc::new(place),
            environment: Vec::new(),
            arguments: Vec::new(),
            port: None,
        }
        .env("PARLOR_JWT_SECRET", SECRET)
        .env("PARLOR_RATE_LIMITS", "off")
        .env("RUST_LOG", "info")
    }

    /// A setting by its name in `parlor.toml`, given by the environment.
    pub fn set(self, setting: &str, value: impl ToString) -> Setup {
        self.env(&format!("PARLOR_{}", setting.to_uppercase()), &value.to_string())
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without_env(mut self, name: &str) -> Setup {
        self.environment.retain(|(known, _)| known != name);
        self
    }

    pub fn flag(mut self, flag: &str, value: &str) -> Setup {
        self.arguments.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    pub fn in_place(mut self, place: &Arc<Place>) -> Setup {
        self.place = Arc::clone(place);
        self
    }

    /// A port that stays the same over restarts.
    pub fn on_a_port_of_its_own(mut self) -> Setup {
        self.port = Some(Arc::new(Port::reserve()));
        self
    }

    pub async fn start(self) -> Server {
        let process = Process::spawn(&self);
        let mut server = Server {
            realm: Realm::new(),
            setup: self,
            process,
        };
        server.wait_until_listening().await;
        server
    }

    /// Starts it, expecting that it ends by itself without listening.
    pub async fn ends(self) -> Finished {
        let mut process = Process::spawn(&self);
        let status = process.exit(DEADLINE).await;
        let (stdout, stderr) = process.output();
        assert!(
            !stdout.contains(LISTENING),
            "should not have listened:\n{stdout}{stderr}"
        );
        Finished::of("parlor serve".to_owned(), status.code(), stdout, stderr)
    }
}

/// A running server. Dropping it kills it.
pub struct Server {
    setup: Setup,
    process: Process,
    /// Where its callers find it: shared with every person of the test, follows a restart.
    pub realm: Arc<Realm>,
}

impl Server {
    pub async fn start() -> Server {
        Setup::new().start().await
    }

    pub fn with() -> Setup {
        Setup::new()
    }

    /// On a file, whatever the other tests run on.
    pub fn on_sqlite() -> Setup {
        Setup::at(Place::on_sqlite())
    }

    pub fn place(&self) -> &Arc<Place> {
        &self.setup.place
    }

    pub fn setup(&self) -> Setup {
        self.setup.clone()
    }

    /// The power plug: SIGKILL, and the process is gone when this returns.
    pub async fn kill(&mut self) {
        self.process.child.start_kill().expect("the server can be killed");
        self.process.exit(DEADLINE).await;
    }

    /// SIGTERM: the polite way. Does not wait.
    pub fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    pub async fn exit(&mut self, within: Duration) -> ExitStatus {
        self.process.exit(within).await
    }

    /// SIGTERM, and waits for the end. Where the store must be at rest.
    pub async fn stop(&mut self) {
        self.terminate();
        let status = self.exit(DEADLINE).await;
        assert!(
            status.success(),
            "a terminated server should end well, not with {status}"
        );
    }

    /// Starts it again on the same data. Whoever ended it before has waited for its end.
    pub async fn restart(&mut self) {
        let ended = self.process.child.try_wait().expect("it can be waited for");
        assert!(ended.is_some(), "end it first: two servers would be on the same data");
        self.process = Process::spawn(&self.setup);
        self.wait_until_listening().await;
    }

    /// Starts it again on the same data with other settings.
    pub async fn restart_with(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.setup = change(self.setup.clone());
        self.restart().await;
    }

    /// Standard output and standard error so far.
    pub fn output(&self) -> (String, String) {
        self.process.output()
    }

    async fn wait_until_listening(&mut self) {
        let mut listening = self.process.listening.clone();
        let outcome = tokio::select! {
            port = timeout(DEADLINE, listening.wait_for(Option::is_some)) => match port {
                Ok(Ok(port)) => Ok(port.expect("waited for it")),
                Ok(Err(_)) => Err("closed its standard output before it listened".to_owned()),
                Err(_) => Err(format!("did not listen within {DEADLINE:?}")),
            },
            status = self.process.child.wait() => Err(format!("ended before it listened: {status:?}")),
        };
        match outcome {
            Ok(port) => self.realm.moved_to(port),
            Err(what) => {
                // With all it said: killing what is left of it ends its output.
                let _ = self.process.child.start_kill();
                self.process.exit(DEADLINE).await;
                panic!("the server {what}")
            }
        }
    }
}

/// One process and what it says.
struct Process {
    child: Child,
    /// The port of the line that says where it listens.
    listening: watch::Receiver<Option<u16>>,
    stdout: Lines,
    stderr: Lines,
    drains: Vec<JoinHandle<()>>,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Process {
    fn spawn(setup: &Setup) -> Process {
        let mut command = setup.place.program();
        command
            .arg("serve")
            .arg("--data-dir")
            .arg(setup.place.data())
            .args(&setup.arguments)
            .envs(setup.place.database().map(|database| ("DATABASE_URL", database.url())))
            .envs(setup.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if !setup.arguments.iter().any(|argument| argument == "--listen") {
            let port = setup.port.as_ref().map_or(0, |port| port.number());
            command.args(["--listen", &format!("127.0.0.1:{port}")]);
        }
        let mut child = command.spawn().expect("the server's program starts");
        let (found, listening) = watch::channel(None);
        let (stdout, stderr) = (Lines::default(), Lines::default());
        let drains = vec![
            tokio::spawn(drain(
                child.stdout.take().expect("piped"),
                Arc::clone(&stdout),
                Some(found),
            )),
            tokio::spawn(drain(child.stderr.take().expect("piped"), Arc::clone(&stderr), None)),
        ];
        Process {
            child,
            listening,
            stdout,
            stderr,
            drains,
        }
    }

    fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("the server runs");
        let pid = Pid::from_raw(id as i32).expect("a process id is not zero");
        kill_process(pid, signal).expect("the server can be signalled");
    }

    /// Waits for the end of the process and of its output.
    async fn exit(&mut self, within: Duration) -> ExitStatus {
        let status = timeout(within, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("the server did not end within {within:?}"))
            .expect("the server can be waited for");
        for drain in self.drains.drain(..) {
            drain.await.expect("draining does not panic");
        }
        status
    }

    fn output(&self) -> (String, String) {
        let join = |lines: &Lines| lines.lock().expect("not poisoned").join("\n");
        (join(&self.stdout), join(&self.stderr))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let (stdout, stderr) = self.output();
            eprintln!("---- the server's stdout ----\n{}", last_lines(&stdout, 50));
            eprintln!("---- the server's stderr ----\n{}", last_lines(&stderr, 200));
        }
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

async fn drain(stream: impl AsyncRead + Unpin, into: Lines, found: Option<watch::Sender<Option<u16>>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let port = line.strip_prefix(LISTENING).and_then(|rest| {
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        });
        into.lock().expect("not poisoned").push(line);
        if let (Some(port), Some(found)) = (port, &found) {
            found.send_replace(Some(port));
        }
    }
}
