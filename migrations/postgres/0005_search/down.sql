DROP TABLE search_progress, message_index;
