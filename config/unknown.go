package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// backups are settings of 'zencrypt backup', whose unit shares the file of settings.
var backups = []string{"BACKUP_TO", "BACKUP_KEEP", "BACKUP_RECIPIENT", "BACKUP_RECIPIENTS_FILE"}

// kubernetes are the variables that it sets for each service of a namespace, such as one named zencrypt or zencrypt-web.
var kubernetes = regexp.MustCompile(`^([A-Z0-9_]+_)?(SERVICE_HOST=[0-9a-f.:]+|SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]+|PORT(_[0-9]+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.*|` +
	`PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO=(tcp|udp|sctp)|PORT=[0-9]+|ADDR=[0-9a-f.:]+))$`)

// Unknown returns the names of variables in environ (os.Environ) that look like settings and are none, in order: a name
// that is mistyped changes nothing, and nobody would hear of it.
func Unknown(environ []string) (names []string) {
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		known[f.Tag.Get("env")] = true
	}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		rest, ours := strings.CutPrefix(name, "ZENCRYPT_")
		switch {
		case !ours || known[name] || slices.Contains(backups, rest) || kubernetes.MatchString(rest+"="+value):
		case strings.HasPrefix(rest, "E2E_"), strings.HasPrefix(rest, "TEST_"), strings.HasPrefix(rest, "FAILPOINT"): // of the tests
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
