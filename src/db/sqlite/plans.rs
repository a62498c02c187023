//! What SQLite makes of the hot queries: each must go through an index. Tests only.

use diesel::{
    RunQueryDsl, SqliteConnection, debug_query,
    prelude::QueryableByName,
    query_builder::{QueryFragment, QueryId},
    sql_types::Text,
    sqlite::Sqlite,
};

use super::{
    connection, migrations,
    words::{Indexed, TimeFrom},
};
use crate::{
    db::{
        common::{
            append::{ByClient, ForgetUses, MarkUnused, Oldest},
            index::Lagging,
            store,
        },
        query,
        types::Id,
    },
    domain::UserKey,
};

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
    let id = Id(uuid::Uuid::nil());
    let plans = [
        plan(c, &ByClient { hash: 1 }),
        plan(c, &query::messages::at(1)),
        plan(c, &query::messages::at_each(vec![1, 2])),
        plan(c, &query::messages::before(1, 2, 3)),
        plan(c, &query::messages::after(1, 2, 3)),
        plan(c, &query::messages::unchanged_after(1, 2, 3)),
        plan(c, &query::messages::changed_after(1, 2, 3)),
        plan(c, &query::messages::changes_after(1, 2, 3)),
        plan(c, &query::conversations::by_id(id)),
        plan(c, &query::conversations::by_key(1)),
        plan(c, &query::conversations::direct(1, 2)),
        plan(c, &query::conversations::members_of(1)),
        plan(c, &query::conversations::role(1, 2)),
        plan(c, &query::conversations::of_user(1)),
        plan(c, &query::conversations::ends(1)),
        plan(c, &query::conversations::heads_of(vec![1, 2])),
        plan(c, &query::users::by_keys(vec![1, 2])),
        plan(c, &query::users::by_ids(vec!["a", "b"])),
        plan(c, &query::users::account("a")),
        plan(c, &query::users::account_by_login("a")),
        plan(c, &query::users::by_name("a", "b", 3)),
        plan(c, &query::users::keys_by_display_name("a", "b", 3)),
        plan(c, &query::uploads::unposted(1, 2)),
        plan(c, &query::uploads::due(1, 2)),
        plan(c, &query::uploads::uses(1, 2, 3)),
        plan(
            c,
            &MarkUnused {
                first: 1,
                last: 2,
                now: 3,
            },
        ),
        plan(c, &ForgetUses { first: 1, last: 2 }),
        plan(
            c,
            &store::Count {
                after: 1,
                last: 2,
                user: 3,
                scan: 5,
                most: 4,
            },
        ),
        plan(c, &store::Views::<false>::new(UserKey(1), 2, 3, 4)),
        plan(c, &store::Views::<true>::new(UserKey(1), 2, 3, 4)),
        plan(
            c,
            &store::CountMentions {
                after: 1,
                last: 2,
                user: 3,
                most: 4,
            },
        ),
        plan(
            c,
            &store::MessageReaders {
                conversation: 1,
                sender: 2,
                seq: 3,
            },
        ),
        plan(c, &query::messages::quoted(vec![1, 2])),
        plan(c, &query::messages::reactions_on(vec![1, 2])),
        plan(c, &query::messages::versions(1)),
        plan(c, &query::conversations::by_code("a")),
        plan(c, &query::conversations::key_by_slug("a")),
        plan(c, &query::conversations::count_of_kind(1, 3)),
        plan(c, &query::conversations::channels("a", "b", "c", 1, 2)),
        plan(c, &query::webhooks::endpoint("a")),
        plan(c, &query::webhooks::heads_after(1, 2)),
        plan(c, &query::webhooks::cursors_after(1, 2, 3)),
        plan(c, &query::webhooks::cursor(1, 2)),
        plan(c, &query::webhooks::standing(1)),
        plan(c, &store::Retained { after: 1, limit: 2 }),
        plan(c, &store::AllPlaces { user: 1, most: 2 }),
        plan(c, &store::OnePlace { user: 1, key: 2 }),
        plan(c, &TimeFrom { from: 1, below: 2 }),
        plan(c, &Lagging { after: 1, last: 2 }),
        plan(c, &Indexed { low: 1, high: 2 }),
        plan(c, &query::conversations::by_keys(vec![1, 2])),
        plan(
            c,
            &Oldest {
                low: 1,
                last: 2,
                limit: 3,
            },
        ),
    ];
    for plan in &plans {
        assert!(plan.contains("SEARCH"), "{plan}");
        assert_eq!(whole(plan), Vec::<&str>::new(), "{plan}");
    }
    // From the index alone, in its order: no row is fetched and nothing sorted.
    assert!(plans[6].contains("messages_changed"), "{}", plans[6]);
    assert!(
        plans[20].contains("users_by_name") && !plans[20].contains("TEMP B-TREE"),
        "{}",
        plans[20]
    );
    assert!(
        plans[21].contains("COVERING INDEX users_by_display_name"),
        "{}",
        plans[21]
    );
    let channels = plan(c, &query::conversations::channels("a", "b", "c", 1, 2));
    assert!(
        channels.contains("(slug>? AND slug<?)") && !channels.contains("TEMP B-TREE"),
        "{channels}"
    );
    for ordered in [3, 4, 5, 6, 7] {
        assert!(!plans[ordered].contains("TEMP B-TREE"), "{}", plans[ordered]);
    }
}
