package importer

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"zencrypt/crypto/fernet"
	"zencrypt/crypto/password"
)

// reason is why a record does not come; fine is none.
type reason uint8

const (
	fine reason = iota
	loginMissing
	loginNull
	loginEmpty
	loginNotText
	loginTooLong
	loginTwice
	loginTwiceCase
	passwordMissing
	passwordNull
	passwordNotText
	passwordUnknown
	passwordCostly
	idTwice
	idUnusable
	ownerMissing
	ownerBad
	ownerUnknown
	ownerRejected
	keyMissing
	keyMalformed
	keyTooMany
	rsaMissing
	rsaMalformed
	rsaLocked
	rsaSize
	textMissing
	textNull
	textNotText
	textTooLong
	tokenCut
	tokenNone
	tokenDamaged
	tokenOtherKey
	digestMissing
	digestNull
	digestNotText
	digestForm
	saltNotText
)

// reasons gives each in the words of version 5 and of version 6, and for a person.
var reasons = [...]struct{ v5, v6, detail string }{
	loginMissing:    {"missing_email", "missing email", "the account has no e-mail address, which was its login"},
	loginNull:       {"email_null", "email is null", "the account's e-mail address, its login, is null"},
	loginEmpty:      {"email_empty", "email is empty", "the account's e-mail address, its login, is empty"},
	loginNotText:    {"email_not_string", "email is not text", "the account's e-mail address, its login, is not text"},
	loginTooLong:    {"email_too_long", "email is too long", "the account's e-mail address, its login, has more than 4096 bytes"},
	loginTwice:      {"duplicate_email_exact", "duplicate email", "another account has the same login, and only that one could log in"},
	loginTwiceCase:  {"duplicate_email_case", "duplicate email, case", "another account has the same login but for upper and lower case"},
	passwordMissing: {"missing_password", "missing password hash", "the account has no password"},
	passwordNull:    {"password_null", "password hash is null", "the account's password is null"},
	passwordNotText: {"password_not_string", "password hash is not text", "the account's password string is not text"},
	passwordUnknown: {"unsupported_password_hash", "unsupported password hash", "the password string is none of Werkzeug's with scrypt or pbkdf2, so that no password can be checked"},
	passwordCostly:  {"password_hash_too_costly", "password hash is too costly", "checking the password would take more time or memory than is allowed, or less than is valid"},
	idTwice:         {"duplicate_id", "duplicate id", "another record of the same collection has the same id"},
	idUnusable:      {"bad_id", "bad id", "the record's id is not a number"},
	ownerMissing:    {"missing_userId", "orphan: no user_id", "the record says nothing of whose it is"},
	ownerBad:        {"bad_userId", "orphan: bad user_id", "what the record says of whose it is, is no user's id"},
	ownerUnknown:    {"orphan_userId", "orphan: no such user", "the account it belonged to is not there"},
	ownerRejected:   {"owner_rejected", "owner rejected", "the account it belonged to was rejected"},
	keyMissing:      {"missing_key", "missing Fernet key", "the key row holds no key"},
	keyMalformed:    {"malformed_key", "malformed Fernet key", "the key is not 32 bytes in base64"},
	keyTooMany:      {"too_many_keys", "too many keys", "the account has more than 1000 keys of the kind"},
	rsaMissing:      {"missing_pem", "missing PEM", "the row holds no private key"},
	rsaMalformed:    {"unparsable_pem", "unparsable PEM", "the private key is no RSA key in PEM"},
	rsaLocked:       {"encrypted_pem", "encrypted PEM", "the private key is under a passphrase"},
	rsaSize:         {"rsa_key_size", "RSA key of another size", "the private key has not 2048 to 4096 bits"},
	textMissing:     {"missing_encryptedText", "missing encrypted_content", "the record holds no text"},
	textNull:        {"encryptedText_null", "encrypted_content is null", "the record's text is null"},
	textNotText:     {"encryptedText_not_string", "encrypted_content is not text", "the record's text is not text"},
	textTooLong:     {"encryptedText_too_long", "encrypted_content is too long", "the text's token is longer than 24 MiB"},
	tokenCut:        {"broken_token_truncated", "truncated token", "the text's token is cut short, and no key can open it"},
	tokenNone:       {"broken_token_garbage", "not a token", "what stands where the text should be is no token"},
	tokenDamaged:    {"broken_token_bad_hmac", "token with a bad HMAC", "the text's token was changed after it was made under the key"},
	tokenOtherKey:   {"token_under_another_key", "token under another key", "the text's token was made under a key that is not here"},
	digestMissing:   {"missing_hash", "missing hash_value", "the record holds no digest"},
	digestNull:      {"hash_null", "hash_value is null", "the record's digest is null"},
	digestNotText:   {"hash_not_string", "hash_value is not text", "the record's digest is not text"},
	digestForm:      {"hash_not_64_hex", "digest is not 64 hex", "the digest is not 64 hexadecimal digits"},
	saltNotText:     {"salt_not_string", "salt is not text", "the digest's salt is neither text nor null"},
}

