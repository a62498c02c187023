-- The words of text messages that are not deleted, by position: which messages may fit, never what they say (the rows decide).
-- Filled behind the sends, as on SQLite; src/db/postgres/words.rs says what a term is.
CREATE TABLE message_index (
    position BIGINT NOT NULL PRIMARY KEY,
    terms TSVECTOR NOT NULL
);
CREATE INDEX message_index_terms ON message_index USING gin (terms);

CREATE TABLE search_progress (
    conversation_key BIGINT NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    expired_seq BIGINT NOT NULL
) WITH (fillfactor = 50);
