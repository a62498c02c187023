-- The words of text messages that are not deleted, by position: which messages may fit, never what they say (the rows decide).
-- Filled behind the sends. Each word is written as `<conversation's key in hex>.<word>`, the sender as `<key in hex>.<user's
-- key>`: one conversation's words stand together, and a search reads those of the conversations it is for and no others. Words
-- are cut and folded by `domain::words`; `ascii` takes everything beyond ASCII for letters, so it only splits at the blanks.
CREATE VIRTUAL TABLE message_index USING fts5 (
    content,
    sender,
    content = '',
    contentless_delete = 1,
    tokenize = "ascii tokenchars '.'"
);

-- How far the index is: changes up to `seq` are in it, messages up to `expired_seq` were taken out for retention.
CREATE TABLE search_progress (
    conversation_key INTEGER NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    expired_seq BIGINT NOT NULL
);
