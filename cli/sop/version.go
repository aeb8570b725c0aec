package sop

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// sopv is the version of the draft's subset for verification, all of which is there.
const sopv = "1.0"

const backendModule = "github.com/ProtonMail/go-crypto"

type versionCmd struct {
	Backend  bool `help:"Of the library below."`
	Extended bool `help:"Of everything."`
	SopSpec  bool `help:"Of the draft."`
	Sopv     bool `help:"Of the draft's subset for verification."`
}

func (c *versionCmd) Run(j *job) error {
	var lines []string
	chosen := 0
	for _, o := range []struct {
		given bool
		lines []string
	}{
		{c.Backend, []string{backend()}},
		{c.Extended, []string{"zencrypt " + j.version, backend(), runtime.Version(), Spec}},
		{c.SopSpec, spec()},
		{c.Sopv, []string{sopv}},
	} {
		if o.given {
			chosen++
			lines = o.lines
		}
	}
	switch {
	case chosen > 1:
		return fail(IncompatibleOptions, "version: give one option at most")
	case chosen == 0:
		lines = []string{"zencrypt " + j.version}
	}
	_, err := fmt.Fprintln(j.stdout, strings.Join(lines, "\n"))
	return err
}

// spec begins with a tilde since not all of the draft is there; what is missing follows.
func spec() []string {
	return []string{"~" + Spec, "", "Not supported: update-key; certify-userid --no-require-self-sig."}
}

func backend() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == backendModule {
				return "go-crypto " + strings.TrimPrefix(m.Version, "v")
			}
		}
	}
	return "go-crypto"
}
