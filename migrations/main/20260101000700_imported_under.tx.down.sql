DROP TABLE IF EXISTS imported_under;
