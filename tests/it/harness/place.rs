//! A place on disk where one server's data lives, and the `parlor` program run there as a command.
//! The server (`server.rs`) and the tests of the command line start their processes through it.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::Stdio,
};

use tempfile::TempDir;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use super::DEADLINE;
use crate::postgres::{self, Cluster, Database};

/// A directory of its own, removed with the last holder: the working directory of its processes, so that a
/// `parlor.toml` there is found and one in the repository is not.
pub struct Place {
    root: TempDir,
    /// `None`: the data is in a file in `root`.
    database: Option<Database<'static>>,
}

impl Place {
    /// On the database that `PARLOR_TEST_DATABASE` asks for.
    pub fn new() -> Place {
        Place {
            database: postgres::wanted().then(|| Cluster::shared().database()),
            ..Place::on_sqlite()
        }
    }

    /// On a file, whatever the other tests run on.
    pub fn on_sqlite() -> Place {
        Place {
            root: TempDir::with_prefix("parlor-test-").expect("a temporary directory can be made"),
            database: None,
        }
    }

    /// Where its data is, if it is on a server.
    pub fn database(&self) -> Option<&Database<'static>> {
        self.database.as_ref()
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.root().join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
        path
    }

    /// The program with nothing inherited that could configure it.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
        command.env_clear().current_dir(self.root()).kill_on_drop(true);
        for kept in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("RUST_BACKTRACE", "1");
        command
    }

    /// Runs a subcommand on this place's data directory to its end.
    pub async fn parlor(&self, arguments: &[&str]) -> Finished {
        self.parlor_reading(arguments, "").await
    }

    /// The same, with `input` on the standard input.
    pub async fn parlor_reading(&self, arguments: &[&str], input: &str) -> Finished {
        let data = self.data();
        let mut command = self.program();
        command.args(arguments).arg("--data-dir").arg(&data);
        if let Some(database) = &self.database {
            command.env("DATABASE_URL", database.url());
        }
        run(command, input).await
    }

    /// Runs exactly these arguments, with these variables, without a `--data-dir` of ours.
    pub async fn bare(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
        let mut command = self.program();
        command.args(arguments).envs(environment.iter().copied());
        run(command, "").await
    }
}

async fn run(mut command: Command, input: &str) -> Finished {
    let shown = format!("{:?}", command.as_std());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // A program that does not read its input may be gone before we wrote it: that is no failure of the test.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = timeout(DEADLINE, child.wait_with_output())
        .await
        .unwrap_or_else(|_| panic!("{shown} did not end within {DEADLINE:?}"))
        .expect("the output can be read");
    Finished {
        shown,
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A process that ended: what it said and with which code.
pub struct Finished {
    shown: String,
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl fmt::Debug for Finished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finished {
            shown,
            code,
            stdout,
            stderr,
        } = self;
        write!(
            f,
            "{shown}\nended with {code:?}\n---- stdout ----\n{stdout}\n---- stderr ----\n{stderr}"
        )
    }
}

impl Finished {
    pub fn of(shown: String, code: Option<i32>, stdout: String, stderr: String) -> Finished {
        Finished {
            shown,
            code,
            stdout,
            stderr,
        }
    }

    /// It ended well; the answer is what it printed.
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "should succeed: {self:#?}");
        self.stdout
    }

    /// It ended with an error that names each of `words`, in a line for humans and not in a panic.
    pub fn failed_naming(self, words: &[&str]) -> Finished {
        assert!(
            self.code.is_some_and(|code| code != 0),
            "should fail with an exit code: {self:#?}"
        );
        let said = format!("{}{}", self.stdout, self.stderr);
        assert!(
            !said.contains("panicked at"),
            "should be an error, not a panic: {self:#?}"
        );
        for word in words {
            assert!(
                said.to_lowercase().contains(&word.to_lowercase()),
                "should name {word:?}: {self:#?}"
            );
        }
        self
    }
}
