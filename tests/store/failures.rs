//! What happens when the database refuses, the process dies, another server comes, or history is rolled back. SQLite only.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
use parlor::{
    db::{LogError, Outcome, StoreError, sqlite::OpenError},
    domain::Seq,
};

use crate::world::{World, named, words};

/// A connection of somebody else's, who waits while the writer (the search index follows by itself) has the file.
pub fn raw(path: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    connection.batch_execute("PRAGMA busy_timeout = 5000").unwrap();
    connection
}

fn impatient() -> World {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    World::at(dir, |options| options.busy_timeout = Duration::from_millis(50)).unwrap()
}

#[tokio::test]
async fn a_locked_file_is_unavailable_and_then_goes_on() {
    let world = impatient();
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    world.says(&room, &ann, "before").await;
    let mut other = raw(&world.path());
    other.batch_execute("BEGIN EXCLUSIVE").unwrap();
    let refused = world.try_append(&room, vec![world.send(&ann, named("hi", "c"))]).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    let refused = world.store.create_account(world.account("bob")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    // Reading goes on meanwhile.
    assert_eq!(world.store.heads(&[room.key]).await.unwrap(), [Seq(1)]);
    other.batch_execute("ROLLBACK").unwrap();
    let sent = world.does(&room, world.send(&ann, named("hi", "c"))).await;
    assert!(matches!(sent, Ok(Outcome::Sent { seq: Seq(2), .. })), "{sent:?}");
    world.store.check().await.unwrap();
}

#[tokio::test]
async fn a_second_server_is_refused_with_the_first_ones_number() {
    let world = World::fresh().await;
    let Err(refused) = World::at(world.dir.clone(), |_| {}) else {
        panic!("two servers on one file")
    };
    assert!(
        matches!(refused, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused:?}"
    );
    let text = refused.to_string();
    assert!(
        text.starts_with(&format!("another Parlor (pid {}) is using ", std::process::id())),
        "{text}"
    );
    // A tool works beside it.
    let tool = World::at(world.dir.clone(), |options| options.exclusive = false).unwrap();
    tool.user("ann").await;
    tool.close();
    assert!(world.store.credentials("ann").await.unwrap().is_some());
    let again = World::at(world.close(), |_| {});
    assert!(again.is_ok());
}

#[tokio::test]
async fn after_closing_everything_is_unavailable() {
    let mut world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    world.closer.take().unwrap().close();
    let refused = world.try_append(&room, vec![world.send(&ann, words("hi"))]).await;
    assert!(matches!(refused, Err(LogError::Unavailable(_))), "{refused:?}");
    let refused = world.store.create_account(world.account("bob")).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn a_rolled_back_file_begins_a_new_epoch() {
    let world = World::fresh().await;
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    world.says(&room, &ann, "1").await;
    let (path, epoch) = (world.path(), world.store.epoch().to_owned());
    let dir = world.close();
    let backup = fs::read(&path).unwrap();
    let world = World::at(dir, |_| {}).unwrap();
    assert_eq!(world.store.epoch(), epoch);
    world.says(&room, &ann, "2").await;
    let dir = world.close();
    let now = fs::read(&path).unwrap();
    fs::write(&path, backup).unwrap();
    let world = World::at(dir, |_| {}).unwrap();
    let second = world.store.epoch().to_owned();
    assert_ne!(second, epoch);
    let world = world.reopened();
    assert_eq!(world.store.epoch(), second);
    // Putting the newer file back is another history again: its cursors were voided in between.
    let dir = world.close();
    fs::write(&path, now).unwrap();
    let world = World::at(dir, |_| {}).unwrap();
    assert!(world.store.epoch() != second && world.store.epoch() != epoch);
}

#[tokio::test]
async fn a_schema_that_is_out_of_date_is_refused_unless_it_may_be_changed() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let Err(refused) = World::at(dir.clone(), |options| options.migrate = false) else {
        panic!("opened without a schema")
    };
    assert!(refused.to_string().ends_with("run `parlor migrate`"), "{refused}");
    let path = dir.path().join("parlor.sqlite3");
    let missing = parlor::db::sqlite::pending(&path).unwrap();
    assert!(!missing.is_empty());
    assert_eq!(parlor::db::sqlite::migrate(&path).unwrap(), missing);
    assert!(parlor::db::sqlite::pending(&path).unwrap().is_empty());
    let world = World::at(dir, |options| options.migrate = false).unwrap();
    let refused = parlor::db::sqlite::migrate(&path);
    assert!(matches!(refused, Err(OpenError::InUse { .. })), "{refused:?}");
    world.close();
}

#[test]
fn several_runtimes_of_one_thread_each_use_one_store() {
    let world = Arc::new(World::at(Arc::new(tempfile::tempdir().unwrap()), |_| {}).unwrap());
    let run = |name: String| {
        let world = world.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let user = world.user(&name).await;
                let room = world.group(&user, &[]).await;
                for n in 1..=20 {
                    let (_, seq) = world.says(&room, &user, "hi").await;
                    assert_eq!(world.store.heads(&[room.key]).await.unwrap(), [seq]);
                    assert_eq!(seq, Seq(n));
                }
            });
        })
    };
    let threads: Vec<_> = (0..4).map(|n| run(format!("user{n}"))).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Runs the test `name` of this file again in a process of its own, which then plays the child: it may be killed.
