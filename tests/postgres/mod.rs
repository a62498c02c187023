//! A PostgreSQL server for the tests of one process: started when the first one asks, in a temporary directory, on a Unix
//! socket, with its default durability, and gone with the process however that ends. Every test gets a fresh database.
//! Which database the tests run on is said by `PARLOR_TEST_DATABASE`: `sqlite` (the default) or `postgres`.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use super::ports::Port;

/// The number in the name of its socket.
const SOCKET: u16 = 5432;

/// What to type when there is no server to start.
const INSTALL: &str = "these tests start their own PostgreSQL server (14 or newer), whose programs are missing: \
     sudo apt-get install -y postgresql";

/// Starts the server, and obeys what comes over its standard input until that ends, with the process that started it: its
/// pipe is closed however it ends, `kill -9` included. It is in a process group of its own, so that what ends a whole group
/// (Ctrl-C, a runner's timeout) leaves it to clean up. Should it be killed itself, the server ends with it, and the next one
/// that starts sweeps what it left: folders whose lock nobody holds. The lock is there before its name is, and is
/// inherited by the server; so nobody's folder goes while somebody uses it, in whatever container they are.
/// After a crash it syncs the file system once rather than each of some thousand files: a third of the time on a busy disk.
const SCRIPT: &str = r#"
set -e
trap '' PIPE INT TERM HUP
base="${TMPDIR:-/tmp}"
if command -v flock >/dev/null; then
    for left in "$base"/parlor-postgres-*; do
        if [ -O "$left" ] && [ -f "$left/alive" ] && flock -n "$left/alive" true; then rm -rf "$left" || true; fi
    done
fi
dir=$(mktemp -d "$base/parlor-postgres-XXXXXX")
trap 'end QUIT; rm -rf "$dir"' EXIT
end() { if [ -n "$pid" ]; then kill -$1 $pid 2>/dev/null || true; wait $pid 2>/dev/null || true; fi; }
if command -v flock >/dev/null; then exec 9>"$dir/new" && flock 9 && mv "$dir/new" "$dir/alive"; fi
if command -v setpriv >/dev/null; then with="setpriv --pdeathsig QUIT --"; fi
fails() { tail -c 30000 "$dir/log" >&2; exit 1; }
start() {
    $with "$BIN/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c max_connections=600 \
        -c recovery_init_sync_method=syncfs $OPTIONS >>"$dir/log" 2>&1 &
    pid=$!
    deadline=$(($(date +%s) + 120))
    until "$BIN/pg_isready" -q -h "$dir"; do
        kill -0 $pid 2>/dev/null || fails
        if [ "$(date +%s)" -ge $deadline ]; then echo "it is not ready after two minutes" >>"$dir/log"; kill -KILL $pid; fails; fi
        sleep 0.05
    done
}
if [ -n "$PRIMARY" ]; then
    "$BIN/pg_basebackup" -h "$PRIMARY" -U parlor -D "$dir/data" -R -c fast >"$dir/log" 2>&1 || fails
    chmod 700 "$dir/data"
else
    "$BIN/initdb" -D "$dir/data" -U parlor --auth=trust --encoding=UTF8 --locale=C --no-sync >"$dir/log" 2>&1 || fails
fi
if [ -n "$KEY" ]; then
    (umask 077; echo "$KEY" >"$dir/data/server.key"; echo "$CERTIFICATE" >"$dir/data/server.crt")
fi
if [ -n "$HBA" ]; then echo "$HBA" >"$dir/data/pg_hba.conf"; fi
if [ -n "$FILE_MAX" ]; then ulimit -f "$FILE_MAX"; fi
start
echo "$dir"
while read -r order; do
    case $order in
        stop) end INT ;;
        crash) end QUIT ;;
        start) start ;;
    esac
    echo done
done
"#;

/// Whether the tests that run on either database run on PostgreSQL.
pub fn wanted() -> bool {
    match std::env::var("PARLOR_TEST_DATABASE").as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("PARLOR_TEST_DATABASE is {other:?}: it must be sqlite or postgres"),
    }
}

