DROP TABLE upload_endings, upload_uses, uploads;
