-- From here on a term names the block of 4096 positions too: `<conversation's key in hex>.<block in hex>.<word>`, so that a search
-- reads no more of a long conversation than it needs; src/db/postgres/words.rs says how. The index is filled again by itself.
TRUNCATE search_progress, message_index;
-- A server of the version before that still runs must not fill it its own way, and miss things: it gets an error instead.
ALTER TABLE message_index RENAME COLUMN terms TO block_terms;
-- Without the list of what is to be sorted in later: a search asks many times, and would go through all of that each time.
ALTER INDEX message_index_terms SET (fastupdate = off);
