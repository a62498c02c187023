DROP TABLE upload_endings;
DROP TABLE upload_uses;
DROP TABLE uploads;
