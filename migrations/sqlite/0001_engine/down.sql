DROP TABLE changes;
DROP TABLE messages;
DROP TABLE members;
DROP TABLE heads;
DROP TABLE conversations;
DROP TABLE revoked_tokens;
DROP TABLE users;
DROP TABLE meta;
