-- seal_version is the oldest account-key version under which a seal of the row stands. Negative: a renewal could not
-- open the row under that version and left it, and the version is kept for it.

CREATE TABLE IF NOT EXISTS items (
  id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id   BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  kind         TEXT    NOT NULL,
  size         INTEGER NOT NULL,
  disk         INTEGER NOT NULL,
  created      INTEGER NOT NULL,
  trashed      INTEGER,
  seal_version INTEGER NOT NULL,
  blob_id      BLOB,
  sealed_title BLOB    NOT NULL,
  sealed_meta  BLOB    NOT NULL,
  sealed_blob  BLOB,
  sealed_body  BLOB
) STRICT;

CREATE INDEX IF NOT EXISTS items_list ON items (account_id, created, id);
CREATE INDEX IF NOT EXISTS items_seal ON items (account_id, seal_version);
CREATE INDEX IF NOT EXISTS items_trash ON items (trashed) WHERE trashed IS NOT NULL;

-- A key is a name with versions. What it is called, whether it is the default, its expiry and its lowest acceptable
-- version are sealed: who writes the database can't choose a key for the person.
CREATE TABLE IF NOT EXISTS keys (
  id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id   BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  kind         TEXT    NOT NULL,
  created      INTEGER NOT NULL,
  seal_version INTEGER NOT NULL,
  sealed_key   BLOB    NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS keys_list ON keys (account_id, created, id);
CREATE INDEX IF NOT EXISTS keys_seal ON keys (account_id, seal_version);

-- public is for other people; the owner's own copy is in sealed_version, with state and secret.
CREATE TABLE IF NOT EXISTS key_versions (
  id             BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  key_id         BLOB    NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
  account_id     BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  n              INTEGER NOT NULL,
  created        INTEGER NOT NULL,
  public         TEXT    NOT NULL,
  seal_version   INTEGER NOT NULL,
  sealed_version BLOB    NOT NULL,
  UNIQUE (key_id, n)
) STRICT;

CREATE INDEX IF NOT EXISTS key_versions_account ON key_versions (account_id, key_id, n);
CREATE INDEX IF NOT EXISTS key_versions_seal ON key_versions (account_id, seal_version);
