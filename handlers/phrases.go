package handlers

import (
	"zencrypt/crypto"
	"zencrypt/crypto/agefile"
	"zencrypt/crypto/fernet"
	"zencrypt/crypto/legacy"
	"zencrypt/crypto/password"
	"zencrypt/crypto/pgp"
	"zencrypt/lang"
)

// What the stores and the formats say to people, by their own English words, as gettext does it: so that they need to
// know no catalogue, and what is new there is shown in English until it stands here. A test compares these tables with
// the sources of models.

// wording is a text with values, by the format that it was made with. A value without a name is not said.
type wording struct {
	id     string
	values []string
}

var storePhrases = map[string]wording{
	"the title has %d characters and 200 is the limit":                                                                       {"refused.title-long", []string{"Count"}},
	"the name has %d characters and %d is the limit":                                                                         {"refused.name-long", []string{"Count", "Most"}},
	"the name has %d characters and 200 is the limit":                                                                        {"refused.person-name-long", []string{"Count"}},
	"the note has %d characters and 2,000 is the limit":                                                                      {"refused.note-long", []string{"Count"}},
	"the description has %d characters and %d is the limit":                                                                  {"refused.description-long", []string{"Count", "Most"}},
	"save it: the text has %d bytes and 2 MiB is the limit; save it as a file":                                               {"refused.text-long", []string{"Count"}},
	"a person may have %d keys, these are %d":                                                                                {"refused.person-keys", []string{"Count", "Given"}},
	"your list has %d people, which is the limit: remove one first":                                                          {"refused.people-full", []string{"Count"}},
	"you have %d passkeys, which is the limit: remove one first":                                                             {"refused.passkeys-full", []string{"Count"}},
	"%d invitations are open: take some back first":                                                                          {"refused.invitations-full", []string{""}},
	"give a number from 1 to %d":                                                                                             {"refused.number-up-to", []string{"Most"}},
	"an invitation lives from an hour to %d days":                                                                            {"refused.invitation-days", []string{"Count"}},
	"keep key: a ring has at most %d keys, delete some first":                                                                {"refused.ring-keys", []string{"Count"}},
	"keep key: all keys of a ring have at most %d versions, delete some first":                                               {"refused.ring-versions", []string{"Count"}},
	"keep key: a ring has at most %d Fernet keys and versions, since each is tried on every token: delete some first":        {"refused.ring-fernet", []string{"Count"}},
	"add version: a key has at most %d, delete retired ones first":                                                           {"refused.key-versions", []string{"Most"}},
	"change version: it is %s already":                                                                                       {"refused.version-state", []string{"State"}},
	"the lowest version has to be a number from 1 to %d":                                                                     {"refused.lowest-version", []string{"Most"}},
	"choose a time from the list: this server ends sessions after %s":                                                        {"refused.session-time", []string{"Time"}},
	"choose a time from the list: a session that is not used for %s ends anyway":                                             {"refused.lock-time", []string{"Time"}},
	"more than %d of these keys are locked with a passphrase, which is slow to try on purpose: import fewer at once":         {"refused.many-locked", []string{"Count"}},
	"import keys: these are more than %d private keys, import fewer at once":                                                 {"refused.too-many-private-keys", []string{"Count"}},
	"an OpenPGP key has more than %d KiB: export it without the signatures of others (gpg: --export-options export-minimal)": {"refused.pgp-key-large", []string{"Size"}},
	"%s: this OpenPGP key is revoked, make a new one":                                                                        {"refused.pgp-revoked", []string{""}},
	"%s: this OpenPGP key has expired, set a later date first":                                                               {"refused.pgp-expired", []string{""}},
	"%s: the secret of this OpenPGP key's primary part is not here, do it where that is kept and import the key again":       {"refused.pgp-no-primary", []string{""}},
}

// dependents say what depends on a key, by what is to be done first.
var dependents = map[string]string{
	"rewrap or delete them first":  "refused.depends-version",
	"decrypt or delete them first": "refused.depends-key",
	"rewrap them first":            "refused.depends-lowest",
}

