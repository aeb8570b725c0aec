package handlers

import (
	"bytes"
	"context"
	"io"
	"strings"

	"zencrypt/blobs"
	"zencrypt/crypto"
	"zencrypt/limits"
	"zencrypt/models"
)

// settle finds out, for every ciphertext of the vault of which that is not noted, which key and version of the
// person's opens it, and notes it: a text that was pasted to be kept, or what was there before a key was
// imported. What no key of the person's opens stays without a note.
func (c *core) settle(ctx context.Context, u *models.Unlocked) error {
	all, err := c.db.Items.Standing(ctx, u)
	if err != nil {
		return err
	}
	var own *ownKeys
	for _, s := range all {
		if !s.Key.IsZero() {
			continue
		}
		item, err := c.db.Items.GetAny(ctx, u, s.Item)
		if models.ErrorCode(err) == models.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		if item.Unreadable || strings.Contains(item.Meta.Detail, "passphrase") {
			continue
		}
		if own == nil {
			list, err := c.db.Keys.List(ctx, u)
			if err != nil {
				return err
			}
			own = c.ownKeys(ctx, list)
		}
		at, meta, ok := c.standsUnder(ctx, item, own)
		if !ok {
			continue
		}
		item.Meta = meta
		if err := c.db.Items.Note(ctx, u, item, at.key, at.n); err != nil && models.ErrorCode(err) != models.Conflict {
			return err
		}
	}
	return nil
}

// standsUnder tries a person's keys on an item, reading no more than it takes to find the one that fits.
func (c *core) standsUnder(ctx context.Context, item *models.Item, own *ownKeys) (at keyAt, meta models.ItemMeta, ok bool) {
	meta = item.Meta
	var src io.Reader = bytes.NewReader(item.Body)
	format, _ := crypto.Detect(item.Body)
	if item.Blob != nil {
		blob, err := c.files.Open(blobs.Blobs, blobRef(item.Blob))
		if err != nil {
			return at, meta, false
		}
		defer blob.Close()
		start := make([]byte, crypto.Sniff)
		n, _ := blob.ReadAt(start, 0)
		if format, _ = crypto.Detect(start[:n]); format.Whole() {
			release, err := c.memory.Acquire(ctx, limits.User, wholeWeight(blob.Size()))
			if err != nil {
				return at, meta, false
			}
			defer release()
		}
		src = blob
	}
	p, err := crypto.Decrypt(src, own.of(format), crypto.Options{Now: c.opt.Now})
	if err != nil {
		return at, meta, false
	}
	if at, ok = own.which(p); ok {
		meta.Format = string(p.Format)
		if meta.Detail == "" {
			meta.Detail = p.Format.Title()
		}
	}
	return at, meta, ok
}