fn child(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("failures::{name}"), "--nocapture"])
        .env("PARLOR_TEST_DIR", dir)
        .stdout(Stdio::piped());
    command
}

/// Where the child works; `None` in the test's own process.
fn childs_dir() -> Option<Arc<tempfile::TempDir>> {
    let mut dir = tempfile::tempdir_in(std::env::var_os("PARLOR_TEST_DIR")?).unwrap();
    dir.disable_cleanup(true);
    Some(Arc::new(dir))
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_kill() {
    if let Some(dir) = childs_dir() {
        return says_until_killed(dir).await;
    }
    let parent = tempfile::tempdir().unwrap();
    let mut child = child("what_was_acknowledged_is_there_after_a_kill", parent.path())
        .spawn()
        .unwrap();
    let mut acknowledged = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(seq) = line.strip_prefix("acknowledged ") {
            acknowledged = seq.parse::<u32>().unwrap();
        }
        if acknowledged >= 300 {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let inner = fs::read_dir(parent.path()).unwrap().next().unwrap().unwrap().path();
    let path = inner.join("parlor.sqlite3");
    // Its lock died with it.
    let opened = parlor::db::sqlite::open(parlor::db::sqlite::SqliteOptions::new(&path)).unwrap();
    let memberships = opened.store.search_users("", 5).await.unwrap();
    let room = opened.store.memberships(memberships[0].key).await.unwrap()[0];
    let head = opened.store.heads(&[room.key]).await.unwrap()[0];
    assert!(
        acknowledged >= 300 && head.0 >= acknowledged,
        "{head} of {acknowledged}"
    );
    let conversation = opened.store.conversation(room.id).await.unwrap().unwrap();
    let changes = opened.store.changes(&conversation, Seq(0), 1_000_000).await.unwrap();
    let seqs: Vec<u32> = changes.iter().map(|change| change.seq().0).collect();
    assert_eq!(seqs, (1..=head.0).collect::<Vec<_>>());
    opened.closer.close();
}

async fn says_until_killed(dir: Arc<tempfile::TempDir>) {
    let world = World::at(dir, |_| {}).unwrap();
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    loop {
        let ops = (0..7)
            .map(|n| world.send(&ann, named("words", &format!("{}-{n}", world.random()))))
            .collect();
        let head = world.append(&room, ops).await.head;
        println!("acknowledged {head}");
    }
}

#[cfg(feature = "faults")]
#[tokio::test]
async fn a_full_disk_is_unavailable_and_appends_nothing() {
    if let Some(dir) = childs_dir() {
        return fills_the_disk(dir).await;
    }
    let parent = tempfile::tempdir().unwrap();
    let status = child("a_full_disk_is_unavailable_and_appends_nothing", parent.path())
        .env("PARLOR_FAULT_SQLITE_MAX_PAGES", "60")
        .status()
        .unwrap();
    assert!(status.success());
}

#[cfg(feature = "faults")]
async fn fills_the_disk(dir: Arc<tempfile::TempDir>) {
    let world = World::at(dir, |_| {}).unwrap();
    let ann = world.user("ann").await;
    let room = world.group(&ann, &[]).await;
    let mut head = Seq(0);
    let refused = loop {
        let ops = (0..10).map(|_| world.send(&ann, words(&"long ".repeat(300)))).collect();
        match world.try_append(&room, ops).await {
            Ok(answer) => head = answer.head,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, LogError::Unavailable(_)), "{refused:?}");
    assert!(head > Seq(0));
    assert_eq!(world.store.heads(&[room.key]).await.unwrap(), [head]);
    assert_eq!(
        world.store.changes(&room, Seq(0), 10_000).await.unwrap().len(),
        head.0 as usize
    );
    // What needs no new page goes on.
    world.store.set_last_seen(&[(ann.key, world.now())]).await.unwrap();
}
