package agefile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"zencrypt/crypto/agefile"
)

func ExampleNewIdentity() {
	secret, public, err := agefile.NewIdentity()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret[:16], public[:4])
	// Output: AGE-SECRET-KEY-1 age1
}

func ExampleNewHybridIdentity() {
	secret, public, err := agefile.NewHybridIdentity()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(secret[:19], public[:7])
	// Output: AGE-SECRET-KEY-PQ-1 age1pq1
}

func ExampleParseRecipients() {
	_, err := agefile.ParseRecipients("AGE-SECRET-KEY-1QQQ")
	fmt.Println(err)
	// Output: read public keys: this is a private key, which must stay with its owner: give the public one (age1...)
}

func ExampleParseIdentities() {
	_, err := agefile.ParseIdentities("# my key\nAGE-SECRET-KEY-1QQQ")
	fmt.Println(err)
	// Output: read keys: line 2 is a private key that is not complete or was mistyped
}

func ExampleKeyReader() {
	keys := agefile.KeyReader{
		MaxBytes: agefile.CommandMaxBytes, MaxKeys: agefile.CommandMaxKeys, MaxWorkFactor: agefile.CommandMaxWorkFactor,
		Passphrase: func() (string, error) { return "open sesame", nil }, // asks somebody
		Warn:       func(message string) { fmt.Println("warning:", message) },
	}
	secret, public, err := agefile.NewIdentity()
	if err != nil {
		log.Fatal(err)
	}
	recipients, err := keys.Recipients(strings.NewReader("# us\n" + public + "\n")) // -R
	if err != nil {
		log.Fatal(err)
	}
	lock, err := agefile.PassphraseRecipient("open sesame", 10)
	if err != nil {
		log.Fatal(err)
	}
	identities, err := keys.Identities(bytes.NewReader(exampleFile(secret, true, lock))) // -i
	if err != nil {
		log.Fatal(err)
	}
	opened, err := agefile.Open(bytes.NewReader(exampleFile("hello", false, recipients...)), identities...)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, opened)
	// Output: hello
}

func ExampleKeyReader_Recipient() {
	_, err := agefile.KeyReader{}.Recipient("age1yubikey1qqqq")
	fmt.Println(errors.Is(err, agefile.ErrKeys))
	// Output: true
}

func ExampleKeyReader_PluginIdentity() {
	_, err := agefile.KeyReader{}.PluginIdentity("yubikey") // Plugins is nil
	fmt.Println(err)
	// Output: read keys: this is a key of a plugin (a program named age-plugin-...), and plugins are not started here
}

func ExampleRecipientsOf() {
	secret, public, err := agefile.NewIdentity()
	if err != nil {
		log.Fatal(err)
	}
	identities, err := agefile.KeyReader{}.Identities(strings.NewReader(secret))
	if err != nil {
		log.Fatal(err)
	}
	recipients, err := agefile.RecipientsOf(identities...)
	if err != nil {
		log.Fatal(err)
	}
	line, err := agefile.PublicKey(recipients[0])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(line == public)
	// Output: true
}

func ExamplePublicKey() {
	_, recipient := exampleKey()
	line, err := agefile.PublicKey(recipient)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(line[:4], len(line))
	// Output: age1 62
}

func ExamplePassphraseRecipient() {
	recipient, err := agefile.PassphraseRecipient("correct horse", 10)
	if err != nil {
		log.Fatal(err)
	}
	identity, err := agefile.PassphraseIdentity("correct horse", agefile.ServerMaxWorkFactor)
	if err != nil {
		log.Fatal(err)
	}
	opened, err := agefile.Open(bytes.NewReader(exampleFile("hello", false, recipient)), identity)
	if err != nil {
		log.Fatal(err)
	}
	io.Copy(os.Stdout, opened)
	// Output: hello
}

func ExamplePassphraseIdentity() {
	_, err := agefile.PassphraseIdentity("", agefile.ServerMaxWorkFactor)
	fmt.Println(err)
	// Output: use passphrase: it is empty
}

func ExampleNewPassphrase() {
	recipient, err := agefile.PassphraseRecipient("correct horse", 12)
	if err != nil {
		log.Fatal(err)
	}
	identity, err := agefile.NewPassphrase("correct horse", 11)
	if err != nil {
		log.Fatal(err)
	}
	_, err = agefile.Open(bytes.NewReader(exampleFile("hello", false, recipient)), identity)
	fmt.Println(err)
	// Output: open age file: its passphrase needs more work than is accepted: work factor 12, at most 11
}

func ExampleAskPassphrase() {
	_, recipient := exampleKey()
	ask := func() (string, error) { fmt.Println("asked"); return "correct horse", nil }
	passphrase, err := agefile.AskPassphrase(ask, agefile.CommandMaxWorkFactor)
	if err != nil {
		log.Fatal(err)
	}
	_, err = agefile.Open(bytes.NewReader(exampleFile("hello", false, recipient)), passphrase)
	fmt.Println(err)
	// Output: open age file: it is encrypted to a public key, not with a passphrase: a private key is needed
}

func ExampleWorkMemory() {
	fmt.Println(agefile.WorkMemory(18)>>20, "MiB")
	// Output: 256 MiB
}
