//! What one statement each can say about the rows. Called by `verify`.

use diesel::{QueryResult, QueryableByName, sql_types::Text};

use super::{FINDINGS_MAX, Report, beside::BESIDE};
use crate::{
    db::{run::*, schema::conversations},
    domain::{ConversationName, Kind, Slug},
};

/// Each gives a sentence for each row that is wrong. `>> 32` and `& 4294967295` are `position::unpack`.
const ROWS: &[(&str, &str)] = &[
    (
        "counter rows",
        "SELECT 'conversation ' || key || ' has no counter row' FROM conversations
         WHERE NOT EXISTS (SELECT 1 FROM heads WHERE conversation_key = key)
         UNION ALL SELECT 'the counter row ' || conversation_key || ' has no conversation' FROM heads
         WHERE NOT EXISTS (SELECT 1 FROM conversations WHERE key = conversation_key)
         UNION ALL SELECT 'conversation ' || key || ' and its counter row differ on whether it is deleted'
         FROM conversations JOIN heads ON conversation_key = key WHERE deleted <> (deleted_at IS NOT NULL)",
    ),
    (
        "members",
        "SELECT 'user ' || user_key || ' is a member of conversation ' || conversation_key || ', which is missing'
         FROM members WHERE NOT EXISTS (SELECT 1 FROM conversations WHERE key = conversation_key)
         UNION ALL SELECT 'user ' || user_key || ', a member of conversation ' || conversation_key || ', is missing'
         FROM members WHERE NOT EXISTS (SELECT 1 FROM users WHERE key = user_key)
         UNION ALL SELECT 'conversation ' || h.conversation_key || ' counts ' || member_count || ' members, but has '
         || (SELECT count(*) FROM members m WHERE m.conversation_key = h.conversation_key) FROM heads h
         WHERE member_count <> (SELECT count(*) FROM members m WHERE m.conversation_key = h.conversation_key)",
    ),
    (
        "read cursors",
        "SELECT 'user ' || user_key || ' has read conversation ' || m.conversation_key || ' up to ' || last_read_seq
         || ', but it ends at ' || seq FROM members m JOIN heads h ON h.conversation_key = m.conversation_key
         WHERE last_read_seq > seq OR last_read_seq < 0",
    ),
    (
        "direct pairs",
        "SELECT 'the direct conversation ' || key || ' is not between the two users of its pair' FROM conversations
         WHERE kind = 0 AND (direct_low IS NULL OR direct_high IS NULL OR direct_low >= direct_high
         OR (SELECT count(*) FROM members WHERE conversation_key = key) <> 2
         OR (SELECT count(*) FROM members WHERE conversation_key = key AND user_key IN (direct_low, direct_high)) <> 2)",
    ),
    (
        // 0 is direct, 1 a group, 2 a channel, 3 a room; 2 is the owner's role.
        "names and codes",
        "SELECT 'conversation ' || key || ' has no owner, or several' FROM conversations
         WHERE kind <> 0 AND deleted_at IS NULL
         AND (SELECT count(*) FROM members WHERE conversation_key = key AND role = 2) <> 1
         UNION ALL SELECT 'conversation ' || key || ' has no name' FROM conversations WHERE kind <> 0 AND name IS NULL
         UNION ALL SELECT 'conversation ' || key || ' has a slug, but is no channel' FROM conversations
         WHERE kind <> 2 AND slug IS NOT NULL
         UNION ALL SELECT 'room ' || key || ' has no invite code' FROM conversations
         WHERE kind = 3 AND invite_code IS NULL AND deleted_at IS NULL
         UNION ALL SELECT 'conversation ' || key || ' is deleted, but still holds its slug or invite code'
         FROM conversations WHERE deleted_at IS NOT NULL AND (slug IS NOT NULL OR invite_code IS NOT NULL)
         UNION ALL SELECT 'the direct conversation ' || key || ' has a name, a policy, a password or an invite code'
         FROM conversations WHERE kind = 0
         AND (name IS NOT NULL OR invite_code IS NOT NULL OR password_hash IS NOT NULL OR max_members IS NOT NULL
         OR retention_seconds IS NOT NULL OR slow_mode_seconds IS NOT NULL)",
    ),
    (
        "rooms of a user",
        "SELECT 'user ' || user_key || ' is in ' || count(*) || ' rooms' FROM members
         JOIN conversations ON key = conversation_key WHERE kind = 3 AND deleted_at IS NULL
         GROUP BY user_key HAVING count(*) > 20",
    ),
    (
        "senders",
        "SELECT 'the sender of message ' || (position & 4294967295) || ' of conversation ' || (position >> 32)
         || ' is missing' FROM messages WHERE NOT EXISTS (SELECT 1 FROM users WHERE key = sender_key)
         UNION ALL SELECT 'who deleted message ' || (position & 4294967295) || ' of conversation ' || (position >> 32)
         || ' is missing' FROM messages WHERE deleted_at IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM users WHERE key IS NOT DISTINCT FROM deleted_by)",
    ),
    (
        "client ids",
        "SELECT 'messages ' || (a.position & 4294967295) || ' and ' || (b.position & 4294967295) || ' of conversation '
         || (a.position >> 32) || ' have the same sender and client id' FROM messages a JOIN messages b
         ON b.client_hash = a.client_hash AND b.position > a.position AND b.position >> 32 = a.position >> 32
         AND b.sender_key = a.sender_key AND b.client_id = a.client_id WHERE a.client_hash IS NOT NULL",
    ),
    (
        "last changes",
        "SELECT 'message ' || (m.position & 4294967295) || ' of conversation ' || (m.position >> 32)
         || ' says that its last change is ' || (m.change_position & 4294967295) || ', but that is '
         || (coalesce(c.last, m.position) & 4294967295) FROM messages m
         LEFT JOIN (SELECT message_position, max(position) AS last FROM changes GROUP BY message_position) c
         ON c.message_position = m.position WHERE m.change_position <> coalesce(c.last, m.position)
         UNION ALL SELECT 'change ' || (position & 4294967295) || ' of conversation ' || (position >> 32)
         || ' belongs to a message that is missing' FROM changes
         WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.position = message_position)
         AND NOT EXISTS (SELECT 1 FROM heads WHERE conversation_key = message_position >> 32
         AND message_position & 4294967295 <= expired_seq)
         UNION ALL SELECT 'change ' || (c.position & 4294967295) || ' of conversation ' || (c.position >> 32)
         || ' deletes a message that is not deleted' FROM changes c JOIN messages m ON m.position = c.message_position
         WHERE c.kind = 0 AND m.deleted_at IS NULL",
    ),
    (
        // Names of uploads are secrets: they are not shown.
        "uploads",
        "SELECT 'message ' || (u.position & 4294967295) || ' of conversation ' || (u.position >> 32)
         || ' is noted to show an upload that it does not show' FROM upload_uses u
         LEFT JOIN messages m ON m.position = u.position WHERE m.position IS NULL OR m.kind <> 2
         OR m.deleted_at IS NOT NULL OR m.content <> '/uploads/' || u.name
         UNION ALL SELECT 'message ' || (u.position & 4294967295) || ' of conversation ' || (u.position >> 32)
         || ' shows an upload that is missing' FROM upload_uses u
         WHERE NOT EXISTS (SELECT 1 FROM uploads WHERE uploads.name = u.name)
         UNION ALL SELECT 'message ' || (m.position & 4294967295) || ' of conversation ' || (m.position >> 32)
         || ' shows an upload of somebody else' FROM upload_uses u JOIN messages m ON m.position = u.position
         JOIN uploads ON uploads.name = u.name WHERE m.sender_key <> uploads.user_key
         UNION ALL SELECT 'message ' || (m.position & 4294967295) || ' of conversation ' || (m.position >> 32)
         || ' shows an upload that does not know of it' FROM messages m JOIN heads h
         ON h.conversation_key = m.position >> 32 WHERE m.kind = 2 AND m.deleted_at IS NULL AND NOT h.deleted
         AND NOT EXISTS (SELECT 1 FROM upload_uses u WHERE u.position = m.position)
         UNION ALL SELECT 'an upload of user ' || user_key || ' that a message shows is to be swept' FROM uploads
         WHERE sweep_at IS NOT NULL AND EXISTS (SELECT 1 FROM upload_uses u WHERE u.name = uploads.name)
         UNION ALL SELECT 'an upload of user ' || user_key || ' that no message shows is never swept' FROM uploads
         WHERE sweep_at IS NULL AND NOT EXISTS (SELECT 1 FROM upload_uses u WHERE u.name = uploads.name)",
    ),
    (
        "webhook cursors",
        "SELECT 'endpoint ' || endpoint_key || ' was told of conversation ' || c.conversation_key || ' up to ' || c.seq
         || ', but it ends at ' || coalesce(CAST(h.seq AS TEXT), 'nothing') FROM webhook_cursors c
         LEFT JOIN heads h ON h.conversation_key = c.conversation_key WHERE h.seq IS NULL OR c.seq > h.seq OR c.seq < 0
         UNION ALL SELECT 'conversation ' || conversation_key || ' was told to endpoint ' || endpoint_key
         || ', which is missing' FROM webhook_cursors
         WHERE NOT EXISTS (SELECT 1 FROM webhook_endpoints WHERE key = endpoint_key)",
    ),
    (
        "what retention removed",
        "SELECT 'conversation ' || conversation_key || ' is gone up to ' || expired_seq || ', but it ends at ' || seq
         FROM heads WHERE expired_seq > seq OR expired_seq < 0
         UNION ALL SELECT 'a mention stands at ' || (position & 4294967295) || ' of conversation ' || (position >> 32)
         || ', where no message is' FROM mentions x WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.position = x.position)
         UNION ALL SELECT 'a former version belongs to message ' || (message_position & 4294967295) || ' of conversation '
         || (message_position >> 32) || ', which is missing' FROM message_versions
         WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.position = message_position)
         UNION ALL SELECT 'a reaction belongs to message ' || (message_position & 4294967295) || ' of conversation '
         || (message_position >> 32) || ', which is missing' FROM reactions
         WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.position = message_position)",
    ),
    (
        "the search index",
        "SELECT 'message ' || (m.position & 4294967295) || ' of conversation ' || (m.position >> 32)
         || ' is missing in the search index' FROM search_progress p JOIN messages m
         ON m.position > (p.conversation_key << 32) + p.expired_seq AND m.position <= (p.conversation_key << 32) + p.seq
         WHERE m.change_position <= (p.conversation_key << 32) + p.seq AND m.kind = 0 AND m.deleted_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM message_index_docsize WHERE id = m.position)
         UNION ALL SELECT 'the search index has message ' || (i.id & 4294967295) || ' of conversation ' || (i.id >> 32)
         || ', which is not there to be found' FROM message_index_docsize i
         LEFT JOIN search_progress p ON p.conversation_key = i.id >> 32
         WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.position = i.id AND m.kind = 0
         AND (m.deleted_at IS NULL OR m.change_position > (p.conversation_key << 32) + p.seq))
         AND NOT EXISTS (SELECT 1 FROM heads h WHERE h.conversation_key = i.id >> 32
         AND i.id & 4294967295 <= h.expired_seq AND i.id & 4294967295 > p.expired_seq)
         UNION ALL SELECT 'the search index of conversation ' || p.conversation_key || ' is ahead of its counter'
         FROM search_progress p LEFT JOIN heads h ON h.conversation_key = p.conversation_key
         WHERE p.seq > coalesce(h.seq, -1) OR p.expired_seq > coalesce(h.expired_seq, -1)",
    ),
    ("the epoch", "SELECT 'the store has no epoch' WHERE NOT EXISTS (SELECT 1 FROM meta WHERE name = 'epoch')"),
];