var wholePhrases = map[string]lang.Text{
	"renew item: it was changed meanwhile":                                                  told("refused.item-changed"),
	"this account has no second factor":                                                     told("refused.no-factor"),
	"this is the last administrator: make somebody else one first":                          told("refused.last-administrator"),
	"choose one of the roles":                                                               told("refused.role"),
	"give a size of zero or more":                                                           told("refused.quota"),
	"set up an app or a passkey first: the codes stand in for a lost one":                   told("refused.codes-need-factor"),
	"make key: choose a kind, which is age, age for post-quantum safety, OpenPGP or Fernet": told("refused.key-kind"),
	"make key: choose an algorithm from the list":                                           told("refused.algorithm"),
	"make key: OpenPGP can't say a date that late, choose an earlier date":                  told("refused.date-late"),
	"a name or e-mail address in a key may not hold control characters or any of ()<>, an address no spaces, and each has at most 254 bytes": told("refused.user-id"),
	"set expiry: the date has passed, choose a later one":                                                                                            told("refused.date-passed"),
	"import keys: there is no key, paste one or choose a file":                                                                                       told("refused.import-nothing"),
	"import keys: this is more than 1 MiB, import fewer at once":                                                                                     told("refused.import-large"),
	"SSH keys are not kept in the ring: paste one on the Decrypt page when it is needed":                                                             told("refused.import-ssh"),
	"the key is locked with a passphrase: type it":                                                                                                   told("refused.key-locked"),
	"this passphrase does not unlock the key":                                                                                                        told("refused.key-passphrase"),
	"a passphrase is text of at most 1,024 bytes":                                                                                                    told("refused.passphrase-text"),
	"the key's passphrase asks for more work than this server does: change it on your own machine first (gpg --change-passphrase)":                   told("refused.key-work"),
	"this passphrase does not open the file of keys":                                                                                                 told("refused.key-file-passphrase"),
	"the file of keys is encrypted with a passphrase: type it":                                                                                       told("refused.key-file-locked"),
	"this is an encrypted message, not a key: open it on the Decrypt page":                                                                           told("refused.message-not-key"),
	"the encrypted file of keys is damaged, cut short, or asks for more than is accepted":                                                            told("refused.key-file-damaged"),
	"this is a public key, which opens nothing: yours stands beside its private key, another person's belongs into “Public key” on the Encrypt page": told("refused.import-public"),
	"this is no private key that is known here: AGE-SECRET-KEY-1…, a whole OpenPGP block from BEGIN to END, a Fernet key of 44 characters, or an older Zencrypt's RSA key (PEM)": told("refused.import-unknown"),
	"this RSA key is encrypted with a passphrase: remove it on your own machine first (openssl pkey -in KEY -out PLAIN)":                                                         told("refused.rsa-locked"),
	"an RSA key has to have 2,048 to 4,096 bits":                                                          told("refused.rsa-size"),
	"this is no RSA private key that can be read: paste the whole block from BEGIN to END":                told("refused.rsa-unreadable"),
	"this is not the code shown: compare it letter by letter":                                             told("refused.code-differs"),
	"another recovery code was made meanwhile: type that one back":                                        told("refused.code-replaced"),
	"the login or the recovery code is wrong":                                                             told("refused.login-or-code"),
	"name key: the name is empty, type one":                                                               told("refused.key-name-empty"),
	"give a name, so that you find them again":                                                            told("refused.person-name-empty"),
	"a name may not hold a comma or #, which part recipients from each other":                             told("refused.person-name-comma"),
	"the name starts like a key":                                                                          told("refused.name-like-key"),
	"give at least one public key":                                                                        told("refused.no-public-key"),
	"this person is in your list already":                                                                 told("refused.person-known"),
	"your list has somebody of this name or login already, choose another name":                           told("refused.person-name-taken"),
	"this entry does not open: it can only be removed":                                                    told("refused.person-unreadable"),
	"read public key: it has more than 64 KiB; export it without photographs and others' signatures":      told("refused.public-key-large"),
	"read public key: the SSH key is malformed":                                                           told("refused.ssh-malformed"),
	"delete account: it was changed meanwhile":                                                            told("refused.account-changed"),
	"set up app: it took longer than 15 minutes, begin again":                                             told("refused.app-too-long"),
	"this code is not right: type the one that the app shows now, and compare the clocks of both devices": told("refused.app-code"),
	"this server asks everybody for a second factor: set up another one first, then remove this":          told("refused.factor-required"),
	"this code was used already: wait until the app shows the next one":                                   told("refused.code-used"),
	"this code is not right":                                                                              told("refused.code-wrong"),
	"this is your login already":                                                                          told("refused.login-same"),
	"your password is too much like this login: change one of the two":                                    told("refused.login-like-password"),
	"this login is taken, choose another":                                                                 told("refused.login-taken"),
	"delete version: it is the active one, retire it first":                                               told("refused.version-active"),
	"delete version: it is the only one, delete the whole key":                                            told("refused.version-only"),
	"set lowest version: all versions of an OpenPGP key are one key, which opens everything that was ever encrypted to it; rewrap and delete older versions, or make a new key": told("refused.lowest-pgp"),
	"change key: its seal does not open, so that it can only be deleted":                             told("refused.key-unreadable"),
	"rotate key: an older Zencrypt's key only opens what that wrote, make a new key of another kind": told("refused.rotate-old"),
	"rotate key: it has expired, set a later date first":                                             told("refused.rotate-expired"),
	"change key: it was changed meanwhile, look at it again":                                         told("refused.key-changed"),
	"make it the default: this key can't encrypt":                                                    told("refused.default-cannot"),
	"change version: it can be retired or revoked":                                                   told("refused.version-states"),
	"the keys are not those that the page showed; look at them again":                                told("refused.person-keys-changed"),
	"what this account offers is no public key: nothing can be accepted":                             told("refused.offer-no-key"),
	"a key has changed: look at that first":                                                          told("refused.person-key-changed"),
	"this passkey gives no key (the PRF extension is missing): it stays a second factor":             told("refused.passkey-no-prf"),
	"this passkey opens no account here. Log in with your password":                                  told("refused.passkey-unknown"),
	"this passkey is in your list already":                                                           told("refused.passkey-known"),
	"this session has ended: log in again":                                                           told("refused.session-ended"),
	"the login or the password is wrong":                                                             told("refused.login-or-password"),
	"the password is wrong":                                                                          told("refused.password"),
	"the title is empty":                                                                             told("refused.title-empty"),
	"save it: the kind is not known":                                                                 told("refused.item-kind"),
	"the login is not valid text (UTF-8)":                                                            told("refused.login-not-text"),
	"the login has more than 254 characters":                                                         told("refused.login-long"),
	"the login holds a space":                                                                        told("refused.login-space"),
	"the login holds a character that cannot be seen":                                                told("refused.login-unseen"),
	"the login mixes letters of several scripts in one word":                                         told("refused.login-scripts"),
	"the login needs at least 3 characters":                                                          told("refused.login-short"),
	"the login starts like a key":                                                                    told("refused.login-like-key"),
	"save it: the disk is full, nothing was changed":                                                 told("refused.disk-full"),
	"reach the database: it is busy, try again":                                                      told("refused.database-busy"),
	"reach the database: it took too long, nothing was changed":                                      told("refused.database-slow"),
	"save it: the disk refused, nothing was changed":                                                 told("refused.disk-refused"),
	"open session: it was changed, log in again":                                                     told("refused.session-changed"),
	"open session: it was changed, begin again":                                                      told("refused.session-changed-begin"),
	"the password is not valid text (UTF-8)":                                                         told("refused.password-not-text"),
	password.ErrRecoveryCode.Error():                                                                 told("formats.recovery-code"),
	agefile.ErrTooManyStanzas.Error():                                                                told("formats.age-stanzas", lang.Args{"Most": agefile.MaxStanzas}),
	agefile.ErrFormat.Error():                                                                        told("formats.age-format"),
	agefile.ErrMixed.Error():                                                                         told("formats.age-mixed"),
	agefile.ErrPrivateKey.Error():                                                                    told("formats.private-key"),
	pgp.ErrPrivateKey.Error():                                                                        told("formats.private-key-pgp"),
	pgp.ErrUnprotected.Error():                                                                       told("formats.pgp-unprotected"),
	pgp.ErrNotEncrypted.Error():                                                                      told("formats.pgp-not-encrypted"),
	fernet.ErrNoKey.Error():                                                                          told("formats.fernet-no-key"),
	fernet.ErrFormat.Error():                                                                         told("formats.fernet-format"),
	fernet.ErrExpired.Error():                                                                        told("formats.fernet-expired"),
	legacy.ErrNoKey.Error():                                                                          told("formats.old-no-key"),
	legacy.ErrFormat.Error():                                                                         told("formats.old-format"),
	legacy.ErrDamaged.Error():                                                                        told("formats.old-damaged"),
	legacy.ErrTooLarge.Error():                                                                       told("formats.old-too-large"),
	"decrypt: this is neither an age file, an OpenPGP message nor a Fernet token":                    told("formats.unknown"),
	crypto.ErrTooLarge.Error() + fernetTooLong:                                                       told("formats.fernet-too-long"),
	fernet.ErrTooLarge.Error():                                                                       told("formats.fernet-too-large"),
	"decrypt: the input is empty":                                                                    told("formats.empty"),
	"open fernet token: a Fernet key is needed; a passphrase or an age key does not open it":         told("formats.fernet-key-needed"),
	"open older zencrypt message: the RSA private key (PEM) that it was made for is needed":          told("formats.rsa-key-needed"),
	"open older zencrypt file: its passphrase is needed":                                             told("formats.old-passphrase-needed"),
	"encrypt: age, OpenPGP and Fernet keys can't open one and the same file: use keys of one kind":   told("formats.mixed-formats"),
	"read keys: no OpenPGP key was found":                                                            told("formats.no-pgp-key"),
	"read keys: none of the keys can be read":                                                        told("formats.no-key-readable"),
	"read keys: this is a message, not a key":                                                        told("formats.message-not-key"),
	"read keys: this does not begin with a key":                                                      told("formats.not-a-key"),
	"read keys: a key is malformed, has no user id, or uses an algorithm that is not known":          told("formats.key-malformed"),
	"read keys: a key without user ids and signatures: it is cut short":                              told("formats.key-cut-short"),
	"read OpenPGP: only text in UTF-8 can be signed so that it stays readable; sign anything else as a file": told("formats.sign-text-only"),
	"read OpenPGP: it holds more than one signed text, give one alone":                                       told("formats.several-signed-texts"),
	"read OpenPGP: a signed text was expected (it begins with BEGIN PGP SIGNED MESSAGE)":                     told("formats.signed-text-expected"),
	"read OpenPGP: a detached signature was expected (it begins with BEGIN PGP SIGNATURE, or is binary)":     told("formats.detached-expected"),
	"read OpenPGP: a detached signature was expected, this holds something else as well":                     told("formats.detached-and-more"),
	"read OpenPGP: there is no signature in it":                                                              told("formats.no-signature"),
	"read OpenPGP: there is another encrypted message within the message":                                    told("formats.message-in-message"),
	"read OpenPGP: an OpenPGP message was expected":                                                          told("formats.message-expected"),
	"read OpenPGP: it is empty":                                                               told("formats.pgp-empty"),
	"read OpenPGP: an encrypted message was expected, this is a key":                          told("formats.key-not-message"),
	"read OpenPGP: this is no OpenPGP":                                                        told("formats.no-pgp"),
	"read expected digest: not a digest: empty":                                               told("formats.digest-empty"),
	"read expected digest: not a digest: several lines: give the one of this file":            told("formats.digest-lines"),
	"read expected digest: not a digest: want hex digits, or a whole line of a checksum file": told("formats.digest-form"),
	"use passphrase: it is empty or longer than 1,024 bytes":                                  told("formats.passphrase"),
}

