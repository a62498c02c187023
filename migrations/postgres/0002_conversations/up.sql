-- What a conversation can do beyond sending and deleting: edits, reactions, mentions, receipts, retention, slow mode.

ALTER TABLE messages ADD COLUMN mentions TEXT;

CREATE TABLE mentions (
    user_key BIGINT NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (user_key, position)
);
CREATE INDEX mentions_by_position ON mentions (position);

CREATE TABLE message_versions (
    message_position BIGINT NOT NULL,
    change_position BIGINT NOT NULL,
    content TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    PRIMARY KEY (message_position, change_position)
);

CREATE TABLE reactions (
    message_position BIGINT NOT NULL,
    emoji TEXT COLLATE "C" NOT NULL,
    user_key BIGINT NOT NULL,
    position BIGINT NOT NULL,
    first_position BIGINT NOT NULL,
    PRIMARY KEY (message_position, emoji, user_key)
);

CREATE TABLE read_marks (
    conversation_key BIGINT NOT NULL,
    user_key BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (conversation_key, user_key, seq)
);
-- Of the steps until now only the last one is known.
INSERT INTO read_marks (conversation_key, user_key, seq, at)
    SELECT conversation_key, user_key, last_read_seq, coalesce(last_read_at, 0) FROM members WHERE last_read_seq > 0;

ALTER TABLE members ADD COLUMN last_sent_at BIGINT;

ALTER TABLE heads ADD COLUMN expired_seq BIGINT NOT NULL DEFAULT 0;

CREATE INDEX conversations_retained ON conversations (key) WHERE retention_seconds IS NOT NULL;

-- With the message's id, so that a change can be told again when its message is gone.
ALTER TABLE changes RENAME TO former_changes;
ALTER TABLE former_changes RENAME CONSTRAINT changes_pkey TO former_changes_pkey;
CREATE TABLE changes (
    position BIGINT NOT NULL PRIMARY KEY,
    message_position BIGINT NOT NULL,
    message_id UUID NOT NULL,
    kind SMALLINT NOT NULL,
    actor_key BIGINT NOT NULL,
    at BIGINT NOT NULL
);
INSERT INTO changes (position, message_position, message_id, kind, actor_key, at)
    SELECT c.position, c.message_position, m.id, c.kind, c.actor_key, c.at
    FROM former_changes c JOIN messages m ON m.position = c.message_position;
DROP TABLE former_changes;
