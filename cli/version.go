package cli

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	assets "zencrypt/embed"
)

type versionCmd struct {
	JSON bool `name:"json" help:"Print a JSON object: version, go, os, arch, and the commit when the build knows it."`
}

// Help is the long text of `zencrypt version --help`.
func (versionCmd) Help() string { return exitCodes }

func (c *versionCmd) Run(e *env) error {
	if !c.JSON {
		_, err := fmt.Fprintln(e.stdout, "zencrypt", Version())
		return err
	}
	v := struct {
		Version  string `json:"version"`
		Go       string `json:"go"`
		OS       string `json:"os"`
		Arch     string `json:"arch"`
		Commit   string `json:"commit,omitempty"`
		Time     string `json:"time,omitempty"` // of the commit
		Modified bool   `json:"modified,omitempty"`
	}{Version: Version(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Commit = s.Value
			case "vcs.time":
				v.Time = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	return json.NewEncoder(e.stdout).Encode(v)
}

type assetsCmd struct {
	Sums bool `name:"sums" help:"Print SHA-256 digests, as sha256sum does: with the sources at hand, 'zencrypt assets --sums | sha256sum -c' in their folder compares."`
}

// Help is the long text of `zencrypt assets --help`.
func (assetsCmd) Help() string {
	return `These are the styles, scripts and images inside the program. The page "About" of a server shows the same digests, so
that anybody can compare what a server gives to browsers with a release.

` + exitCodes
}

func (c *assetsCmd) Run(e *env) error {
	for _, s := range assets.Sums() {
		line := s.Path
		if c.Sums {
			line = s.SHA256 + "  " + sourceOf(s.Path)
		}
		if _, err := fmt.Fprintln(e.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// sourceOf is where a file lies in the sources. Its address has a part of its digest between.
func sourceOf(path string) string {
	_, name, _ := strings.Cut(strings.TrimPrefix(path, assets.Base), "/")
	return "embed/static/" + name
}
