package importer

import "context"

// OpenV6 opens the SQLite database of Zencrypt 6, read-only. A write-ahead log beside it is read too, and nothing is written, not beside it either.
func OpenV6(ctx context.Context, path string, opts Options) (*Source, error) { return nil, ErrSource }
