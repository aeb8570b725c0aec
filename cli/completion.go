package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"zencrypt/crypto/digest"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is the long text of `zencrypt completion --help`.
func (completionCmd) Help() string {
	return `Prints what the shell has to run once. Put it where your shell reads it at its start:

    zencrypt completion bash >> ~/.bashrc
    zencrypt completion zsh >> ~/.zshrc
    zencrypt completion fish > ~/.config/fish/completions/zencrypt.fish

The shell then asks the zencrypt that it finds what can follow.

` + exitCodes
}

// The scripts leave files to the shell: where the command has nothing to say, the shell completes names of files.
var completionScripts = map[string]string{
	"bash": `complete -o default -o bashdefault -C zencrypt zencrypt
`,
	"zsh": `(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
autoload -U +X bashcompinit && bashcompinit
complete -o default -o bashdefault -C zencrypt zencrypt
`,
	"fish": `function __zencrypt_complete
    set -lx COMP_LINE (commandline -cp)
    zencrypt
end
complete -c zencrypt -n 'test (count (commandline -opc)) -lt 2' -f
complete -c zencrypt -a '(__zencrypt_complete)'
`,
}

func (c *completionCmd) Run(e *env) error {
	_, err := io.WriteString(e.stdout, completionScripts[c.Shell])
	return err
}

// asked tells whether a shell asks what can follow, with what was typed up to the cursor: bash's complete -C
// sets COMP_LINE and COMP_POINT.
func asked(getenv func(string) string) (line string, ok bool) {
	line = getenv("COMP_LINE")
	if n, err := strconv.Atoi(getenv("COMP_POINT")); err == nil && n >= 0 && n <= len(line) {
		line = line[:n]
	}
	return line, line != ""
}

// complete prints what can follow a line, one word a line; nothing leaves it to the shell.
func complete(app *kong.Application, line string, out io.Writer) {
	words := strings.Fields(line)
	var last string
	if len(words) > 0 && !strings.HasSuffix(line, " ") {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	for _, word := range candidates(app, words, last) {
		if strings.HasPrefix(word, last) {
			fmt.Fprintln(out, word)
		}
	}
}

func candidates(app *kong.Application, words []string, last string) []string {
	node := app.Node
	var open *kong.Flag // whose value comes next
	flags := slices.Clone(node.Flags)
	for _, word := range words[min(1, len(words)):] {
		switch child := childOf(node, word); {
		case open != nil:
			open = nil
		case strings.HasPrefix(word, "-"):
			open = valueFlag(flags, word)
		case child != nil:
			node = child
			flags = append(flags, node.Flags...)
		}
	}
	switch {
	case open != nil:
		return values(open.Value)
	case strings.HasPrefix(last, "-"):
		var names []string
		for _, f := range flags {
			if !f.Hidden {
				names = append(names, "--"+f.Name)
			}
		}
		return names
	case len(node.Children) > 0:
		var names []string
		for _, c := range node.Children {
			if !c.Hidden {
				names = append(names, c.Name)
			}
		}
		return names
	case len(node.Positional) > 0:
		return values(node.Positional[0])
	}
	return nil
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, c := range node.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// valueFlag is the flag that a word names, if the next word is its value.
func valueFlag(flags []*kong.Flag, word string) *kong.Flag {
	for _, f := range flags {
		if word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short) {
			if f.IsBool() {
				return nil
			}
			return f
		}
	}
	return nil
}

// values are the words that a value can be, if they are few.
func values(v *kong.Value) []string {
	if v.Tag.Has("complete") && v.Tag.Get("complete") == "algorithm" {
		var ids []string
		for _, a := range digest.Algorithms() {
			ids = append(ids, a.ID)
		}
		return ids
	}
	return slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
}
