package metrics

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

var (
	familyLine = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	labelLine  = regexp.MustCompile(`(?m)^(\w+)\{([^}]*)\}`)
	anyMetric  = regexp.MustCompile(`\b(?:zencrypt|process|go)_\w+`)
	anyUse     = regexp.MustCompile(`\b((?:zencrypt|process|go)_\w+)\{([^}]*)\}`)
	anyLabel   = regexp.MustCompile(`(\w+)(?:=~|!~|!=|=)"([^"]*)"`)
	anyBy      = regexp.MustCompile(`\b(?:by|on) \(([^)]*)\)`)
)

// exported is every sample's name that a server can write, with the labels and values that were seen.
func exported(t *testing.T) map[string]map[string][]string {
	t.Helper()
	m := New(Options{Version: "1.0", Revision: "abc", Read: func(context.Context) Reading { return full() }})
	m.Request("GET", "/", 200, time.Second)
	m.Request("GET", "/", 500, time.Second)
	_, text := scrape(t, m, http.MethodGet, "/metrics")
	names := map[string]map[string][]string{}
	for _, f := range familyLine.FindAllStringSubmatch(text, -1) {
		names[f[1]] = map[string][]string{}
		if f[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				names[f[1]+suffix] = map[string][]string{}
			}
		}
	}
	for _, l := range labelLine.FindAllStringSubmatch(text, -1) {
		for _, pair := range anyLabel.FindAllStringSubmatch(l[2], -1) {
			names[l[1]][pair[1]] = append(names[l[1]][pair[1]], pair[2])
		}
	}
	return names
}

// checkExpr holds an expression to the metrics and labels that there are.
func checkExpr(t *testing.T, where, expr string, names map[string]map[string][]string) {
	t.Helper()
	used := anyMetric.FindAllString(expr, -1)
	if len(used) == 0 && !strings.Contains(expr, "up{") {
		t.Errorf("%s: no metric in %s", where, expr)
	}
	labels := []string{"job", "instance", "le"} // what Prometheus adds, and histograms have
	for _, name := range used {
		if names[name] == nil {
			t.Errorf("%s: no server has %s", where, name)
		}
		for label := range names[name] {
			labels = append(labels, label)
		}
	}
	for _, use := range anyUse.FindAllStringSubmatch(expr, -1) {
		for _, pair := range anyLabel.FindAllStringSubmatch(use[2], -1) {
			switch label, value := pair[1], pair[2]; {
			case label == "job" || label == "instance":
			case !slices.Contains(names[use[1]][label], value):
				t.Errorf(`%s: %s is never written with %s="%s"`, where, use[1], label, value)
			}
		}
	}
	for _, by := range anyBy.FindAllStringSubmatch(expr, -1) {
		for _, label := range strings.Split(by[1], ",") {
			if label = strings.TrimSpace(label); !slices.Contains(labels, label) {
				t.Errorf("%s: by a label that is not there, %s", where, label)
			}
		}
	}
}

// TestDeploy_Alerts: the rules are whole, and name what the server has.
func TestDeploy_Alerts(t *testing.T) {
	content, err := os.ReadFile("../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For    string
				Labels, Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(content, &rules); err != nil {
		t.Fatal(err)
	}
	names, seen := exported(t), map[string]bool{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			checkExpr(t, r.Alert, r.Expr, names)
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Zencrypt") {
				t.Errorf("%s: a name of its own is missing", r.Alert)
			}
			seen[r.Alert] = true
			if _, err := time.ParseDuration(strings.Replace(r.For, "1d", "24h", 1)); err != nil || !slices.Contains([]string{"page", "ticket"}, r.Labels["severity"]) ||
				r.Annotations["summary"] == "" || r.Annotations["do"] == "" {
				t.Errorf("%s: not whole: %+v", r.Alert, r)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("%d rules were read", len(seen))
	}
	operate, err := os.ReadFile("../docs/OPERATE.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range seen {
		if !strings.Contains(string(operate), "`"+strings.TrimPrefix(name, "Zencrypt")+"`") {
			t.Errorf("docs/OPERATE.md does not list %s", name)
		}
	}
}

// TestDeploy_Dashboard: every panel of the dashboard asks for what the server has.
func TestDeploy_Dashboard(t *testing.T) {
	content, err := os.ReadFile("../deploy/prometheus/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Title, UID  string
		Annotations struct{ List []struct{ Expr string } }
		Templating  struct {
			List []struct{ Name, Query string }
		}
		Panels []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(content, &board); err != nil {
		t.Fatal(err)
	}
	names, ids, exprs := exported(t), map[int]bool{}, 0
	for _, a := range board.Annotations.List {
		checkExpr(t, "annotation", a.Expr, names)
	}
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || (p.Type == "row") != (len(p.Targets) == 0) {
			t.Errorf("panel %d %q is not whole", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			exprs++
			checkExpr(t, p.Title, target.Expr, names)
		}
	}
	if exprs < 20 {
		t.Errorf("%d expressions were read", exprs)
	}
	// What the server says and nobody looks at is either in an alert or not worth its lines.
	alerts, err := os.ReadFile("../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(name, "zencrypt_") && !strings.Contains(string(content)+string(alerts), family) && family != "zencrypt_backup_size_bytes" {
			t.Errorf("neither the dashboard nor an alert uses %s", name)
		}
	}
}

// TestDeploy_Table: docs/OPERATE.md lists every metric of the server's own, and none that is not there.
func TestDeploy_Table(t *testing.T) {
	operate, err := os.ReadFile("../docs/OPERATE.md")
	if err != nil {
		t.Fatal(err)
	}
	names, listed := exported(t), map[string]bool{}
	for _, name := range regexp.MustCompile(`\bzencrypt_[a-z]+_?\w*`).FindAllString(string(operate), -1) {
		listed[name] = true
	}
	for name := range names {
		if strings.HasPrefix(name, "zencrypt_") && !regexp.MustCompile(`_(bucket|sum|count)$`).MatchString(name) && !listed[name] {
			t.Errorf("docs/OPERATE.md does not list %s", name)
		}
	}
	for name := range listed {
		if names[name] == nil && !strings.HasPrefix(name, "zencrypt_key") {
			t.Errorf("docs/OPERATE.md lists %s, which no server has", name)
		}
	}
}
