package models

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/hex"
	"fmt"
	"time"
)

// ID names a row: 16 random bytes made by the program, known before the INSERT
// because they are part of each seal's additional data.
type ID [16]byte

// NewID returns a random ID.
func NewID() (id ID) {
	rand.Read(id[:]) // never fails since Go 1.24
	return id
}

// String returns 32 hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether the ID was never set.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads what String writes. The error is NotFound: an address that holds
// no ID names nothing.
func ParseID(s string) (id ID, err error) {
	if len(s) != 2*len(id) {
		return ID{}, Errorf(NotFound, "", "find it: the address holds no valid id")
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return ID{}, Errorf(NotFound, "", "find it: the address holds no valid id")
	}
	return id, nil
}

// Value implements driver.Valuer: a BLOB of 16 bytes.
func (id ID) Value() (driver.Value, error) { return id[:], nil }

// Scan implements sql.Scanner.
func (id *ID) Scan(src any) error {
	b, ok := src.([]byte)
	if !ok || len(b) != len(id) {
		return fmt.Errorf("read id: want 16 bytes, got %T", src)
	}
	copy(id[:], b)
	return nil
}

// Times stand in the databases as milliseconds since 1970 in UTC.
func millis(t time.Time) int64 { return t.UnixMilli() }

func fromMillis(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
