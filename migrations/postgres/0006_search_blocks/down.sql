-- Terms without a block; filled again by the version that starts on it.
TRUNCATE search_progress, message_index;
ALTER INDEX message_index_terms RESET (fastupdate);
ALTER TABLE message_index RENAME COLUMN block_terms TO terms;
