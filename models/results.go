package models

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"

	"zencrypt/crypto/seal"
)

// The states of a result.
const (
	StateReady  = "ready"
	StateLocked = "locked" // no key fitted yet
)

// Result is a spooled file that waits for its download. It belongs to the session that
// made it; nobody else can see that it is there.
type Result struct {
	ID      ID
	Session ID
	Owner   string // whose quota it counts against
	Created time.Time
	Expires time.Time
	Verb    string // encrypt, decrypt, sign
	State   string // StateReady, StateLocked
	Tries   int
	Blob    ID
	Disk    int64 // bytes on the disk
	Size    int64 // bytes of the download, -1 unknown
	Meta    ResultMeta
}

// ResultSignature is the verdict on an OpenPGP signature, as it was shown.
type ResultSignature struct {
	Class, Headline, Detail, Fingerprint, Link string
	Time                                       time.Time
}

// ResultMeta is sealed under the session's key.
type ResultMeta struct {
	Name       string
	WrapKey    [16]byte // of the spool file's own wrap
	SpoolSize  int64
	FileFormat string   // age, pgp, fernet, ...
	FileKey    [16]byte // of the age file inside, when it is sent decrypted
	SessionKey string   // of the OpenPGP message inside, likewise
	Headline   string
	Facts      [][2]string
	Signatures []ResultSignature
	Commands   []string
	Passphrase bool
	Save       bool     // into the vault once it is open
	Item       ItemMeta // of the vault item that it becomes when it is saved
}

// sealedResult is ResultMeta as it is sealed: its own fields, but for those that may hold
// any bytes. The names of these come before those of the same name below.
type sealedResult struct {
	openMeta
	Name, FileName, Detail []byte
}

func marshalMeta(m ResultMeta) ([]byte, error) {
	s := sealedResult{openMeta: openMeta(m), Name: []byte(m.Name), FileName: []byte(m.Item.FileName), Detail: []byte(m.Item.Detail)}
	s.Item.FileName, s.Item.Detail = "", ""
	return json.Marshal(s)
}

func parseMeta(b []byte) (ResultMeta, error) {
	var s sealedResult
	if err := json.Unmarshal(b, &s); err != nil {
		return ResultMeta{}, err
	}
	m := ResultMeta(s.openMeta)
	m.Name, m.Item.FileName, m.Item.Detail = string(s.Name), string(s.FileName), string(s.Detail)
	return m, nil
}

// Results is the store of results, in sessions.db.
type Results struct{ db *DB }

type resultRow struct {
	bun.BaseModel `bun:"table:results"`

	ID         ID `bun:",pk"`
	SessionID  ID
	Owner      string
	Created    int64
	Expires    int64
	Verb       string
	State      string
	Tries      int
	BlobID     ID
	Disk       int64
	Size       int64
	SealedMeta []byte
}

func (r *resultRow) result() Result {
	return Result{
		ID: r.ID, Session: r.SessionID, Owner: r.Owner, Created: fromMillis(r.Created), Expires: fromMillis(r.Expires),
		Verb: r.Verb, State: r.State, Tries: r.Tries, Blob: r.BlobID, Disk: r.Disk, Size: r.Size,
	}
}

func (r *resultRow) open(s *Session) (*Result, error) {
	out := r.result()
	b, err := seal.Open(s.Key, place("results", "sealed_meta", r.ID, r.SessionID), r.SealedMeta)
	if err != nil {
		return nil, fail(Internal, "open result", err)
	}
	if out.Meta, err = parseMeta(b); err != nil {
		return nil, fail(Internal, "open result", err)
	}
	return &out, nil
}

func closeResult(s *Session, r *Result) (*resultRow, error) {
	b, err := marshalMeta(r.Meta)
	if err != nil {
		return nil, fail(Internal, "seal result", err)
	}
	return &resultRow{
		ID: r.ID, SessionID: s.ID, Owner: r.Owner, Created: millis(r.Created), Expires: millis(r.Expires),
		Verb: r.Verb, State: r.State, Tries: r.Tries, BlobID: r.Blob, Disk: r.Disk, Size: r.Size,
		SealedMeta: seal.Seal(s.Key, 0, place("results", "sealed_meta", r.ID, s.ID), b),
	}, nil
}

// closedResults are results whose Meta was not opened.
func closedResults(rows []resultRow) []Result {
	out := make([]Result, len(rows))
	for i := range rows {
		out[i] = rows[i].result()
	}
	return out
}

func errNoResult() error { return Errorf(NotFound, "", "find result: it is not there any more") }

