-- token_hash is SHA-256 of the token, which only the cookie holds. sealed_account_key is the account key under a key
-- derived from the token; epoch must equal the account's.
CREATE TABLE IF NOT EXISTS sessions (
  id                 BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  token_hash         BLOB    NOT NULL UNIQUE,
  account_id         BLOB,
  epoch              INTEGER NOT NULL,
  pending            INTEGER NOT NULL,
  tries              INTEGER NOT NULL,
  created            INTEGER NOT NULL,
  touched            INTEGER NOT NULL,
  expires            INTEGER NOT NULL,
  sealed_account_key BLOB
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS sessions_account ON sessions (account_id, created);

-- session_id has no foreign key: a result outlives its session by a moment, so that its file can be removed and its
-- quota given back.
CREATE TABLE IF NOT EXISTS results (
  id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  session_id  BLOB    NOT NULL,
  owner       TEXT    NOT NULL,
  created     INTEGER NOT NULL,
  expires     INTEGER NOT NULL,
  verb        TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  tries       INTEGER NOT NULL,
  blob_id     BLOB    NOT NULL,
  disk        INTEGER NOT NULL,
  size        INTEGER NOT NULL,
  sealed_meta BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS results_session ON results (session_id, created, id);
CREATE INDEX IF NOT EXISTS results_expires ON results (expires);
