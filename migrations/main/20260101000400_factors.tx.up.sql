-- The second factor of an account: at most one row, whose parts are NULL while they are off. sealed_totp is an app's seed
-- with the last step that was accepted, sealed_setup a seed that waits for its first code, sealed_codes the HMACs of the
-- one-time codes that are left, with their key. Who has the disk sees whether an account asks for a second factor.
CREATE TABLE IF NOT EXISTS factors (
  id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id   BLOB    NOT NULL UNIQUE REFERENCES accounts (id) ON DELETE CASCADE,
  seal_version INTEGER NOT NULL,
  sealed_totp  BLOB,
  sealed_setup BLOB,
  sealed_codes BLOB
) STRICT;

CREATE INDEX IF NOT EXISTS factors_seal ON factors (account_id, seal_version);

-- Passkeys. sealed_passkey is the credential with its public key, counter, name and times. sealed_unlock is the account
-- key under what the passkey's PRF gives, where it does; only then credential_hash, SHA-256 of the credential's id, stands
-- here too, since nobody has said a login when the passkey opens the account.
CREATE TABLE IF NOT EXISTS passkeys (
  id              BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  account_id      BLOB    NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
  seal_version    INTEGER NOT NULL,
  credential_hash BLOB    UNIQUE,
  sealed_passkey  BLOB    NOT NULL,
  sealed_unlock   BLOB
) STRICT;

CREATE INDEX IF NOT EXISTS passkeys_list ON passkeys (account_id, id);
CREATE INDEX IF NOT EXISTS passkeys_seal ON passkeys (account_id, seal_version);
