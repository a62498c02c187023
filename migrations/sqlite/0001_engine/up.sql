-- The engine's first schema. Times are milliseconds since 1970 (UTC). `key` columns are the store's own row numbers;
-- `id` columns are what clients see. No foreign keys: one writer keeps the rows together, `parlor verify` checks them.

CREATE TABLE meta (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
    key INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- Lower case (of all scripts, which SQLite's own comparison does not know), for prefix search.
    name_folded TEXT NOT NULL,
    -- Lower case, only for those who registered here: unique among them. NULL for users of an embedding product.
    login TEXT UNIQUE,
    display_name TEXT NOT NULL,
    display_name_folded TEXT NOT NULL,
    avatar_url TEXT,
    password_hash TEXT,
    is_admin BOOLEAN NOT NULL DEFAULT FALSE,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT
);
CREATE INDEX users_by_name ON users (name_folded);
-- With the name: search orders what it finds by name, from the index alone.
CREATE INDEX users_by_display_name ON users (display_name_folded, name_folded);

CREATE TABLE revoked_tokens (
    jti TEXT NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE conversations (
    -- Below 2^31: the high half of a position.
    key INTEGER NOT NULL PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    kind SMALLINT NOT NULL,
    name TEXT,
    -- The unique name of a channel.
    slug TEXT UNIQUE,
    -- The two of a direct conversation, the lower key first.
    direct_low BIGINT,
    direct_high BIGINT,
    invite_code TEXT UNIQUE,
    password_hash TEXT,
    max_members INTEGER,
    retention_seconds INTEGER,
    slow_mode_seconds INTEGER,
    created_by BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    deleted_at BIGINT,
    UNIQUE (direct_low, direct_high)
);

-- The counter row of a conversation, apart from the wide row beside it: every commit reads and writes it, and nothing else
-- of the conversation.
CREATE TABLE heads (
    conversation_key INTEGER NOT NULL PRIMARY KEY,
    -- The last seq given; 0 before the first.
    seq BIGINT NOT NULL,
    -- The seq of the newest message, 0 while there is none.
    last_message_seq BIGINT NOT NULL,
    -- When the newest message was sent, or the conversation was made.
    active_at BIGINT NOT NULL,
    -- How many rows `members` has.
    member_count INTEGER NOT NULL,
    -- Whether conversations.deleted_at is set.
    deleted BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE TABLE members (
    conversation_key BIGINT NOT NULL,
    user_key BIGINT NOT NULL,
    role SMALLINT NOT NULL,
    joined_at BIGINT NOT NULL,
    last_read_seq BIGINT NOT NULL,
    last_read_at BIGINT,
    PRIMARY KEY (conversation_key, user_key)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_key, conversation_key);

CREATE TABLE messages (
    -- conversation_key * 2^32 + seq: one B-tree, in the order in which history is read. docs/decisions/0002-position.md
    position INTEGER NOT NULL PRIMARY KEY,
    -- conversation_key * 2^32 + the seq of the last change; equal to position while there was none.
    change_position BIGINT NOT NULL,
    id BLOB NOT NULL,
    kind SMALLINT NOT NULL,
    sender_key BIGINT NOT NULL,
    content TEXT NOT NULL,
    client_id TEXT,
    -- A hash of (conversation, sender, client_id), so that the index is small; the row itself decides.
    client_hash BIGINT,
    reply_to BLOB,
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    deleted_at BIGINT,
    deleted_by BIGINT
);
-- Only messages that were changed: sending writes nothing here.
CREATE INDEX messages_changed ON messages (change_position) WHERE change_position <> position;
CREATE INDEX messages_by_client ON messages (client_hash) WHERE client_hash IS NOT NULL;

-- The durable changes that are not a new message: with the messages' own positions they are 1..seq without a gap.
CREATE TABLE changes (
    position INTEGER NOT NULL PRIMARY KEY,
    message_position BIGINT NOT NULL,
    -- 0: deleted
    kind SMALLINT NOT NULL,
    actor_key BIGINT NOT NULL,
    at BIGINT NOT NULL
);
