package config

import (
	"reflect"
	"slices"
	"strings"
)

// Unknown returns the names of variables in environ (os.Environ) that look like settings and are none, in order: a name
// that is mistyped changes nothing, and nobody would hear of it.
func Unknown(environ []string) (names []string) {
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		known[f.Tag.Get("env")] = true
	}
	for _, line := range environ {
		name, _, _ := strings.Cut(line, "=")
		rest, ours := strings.CutPrefix(name, "ZENCRYPT_")
		switch {
		case !ours || known[name]:
		case strings.HasPrefix(rest, "BACKUP_"): // of the timer's unit, which shares the file of settings
		case strings.HasPrefix(rest, "SERVICE_"), strings.HasPrefix(rest, "PORT"): // Kubernetes' of a service named zencrypt
		case strings.HasPrefix(rest, "E2E_"), strings.HasPrefix(rest, "TEST_"), strings.HasPrefix(rest, "FAILPOINT"): // of the tests
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