// Create stores a result of a session. ID, Created and Expires are set when zero. It is
// Gone when the session has ended meanwhile.
func (rs *Results) Create(ctx context.Context, s *Session, r *Result) error {
	if r.ID.IsZero() {
		r.ID = NewID()
	}
	if r.Created.IsZero() {
		r.Created = rs.db.now()
	}
	if r.Expires.IsZero() {
		r.Expires = r.Created.Add(rs.db.opts.ResultTTL)
	}
	r.Session = s.ID
	row, err := closeResult(s, r)
	if err != nil {
		return err
	}
	return rs.db.sessions.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		alive, err := tx.NewSelect().Model((*sessionRow)(nil)).Where("id = ?", s.ID).Exists(ctx)
		if err != nil {
			return err
		}
		if !alive {
			return Errorf(Gone, "", "this session has ended: log in again")
		}
		_, err = tx.NewInsert().Model(row).Exec(ctx)
		return err
	})
}

// Get returns a result of this session; another's, an expired one and one that was
// never there are all NotFound.
func (rs *Results) Get(ctx context.Context, s *Session, id ID) (*Result, error) {
	row := new(resultRow)
	err := rs.db.sessions.r.NewSelect().Model(row).Where("id = ?", id).Where("session_id = ?", s.ID).
		Where("expires > ?", millis(rs.db.now())).Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, errNoResult()
	}
	if err != nil {
		return nil, storeError(err)
	}
	return row.open(s)
}

// Delete removes a result of this session and returns it, unopened, for its file to be
// removed. NotFound otherwise.
func (rs *Results) Delete(ctx context.Context, s *Session, id ID) (*Result, error) {
	row := new(resultRow)
	err := rs.db.sessions.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		err := tx.NewSelect().Model(row).Where("id = ?", id).Where("session_id = ?", s.ID).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return errNoResult()
		}
		if err != nil {
			return err
		}
		_, err = tx.NewDelete().Model(row).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := row.result()
	return &r, nil
}

// Drop is Delete whosever the result is by now: a session that took another's place has
// its results (see Rebind).
func (rs *Results) Drop(ctx context.Context, id ID) (*Result, error) {
	row := new(resultRow)
	err := rs.db.sessions.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := tx.NewSelect().Model(row).Where("id = ?", id).Scan(ctx); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model(row).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	r := row.result()
	return &r, nil
}

// List returns the results of a session that have not expired, newest first, opened.
func (rs *Results) List(ctx context.Context, s *Session) ([]Result, error) {
	var rows []resultRow
	err := rs.db.sessions.r.NewSelect().Model(&rows).Where("session_id = ?", s.ID).
		Where("expires > ?", millis(rs.db.now())).Order("created DESC", "id DESC").Scan(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	out := make([]Result, 0, len(rows))
	for i := range rows {
		r, err := rows[i].open(s)
		if err != nil {
			return nil, err
		}
		out = append(out, *r)
	}
	return out, nil
}

// Expire removes the results whose hour is over or whose session has ended, and returns
// them, unopened, for their files to be removed.
func (rs *Results) Expire(ctx context.Context) (removed []Result, err error) {
	// Asked first: on a full disk a deletion costs the reserve.
	var any bool
	if any, err = rs.expired(rs.db.sessions.r.NewSelect().Model((*resultRow)(nil))).Exists(ctx); err != nil || !any {
		return nil, storeError(err)
	}
	err = rs.db.sessions.remove(ctx, func(ctx context.Context, tx bun.Tx) error {
		var rows []resultRow
		err := rs.expired(tx.NewSelect().Model(&rows)).Scan(ctx)
		if err != nil || len(rows) == 0 {
			return err
		}
		removed = closedResults(rows)
		_, err = tx.NewDelete().Model(&rows).WherePK().Exec(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return removed, nil
}

func (rs *Results) expired(q *bun.SelectQuery) *bun.SelectQuery {
	return q.WhereOr("expires <= ?", millis(rs.db.now())).
		WhereOr("session_id NOT IN (?)", rs.db.sessions.r.NewSelect().Model((*sessionRow)(nil)).Column("id"))
}

// Blobs returns the spool files that results need.
func (rs *Results) Blobs(ctx context.Context) (map[ID]struct{}, error) {
	var ids []ID
	if err := rs.db.sessions.r.NewSelect().Model((*resultRow)(nil)).Column("blob_id").Scan(ctx, &ids); err != nil {
		return nil, storeError(err)
	}
	return setOf(ids), nil
}

// UsageByOwner returns the bytes on the disk that the results of each owner take.
func (rs *Results) UsageByOwner(ctx context.Context) (map[string]int64, error) {
	var rows []struct {
		Owner string
		Bytes int64
	}
	err := rs.db.sessions.r.NewSelect().Model((*resultRow)(nil)).Column("owner").ColumnExpr("sum(disk) AS bytes").
		Group("owner").Scan(ctx, &rows)
	if err != nil {
		return nil, storeError(err)
	}
	out := make(map[string]int64, len(rows))
	for _, row := range rows {
		out[row.Owner] = row.Bytes
	}
	return out, nil
}

func setOf(ids []ID) map[ID]struct{} {
	out := make(map[ID]struct{}, len(ids))
	for _, id := range ids {
		out[id] = struct{}{}
	}
	return out
}
