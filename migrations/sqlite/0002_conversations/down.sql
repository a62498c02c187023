CREATE TABLE later_changes AS SELECT * FROM changes;
DROP TABLE changes;
CREATE TABLE changes (
    position INTEGER NOT NULL PRIMARY KEY,
    message_position BIGINT NOT NULL,
    -- 0: deleted
    kind SMALLINT NOT NULL,
    actor_key BIGINT NOT NULL,
    at BIGINT NOT NULL
);
INSERT INTO changes (position, message_position, kind, actor_key, at)
    SELECT position, message_position, kind, actor_key, at FROM later_changes;
DROP TABLE later_changes;
DROP INDEX conversations_retained;
ALTER TABLE heads DROP COLUMN expired_seq;
ALTER TABLE members DROP COLUMN last_sent_at;
DROP TABLE read_marks;
DROP TABLE reactions;
DROP TABLE message_versions;
DROP TABLE mentions;
ALTER TABLE messages DROP COLUMN mentions;