/// A running server. The one of `shared` lives as long as the process; another one ends when it is dropped.
pub struct Cluster {
    dir: PathBuf,
    /// `None`: on its socket.
    port: Option<Port>,
    shell: Child,
    /// Where it takes orders, where it says that they are done, and where it says why not. Closed at the end.
    orders: Mutex<Option<(ChildStdin, BufReader<ChildStdout>, ChildStderr)>>,
    made: AtomicU32,
    template: Mutex<bool>,
}

impl Cluster {
    /// The one that the tests of this process share.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| Cluster::start("", &[]))
    }

    /// One of one's own, with options (`-c name=value`), and with variables that the script above knows.
    pub fn start(options: &str, variables: &[(&str, &str)]) -> Cluster {
        Self::start_at(None, options, variables)
    }

    /// One that is reached over TCP, which TLS needs.
    pub fn start_on_tcp(options: &str, variables: &[(&str, &str)]) -> Cluster {
        Self::start_at(Some(Port::reserve()), options, variables)
    }

    fn start_at(port: Option<Port>, options: &str, variables: &[(&str, &str)]) -> Cluster {
        let number = port.as_ref().map(Port::number);
        let options = match number {
            Some(port) => format!("{options} -c listen_addresses=127.0.0.1 -c port={port}"),
            None => options.to_owned(),
        };
        let mut shell = unprivileged("sh");
        shell
            .args(["-c", SCRIPT])
            .current_dir("/")
            .process_group(0)
            .env("BIN", programs())
            .env("OPTIONS", options)
            .env("PGPORT", number.unwrap_or(SOCKET).to_string())
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut shell = shell.spawn().unwrap_or_else(|error| panic!("{shell:?}: {error}"));
        let stdin = shell.stdin.take().expect("piped");
        let mut line = String::new();
        let mut out = BufReader::new(shell.stdout.take().expect("piped"));
        out.read_line(&mut line).expect("its output can be read");
        let mut err = shell.stderr.take().expect("piped");
        if line.is_empty() {
            let mut why = String::new();
            let _ = err.read_to_string(&mut why);
            panic!("PostgreSQL does not start: {why}");
        }
        Cluster {
            dir: PathBuf::from(line.trim()),
            port,
            shell,
            orders: Mutex::new(Some((stdin, out, err))),
            made: AtomicU32::new(0),
            template: Mutex::new(false),
        }
    }

    /// `stop` politely, `crash` (as a power cut would, for those who are connected), or `start` again; done when this
    /// returns. A start after a crash may take long: tests whose clients have to answer pings meanwhile run on several
    /// threads.
    pub fn order(&self, what: &str) {
        let mut orders = self.orders.lock().expect("not poisoned");
        let (stdin, out, err) = orders.as_mut().expect("it runs");
        writeln!(stdin, "{what}").expect("it takes orders");
        let mut line = String::new();
        out.read_line(&mut line).expect("its output can be read");
        if line.trim() != "done" {
            // It has ended, and its folder is gone: the log is what it said last.
            let mut why = String::new();
            let _ = err.read_to_string(&mut why);
            panic!("{what}: {why}");
        }
    }

    /// The process that holds it: killed, it takes the server with it.
    pub fn shell(&self) -> u32 {
        self.shell.id()
    }

    /// The server's own process.
    pub fn pid(&self) -> u32 {
        let file = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).expect("it runs");
        let first = file.lines().next().and_then(|line| line.parse().ok());
        first.expect("its number")
    }

    /// The folder of its socket.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> String {
        if let Some(port) = &self.port {
            return format!("postgres://parlor@127.0.0.1:{}/{database}", port.number());
        }
        let host = self.dir.to_str().expect("plain text").replace('/', "%2F");
        format!("postgres://parlor@{host}/{database}")
    }

    /// The same on its socket, if it is on another address.
    pub fn on_its_socket(&self, database: &str) -> String {
        let host = self.dir.to_str().expect("plain text").replace('/', "%2F");
        let port = self.port.as_ref().map_or(SOCKET, Port::number);
        format!("postgres://parlor@{host}:{port}/{database}")
    }

    /// A database with the schema in it.
    pub fn database(&self) -> Database<'_> {
        let mut template = self.template.lock().expect("not poisoned");
        if !*template {
            self.runs(
                "postgres",
                "CREATE DATABASE parlor_template TEMPLATE template0 ENCODING 'UTF8'",
            );
            let url = self.url("parlor_template");
            parlor::db::Location::Postgres(url)
                .migrate()
                .expect("the schema can be made");
            // Every test is a database of its own, whose history begins there.
            self.runs("parlor_template", "DELETE FROM meta");
            *template = true;
        }
        self.create("TEMPLATE parlor_template")
    }

    /// A database with nothing in it.
    pub fn empty(&self) -> Database<'_> {
        self.create("TEMPLATE template0 ENCODING 'UTF8'")
    }

    fn create(&self, how: &str) -> Database<'_> {
        let name = format!("parlor_{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.runs("postgres", &format!("CREATE DATABASE {name} {how}"));
        Database { cluster: self, name }
    }

    /// Runs statements in one of its databases; the first column of what they give.
    pub fn runs(&self, database: &str, statements: &str) -> Vec<String> {
        asks(&self.url(database), statements)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.orders.lock().map(|mut orders| orders.take()));
        let _ = self.shell.wait();
    }
}