// verdicts are why a signature does not count, or not fully.
var verdicts = map[string]lang.Text{
	"the certificate that made it was not given":                                         told("signatures.not-given"),
	"its own time has run out; the content is as it was signed":                          told("signatures.time-run-out"),
	"its key had expired when it was made, so that the content was not compared with it": told("signatures.key-had-expired"),
	"its key was revoked":                                 told("signatures.key-revoked"),
	"it is dated in the future":                           told("signatures.future"),
	"it is older than its key":                            told("signatures.older-than-key"),
	"it uses an algorithm that is not known":              told("signatures.algorithm-unknown"),
	"its key may not sign, or was not valid at that time": told("signatures.key-may-not-sign"),
	"the content or the signature was changed":            told("signatures.changed"),
	"it uses a version or an algorithm that is not known": told("signatures.version-unknown"),
	"it is of version 3, which is no longer used":         told("signatures.version-three"),
	"it does not say which key made it":                   told("signatures.no-issuer"),
	"it is not a signature over content":                  told("signatures.not-over-content"),
	"it was made for other recipients than this one":      told("signatures.other-recipients"),
	"it uses an old hash algorithm, which can be forged":  told("signatures.old-hash"),
}

// weaknesses are what makes a password easy to guess. They stand alone and behind a colon.
var weaknesses = map[string]lang.Text{
	"it is made from your login, or the name of this program or its address": told("strength.login"),
	"it is made of common words, names or passwords":                         told("strength.words"),
	"keys next to each other are easy to guess":                              told("strength.neighbours"),
	"repeated characters are easy to guess":                                  told("strength.repeated"),
	"sequences such as abc or 6543 are easy to guess":                        told("strength.sequence"),
	"dates are easy to guess":                                                told("strength.dates"),
	"longer is stronger: add a word or two":                                  told("strength.longer"),
	"it follows a common pattern":                                            told("strength.pattern"),
}

