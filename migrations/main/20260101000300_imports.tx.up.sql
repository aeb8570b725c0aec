-- An account that came from an older Zencrypt and whose person has not logged in here yet: the account key under a key
-- made of the old password's digest, which is not kept, and how to compute that digest of the password again.
CREATE TABLE IF NOT EXISTS waiting_accounts (
  id                 BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
  method             TEXT NOT NULL,
  salt               BLOB NOT NULL,
  sealed_account_key BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Which accounts came, so that bringing them along again doubles nothing. The id is a keyed digest of what the old
-- database called the account; it stays when the account was deleted here, so that it does not come back.
-- sealed_advice says what the person is asked to improve.
CREATE TABLE IF NOT EXISTS imported_accounts (
  id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id    BLOB    UNIQUE REFERENCES accounts (id) ON DELETE SET NULL,
  imported      INTEGER NOT NULL,
  sealed_advice BLOB
) STRICT, WITHOUT ROWID;

-- The same for each key, text and digest that came.
CREATE TABLE IF NOT EXISTS imported_records (
  account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  digest     BLOB NOT NULL,
  PRIMARY KEY (account_id, digest)
) STRICT, WITHOUT ROWID;

-- What came later for an account that was here already, sealed to its HPKE pair until the next log-in.
CREATE TABLE IF NOT EXISTS imported_inbox (
  id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id    BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created       INTEGER NOT NULL,
  sealed_record BLOB    NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS imported_inbox_account ON imported_inbox (account_id, id);

-- Logins of older versions that several people had in other letters, and who may log in by them beside the one whose
-- login it is here.
CREATE TABLE IF NOT EXISTS login_aliases (
  alias_key  TEXT NOT NULL,
  account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  PRIMARY KEY (alias_key, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS login_aliases_account ON login_aliases (account_id);
