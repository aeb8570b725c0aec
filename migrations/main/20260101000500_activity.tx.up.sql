-- What happened to an account, for its owner alone. Each event is sealed to the account's HPKE pair, since a failed
-- log-in has no account key; its length is padded, so that who has the disk sees how many there are, and when.
CREATE TABLE IF NOT EXISTS activity (
  id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id   BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created      INTEGER NOT NULL,
  sealed_event BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS activity_list ON activity (account_id, created, id);
CREATE INDEX IF NOT EXISTS activity_created ON activity (created);

-- A person's own choices. history tells again what the seal says, for what happens while nobody is logged in.
CREATE TABLE IF NOT EXISTS settings (
  id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id      BLOB    NOT NULL UNIQUE REFERENCES accounts (id) ON DELETE CASCADE,
  seal_version    INTEGER NOT NULL,
  history         INTEGER NOT NULL,
  sealed_settings BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
