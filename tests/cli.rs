//! The program as an operator types it: what it prints, where, and how it ends.

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use tempfile::TempDir;

/// A directory in which `parlor` is typed, with nothing in the environment.
struct Shell {
    dir: TempDir,
}

/// How a command ended.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Shell {
    fn open() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn parlor(&self, line: &str) -> Ended {
        self.parlor_with(line, &[], "")
    }

    fn parlor_with(&self, line: &str, env: &[(&str, &str)], stdin: &str) -> Ended {
        let mut child = Command::new(env!("CARGO_BIN_EXE_parlor"))
            .args(line.split_whitespace())
            .env_clear()
            .envs(env.iter().copied())
            .current_dir(self.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may end without reading.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        Ended {
            code: status.code(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }
}

impl Ended {
    #[track_caller]
    fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self.out
    }

    /// It ended with `code`, one line on stderr, and nothing on stdout.
    #[track_caller]
    fn badly(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}", self.err);
        assert_eq!(self.out, "");
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err.trim_end().strip_prefix("parlor: ").unwrap().to_owned()
    }
}

#[test]
fn every_command_explains_itself() {
    let shell = Shell::open();
    for line in [
        "",
        "serve",
        "token",
        "user",
        "user create",
        "user password",
        "user admin",
        "migrate",
        "verify",
        "config",
        "webhook-secret",
    ] {
        let help = shell.parlor(&format!("{line} --help")).well();
        assert!(help.contains("Usage: parlor"), "{line}: {help}");
        assert!(line == "user" || help.contains("Example"), "{line}: {help}");
        assert!(help.contains("[env: PARLOR_CONFIG]"), "{line}: {help}");
    }
    let serve = shell.parlor("serve --help").well();
    for name in ["PARLOR_LISTEN", "DATABASE_URL", "PARLOR_RATE_MESSAGES_BURST"] {
        assert!(serve.contains(name), "{name}");
    }
}

#[test]
fn mistakes_are_one_line_and_exit_code_2() {
    let shell = Shell::open();
    for (line, said) in [
        (
            "--lisen x",
            "unexpected argument '--lisen' found; a similar argument exists: '--listen'; see --help",
        ),
        (
            "token",
            "the following required arguments were not provided: <USER>; see --help",
        ),
        ("user", "'parlor user' requires a subcommand but one was not provided"),
        ("bogus", "unrecognized subcommand 'bogus'; see --help"),
        (
            "token alice --ttl soon",
            "--ttl: must be a time like 90s, 15m, 1h or 30d, not \"soon\"",
        ),
        (
            "token alice --display-name  ",
            "a value is required for '--display-name <TEXT>'",
        ),
        ("user create -x", "unexpected argument '-x' found"),
        (
            "serve --listen here",
            "listen (--listen): must be an IP address and a port",
        ),
        (
            "--listen here serve",
            "listen (--listen): must be an IP address and a port",
        ),
        ("token alice --config none.toml", "--config: none.toml: No such file"),
        (
            "token alice --jwt-secret short",
            "jwt_secret (PARLOR_JWT_SECRET): must be at least 16 bytes long",
        ),
    ] {
        let ended = shell.parlor(line);
        let code = if line.contains("short") { 1 } else { 2 };
        let error = ended.badly(code);
        assert!(error.starts_with(said), "{line}: {error}");
    }
    assert_eq!(
        std::fs::read_dir(shell.path()).unwrap().count(),
        0,
        "a mistake leaves nothing behind"
    );
}

#[test]
fn a_token_is_all_that_is_printed() {
    let shell = Shell::open();
    let ended = shell.parlor("token alice --name Alice --admin --ttl 1h");
    assert!(ended.err.contains("made a new secret for tokens"), "{}", ended.err);
    let token = ended.well();
    assert_eq!(token.trim_end().split('.').count(), 3, "{token}");
    assert_eq!(token.lines().count(), 1);
    let secret = std::fs::read_to_string(shell.path().join("data/jwt.secret")).unwrap();
    let again = shell.parlor("token alice --data-dir ./data");
    assert_eq!(again.err, "");
    assert_ne!(again.well(), token, "each has an id of its own");
    assert_eq!(
        std::fs::read_to_string(shell.path().join("data/jwt.secret")).unwrap(),
        secret
    );

    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/keys/ed.pub.pem");
    let public_only = shell.parlor_with(
        "token alice",
        &[("PARLOR_JWT_PUBLIC_KEY", keys.to_str().unwrap()), ("PARLOR_LOG", "off")],
        "",
    );
    assert!(public_only.badly(1).starts_with("only public keys are configured"));
}

