-- Where webhooks go, and how far each receiver has been told of each conversation. The log itself is the outbox: a position
-- above the cursor is what is still to be told, so committing a message writes nothing here.

CREATE TABLE webhook_endpoints (
    key INTEGER NOT NULL PRIMARY KEY,
    -- As configured. One that is taken out of the configuration keeps its row and its cursors.
    url TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- No row: this endpoint has not heard of the conversation yet.
CREATE TABLE webhook_cursors (
    endpoint_key BIGINT NOT NULL,
    conversation_key BIGINT NOT NULL,
    -- Up to and with here everything was told.
    seq BIGINT NOT NULL,
    PRIMARY KEY (endpoint_key, conversation_key)
) WITHOUT ROWID;