// details are what items and results note of their format. What is noted stays English: it is data too.
var details = map[string]lang.Text{
	"Fernet. None of your keys opened it when it was brought along, so it was kept as it was": told("details.imported-not-opened"),
	"active":                          told("details.active"),
	"retired":                         told("details.retired"),
	"revoked":                         told("details.revoked"),
	"age, passphrase (scrypt)":        told("details.age-passphrase"),
	"OpenPGP, passphrase":             told("details.pgp-passphrase"),
	"OpenPGP, public key":             told("details.pgp-public-key"),
	"age, X25519":                     told("details.age-classic"),
	"age, post-quantum":               told("details.age-post-quantum"),
	"age, post-quantum public key":    told("details.age-post-quantum-public-key"),
	"age, public key":                 told("details.age-public-key"),
	"OpenPGP, public key (version 6)": told("details.pgp-public-key-six"),
	"OpenPGP, clear-signed":           told("details.pgp-clear-signed"),
	"OpenPGP, detached signature":     told("details.pgp-detached"),
	"an older Zencrypt's":             told("details.older-zencrypt"),
}

// keyKinds and keyDetails are why an OpenPGP key can't be used.
var keyKinds = map[error]string{
	pgp.ErrKeyExpired:    "formats.key-expired",
	pgp.ErrKeyRevoked:    "formats.key-revoked",
	pgp.ErrWeak:          "formats.key-weak",
	pgp.ErrCannotEncrypt: "formats.key-cannot-encrypt",
	pgp.ErrCannotSign:    "formats.key-cannot-sign",
	pgp.ErrKeyInvalid:    "formats.key-invalid",
}

