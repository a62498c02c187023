//! Moving house: from a file to a server and back nothing changes; a damaged export changes nothing; and both databases have
//! the same versions of the same schema.

use std::{collections::BTreeMap, fs, io::BufReader, path::Path};

use parlor::{
    db::{Location, Opened, Purpose, TransferError},
    domain::Seq,
};
use serde_json::Value;

use crate::{
    postgres::{Cluster, Database},
    world::{World, named, words},
};

/// A store with a bit of everything, closed; where it is.
pub async fn used() -> (tempfile::TempDir, Location) {
    let world = World::on_sqlite();
    let [ann, bob, cem] = world.users(["ann", "bob", "cem"]).await;
    let room = world.group(&ann, &[&bob]).await;
    world
        .does(&room, world.send(&ann, named("it's \"one\" \\ ☕\n", "c-1")))
        .await
        .unwrap();
    let (id, _) = world.says(&room, &bob, "two").await;
    world.does(&room, world.delete(&bob, id, false)).await.unwrap();
    world.does(&room, world.add(&ann, &cem)).await.unwrap();
    world
        .append(&room, vec![world.send(&cem, words("six")), world.read(&ann, 3)])
        .await;
    for number in 0..3000 {
        // More than one step of everything that goes in steps.
        world.says(&room, &ann, &format!("number {number}")).await;
    }
    world.store.revoke_token("it's revoked", world.now()).await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("moved.sqlite3");
    Location::Sqlite(world.path()).backup(&file).unwrap();
    let moved = Location::Sqlite(file);
    serves(&moved).closer.close();
    (home, moved)
}

/// Opened as a server does.
pub fn serves(location: &Location) -> Opened {
    let purpose = Purpose::Serve {
        migrate: true,
        readers: 1,
    };
    location.open(purpose).unwrap()
}

pub fn exported(from: &Location) -> String {
    let mut out = Vec::new();
    from.export(&mut out, &mut |_| {}).unwrap();
    String::from_utf8(out).unwrap()
}

pub fn imports(to: &Location, text: &str) -> Result<(), TransferError> {
    to.import(&mut BufReader::new(text.as_bytes()), None, &mut |_| {})
        .map(drop)
}

pub fn on(database: &Database<'_>) -> Location {
    Location::Postgres(database.url())
}

#[tokio::test]
async fn nothing_changes_on_the_way_to_a_server_and_back() {
    let (home, file) = used().await;
    let database = Cluster::shared().empty();
    let first = exported(&file);
    imports(&on(&database), &first).unwrap();
    let report = on(&database).verify(&mut |_| {}).unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
    let second = exported(&on(&database));
    assert!(first == second, "an export is the same bytes wherever it is made");
    let back = Location::Sqlite(home.path().join("back.sqlite3"));
    imports(&back, &second).unwrap();
    assert!(exported(&back) == first);
    assert!(back.verify(&mut |_| {}).unwrap().is_clean());
    // Whoever comes next gets a key of their own, and the log goes on.
    let mut world = World::on_database(database);
    let dan = world.user("dan").await;
    let ann = world.store.credentials("ann").await.unwrap().unwrap().account.user;
    let room = world.store.memberships(ann.key).await.unwrap()[0];
    let room = world.store.conversation(room.id).await.unwrap().unwrap();
    let head = world.store.heads(&[room.key]).await.unwrap()[0];
    world.does(&room, world.add(&ann, &dan)).await.unwrap();
    assert_eq!(world.says(&room, &dan, "hello").await.1, Seq(head.0 + 2));
    // What is there is not overwritten.
    world.closer.take().unwrap().close();
    let location = Location::Postgres(world.database.as_ref().unwrap().url());
    assert!(matches!(imports(&location, &first), Err(TransferError::NotEmpty)));
}

