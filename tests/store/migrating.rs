//! The schema's versions: applied once however many begin at once, undone with what is in them, refused when they are from the
//! future; a file is copied before.

use std::{fs, path::Path};

use diesel::connection::SimpleConnection;
use parlor::{
    db::{Location, OpenError, Purpose},
    domain::Seq,
};

use crate::{
    failures::raw,
    moving::{exported, imports, on, serves, used, versions},
    postgres::Cluster,
};

const AT_ONCE: usize = 6;

#[test]
fn who_migrates_an_empty_server_at_once_makes_the_schema_once() {
    let database = Cluster::shared().empty();
    let applied: Vec<Vec<String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| scope.spawn(|| on(&database).migrate().unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut applied = applied.concat();
    applied.sort();
    assert_eq!(applied, versions("postgres"));
}

#[test]
fn who_migrates_a_file_at_once_makes_the_schema_once_or_is_told_who_does() {
    let home = tempfile::tempdir().unwrap();
    let file = Location::Sqlite(home.path().join("parlor.sqlite3"));
    let outcomes: Vec<Result<Vec<String>, OpenError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(|| file.migrate())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut applied = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(versions) => applied.extend(versions),
            Err(refused) => assert!(matches!(refused, OpenError::InUse { .. }), "{refused}"),
        }
    }
    assert_eq!(applied, versions("sqlite"));
    assert!(file.pending().unwrap().is_empty());
}

/// Everything of a schema that one can ask a server for.
const SCHEMA: &str = "SELECT relkind::text || ' ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace \
     UNION ALL SELECT conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) FROM pg_constraint \
     WHERE connamespace = 'public'::regnamespace \
     UNION ALL SELECT attrelid::regclass::text || '.' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull::text \
     || ' ' || attidentity::text || ' ' || coalesce(pg_get_expr(adbin, adrelid), '') FROM pg_attribute \
     JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
     WHERE relnamespace = 'public'::regnamespace AND attnum > 0 AND NOT attisdropped \
     UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
     UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1";

fn script(of: &str, version: &str, direction: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(of);
    fs::read_to_string(folder.join(version).join(format!("{direction}.sql"))).unwrap()
}

#[tokio::test]
async fn each_version_can_be_undone_and_done_again_with_a_store_in_it() {
    let (home, file) = used().await;
    let text = exported(&file);
    let database = Cluster::shared().empty();
    imports(&on(&database), &text).unwrap();
    let schema = database.runs(SCHEMA);
    let Location::Sqlite(path) = &file else {
        unreachable!("it is a file")
    };
    // The first version is the tables themselves: without them there is nothing to keep.
    for version in versions("sqlite")[1..].iter().rev() {
        let number = version.split('_').next().unwrap();
        let note = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{number}'");
        raw(path)
            .batch_execute(&(script("sqlite", version, "down") + &note))
            .unwrap();
        database.runs(&(script("postgres", version, "down") + &note));
        assert!(file.pending().unwrap().contains(version) && on(&database).pending().unwrap().contains(version));
        for old in [&file, &on(&database)] {
            let Err(OpenError::Pending(missing)) = old.open(Purpose::Serve {
                migrate: false,
                readers: 1,
            }) else {
                panic!("opened without {version}")
            };
            assert!(missing.contains(version));
        }
    }
    for old in [file.clone(), on(&database)] {
        assert_eq!(old.migrate().unwrap(), versions("sqlite")[1..]);
        let report = old.verify(&mut |_| {}).unwrap();
        assert_eq!(report.findings, Vec::<String>::new());
        let opened = serves(&old);
        let ann = opened.store.credentials("ann").await.unwrap().unwrap().account.user;
        let room = opened.store.memberships(ann.key).await.unwrap()[0];
        let room = opened.store.conversation(room.id).await.unwrap().unwrap();
        let changes = opened.store.changes(&room, Seq(0), 10_000).await.unwrap();
        assert!(changes.len() > 3000, "what was said is there: {}", changes.len());
        opened.closer.close();
    }
    assert_eq!(database.runs(SCHEMA), schema);
    // The file as it was before is beside it, with everything in it.
    let before = home
        .path()
        .join(format!("moved.sqlite3.before-{}", versions("sqlite")[1]));
    assert!(before.is_file(), "{}", before.display());
    let kept = Location::Sqlite(before);
    assert_eq!(kept.pending().unwrap(), versions("sqlite")[1..]);
    kept.migrate().unwrap();
    assert!(kept.verify(&mut |_| {}).unwrap().is_clean());
}

#[tokio::test]
async fn a_schema_from_the_future_is_refused_by_everything() {
    let (_home, file) = used().await;
    let database = Cluster::shared().database();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')";
    let Location::Sqlite(path) = &file else {
        unreachable!("it is a file")
    };
    raw(path).batch_execute(newer).unwrap();
    database.runs(newer);
    let serve = |migrate| Purpose::Serve { migrate, readers: 1 };
    for store in [file.clone(), on(&database)] {
        let mut refusals = vec![
            store.migrate().map(drop).unwrap_err().to_string(),
            store.pending().map(drop).unwrap_err().to_string(),
            store.verify(&mut |_| {}).map(drop).unwrap_err().to_string(),
            store
                .export(&mut Vec::new(), &mut |_| {})
                .map(drop)
                .unwrap_err()
                .to_string(),
            imports(&store, "").unwrap_err().to_string(),
        ];
        for purpose in [serve(true), serve(false), Purpose::Tool] {
            refusals.push(store.open(purpose).map(|_| ()).unwrap_err().to_string());
        }
        for refusal in refusals {
            assert!(
                refusal.contains("newer Parlor") && refusal.contains("9999"),
                "{refusal}"
            );
        }
    }
}
