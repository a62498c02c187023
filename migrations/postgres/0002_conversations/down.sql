ALTER TABLE changes DROP COLUMN message_id;
DROP INDEX conversations_retained;
ALTER TABLE heads DROP COLUMN expired_seq;
ALTER TABLE members DROP COLUMN last_sent_at;
DROP TABLE read_marks, reactions, message_versions, mentions;
ALTER TABLE messages DROP COLUMN mentions;
