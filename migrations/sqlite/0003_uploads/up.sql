-- Pictures that users uploaded, and the messages that show them. The files are beside the database, under `uploads/`.

CREATE TABLE uploads (
    -- What the file is called, and what clients ask for: 130 random bits and an extension.
    name TEXT NOT NULL PRIMARY KEY,
    -- Whose it is: nobody else may post it.
    user_key BIGINT NOT NULL,
    content_type TEXT NOT NULL,
    -- As it is stored.
    bytes BIGINT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    -- From when on it may be removed; NULL while a message shows it.
    sweep_at BIGINT
) WITHOUT ROWID;
CREATE INDEX uploads_to_sweep ON uploads (sweep_at) WHERE sweep_at IS NOT NULL;
CREATE INDEX uploads_unposted ON uploads (user_key) WHERE sweep_at IS NOT NULL;

-- Which message shows which upload: a message shows one, an upload may be shown by several.
CREATE TABLE upload_uses (
    -- The message's.
    position INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE INDEX upload_uses_by_name ON upload_uses (name);

-- Conversations that ended with uses left: the sweep forgets them bit by bit.
CREATE TABLE upload_endings (
    conversation_key INTEGER NOT NULL PRIMARY KEY
);