/// A database of a test, gone with it.
pub struct Database<'a> {
    cluster: &'a Cluster,
    name: String,
}

impl Database<'_> {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// Runs statements; the first column of what they give.
    pub fn runs(&self, statements: &str) -> Vec<String> {
        asks(&self.url(), statements)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        // On a thread, and without waiting for it: a failing test says why it failed, not this.
        let (url, name) = (self.cluster.url("postgres"), self.name.clone());
        let dropped = thread::spawn(move || asks(&url, &format!("DROP DATABASE {name} WITH (FORCE)")));
        if !thread::panicking() {
            let _ = dropped.join();
        }
    }
}

/// Connects, asks, and leaves; also from within a runtime.
pub fn asks(url: &str, statements: &str) -> Vec<String> {
    let (url, statements) = (url.to_owned(), statements.to_owned());
    let asked = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                .await
                .unwrap_or_else(|error| panic!("{url}: {error:?}"));
            tokio::spawn(connection);
            let answers = client
                .simple_query(&statements)
                .await
                .unwrap_or_else(|error| panic!("{statements}: {error:?}"));
            let rows = answers.iter().filter_map(|answer| match answer {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                _ => None,
            });
            rows.collect()
        })
    });
    asked.join().expect("the database answers")
}

/// Where the server's programs are: where `PARLOR_TEST_POSTGRES` says, in the path, or where Debian puts them (the newest).
fn programs() -> PathBuf {
    let mut folders: Vec<PathBuf> = match std::env::var_os("PARLOR_TEST_POSTGRES") {
        Some(folder) => vec![folder.into()],
        None => installed(),
    };
    folders.retain(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file());
    folders.into_iter().next().expect(INSTALL)
}

fn installed() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut numbers: Vec<u32> = versions
        .filter_map(|version| version.file_name().to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable_by(|one, other| other.cmp(one));
    let folders = numbers
        .iter()
        .map(|number| format!("/usr/lib/postgresql/{number}/bin").into());
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    folders.chain(std::env::split_paths(&in_path)).collect()
}

/// A program as somebody who is not root: the server refuses to run as root.
fn unprivileged(program: &str) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let exists = |name: &str| users.lines().any(|line| line.starts_with(&format!("{name}:")));
    let user = if exists("postgres") { "postgres" } else { "nobody" };
    let mut command = Command::new("setpriv");
    command.args([
        &format!("--reuid={user}"),
        "--regid=65534",
        "--clear-groups",
        "--",
        program,
    ]);
    command
}
