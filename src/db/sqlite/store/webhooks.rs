//! What endpoints were told: each function is one transaction's work on a connection. Called by the store's methods.

use std::collections::HashMap;

use diesel::{OptionalExtension, SqliteConnection, prelude::*, sql_types::BigInt};

use super::{conversations::members, messages::changes};
use crate::{
    db::{
        Behind, Change, EndpointKey, News, StoreError, Told, query,
        rows::{ConversationRow, broken, seq},
        schema::webhook_endpoints,
        sqlite::statement::statement,
    },
    domain::{Conversation, ConversationKey, Seq, Timestamp},
};

type Result<T> = std::result::Result<T, StoreError>;

pub fn endpoint(connection: &mut SqliteConnection, url: &str) -> Result<Option<EndpointKey>> {
    let key: Option<i64> = query::webhooks::endpoint(url).get_result(connection).optional()?;
    Ok(key.map(EndpointKey))
}

/// Records it unless it is there; in the writer's transaction nothing is committed between the heads and their cursors.
pub fn find_or_record(connection: &mut SqliteConnection, url: &str, at: Timestamp) -> Result<(EndpointKey, bool)> {
    if let Some(found) = endpoint(connection, url)? {
        return Ok((found, false));
    }
    diesel::insert_into(webhook_endpoints::table)
        .values((
            webhook_endpoints::url.eq(url),
            webhook_endpoints::created_at.eq(at.millis()),
        ))
        .execute(connection)?;
    let made = endpoint(connection, url)?.ok_or_else(|| broken("an endpoint that was just recorded", 0))?;
    StartAtHeads { endpoint: made.0 }.execute(connection)?;
    Ok((made, true))
}

pub fn behind(
    connection: &mut SqliteConnection,
    endpoint: EndpointKey,
    after: Option<ConversationKey>,
    look_at: usize,
) -> Result<Behind> {
    let after = after.map_or(0, |key| key.0);
    let heads: Vec<(i64, i64, i64)> = query::webhooks::heads_after(after, look_at as i64).load(connection)?;
    let Some((last, ..)) = heads.last().copied() else {
        return Ok(Behind {
            conversations: Vec::new(),
            next: None,
        });
    };
    let cursors: Vec<(i64, i64)> = query::webhooks::cursors_after(endpoint.0, after, last).load(connection)?;
    let cursors: HashMap<i64, i64> = cursors.into_iter().collect();
    let next = (heads.len() == look_at).then_some(ConversationKey(last));
    let untold = |key: &i64, head: &i64| cursors.get(key).is_none_or(|told| told < head);
    let conversations = heads.into_iter().filter(|(key, head, _)| untold(key, head));
    let conversations =
        conversations.map(|(key, _, active_at)| (ConversationKey(key), Timestamp::from_millis(active_at)));
    Ok(Behind {
        conversations: conversations.collect(),
        next,
    })
}

pub fn news(
    connection: &mut SqliteConnection,
    endpoint: EndpointKey,
    key: ConversationKey,
    told: Option<Seq>,
    limit: usize,
) -> Result<Option<News>> {
    let row: Option<ConversationRow> = query::conversations::by_key(key.0).get_result(connection).optional()?;
    let standing: Option<(i64, bool)> = query::webhooks::standing(key.0).get_result(connection).optional()?;
    let (Some(row), Some((head, deleted))) = (row, standing) else {
        return Ok(None);
    };
    let conversation: Conversation = row.try_into()?;
    let head = seq(head, key.0)?;
    let told = match told {
        Some(told) => Some(told),
        None => {
            let cursor: Option<i64> = query::webhooks::cursor(endpoint.0, key.0)
                .get_result(connection)
                .optional()?;
            cursor.map(|cursor| seq(cursor, key.0)).transpose()?
        }
    };
    let introduced = match told {
        Some(_) => None,
        None => Some(members(connection, key)?),
    };
    let changes = changes(connection, &conversation, told.unwrap_or(Seq(0)), limit)?;
    let more = changes.len() == limit;
    let last = changes.last().map(Change::seq);
    Ok(Some(News {
        conversation,
        deleted,
        introduced,
        changes,
        upto: last.filter(|_| more).unwrap_or(head),
        more,
    }))
}

pub fn told(connection: &mut SqliteConnection, told: &[Told]) -> Result<()> {
    for one in told {
        let move_cursor = MoveCursor {
            endpoint: one.endpoint.0,
            conversation: one.conversation.0,
            seq: i64::from(one.upto.0),
        };
        move_cursor.execute(connection)?;
    }
    Ok(())
}

statement! {
    /// A new endpoint was told of all there is.
    StartAtHeads { endpoint: i64 as BigInt },
    "INSERT INTO webhook_cursors (endpoint_key, conversation_key, seq) SELECT " {endpoint}
    ", conversation_key, seq FROM heads"
}

statement! {
    /// Forward, or not at all.
    MoveCursor { endpoint: i64 as BigInt, conversation: i64 as BigInt, seq: i64 as BigInt },
    "INSERT INTO webhook_cursors (endpoint_key, conversation_key, seq) VALUES (" {endpoint} ", " {conversation} ", " {seq}
    ") ON CONFLICT (endpoint_key, conversation_key) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > webhook_cursors.seq"
}
