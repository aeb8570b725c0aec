// Fuzz runs every fuzz target of the packages that are named, one after the other for the same time or the same
// number of inputs, and prints for each how many inputs were tried and the most memory that a process of it had. A crash, a hang or
// too much memory ends it with exit code 1.
//
// ./task fuzz builds it first and then runs it in the project's folder, whose packages it lists.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxMemory is what parsing may take, in bytes, with what fuzzing itself needs.
const maxMemory = 256 << 20

func main() {
	each := budget{time: 10 * time.Minute}
	flag.Func("time", "how long each target runs, such as 10m, or how many inputs it tries, such as 1000x", each.set)
	only := flag.String("only", "", "run the targets whose package and name match this regular expression")
	flag.Parse()
	if err := run(each, *only, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// A budget is what a target may use: a time, or a number of inputs when that is set.
type budget struct {
	time   time.Duration
	inputs int
}

func (b *budget) set(s string) (err error) {
	*b = budget{}
	if n, ok := strings.CutSuffix(s, "x"); ok {
		if b.inputs, err = strconv.Atoi(n); err == nil && b.inputs < 1 {
			err = errors.New("at least one input")
		}
		return err
	}
	if b.time, err = time.ParseDuration(s); err == nil && b.time <= 0 {
		err = errors.New("more than no time")
	}
	return err
}

// String is what go test's -fuzztime takes.
func (b budget) String() string {
	if b.inputs > 0 {
		return strconv.Itoa(b.inputs) + "x"
	}
	return b.time.String()
}

func run(each budget, only string, patterns []string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out, err := exec.Command("go", append([]string{"list", "-f", "{{.ImportPath}} {{.Dir}}"}, patterns...)...).Output()
	if err != nil {
		return fmt.Errorf("list packages: %w", err)
	}
	var failed []string
	n := 0
	for line := range strings.Lines(string(out)) {
		pkg, folder, _ := strings.Cut(strings.TrimSpace(line), " ")
		targets, err := build(dir, pkg, folder)
		if err != nil {
			return err
		}
		for _, t := range targets {
			if !match.MatchString(pkg + "." + t.name) {
				continue
			}
			n++
			if err := t.run(each); err != nil {
				fmt.Println(err)
				failed = append(failed, pkg+"."+t.name)
			}
		}
	}
	switch {
	case n == 0:
		return errors.New("there is no such target")
	case len(failed) > 0:
		return fmt.Errorf("%d of %d targets failed: %s", len(failed), n, strings.Join(failed, ", "))
	}
	fmt.Printf("%d fuzz targets, %s each: no crash, no hang, none above %d MiB\n", n, each, maxMemory>>20)
	return nil
}

type target struct{ name, pkg, binary, folder, cache string }

// build compiles a package's tests as go test -fuzz does, and lists its targets. Compiling is a process of its
// own, whose memory does not count.
func build(dir, pkg, folder string) ([]target, error) {
	sources, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil || !mentionsFuzz(sources) {
		return nil, err
	}
	binary := filepath.Join(dir, strings.ReplaceAll(pkg, "/", "_"))
	cmd := exec.Command("go", "test", "-c", "-fuzz=.", "-o", binary, pkg)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	list := exec.Command(binary, "-test.list=^Fuzz")
	list.Dir = folder
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("list targets of %s: %w", pkg, err)
	}
	var targets []target
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, "Fuzz") {
			targets = append(targets, target{name, pkg, binary, folder, filepath.Join(dir, "corpus")})
		}
	}
	return targets, nil
}

func mentionsFuzz(files []string) bool {
	for _, f := range files {
		if b, err := os.ReadFile(f); err == nil && strings.Contains(string(b), "func Fuzz") {
			return true
		}
	}
	return false
}

var tried = regexp.MustCompile(`execs: (\d+)`)

// hang is how long a target may take for a number of inputs.
const hang = 10 * time.Minute

// ended is the whole failure that Go before 1.27 reports at times when the time is over (go.dev/issue/75804): a target
// that found something names the input it wrote.
var ended = regexp.MustCompile(`(?m)^--- FAIL: \w+ \([0-9.]+s\)\n {4}context deadline exceeded\nFAIL\n\z`)

// run fuzzes for a while. Twice the time and two minutes more is a hang.
func (t target) run(each budget) error {
	limit := hang
	if each.inputs == 0 {
		limit = 2*each.time + 2*time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, t.binary, "-test.run=^$", "-test.fuzz=^"+t.name+"$", "-test.fuzztime="+each.String(), "-test.fuzzcachedir="+t.cache, "-test.fuzzminimizetime=1s") // a large input is minimized for a minute else
	cmd.Dir = t.folder
	// Garbage is collected before it counts: what is above this limit is in use, and shows in the peak.
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=160MiB")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout // what it has tried stands there
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	execs, said := "0", strings.Builder{}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if m := tried.FindStringSubmatch(lines.Text()); m != nil {
			execs = m[1]
		}
	}
	err = cmd.Wait()
	peak := memory(cmd.ProcessState)
	fmt.Printf("%-34s %-26s %9s inputs in %s, peak %d MiB\n", strings.TrimPrefix(t.pkg, "zencrypt/"), t.name, execs, time.Since(start).Round(time.Second), peak>>20)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s hangs:\n%s", t.name, said.String())
	case err != nil && each.inputs == 0 && time.Since(start) >= each.time && ended.MatchString(said.String()):
	case err != nil:
		return fmt.Errorf("%s: %w\n%s", t.name, err, said.String())
	}
	if peak > maxMemory {
		return fmt.Errorf("%s: a process of it had %d MiB, at most %d", t.name, peak>>20, maxMemory>>20)
	}
	return nil
}

// memory is the most that the process or one of those it started had, in bytes.
func memory(p *os.ProcessState) int64 {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return int64(usage.Maxrss) << 10
}
