-- Sessions that lock: when one was not used for lock_after milliseconds, its sealed account key is deleted and the
-- password makes it anew.
CREATE TABLE IF NOT EXISTS session_locks (
  session_id BLOB    NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
  lock_after INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
