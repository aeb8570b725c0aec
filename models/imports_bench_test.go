package models

import (
	"fmt"
	"path/filepath"
	"testing"

	"zencrypt/crypto/fernet"
)

// BenchmarkImports_Import takes in accounts with ten texts of 300 bytes, a digest and a key each.
func BenchmarkImports_Import(b *testing.B) {
	db, err := Open(b.Context(), testOptions(b, filepath.Join(b.TempDir(), "data"), newClock()))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	var all []Record
	for i := range 11 {
		all = append(all, textRecord(fmt.Sprint("text:", i), fmt.Sprintf("%0300d", i)))
	}
	salt := "salt"
	all[10] = Record{Ref: "hash:1", Kind: RecordDigest, Body: []byte(fmt.Sprintf("%064x", 1)), Salt: &salt}
	for i := 0; b.Loop(); i++ {
		in := incoming(b, fmt.Sprint(i), fmt.Sprint("person.", i, "@example.org"), "x", all...)
		in.Keys = []IncomingKey{{Ref: "key:1", Key: fernet.NewKey(), Active: true}}
		if out, err := db.Imports.Import(b.Context(), in, false); err != nil || out.Notes != 10 {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*13/b.Elapsed().Seconds(), "records/s")
}
