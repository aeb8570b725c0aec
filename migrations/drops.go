package migrations

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
)

var dropPattern = regexp.MustCompile(`(?m)^DROP TABLE IF EXISTS (\w+);`)

// Drops names the tables of zencrypt.db that go, with what stands in them, when a migration is taken back.
func Drops(name string) (tables []string, err error) {
	err = fs.WalkDir(files, "main", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), name+"_") || !strings.HasSuffix(path, ".down.sql") {
			return err
		}
		sql, err := fs.ReadFile(files, path)
		for _, m := range dropPattern.FindAllSubmatch(sql, -1) {
			tables = append(tables, string(m[1]))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read migration %s: %w", name, err)
	}
	return tables, nil
}