#[tokio::test]
async fn a_damaged_export_changes_nothing() {
    let (_home, file) = used().await;
    let whole = exported(&file);
    let database = Cluster::shared().empty();
    let cut = &whole[..whole.len() / 2];
    let changed = whole.replacen("number 77\"", "number 78\"", 1);
    let lines: Vec<&str> = whole.lines().collect();
    let last = lines.len() - 1;
    let without_one = [&lines[..last - 1], &lines[last..]].concat().join("\n") + "\n";
    for damaged in ["", "{}\n", cut, &changed, &without_one] {
        assert!(
            matches!(imports(&on(&database), damaged), Err(TransferError::Format { .. })),
            "{}",
            &damaged[..damaged.len().min(60)]
        );
        assert_eq!(database.runs("SELECT count(*) FROM messages"), ["0"]);
    }
    imports(&on(&database), &whole).unwrap();
}

#[tokio::test]
async fn the_epoch_stays_when_nobody_served_meanwhile() {
    let (_home, file) = used().await;
    let at_rest = exported(&file);
    let opened = serves(&file);
    let epoch = opened.store.epoch().to_owned();
    let served = exported(&file);
    opened.closer.close();
    for (export, same) in [(at_rest, true), (served, false)] {
        let database = Cluster::shared().empty();
        imports(&on(&database), &export).unwrap();
        let opened = on(&database).open(Purpose::Tool).unwrap();
        assert_eq!(opened.store.epoch() == epoch, same);
        opened.closer.close();
    }
}

#[tokio::test]
async fn every_table_is_carried() {
    let (_home, file) = used().await;
    let export = exported(&file);
    let mut carried = BTreeMap::new();
    for line in export
        .lines()
        .filter(|line| line.starts_with("{\"columns\"") || line.contains("\"table\":"))
    {
        let line: Value = serde_json::from_str(line).unwrap();
        let Some(table) = line["table"].as_str() else { continue };
        let mut columns: Vec<String> = line["columns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|column| column.as_str().unwrap().to_owned())
            .collect();
        columns.sort();
        carried.insert(table.to_owned(), columns);
    }
    let database = Cluster::shared().database();
    let mut made: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in database.runs(
        "SELECT table_name || ' ' || column_name FROM information_schema.columns WHERE table_schema = 'public' \
         AND table_name NOT IN ('__diesel_schema_migrations', 'message_index', 'search_progress') ORDER BY 1",
    ) {
        let (table, column) = line.split_once(' ').unwrap();
        made.entry(table.to_owned()).or_default().push(column.to_owned());
    }
    for columns in made.values_mut() {
        columns.sort();
    }
    assert_eq!(carried, made);
}

pub fn versions(of: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(of);
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn both_databases_have_the_same_versions_and_each_down_restores_what_was_before() {
    assert_eq!(versions("postgres"), versions("sqlite"));
    let database = Cluster::shared().empty();
    assert_eq!(on(&database).pending().unwrap(), versions("postgres"));
    let schema = || {
        database.runs(
            "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable \
             || coalesce(' ' || column_default, '') FROM information_schema.columns WHERE table_schema = 'public' \
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
        )
    };
    for version in versions("postgres") {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("migrations/postgres")
            .join(&version);
        let (up, down) = ("up.sql", "down.sql").map_texts(&folder);
        let before = schema();
        database.runs(&up);
        let after = schema();
        assert_ne!(before, after, "{version}");
        database.runs(&down);
        assert_eq!(schema(), before, "{version}");
        database.runs(&up);
        assert_eq!(schema(), after, "{version}");
    }
    let other = Cluster::shared().database();
    let made = other.runs(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' \
         AND table_name <> '__diesel_schema_migrations' ORDER BY 1",
    );
    let by_hand = database.runs(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1",
    );
    assert_eq!(made, by_hand, "the binary has every version");
    assert_eq!(on(&other).pending().unwrap(), Vec::<String>::new());
}

trait Texts {
    fn map_texts(self, folder: &Path) -> (String, String);
}

impl Texts for (&str, &str) {
    fn map_texts(self, folder: &Path) -> (String, String) {
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        (read(self.0), read(self.1))
    }
}
