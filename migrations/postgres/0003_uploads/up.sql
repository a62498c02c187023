-- Pictures that users uploaded, and the messages that show them, as on SQLite.

CREATE TABLE uploads (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_key BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    sweep_at BIGINT
);
CREATE INDEX uploads_to_sweep ON uploads (sweep_at) WHERE sweep_at IS NOT NULL;
CREATE INDEX uploads_unposted ON uploads (user_key) WHERE sweep_at IS NOT NULL;

CREATE TABLE upload_uses (
    position BIGINT NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL
);
CREATE INDEX upload_uses_by_name ON upload_uses (name);

CREATE TABLE upload_endings (
    conversation_key BIGINT NOT NULL PRIMARY KEY
);
