//! Finding a way in: channels by their slugs, and what stands between somebody and a conversation. Called by the store's
//! methods.

use diesel::{SqliteConnection, prelude::*};

use crate::{
    db::{
        Door, Doorway, StoreError, query,
        rows::{self, ConversationRow, broken},
        types::Id,
    },
    domain::{Conversation, PasswordHash, Timestamp, UserKey, conversation::ChannelView},
};

type Result<T> = std::result::Result<T, StoreError>;

pub fn door(connection: &mut SqliteConnection, by: &Doorway, user: UserKey) -> Result<Option<Door>> {
    let row: Option<ConversationRow> = match by {
        Doorway::Id(id) => query::conversations::by_id(Id(id.0)).get_result(connection),
        Doorway::Code(code) => query::conversations::by_code(code.as_str()).get_result(connection),
    }
    .optional()?;
    let Some(row) = row else { return Ok(None) };
    let key = row.key;
    let role: Option<i16> = query::conversations::role(key, user.0)
        .get_result(connection)
        .optional()?;
    let password_hash = row.password_hash.clone().map(PasswordHash::new);
    Ok(Some(Door {
        conversation: row.try_into()?,
        role: role.map(|code| rows::role(code, key)).transpose()?,
        password_hash,
    }))
}

/// A conversation, its member_count, last_message_seq, active_at, and what the one who looks is there.
type ChannelRow = (ConversationRow, i32, i64, i64, Option<i16>);

/// A range of the slugs' own index, however many channels there are.
pub fn page(
    connection: &mut SqliteConnection,
    user: UserKey,
    folded: &str,
    limit: usize,
    after: Option<&str>,
) -> Result<(Vec<ChannelView>, Option<String>)> {
    let after = after.unwrap_or_default();
    // Every text that begins with `folded` is below this.
    let below = format!("{folded}\u{10FFFF}");
    let from = folded.max(after);
    let mut rows: Vec<ChannelRow> =
        query::conversations::channels(from, &below, after, user.0, limit as i64 + 1).load(connection)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let channels = rows.into_iter().map(view).collect::<Result<Vec<_>>>()?;
    let next = channels.last().filter(|_| more).map(|last| last.slug.clone());
    Ok((channels, next))
}

fn view((row, members, last_message, active_at, role): ChannelRow) -> Result<ChannelView> {
    let conversation: Conversation = row.try_into()?;
    let missing = || broken("a channel's name", conversation.key.0);
    Ok(ChannelView {
        id: conversation.id,
        name: conversation.name.clone().ok_or_else(missing)?,
        slug: conversation.slug.clone().ok_or_else(missing)?,
        member_count: members.max(0) as u32,
        joined: role.is_some(),
        has_password: conversation.policies.has_password,
        last_message_at: (last_message > 0).then(|| Timestamp::from_millis(active_at)),
        created_at: conversation.created_at,
    })
}
