//! What one statement each can say about what is kept beside messages and members: mentions, reactions, versions, marks. Counts
//! that clients see are derived from these rows, so that what agrees here cannot drift. Called by `checks`.

/// As `checks::ROWS`. 3 is `MessageType::System`; 1 and 2 are `append::EDITED` and `REACTED`.
pub const BESIDE: &[(&str, &str)] = &[
    (
        "read marks",
        "SELECT 'user ' || user_key || ' has read conversation ' || m.conversation_key || ' up to ' || last_read_seq
         || ', but their last mark says ' || (SELECT coalesce(max(seq), 0) FROM read_marks r
         WHERE r.conversation_key = m.conversation_key AND r.user_key = m.user_key) FROM members m
         WHERE last_read_seq <> (SELECT coalesce(max(seq), 0) FROM read_marks r
         WHERE r.conversation_key = m.conversation_key AND r.user_key = m.user_key)
         UNION ALL SELECT DISTINCT 'user ' || user_key || ' has read marks in conversation ' || conversation_key
         || ', but is no member' FROM read_marks r WHERE NOT EXISTS (SELECT 1 FROM members m
         WHERE m.conversation_key = r.conversation_key AND m.user_key = r.user_key)",
    ),
    (
        "mentions",
        "SELECT 'user ' || n.user_key || ' is counted as mentioned in message ' || (n.position & 4294967295)
         || ' of conversation ' || (n.position >> 32) || ', but is not' FROM mentions n WHERE NOT EXISTS
         (SELECT 1 FROM messages m JOIN users u ON u.key = n.user_key WHERE m.position = n.position
         AND m.deleted_at IS NULL AND m.sender_key <> n.user_key AND json_valid(m.mentions)
         AND EXISTS (SELECT 1 FROM json_each(m.mentions) WHERE value = u.id))
         UNION ALL SELECT 'user ' || u.key || ' is mentioned in message ' || (m.position & 4294967295)
         || ' of conversation ' || (m.position >> 32) || ', but not counted' FROM messages m
         JOIN json_each(CASE WHEN json_valid(m.mentions) THEN m.mentions ELSE '[]' END) j JOIN users u ON u.id = j.value
         WHERE m.mentions IS NOT NULL AND m.deleted_at IS NULL AND u.key <> m.sender_key
         AND NOT EXISTS (SELECT 1 FROM mentions n WHERE n.user_key = u.key AND n.position = m.position)
         UNION ALL SELECT 'the mentions of message ' || (position & 4294967295) || ' of conversation '
         || (position >> 32) || ' cannot be read' FROM messages WHERE mentions IS NOT NULL AND NOT json_valid(mentions)",
    ),
    (
        "reactions",
        "SELECT DISTINCT 'message ' || (message_position & 4294967295) || ' of conversation ' || (message_position >> 32)
         || ' has reactions, but is missing, deleted or the system''s' FROM reactions WHERE NOT EXISTS (SELECT 1
         FROM messages m WHERE m.position = message_position AND m.deleted_at IS NULL AND m.kind <> 3)
         UNION ALL SELECT 'who reacted to message ' || (message_position & 4294967295) || ' of conversation '
         || (message_position >> 32) || ' is missing' FROM reactions
         WHERE NOT EXISTS (SELECT 1 FROM users WHERE key = user_key)
         UNION ALL SELECT 'a reaction to message ' || (message_position & 4294967295) || ' of conversation '
         || (message_position >> 32) || ' came by no change' FROM reactions r WHERE NOT EXISTS (SELECT 1 FROM changes c
         WHERE c.position = r.position AND c.message_position = r.message_position AND c.kind = 2)
         UNION ALL SELECT 'the reactions to message ' || (message_position & 4294967295) || ' of conversation '
         || (message_position >> 32) || ' with one emoji have no one place' FROM reactions
         GROUP BY message_position, emoji HAVING min(first_position) <> max(first_position)
         OR first_position > min(position)",
    ),
    (
        "versions",
        "SELECT 'edit ' || (c.position & 4294967295) || ' of conversation ' || (c.position >> 32)
         || ' kept no version' FROM changes c JOIN messages m ON m.position = c.message_position WHERE c.kind = 1
         AND NOT EXISTS (SELECT 1 FROM message_versions v WHERE v.message_position = c.message_position
         AND v.change_position = c.position)
         UNION ALL SELECT 'a version of message ' || (message_position & 4294967295) || ' of conversation '
         || (message_position >> 32) || ' belongs to no edit' FROM message_versions v WHERE NOT EXISTS (SELECT 1
         FROM changes c WHERE c.position = v.change_position AND c.message_position = v.message_position AND c.kind = 1)
         UNION ALL SELECT 'message ' || (m.position & 4294967295) || ' of conversation ' || (m.position >> 32)
         || ' and its versions differ on whether it was edited' FROM messages m WHERE (m.edited_at IS NOT NULL)
         <> EXISTS (SELECT 1 FROM message_versions v WHERE v.message_position = m.position)",
    ),
];
