package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"zencrypt/importer/testdata/older"
)

// TestAgain ranges over a source twice, over digests inside of texts, and stops early.
func TestAgain(t *testing.T) {
	for _, form := range append([]older.Form{""}, older.Forms...) {
		t.Run(formName(form), func(t *testing.T) {
			job := made(t, small, form)
			s, err := job.open()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if (s.Version() == 6) != (form == "") {
				t.Errorf("version %d", s.Version())
			}
			run := func() (out []string) {
				for a, err := range s.Accounts(t.Context()) {
					if err != nil {
						t.Fatal(err)
					}
					for x, err := range a.Texts {
						if err != nil {
							t.Fatal(err)
						}
						for d, err := range a.Digests {
							if err != nil {
								t.Fatal(err)
							}
							out = append(out, fmt.Sprint(a.Ref, x.Ref, string(x.Plain), d.Ref, d.Value))
							break
						}
					}
				}
				return out
			}
			first := run()
			for range s.Accounts(t.Context()) {
				break
			}
			if again := run(); len(first) == 0 || !slices.Equal(first, again) {
				t.Errorf("%d, then %d", len(first), len(again))
			}
		})
	}
}

// TestCanceled stops where it is told to.
func TestCanceled(t *testing.T) {
	for _, form := range []older.Form{"", older.Dump, older.ArchiveGzip} {
		t.Run(formName(form), func(t *testing.T) {
			job := made(t, small, form)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			open := func(ctx context.Context) (*Source, error) {
				if form == "" {
					return OpenV6(ctx, job.Path, Options{})
				}
				return OpenV5(ctx, job.Path, job.Key, Options{TempDir: t.TempDir()})
			}
			s, err := open(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			n := 0
			for _, err = range s.Accounts(ctx) {
				n++
				cancel()
			}
			if n != 2 || !errors.Is(err, context.Canceled) {
				t.Errorf("%d: %v", n, err)
			}
			if form == older.ArchiveGzip {
				return // fewer documents than are read between two looks
			}
			if s, err := open(ctx); s != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("open: %v", err)
			}
		})
	}
}
