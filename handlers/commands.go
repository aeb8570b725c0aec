package handlers

import (
	"strings"

	"zencrypt/crypto"
	"zencrypt/models"
)

// The commands that open a result without Zencrypt.

func ageWithKey(in, out string) []string {
	return []string{"age -d -i zencrypt-age-key.txt -o " + quote(out) + " " + quote(in)}
}

func ageWithPassphrase(in, out string) []string {
	return []string{"age -d -o " + quote(out) + " " + quote(in)}
}

func gpgWithKey(in, out string) []string {
	return []string{"gpg --import zencrypt-openpgp-key.asc    # once, with your own private key", "gpg -o " + quote(out) + " -d " + quote(in)}
}

func gpgWithPassphrase(in, out string) []string {
	return []string{"gpg -o " + quote(out) + " -d " + quote(in)}
}

// sopWithKey is for keys of version 6 (RFC 9580), which GnuPG does not read: any program with the Stateless OpenPGP
// command line does, such as rsop or gosop.
func sopWithKey(in, out string) []string {
	return []string{"sop decrypt zencrypt-openpgp-key.asc < " + quote(in) + " > " + quote(out)}
}

func verifyText(in string) []string { return []string{"gpg --verify " + quote(in)} }

func verifyFile(signature, file string) []string {
	return []string{"gpg --verify " + quote(signature) + " " + quote(file)}
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
	if item.Meta.Format == string(crypto.FormatLegacyRSA) {
		return openWith(models.KindRSA)
	}
	in := "message.age"
	if item.Meta.Format == string(crypto.FormatPGP) {
		in = "message.asc"
	}
	in = orElse(item.Meta.FileName, in)
	out := strings.TrimSuffix(strings.TrimSuffix(in, ".age"), ".fernet")
	switch {
	case item.Meta.Format == "pgp" && strings.Contains(item.Meta.Detail, "version 6"):
		return sopWithKey(in, opened(in))
	case item.Meta.Format == "pgp" && strings.Contains(item.Meta.Detail, "passphrase"):
		return gpgWithPassphrase(in, opened(in))
	case item.Meta.Format == "pgp", item.Meta.Format == "" && (strings.HasSuffix(in, ".asc") || strings.HasSuffix(in, ".gpg")):
		return gpgWithKey(in, opened(in))
	case item.Meta.Format == "fernet":
		return fernetCommand(in, out)
	case strings.Contains(item.Meta.Detail, "passphrase"):
		return ageWithPassphrase(in, out)
	}
	return ageWithKey(in, out)
}

// keyFile is what an exported private key is called, in the commands too.
func keyFile(kind string) string {
	switch kind {
	case models.KindAgePQ:
		return "zencrypt-age-pq-key.txt"
	case models.KindPGP:
		return "zencrypt-openpgp-key.asc"
	case models.KindFernet:
		return "zencrypt-fernet-key.txt"
	case models.KindRSA:
		return "zencrypt-rsa-key.pem"
	}
	return "zencrypt-age-key.txt"
}

// openWith are the commands that open something with an exported key of a kind.
func openWith(kind string) []string {
	switch kind {
	case models.KindAge, models.KindAgePQ:
		return []string{"age -d -i " + keyFile(kind) + " -o FILE FILE.age"}
	case models.KindPGP:
		return []string{"gpg --import " + keyFile(kind), "gpg -o FILE -d FILE.gpg"}
	case models.KindFernet:
		return fernetCommand("FILE.fernet", "FILE")
	}
	return []string{"base64 -d MESSAGE | openssl pkeyutl -decrypt -inkey " + keyFile(kind) +
		" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256"}
}
