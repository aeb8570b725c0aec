-- With 100,000 items in a vault, counting them, listing one kind and finding the ciphertexts read every row, and so did the
-- start and each look for files without a row. These indexes hold what they ask for.
CREATE INDEX IF NOT EXISTS items_kind ON items (account_id, kind, created, id, trashed, disk);
CREATE INDEX IF NOT EXISTS items_blob ON items (blob_id) WHERE blob_id IS NOT NULL;
