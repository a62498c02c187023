-- From here on a term names the block of 4096 positions too: `<conversation's key in hex>.<block in hex>.<word>`, so that a search
-- reads no more of a long conversation than it needs; `db::common::index` says how. The index is filled again by itself.
DELETE FROM search_progress;
INSERT INTO message_index (message_index) VALUES ('delete-all');
