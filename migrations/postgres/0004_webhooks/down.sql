DROP TABLE webhook_cursors, webhook_endpoints;