#[test]
fn users_are_made_once_and_made_admins() {
    let shell = Shell::open();
    let made = shell
        .parlor_with("user create alice --admin", &[], "correct horse\n")
        .well();
    assert!(
        made.starts_with("made alice (") && made.ends_with("), an admin\n"),
        "{made}"
    );
    let id = made.split(['(', ')']).nth(1).unwrap();
    let again = shell.parlor_with("user create ALICE", &[], "correct horse\n").badly(1);
    assert_eq!(again, "the name ALICE is taken");
    assert!(
        shell
            .parlor_with("user create bob", &[], "short\n")
            .badly(2)
            .contains("8 to 256 bytes")
    );
    assert!(
        shell
            .parlor_with("user create b@b", &[], "correct horse")
            .badly(2)
            .starts_with("NAME: must be")
    );
    let set = shell
        .parlor_with("user password alice --password-stdin", &[], "other horse\n")
        .well();
    assert_eq!(set, "set the password of alice\n");
    let nobody = shell.parlor_with("user password bob", &[], "other horse\n").badly(1);
    assert_eq!(nobody, "there is no user bob");
    assert_eq!(
        shell.parlor("user admin Alice --revoke").well(),
        format!("alice ({id}) is no admin\n")
    );
    assert_eq!(
        shell.parlor(&format!("user admin {id}")).well(),
        format!("alice ({id}) is an admin\n")
    );
    assert_eq!(shell.parlor("user admin bob").badly(1), "there is no user bob");
}

#[test]
fn a_schema_is_brought_up_to_date_and_a_dry_run_touches_nothing() {
    let shell = Shell::open();
    assert_eq!(
        shell.parlor("migrate --dry-run").well(),
        "./data/parlor.sqlite3: would be made\n"
    );
    assert!(!shell.path().join("data").exists());
    assert!(shell.parlor("migrate").well().contains(": applied\n"));
    assert_eq!(shell.parlor("migrate").well(), "./data/parlor.sqlite3: up to date\n");
    assert_eq!(
        shell.parlor("migrate --dry-run").well(),
        "./data/parlor.sqlite3: up to date\n"
    );
}

#[test]
fn a_check_without_a_database_cannot_tell() {
    let shell = Shell::open();
    assert_eq!(
        shell.parlor("verify").badly(2),
        "./data/parlor.sqlite3: there is no database"
    );
    assert!(!shell.path().join("data").exists());
    std::fs::write(
        shell.path().join("no.db"),
        "this is no database, but long enough to be looked at",
    )
    .unwrap();
    let ended = shell.parlor("verify --database-url sqlite://no.db");
    assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{}", ended.err);
    assert!(ended.err.contains("parlor: cannot tell: "), "{}", ended.err);
}

#[test]
fn a_sound_database_has_no_findings() {
    let shell = Shell::open();
    shell.parlor_with("user create alice", &[], "correct horse\n").well();
    let ended = shell.parlor("verify");
    assert!(ended.err.contains("sound: 1 users, 0 conversations"), "{}", ended.err);
    assert_eq!(ended.well(), "", "stdout is for findings");
}

#[test]
fn a_damaged_database_has_findings_and_exit_code_1() {
    let shell = Shell::open();
    shell.parlor("migrate").well();
    let file = shell.path().join("data/parlor.sqlite3");
    SqliteConnection::establish(file.to_str().unwrap())
        .unwrap()
        .batch_execute("INSERT INTO heads (conversation_key, seq, last_message_seq, active_at, member_count) VALUES (7, 3, 3, 0, 1)")
        .unwrap();
    let ended = shell.parlor("verify");
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("damaged: "), "{}", ended.err);
    assert_ne!(ended.out, "", "the findings");
}

#[test]
fn the_printed_default_can_be_used_as_it_is() {
    let shell = Shell::open();
    let printed = shell.parlor("config").well();
    std::fs::write(shell.path().join("parlor.toml"), &printed).unwrap();
    shell.parlor("migrate --dry-run").well();
    std::fs::write(shell.path().join("parlor.toml"), "data_dri = 'x'").unwrap();
    assert_eq!(
        shell.parlor("migrate --dry-run").badly(2),
        "parlor.toml, line 1: unknown setting data_dri: did you mean data_dir?"
    );
    assert_eq!(shell.parlor("config").well(), printed, "also when the file is wrong");
}

#[test]
fn the_log_shows_no_secret() {
    let shell = Shell::open();
    let env = [
        ("PARLOR_LOG", "trace"),
        ("PARLOR_JWT_SECRET", "hidden-hidden-hidden-hidden-hidden"),
        ("PARLOR_METRICS_TOKEN", "hidden-token"),
    ];
    let ended = shell.parlor_with("user create alice", &env, "hidden-password\n");
    assert!(!ended.err.contains("hidden"), "{}", ended.err);
    assert!(!ended.well().contains("hidden"));
    assert!(!shell.parlor_with("token alice", &env, "").err.contains("hidden"));
}
