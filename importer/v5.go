package importer

import "context"

// OpenV5 opens what mongodump or mongoexport wrote of Zencrypt 5's database: a folder or one archive.
// keyFile is the server's zen.key; "" leaves every text unreadable.
func OpenV5(ctx context.Context, path, keyFile string, opts Options) (*Source, error) {
	return nil, ErrSource
}
