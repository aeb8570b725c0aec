-- What a recovery will change once the second factor is given, sealed under the key of the session that waits for it.
CREATE TABLE IF NOT EXISTS recoveries (
  id              BLOB NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
  account_id      BLOB NOT NULL,
  sealed_recovery BLOB NOT NULL
) STRICT, WITHOUT ROWID;
