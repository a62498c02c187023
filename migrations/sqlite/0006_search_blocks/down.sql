-- Terms without a block; filled again by the version that starts on it.
DELETE FROM search_progress;
INSERT INTO message_index (message_index) VALUES ('delete-all');
