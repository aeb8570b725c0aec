package archive

import (
	"fmt"
	"time"
)

// readme says how to use what is in an archive, without Zencrypt. Its commands are tried by a test.
func readme(login string, now time.Time) string {
	return fmt.Sprintf(`EVERYTHING FROM ONE ZENCRYPT ACCOUNT

Account:  %s
Made:     %s

What is in this folder is readable by whoever has it. Your private keys are in it, without a passphrase. Keep the
encrypted file that it came from, and delete this folder when you are done.

The commands below need no Zencrypt. Type them in this folder, where SHA256SUMS is, but for the first two.


OPEN IT, AND CHECK IT

    age -d -o export.tar zencrypt-export.tar.age
    tar -xf export.tar
    cd zencrypt-export
    (cd .. && sha256sum --quiet -c zencrypt-export/SHA256SUMS)

For a private key in key.txt in place of a passphrase, add -i key.txt to the first line.

If age stops with an error, the file was cut short or changed: download it again. If sha256sum says nothing, all is as
it was written.


WHAT IS HERE

    notes/         your notes, as text
    files/         your files, as you uploaded them
    digests/       digests that you kept, as text
    ciphertexts/   results that you kept encrypted (see below)
    keys/          your private and public keys, every version
    people/        other people's public keys
    activity/      what happened in your account, when the server keeps that
    manifest.json  titles, dates, states and which key opens what
    SHA256SUMS     the digest of every file here
    PROBLEMS.txt   only when something could not be read on the server

A number stands before each name, so that two of the same name stay apart. The whole title is in manifest.json. To list
the titles:

    python3 -c 'import json; [print(i["file"]["name"], "-", i["title"]) for i in json.load(open("manifest.json"))["items"] if "file" in i]'

Items in the trash and results that waited for a download are not here. Neither are your password and your recovery
code: nobody has them but you.


KEYS

A key has versions. The active one encrypts; retired and revoked ones only open what is older. Each version is a file of
its own, named after its number and state.

age (keys/*-age-*/ and keys/*-age-pq-*/): identity files. To open a file that was encrypted to you:

    age -d -i keys/01-age-NAME/v1-active.txt -o FILE FILE.age

OpenPGP (keys/*-pgp-*/): secret keys in armor, without a passphrase; GnuPG asks for one when you change it:

    gpg --import keys/03-pgp-NAME/v1-active.secret.asc
    gpg --change-passphrase FINGERPRINT
    gpg -o FILE -d FILE.asc

A file that ends in .revocation.asc declares the key revoked as soon as you import it.

Fernet (keys/*-fernet-*/): one key of 44 characters. To open a token:

    python3 -c 'import sys; from cryptography.fernet import Fernet; sys.stdout.buffer.write(Fernet(open(sys.argv[1]).read().strip()).decrypt(open(sys.argv[2],"rb").read().strip()))' keys/02-fernet-NAME/v1-active.fernet TOKEN

RSA (keys/*-rsa-*/): a private key in PEM from an older Zencrypt. openssl pkey -in FILE -text reads it.


CIPHERTEXTS

The entry of each in manifest.json has "format" (age, pgp, fernet), and in "opens" the key and version for it: look that
up under "keys", whose "private" names the file. Without "opens", it takes the passphrase that you chose, or another
person's key. Then use the command for its format above, or age -d FILE for a passphrase.


PEOPLE

To encrypt to somebody with age, and to add somebody's OpenPGP key to GnuPG:

    age -R people/001-NAME/age.txt -o FILE.age FILE
    gpg --import people/001-NAME/openpgp-1.asc

Their names, your notes, and whether you compared the keys with them are in manifest.json.


ANOTHER ZENCRYPT

Whoever runs it types, while that server is stopped:

    zencrypt import export --login LOGIN zencrypt-export.tar.age
`, login, now.UTC().Format("2006-01-02 15:04:05 UTC"))
}
