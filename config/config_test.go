package config_test

import (
	"fmt"
	"testing"

	"github.com/alecthomas/kong"

	"zencrypt/config"
)

// The tags are what the command reads, Default is what tests and other callers
// use: they must not drift apart.
func TestConfig_Default(t *testing.T) {
	t.Run("SameAsTags", func(t *testing.T) {
		var got config.Config
		parse(t, &got)
		if a, b := show(got), show(config.Default()); a != b {
			t.Errorf("kong's defaults differ from Default:\n%s\n%s", a, b)
		}
	})
}

func parse(t *testing.T, c *config.Config, args ...string) {
	t.Helper()
	k, err := kong.New(&struct{ *config.Config }{c}, kong.Exit(func(int) { t.Error("the parser exited") }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Parse(args); err != nil {
		t.Fatal(err)
	}
}

func show(c config.Config) string { return fmt.Sprintf("%+v", c) }
