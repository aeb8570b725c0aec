package handlers

import (
	"strings"

	"zencrypt/models"
)

// The commands that open a result without Zencrypt.

func ageWithKey(in, out string) []string {
	return []string{"age -d -i zencrypt-age-key.txt -o " + quote(out) + " " + quote(in)}
}

func ageWithPassphrase(in, out string) []string {
	return []string{"age -d -o " + quote(out) + " " + quote(in)}
}

func fernetCommand(in, out string) []string {
	return []string{`python3 -c 'import sys; from cryptography.fernet import Fernet; k = open(sys.argv[1]).readline().strip(); ` +
		`open(sys.argv[3], "wb").write(Fernet(k).decrypt(open(sys.argv[2], "rb").read().strip()))' ` +
		`zencrypt-fernet-key.txt ` + quote(in) + " " + quote(out)}
}

// quote makes a name safe to paste into a POSIX shell, also one that starts like an option.
func quote(name string) string {
	if strings.HasPrefix(name, "-") {
		name = "./" + name
	}
	if strings.IndexFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/", r))
	}) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// openCommands are the commands that open a kept ciphertext without Zencrypt.
func openCommands(item *models.Item) []string {
	in := orElse(item.Meta.FileName, "message.age")
	out := strings.TrimSuffix(strings.TrimSuffix(in, ".age"), ".fernet")
	switch {
	case item.Meta.Format == "fernet":
		return fernetCommand(in, out)
	case strings.Contains(item.Meta.Detail, "passphrase"):
		return ageWithPassphrase(in, out)
	}
	return ageWithKey(in, out)
}
