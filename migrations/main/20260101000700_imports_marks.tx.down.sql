DROP TABLE IF EXISTS imported_damaged;
DROP TABLE IF EXISTS imported_under;
