//! What may go wrong while a store is carried: files that somebody changed, a server that writes meanwhile, a process that
//! dies in the middle; and copies that are opened where the original was not.

use std::{
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use parlor::{
    db::{Location, Op, TransferError},
    domain::{Conversation, Seq},
};
use sha2::{Digest, Sha256};

use crate::{
    moving::{exported, imports, on, serves, used},
    postgres::{Cluster, Database},
    world::{World, words},
};

const DEADLINE: Duration = Duration::from_secs(30);

/// An empty database of each kind, and what keeps it.
fn empties() -> (tempfile::TempDir, Database<'static>, [Location; 2]) {
    let (home, database) = (tempfile::tempdir().unwrap(), Cluster::shared().empty());
    let both = [Location::Sqlite(home.path().join("to.sqlite3")), on(&database)];
    (home, database, both)
}

/// With an end that fits what is before it.
fn ended(lines: &[&str]) -> String {
    let text = lines.join("\n") + "\n";
    let rows = lines.iter().filter(|line| line.starts_with('[')).count();
    let sum: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{text}{{\"end\":true,\"rows\":{rows},\"sha256\":\"{sum}\"}}\n")
}

#[tokio::test]
async fn a_file_that_is_no_whole_export_is_refused_with_its_line_and_changes_nothing() {
    let (_home, file) = used().await;
    let whole = exported(&file);
    let lines: Vec<&str> = whole.lines().collect();
    let body = &lines[..lines.len() - 1];
    assert_eq!(ended(body), whole);
    let user = body.iter().position(|line| line.contains("\"id-ann\"")).unwrap();
    let with = |at: usize, line: &str| {
        let mut changed = body.to_vec();
        changed[at] = line;
        ended(&changed)
    };
    let number = |at: usize| format!("line {}:", at + 1);
    let last = number(lines.len() - 1);
    let long = format!("[{}]", "9".repeat(3 << 20));
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let nothing = String::new();
    for (damaged, at, says) in [
        (nothing, number(0), "end is missing"),
        (whole.trim_end().to_owned(), last.clone(), "end is missing"),
        (format!("{whole}[1]\n"), number(lines.len()), "behind"),
        (format!("{whole}{whole}"), number(lines.len()), "behind"),
        (whole.replace('\n', "\r\n"), last, "checksum"),
        (with(user, &long), number(user), "longer"),
        (with(user, &deep), "line".to_owned(), "users"),
        (with(user, "[]"), "line".to_owned(), "users"),
        (with(user, "[1e400]"), "line".to_owned(), "users"),
        (with(user, body[user + 1]), "line".to_owned(), "users"),
        (with(user, "null"), number(user), "none of an export's"),
        (with(1, "{\"table\":\"secrets\",\"columns\":[]}"), number(1), "secrets"),
        (
            with(1, "{\"table\":\"meta\",\"columns\":[\"value\",\"name\"]}"),
            number(1),
            "meta",
        ),
        (
            with(0, "{\"parlor\":\"export\",\"format\":2,\"atRest\":true}"),
            number(0),
            "this version",
        ),
        (ended(&[body[0], "[1]"]), number(1), "without a table"),
    ] {
        let (_home, _database, both) = empties();
        for to in both {
            let refused = imports(&to, &damaged).expect_err(says);
            assert!(matches!(refused, TransferError::Format { .. }), "{refused:?}");
            let said = refused.to_string();
            assert!(
                said.starts_with(at.as_str()) && said.contains(says),
                "{at} {says}: {said:.300}"
            );
            assert!(!said.contains("9999"), "no content is shown: {said:.300}");
            // Nothing of it is there, so the whole one goes in.
            if says == "behind" || says == "checksum" {
                imports(&to, &whole).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let (_home, _database, both) = empties();
    for to in both {
        for (bytes, says) in [
            (&b"\x1f\x8b\x08\x00packed\n"[..], "line 1: this is no export of Parlor"),
            (
                b"{\"parlor\":\"export\",\"format\":1,\"atRest\":true}\n[\"\xff\"]\n",
                "line 2: the line is not UTF-8",
            ),
        ] {
            let mut input = bytes;
            let refused = to.import(&mut input, None, &mut |_| {}).unwrap_err().to_string();
            assert!(refused.starts_with(says), "{refused}");
        }
    }
}

/// A store that is written to as long as `work` takes. Whatever it finds was so at one moment.
async fn while_it_is_written_to(world: &World, work: impl FnOnce() + Send) -> (Conversation, u32) {
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let room = world.group(&ann, &[&bob]).await;
    let more = || -> Vec<Op> { (0..5).map(|_| world.send(&bob, words("and so on"))).collect() };
    world.append(&room, more()).await;
    let (done, began) = (AtomicBool::new(false), AtomicBool::new(false));
    let mut head = Seq(0);
    // On this thread the writing goes on while the other one works.
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !began.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            work();
            done.store(true, Ordering::Release);
        });
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            runtime.block_on(async {
                while !done.load(Ordering::Acquire) {
                    head = world.append(&room, more()).await.head;
                    began.store(true, Ordering::Release);
                }
            });
        });
    });
    (room, head.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_while_a_server_writes_is_whole_and_its_import_begins_a_new_epoch() {
    let world = World::fresh().await;
    let mut text = String::new();
    let (room, head) = while_it_is_written_to(&world, || text = exported(&world.location())).await;
    assert!(text.starts_with("{\"atRest\":false,"), "{text:.60}");
    let (_home, _database, both) = empties();
    for to in both {
        imports(&to, &text).unwrap();
        assert!(to.verify(&mut |_| {}).unwrap().is_clean());
        let opened = serves(&to);
        assert_ne!(opened.store.epoch(), world.store.epoch());
        let heads = opened.store.heads(&[room.key]).await.unwrap();
        assert!(heads[0] >= Seq(5) && heads[0].0 <= head, "{heads:?} of {head}");
        opened.closer.close();
    }
}

#[tokio::test]
async fn a_server_is_noticed_whatever_it_calls_itself() {
    let database = Cluster::shared().database();
    let (_home, file) = used().await;
    let text = exported(&file);
    Cluster::shared().runs("postgres", "CREATE ROLE reads_it LOGIN IN ROLE pg_read_all_data");
    let server = serves(&Location::Postgres(format!("{}?application_name=chat", database.url())));
    let other = Location::Postgres(database.url().replace("parlor@", "reads_it@"));
    assert!(exported(&other).starts_with("{\"atRest\":false,"));
    let refused = imports(&on(&database), &text).unwrap_err().to_string();
    assert!(refused.contains("stop it first"), "{refused}");
    server.closer.close();
    assert!(exported(&other).starts_with("{\"atRest\":true,"));
    imports(&on(&database), &text).unwrap();
    Cluster::shared().runs("postgres", "DROP ROLE reads_it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_store_that_is_written_to_is_whole_private_and_another_history() {
    let world = World::on_sqlite();
    let elsewhere = tempfile::tempdir().unwrap();
    let copy = elsewhere.path().join("copy.sqlite3");
    let (room, head) = while_it_is_written_to(&world, || world.location().backup(&copy).unwrap()).await;
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(world.location().backup(&copy).is_err(), "a backup is never overwritten");
    let names: Vec<_> = std::fs::read_dir(elsewhere.path())
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(names, ["copy.sqlite3"], "and nothing else is left");
    // Opened on another machine, where nothing says how far the original came.
    let restored = Location::Sqlite(elsewhere.path().join("restored.sqlite3"));
    for _ in 0..2 {
        let file = Location::Sqlite(copy.clone());
        assert!(file.verify(&mut |_| {}).unwrap().is_clean());
        for name in ["restored.sqlite3", "restored.sqlite3.history"] {
            let _ = std::fs::remove_file(elsewhere.path().join(name));
        }
        std::fs::copy(&copy, elsewhere.path().join("restored.sqlite3")).unwrap();
        let opened = serves(&restored);
        let heads = opened.store.heads(&[room.key]).await.unwrap();
        assert!(heads[0] >= Seq(5) && heads[0].0 <= head, "{heads:?} of {head}");
        let epoch = opened.store.epoch().to_owned();
        assert_ne!(epoch, world.store.epoch(), "what was said after the copy is lost");
        opened.closer.close();
        let again = serves(&restored);
        assert_eq!(again.store.epoch(), epoch, "it is a store of its own by now");
        again.closer.close();
    }
    // Also when it is carried on without being opened.
    let (_home, _database, both) = empties();
    let text = exported(&Location::Sqlite(copy));
    for to in both {
        imports(&to, &text).unwrap();
        let opened = serves(&to);
        assert_ne!(opened.store.epoch(), world.store.epoch());
        opened.closer.close();
    }
}

/// `parlor import -` into a database, which was given so much and waits for more.
fn half_an_import(data: &Path, to: &str, half: &str) -> Child {
    let mut child = Command::new(env!("CARGO_BIN_EXE_parlor"))
        .args(["import", "-", "--data-dir"])
        .arg(data)
        .env("DATABASE_URL", to)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Returns when all but what fits into its buffers was read, and that is rows that were written.
    child.stdin.as_mut().unwrap().write_all(half.as_bytes()).unwrap();
    child
}

/// Waits until the server has noticed that whoever was killed is gone: an import itself does not wait long for that.
fn nobody_is_on(database: &Database<'_>) {
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() \
                  AND backend_type = 'client backend'";
    let start = Instant::now();
    while database.runs(others) != ["0"] {
        assert!(start.elapsed() < DEADLINE, "somebody is still connected");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn an_import_that_is_killed_in_the_middle_leaves_nothing_and_can_be_done_again() {
    let world = World::on_sqlite();
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let long = "long ".repeat(390);
    for _ in 0..4 {
        let ops = (0..1000).map(|_| world.send(&ann, words(&long))).collect();
        world.append(&room, ops).await;
    }
    let path = world.path();
    let home = world.close();
    let whole = exported(&Location::Sqlite(path));
    let half = &whole[..whole.len() / 2];
    let (_home, database, [file, server]) = empties();
    let Location::Sqlite(path) = &file else {
        unreachable!("made above")
    };
    for (location, url) in [
        (&file, format!("sqlite://{}", path.display())),
        (&server, database.url()),
    ] {
        let mut child = half_an_import(home.path(), &url, half);
        // Nobody begins to serve what is not there yet.
        let purpose = parlor::db::Purpose::Serve {
            migrate: true,
            readers: 1,
        };
        let Err(refused) = location.open(purpose) else {
            panic!("opened in the middle of an import")
        };
        let said = refused.to_string();
        assert!(
            said.contains("an import") || said.contains("another Parlor (pid"),
            "{said}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        nobody_is_on(&database);
        imports(location, &whole).unwrap();
        assert!(exported(location) == whole);
        assert!(location.verify(&mut |_| {}).unwrap().is_clean());
    }
}
