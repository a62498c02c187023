-- What the last token of a user of the embedding product said of them, so that what is changed here outlives a restart: for
-- name, display name and picture a digest each (src/db/told.rs), or `-` where no token said anything. NULL: no token yet.
ALTER TABLE users ADD COLUMN told TEXT;
