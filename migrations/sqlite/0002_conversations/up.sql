-- What a conversation can do beyond sending and deleting: edits, reactions, mentions, receipts, retention, slow mode.

-- The ids of those who are mentioned, a JSON array; NULL for nobody.
ALTER TABLE messages ADD COLUMN mentions TEXT;

-- The same by user, for counting: no row for a deleted message, nor for its sender.
CREATE TABLE mentions (
    user_key BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_key, position)
) WITHOUT ROWID;
CREATE INDEX mentions_by_position ON mentions (position);

-- What an edited message said before each of its edits.
CREATE TABLE message_versions (
    message_position BIGINT NOT NULL,
    -- The edit that replaced this version.
    change_position BIGINT NOT NULL,
    content TEXT NOT NULL,
    -- When this version was written.
    written_at BIGINT NOT NULL,
    PRIMARY KEY (message_position, change_position)
) WITHOUT ROWID;

CREATE TABLE reactions (
    message_position BIGINT NOT NULL,
    emoji TEXT NOT NULL,
    user_key BIGINT NOT NULL,
    -- The change that put it there: the order of users within an emoji.
    position BIGINT NOT NULL,
    -- The change that put this emoji there first: the order of emoji, also when the first user takes theirs away.
    first_position BIGINT NOT NULL,
    PRIMARY KEY (message_position, emoji, user_key)
) WITHOUT ROWID;

-- Each step of a member's read cursor: when they had read up to seq. members.last_read_seq is the last of them. `at` is 0
-- where a cursor began that did not begin at 0: up to there they were no member, and have read nothing.
CREATE TABLE read_marks (
    conversation_key BIGINT NOT NULL,
    user_key BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_key, user_key, seq)
) WITHOUT ROWID;
-- Of the steps until now only the last one is known.
INSERT INTO read_marks (conversation_key, user_key, seq, at)
    SELECT conversation_key, user_key, last_read_seq, coalesce(last_read_at, 0) FROM members WHERE last_read_seq > 0;

-- When this member last sent a message; kept only where slow mode is on.
ALTER TABLE members ADD COLUMN last_sent_at BIGINT;

-- Everything up to and with this seq was removed by retention; 0 while nothing was.
ALTER TABLE heads ADD COLUMN expired_seq BIGINT NOT NULL DEFAULT 0;

CREATE INDEX conversations_retained ON conversations (key) WHERE retention_seconds IS NOT NULL;

-- With the message's id, so that a change can be told again when its message is gone.
CREATE TABLE former_changes AS SELECT * FROM changes;
DROP TABLE changes;
CREATE TABLE changes (
    position INTEGER NOT NULL PRIMARY KEY,
    message_position BIGINT NOT NULL,
    message_id BLOB NOT NULL,
    -- 0: deleted, 1: edited, 2: a reaction came or went
    kind SMALLINT NOT NULL,
    actor_key BIGINT NOT NULL,
    at BIGINT NOT NULL
);
INSERT INTO changes (position, message_position, message_id, kind, actor_key, at)
    SELECT c.position, c.message_position, m.id, c.kind, c.actor_key, c.at
    FROM former_changes c JOIN messages m ON m.position = c.message_position;
DROP TABLE former_changes;
