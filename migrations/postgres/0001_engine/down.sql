DROP TABLE changes, messages, members, heads, conversations, revoked_tokens, users, meta;
