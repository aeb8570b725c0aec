-- Under which server key, by its fingerprint, the ids of an account that came from an older Zencrypt and of its records were
-- made: without that key they are not known again. Those that came before this table have no row until the next import
-- finds them, but for who waits still, whose waiting key is of that server key.
CREATE TABLE IF NOT EXISTS imported_under (
  id     BLOB NOT NULL PRIMARY KEY REFERENCES imported_accounts (id) ON DELETE CASCADE,
  pepper TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT OR IGNORE INTO imported_under (id, pepper)
SELECT i.id, a.pepper FROM imported_accounts AS i JOIN accounts AS a ON a.id = i.account_id WHERE a.verifier = '';

-- What lies in the inbox and does not open, since somebody changed it: set aside, so that it is tried and told once.
CREATE TABLE IF NOT EXISTS imported_damaged (
  id         BLOB    NOT NULL PRIMARY KEY REFERENCES imported_inbox (id) ON DELETE CASCADE,
  account_id BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  found      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS imported_damaged_account ON imported_damaged (account_id);
