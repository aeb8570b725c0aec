-- What an account may do here, in the clear: the server decides on it while nobody is logged in, and it opens nothing.
-- An account without a row is an ordinary user's. seen_day is the last day of use, in days since 1970 in UTC: no time
-- of day, no address. quota is in bytes, NULL for the server's default.
CREATE TABLE IF NOT EXISTS standing (
  account_id BLOB    NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
  role       TEXT    NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
  suspended  INTEGER,
  seen_day   INTEGER,
  quota      INTEGER CHECK (quota >= 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS standing_admins ON standing (account_id) WHERE role = 'admin';

-- Links by which somebody may register. token_hash is SHA-256 of the token, which only the link holds. created_by is NULL
-- for one of the command line. role is 'admin' for the one by which the first administrator registers. One that is used
-- up goes; who used it is noted nowhere.
CREATE TABLE IF NOT EXISTS invitations (
  id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  token_hash BLOB    NOT NULL UNIQUE,
  created_by BLOB    REFERENCES accounts (id) ON DELETE CASCADE,
  role       TEXT    NOT NULL CHECK (role IN ('user', 'admin')),
  created    INTEGER NOT NULL,
  expires    INTEGER NOT NULL,
  uses       INTEGER NOT NULL,
  uses_left  INTEGER NOT NULL CHECK (uses_left > 0)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS invitations_maker ON invitations (created_by);