var keyDetails = map[string]lang.Text{
	"another key takes its place":                            told("formats.key-replaced"),
	"it is no longer secret":                                 told("formats.key-not-secret"),
	"it is no longer used":                                   told("formats.key-not-used"),
	"it has no valid subkey for encryption":                  told("formats.no-subkey"),
	"its subkey for encryption uses ElGamal":                 told("formats.subkey-elgamal"),
	"neither it nor a valid subkey is for signing":           told("formats.not-for-signing"),
	"at this time, or none by an algorithm that is accepted": told("formats.no-signature-now"),
}

// entryTails are what is wrong with one of several keys for age; what is before it names that one.
var entryTails = map[string]string{
	" is not a public key: it begins with age1, ssh-ed25519 or ssh-rsa":                        "formats.not-public-key",
	" is not complete or was mistyped":                                                         "formats.mistyped",
	" is not an SSH key that can be used: ssh-ed25519, or ssh-rsa of at least 2048 bits":       "formats.not-ssh-key",
	" is too long for a key":                                                                   "formats.key-too-long",
	" is not an age private key: it begins with AGE-SECRET-KEY-1":                              "formats.not-private-key",
	" is a private key that is not complete or was mistyped":                                   "formats.private-key-mistyped",
	" is a key of a plugin (a program named age-plugin-...), and plugins are not started here": "formats.plugin-key",
}

// withDetail are kinds of errors behind which the format says more, in English.
var withDetail = map[error]string{
	pgp.ErrDamaged:        "formats.pgp-damaged",
	pgp.ErrRefused:        "formats.pgp-refused",
	pgp.ErrTooLarge:       "formats.pgp-too-large",
	agefile.ErrDamaged:    "formats.age-damaged",
	agefile.ErrWorkFactor: "formats.age-work-factor",
}
