-- As on SQLite (migrations/sqlite says what it means).
ALTER TABLE users ADD COLUMN told TEXT COLLATE "C";
