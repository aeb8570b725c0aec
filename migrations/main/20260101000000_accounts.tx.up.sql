-- Columns named sealed_* hold seals of crypto/seal: their additional data is
-- table, column, row id and user id. Every other column can be read by who has
-- the disk. Times are milliseconds since 1970 in UTC.

CREATE TABLE IF NOT EXISTS meta (
  name  TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- sealed_unlock is the account key under the unlock key (password), sealed_recovery the same under the recovery code,
-- sealed_code the code itself until the person has typed it back, sealed_hpke the account's HPKE pairs.
-- The server key that peppered the password is named by its fingerprint in pepper. The unlock key has a salt of its own
-- and the costs that stand in the verifier, so that both are raised together. A row with deleted set is empty but for
-- its id, and stands until the items below it are removed.
CREATE TABLE IF NOT EXISTS accounts (
  id                BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  login             TEXT    NOT NULL,
  login_key         TEXT    NOT NULL UNIQUE,
  created           INTEGER NOT NULL,
  epoch             INTEGER NOT NULL,
  key_version       INTEGER NOT NULL,
  verifier          TEXT    NOT NULL,
  pepper            TEXT    NOT NULL,
  unlock_salt       BLOB    NOT NULL,
  sealed_unlock     BLOB    NOT NULL,
  sealed_recovery   BLOB    NOT NULL,
  recovery_created  INTEGER NOT NULL,
  sealed_code       BLOB,
  hpke_public       BLOB    NOT NULL,
  sealed_hpke       BLOB    NOT NULL,
  deleted           INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS accounts_created ON accounts (created, id);
CREATE INDEX IF NOT EXISTS accounts_deleted ON accounts (deleted) WHERE deleted IS NOT NULL;

-- Older versions of an account key, each sealed under the newest.
CREATE TABLE IF NOT EXISTS account_keys (
  id                 BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id         BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  version            INTEGER NOT NULL,
  sealed_account_key BLOB    NOT NULL,
  UNIQUE (account_id, version)
) STRICT, WITHOUT ROWID;

-- HMAC of a login that was given up, under a key derived from the server key named in pepper.
CREATE TABLE IF NOT EXISTS retired_logins (
  digest BLOB NOT NULL PRIMARY KEY,
  pepper TEXT NOT NULL
) STRICT, WITHOUT ROWID;
