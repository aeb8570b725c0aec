-- A person's list of other people. Names, logins, pinned public keys and notes are sealed: who has the disk sees how
-- many there are and since when.
CREATE TABLE IF NOT EXISTS people (
  id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id    BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  created       INTEGER NOT NULL,
  seal_version  INTEGER NOT NULL,
  sealed_person BLOB    NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS people_list ON people (account_id, created, id);
CREATE INDEX IF NOT EXISTS people_seal ON people (account_id, seal_version);

-- Which version of which key others are given, one of a kind. What is default and active is sealed, so the owner's
-- session writes it here; who changes it changes what others are offered, which they see as a change of the key.
CREATE TABLE IF NOT EXISTS key_offers (
  account_id BLOB NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  kind       TEXT NOT NULL,
  version_id BLOB NOT NULL REFERENCES key_versions (id) ON DELETE CASCADE,
  PRIMARY KEY (account_id, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS key_offers_version ON key_offers (version_id);

-- Accounts from before this table have one key of each kind that has a public half.
INSERT OR IGNORE INTO key_offers (account_id, kind, version_id)
  SELECT k.account_id, k.kind, v.id FROM keys k JOIN key_versions v ON v.key_id = k.id WHERE v.public <> '' ORDER BY v.n DESC;

-- Accounts that nobody finds by their login.
CREATE TABLE IF NOT EXISTS unlisted (
  account_id BLOB NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