/// Whether the slugs of channels agree with their names: what only we can compute.
pub fn slugs(connection: &mut impl Db, report: &mut Report) {
    type Row = (i64, Option<String>, Option<String>);
    let channels: QueryResult<Vec<Row>> = conversations::table
        .filter(conversations::kind.eq(Kind::Channel.code()))
        .filter(conversations::deleted_at.is_null())
        .select((conversations::key, conversations::name, conversations::slug))
        .load(connection);
    let channels = channels.unwrap_or_else(|error| {
        report.find(format!("slugs cannot be checked: {error}"));
        Vec::new()
    });
    for (key, name, slug) in channels {
        let name = name.and_then(|name| ConversationName::parse(&name).ok());
        let due = name.and_then(|name| Slug::of(&name).ok());
        if slug.is_none() || due.as_ref().map(Slug::as_str) != slug.as_deref() {
            report.find(format!("the slug of channel {key} is not that of its name"));
        }
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What the statements are about.
pub fn names() -> impl Iterator<Item = &'static str> {
    ROWS.iter().chain(BESIDE).map(|(what, _)| *what)
}

/// Runs the statements.
pub fn rows<C: Db>(connection: &mut C, report: &mut Report, progress: &mut dyn FnMut(String)) {
    for (what, text) in ROWS.iter().chain(BESIDE) {
        let text = in_dialect(C::DIALECT, text);
        let bounded = format!(
            "SELECT line FROM (SELECT '' AS line WHERE false UNION ALL {text}) AS lines LIMIT {}",
            FINDINGS_MAX + 1
        );
        match diesel::sql_query(bounded).load::<Line, _>(connection) {
            Ok(lines) => lines.into_iter().for_each(|found| report.find(found.line)),
            Err(error) => report.find(format!("{what} cannot be checked: {error}")),
        }
        progress(format!("checked: {what}"));
    }
}

/// The few things that PostgreSQL says otherwise.
const POSTGRES: &[(&str, &str)] = &[
    (
        "message_index_docsize i",
        "(SELECT position AS id FROM message_index) AS i",
    ),
    (
        "message_index_docsize",
        "(SELECT position AS id FROM message_index) AS indexed",
    ),
    (
        "JOIN json_each(CASE WHEN json_valid(m.mentions) THEN m.mentions ELSE '[]' END) j JOIN",
        "CROSS JOIN LATERAL json_array_elements_text(CAST(coalesce(m.mentions, '[]') AS json)) AS j (value) JOIN",
    ),
    (
        "json_each(m.mentions)",
        "json_array_elements_text(CAST(m.mentions AS json)) AS j (value)",
    ),
    // What is no JSON cannot be checked at all: the statement says so.
    ("json_valid(m.mentions)", "true"),
    ("json_valid(mentions)", "CAST(mentions AS json) IS NOT NULL"),
];

fn in_dialect(dialect: Dialect, text: &str) -> String {
    let mut text = text.to_owned();
    if dialect == Dialect::Postgres {
        for (sqlite, postgres) in POSTGRES {
            text = text.replace(sqlite, postgres);
        }
    }
    text
}
