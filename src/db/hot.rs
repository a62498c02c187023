//! Every query whose cost must not grow with what the database holds, each once, for the tests of both databases' plans. Tests only.

use diesel::{
    pg::Pg,
    query_builder::{QueryFragment, QueryId},
    sqlite::Sqlite,
};

use super::{
    common::{
        append::{ByClient, ForgetUses, MarkUnused, Oldest},
        index::Lagging,
        store,
    },
    query,
    types::Id,
};
use crate::domain::UserKey;

/// Whoever looks at them.
pub trait Looks {
    /// Takes the next one.
    fn at<Q: QueryFragment<Sqlite> + QueryFragment<Pg> + QueryId + Send>(&mut self, query: Q);
}

/// All of them, as of somebody in a conversation with messages: `user`, `key`, and the bounds of a part of its positions.
pub fn all(looks: &mut impl Looks, user: i64, key: i64, (low, high): (i64, i64)) {
    talk(looks, user, key, (low, high));
    places(looks, user, key);
    people_and_files(looks, user, (low, high));
    of_the_engine(looks, key);
}

fn talk(looks: &mut impl Looks, user: i64, key: i64, (low, high): (i64, i64)) {
    // By the numbers of these the tests know what is read in order.
    looks.at(ByClient { hash: 1 });
    looks.at(query::messages::at(high));
    looks.at(query::messages::at_each(vec![low, high]));
    looks.at(query::messages::before(low, high, 3));
    looks.at(query::messages::after(low, high, 3));
    looks.at(query::messages::unchanged_after(low, high, 3));
    looks.at(query::messages::changed_after(low, high, 3));
    looks.at(query::messages::changes_after(low, high, 3));
    looks.at(query::messages::beginning_at(high));
    looks.at(query::messages::quoted(vec![low, high]));
    looks.at(query::messages::reactions_on(vec![low, high]));
    looks.at(query::messages::reaction_rows(vec![low, high]));
    looks.at(query::messages::versions(low));
    looks.at(store::Count {
        after: high - 4,
        last: high,
        user,
        scan: 5,
        most: 4,
    });
    looks.at(store::CountMentions {
        after: low,
        last: high,
        user,
        most: 4,
    });
    looks.at(store::MessageReaders {
        conversation: key,
        sender: user,
        seq: 3,
    });
    looks.at(Oldest {
        low,
        last: high,
        limit: 3,
    });
}

fn places(looks: &mut impl Looks, user: i64, key: i64) {
    looks.at(query::conversations::by_id(Id(uuid::Uuid::nil())));
    looks.at(query::conversations::by_key(key));
    looks.at(query::conversations::by_keys(vec![key, 2]));
    looks.at(query::conversations::direct(1, 2));
    looks.at(query::conversations::members_of(key));
    looks.at(query::conversations::role(key, user));
    looks.at(query::conversations::of_user(user));
    looks.at(query::conversations::ends(key));
    looks.at(query::conversations::heads_of(vec![key, 2]));
    looks.at(query::conversations::by_code("a"));
    looks.at(query::conversations::key_by_slug("a"));
    looks.at(store::CountOfKind { user, kind: 3 });
    looks.at(query::conversations::channels("a", "b", "c", 1, 2));
    looks.at(store::Views::<false>::new(UserKey(user), i64::MAX, i64::MAX, 4));
    looks.at(store::Views::<true>::new(UserKey(user), 2, key, 4));
    looks.at(store::AllPlaces { user, most: 2 });
    looks.at(store::OnePlace { user, key });
}

fn people_and_files(looks: &mut impl Looks, user: i64, (low, high): (i64, i64)) {
    looks.at(query::users::by_keys(vec![user, 2]));
    looks.at(query::users::by_ids(vec!["a", "b"]));
    looks.at(query::users::account("a"));
    looks.at(query::users::account_by_login("a"));
    looks.at(query::users::by_name("a", "b", 3));
    looks.at(query::users::keys_by_display_name("a", "b", 3));
    looks.at(query::uploads::unposted(user, 2));
    looks.at(query::uploads::due(1, 2));
    looks.at(query::uploads::uses(low, high, 3));
    looks.at(MarkUnused {
        first: low,
        last: high,
        now: 3,
    });
    looks.at(ForgetUses { first: low, last: high });
}

fn of_the_engine(looks: &mut impl Looks, key: i64) {
    looks.at(query::webhooks::endpoint("a"));
    looks.at(query::webhooks::heads_after(key, 2));
    looks.at(query::webhooks::cursors_after(1, key, key + 1));
    looks.at(query::webhooks::cursor(1, key));
    looks.at(query::webhooks::standing(key));
    looks.at(store::Retained { after: key, limit: 2 });
    looks.at(Lagging {
        after: key,
        last: key + 1,
    });
}
