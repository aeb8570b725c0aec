package cli

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zencrypt/crypto/password"
	"zencrypt/importer"
	"zencrypt/migrations"
	"zencrypt/models"
)

// incoming is an account of the old database as models takes it. The error is one of models' kind.
func (j *importJob) incoming(a *importer.Account) (*models.Incoming, error) {
	method, salt, digest, err := password.ParseWerkzeug(string(a.Password))
	if err != nil {
		return nil, models.Errorf(models.Invalid, "password", "%v", err)
	}
	in := &models.Incoming{
		Origin: j.origin(a), Login: a.Login, Method: method, Salt: salt, Digest: digest, Created: a.Created,
	}
	for _, k := range a.Keys {
		in.Keys = append(in.Keys, models.IncomingKey{Ref: k.Ref, Key: k.Key.Encode(), Active: k.Active, Shared: j.shared(), Created: k.Created})
	}
	for _, k := range a.RSA {
		in.RSA = append(in.RSA, models.IncomingRSA{Ref: k.Ref, Private: k.Private, Created: k.Created})
	}
	in.Records = func(yield func(models.Record, error) bool) {
		for t, err := range a.Texts {
			if !yield(textRecord(&t), err) {
				return
			}
			j.bar.add(1)
		}
		for d, err := range a.Digests {
			if !yield(models.Record{Ref: d.Ref, Kind: models.RecordDigest, Created: d.Created, Body: []byte(d.Value), Salt: d.Salt}, err) {
				return
			}
			j.bar.add(1)
		}
	}
	return in, nil
}

func textRecord(t *importer.Text) models.Record {
	r := models.Record{Ref: t.Ref, Kind: models.RecordNote, Created: t.Created, Body: t.Plain}
	if t.Key < 0 {
		r.Kind, r.Body = models.RecordUnreadable, t.Token
	}
	return r
}

// origin tells an account from all others, today and when the old database is brought along once more. MongoDB's ids
// are unique everywhere; SQLite's count from 1 in every database, and neither login nor day ever changed there.
func (j *importJob) origin(a *importer.Account) []string {
	if j.shared() {
		return []string{"v5", a.Ref}
	}
	return []string{"v6", a.Ref, a.Login, a.Created.UTC().Format(time.RFC3339Nano)}
}

// rankKey keeps the memory of a million logins small.
func rankKey(loginKey string) [16]byte {
	sum := sha256.Sum256([]byte(loginKey))
	return [16]byte(sum[:])
}

// openScratch makes a database for a dry run that nothing is ever committed to.
func openScratch(e *env) (*models.DB, func(), error) {
	dir, err := os.MkdirTemp("", "zencrypt-dry-run-")
	if err != nil {
		return nil, nil, fmt.Errorf("make folder for the dry run: %w", err)
	}
	remove := func() { _ = os.RemoveAll(dir) }
	main, err := migrations.Main()
	if err != nil {
		return nil, nil, err
	}
	sessions, err := migrations.Sessions()
	if err != nil {
		return nil, nil, err
	}
	var key models.ServerKey
	rand.Read(key.Pepper[:])
	rand.Read(key.Logins[:])
	id := hex.EncodeToString(key.Logins[:8])
	db, err := models.Open(context.WithoutCancel(e.ctx), models.Options{
		Dir: filepath.Join(dir, "data"), Main: main, Sessions: sessions,
		Pepper: models.PepperKeys{Active: id, Keys: map[string]models.ServerKey{id: key}},
	})
	if err != nil {
		remove()
		return nil, nil, err
	}
	return db, func() { _ = db.Close(); remove() }, nil
}

// lineOf takes a reference such as user:12 apart.
func lineOf(ref, reason, detail string) rejectLine {
	collection, id, _ := strings.Cut(ref, ":")
	return rejectLine{Collection: collection, ID: id, Reason: reason, Detail: detail}
}
