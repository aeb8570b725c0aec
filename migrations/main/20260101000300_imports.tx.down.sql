DROP TABLE IF EXISTS login_aliases;
DROP TABLE IF EXISTS imported_inbox;
DROP TABLE IF EXISTS imported_records;
DROP TABLE IF EXISTS imported_accounts;
DROP TABLE IF EXISTS waiting_accounts;
