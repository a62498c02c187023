//! What SQLite makes of the hot queries: each must go through an index. Tests only.

use diesel::{
    RunQueryDsl, SqliteConnection, debug_query,
    pg::Pg,
    prelude::QueryableByName,
    query_builder::{QueryFragment, QueryId},
    sql_types::Text,
    sqlite::Sqlite,
};

use super::{
    connection, migrations,
    words::{Indexed, TimeFrom},
};
use crate::db::hot::{self, Looks};

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

fn plan<T: QueryFragment<Sqlite> + QueryId>(connection: &mut SqliteConnection, query: &T) -> String {
    let text = debug_query::<Sqlite, _>(query).to_string();
    // What follows is how diesel shows the bound values.
    let text = text.split(" -- binds:").next().unwrap_or_default().to_owned();
    let steps: Vec<Step> = diesel::sql_query(format!("EXPLAIN QUERY PLAN {text}"))
        .load(connection)
        .unwrap();
    steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
}

/// What queries make for themselves, as their texts call it.
const MADE: [&str; 4] = ["SCAN page", "SCAN unread", "SCAN newest", "SCAN mentioned"];

/// The steps of a plan that go through a whole table or index. What the same query has just made (a list's page, a bounded
/// subquery) is gone through from end to end by design.
fn whole(plan: &str) -> Vec<&str> {
    plan.lines()
        .filter(|step| step.starts_with("SCAN") && !MADE.iter().any(|made| step.ends_with(made)))
        .collect()
}

#[test]
fn no_hot_query_reads_a_whole_table() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    migrations::migrate(&path, std::time::Duration::ZERO).unwrap();
    let mut connection = connection::plain(&path, std::time::Duration::ZERO).unwrap();
    let c = &mut connection;
    let mut looked = Looked(c, Vec::new());
    hot::all(&mut looked, 1, 2, (3, 4));
    let mut plans = looked.1;
    plans.push(plan(c, &Indexed { low: 1, high: 2 }));
    plans.push(plan(c, &TimeFrom { from: 1, below: 2 }));
    for plan in &plans {
        assert!(plan.contains("SEARCH"), "{plan}");
        assert_eq!(whole(plan), Vec::<&str>::new(), "{plan}");
    }
    // From the index alone, in its order: no row is fetched and nothing sorted.
    let of = |what: &'static str| plans.iter().filter(move |plan| plan.contains(what));
    assert!(plans[6].contains("messages_changed"), "{}", plans[6]);
    for plan in of("users_by_name") {
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
    assert_eq!(of("users_by_name").count(), 1);
    assert_eq!(of("COVERING INDEX users_by_display_name").count(), 1);
    for channels in of("(slug>? AND slug<?)") {
        assert!(!channels.contains("TEMP B-TREE"), "{channels}");
    }
    assert_eq!(of("(slug>? AND slug<?)").count(), 1);
    for ordered in [3, 4, 5, 6, 7] {
        assert!(!plans[ordered].contains("TEMP B-TREE"), "{}", plans[ordered]);
    }
}

/// Collects plans.
struct Looked<'c>(&'c mut SqliteConnection, Vec<String>);

impl Looks for Looked<'_> {
    fn at<Q: QueryFragment<Sqlite> + QueryFragment<Pg> + QueryId + Send>(&mut self, query: Q) {
        let plan = plan(self.0, &query);
        self.1.push(plan);
    }
}