// reporter tells what does not come, in the words of its version.
type reporter struct {
	opts    Options
	version int
}

// reject reports one record; more is added to the detail.
func (r reporter) reject(collection, id string, why reason, kept bool, more string) {
	if r.opts.Reject == nil {
		return
	}
	words := reasons[why].v6
	if r.version == 5 {
		words = reasons[why].v5
	}
	detail := reasons[why].detail + more
	if kept {
		detail += "; it is kept as it is, unreadable"
	}
	r.opts.Reject(Reject{Collection: collection, ID: id, Reason: words, Detail: detail, Kept: kept})
}

func (r reporter) note(collection, id, format string, args ...any) {
	if r.opts.Note != nil {
		r.opts.Note(Note{Collection: collection, ID: id, Text: fmt.Sprintf(format, args...)})
	}
}

const (
	maxLogin = 4 << 10 // bytes
	// maxTokenText bounds a text's token in bytes: 18 MiB of text, where a request to the old server had 16 at most.
	maxTokenText = 24 << 20
	maxKeys      = 1000 // of an account: each is tried for a text
	digestDigits = 64   // of SHA-256
)

// checkLogin tells what is wrong with a login that is text.
func checkLogin(s string) reason {
	switch {
	case s == "":
		return loginEmpty
	case len(s) > maxLogin:
		return loginTooLong
	case !utf8.ValidString(s):
		return loginNotText
	}
	return fine
}

func checkPassword(s string) reason {
	_, _, _, err := password.ParseWerkzeug(s)
	switch {
	case errors.Is(err, password.ErrCosts):
		return passwordCostly
	case err != nil:
		return passwordUnknown
	}
	return fine
}

func checkDigest(s string) reason {
	if len(s) != digestDigits {
		return digestForm
	}
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
			return digestForm
		}
	}
	return fine
}

// openToken opens a token with the active key, else with any. Without one that fits the index is -1
// and the reason says why; [tokenDamaged] and [tokenOtherKey] are of whole tokens.
func openToken(token []byte, keys []Key) (plain Secret, index int, why reason) {
	if len(token) > maxTokenText {
		return nil, -1, textTooLong
	}
	order, tried := make([]int, 0, len(keys)), make([]fernet.Key, 0, len(keys))
	for i := len(keys) - 1; i >= 0; i-- {
		order = append(order, i)
	}
	for i, k := range order {
		if keys[k].Active {
			copy(order[1:i+1], order[:i])
			order[0] = k
		}
	}
	for _, k := range order {
		tried = append(tried, keys[k].Key)
	}
	got, i, err := fernet.Decrypt(token, 0, time.Now, tried...)
	switch {
	case err == nil:
		if got == nil {
			got = []byte{}
		}
		return got, order[i], fine
	case errors.Is(err, fernet.ErrNoKey):
		for _, k := range tried {
			if damaged(token, k) {
				return nil, -1, tokenDamaged
			}
		}
		return nil, -1, tokenOtherKey
	case errors.Is(err, fernet.ErrTooLarge):
		return nil, -1, textTooLong
	case fernet.Looks(token):
		return nil, -1, tokenCut
	}
	return nil, -1, tokenNone
}

// damaged guesses, for the report alone, whether a whole token that a key does not authenticate was made
// under it and changed: whether its padding is right and UTF-8 before it, as all texts were. A
// token under another key looks so less than once in 256 times. Nothing of it is given away.
func damaged(token []byte, k fernet.Key) bool {
	key, err := base64.URLEncoding.DecodeString(k.Encode())
	if err != nil || len(key) != fernet.KeySize {
		return false
	}
	raw, err := base64.URLEncoding.AppendDecode(nil, bytes.TrimSpace(token))
	const head, tail = 1 + 8 + aes.BlockSize, 32
	if err != nil || len(raw) < head+aes.BlockSize+tail || (len(raw)-head-tail)%aes.BlockSize != 0 {
		return false
	}
	block, err := aes.NewCipher(key[16:])
	if err != nil {
		return false
	}
	text := raw[head : len(raw)-tail]
	cipher.NewCBCDecrypter(block, raw[9:head]).CryptBlocks(text, text)
	pad := int(text[len(text)-1])
	if pad < 1 || pad > aes.BlockSize || !bytes.Equal(text[len(text)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return false
	}
	return utf8.Valid(text[:len(text)-pad])
}
