package pgp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"zencrypt/crypto/pgp"
)

func TestLooks(t *testing.T) {
	k := key(t, pgp.Curve25519)
	armored := string(encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}, Armor: true}))
	for name, tt := range map[string]struct {
		in        string
		ok, armor bool
	}{
		"Armor": {armored, true, true}, "Text": {"Dear Bob,\r\n\r\n" + armored, true, true}, "BOM": {"\ufeff" + armored, true, true}, "Spaces": {"\n \t\n  " + armored, true, true},
		"Quoted": {"On Monday Ann wrote:\n> " + strings.ReplaceAll(armored, "\n", "\n> "), true, true}, "CRLF": {strings.ReplaceAll(armored, "\n", "\r\n"), true, true},
		"Key": {k.Armor(), true, true}, "BinaryKey": {string(k.Bytes()), true, false}, "BinaryCert": {string(k.Certificate().Bytes()), true, false},
		"V6": {string(key(t, pgp.Curve25519V6).Bytes()), true, false}, "Passphrase": {string(encrypt(t, nil, pgp.EncryptOptions{Passphrases: []string{"x"}})), true, false},
		"Modern": {string(encrypt(t, nil, pgp.EncryptOptions{Passphrases: []string{"x"}, Modern: true})), true, false}, "Literal": {string(literal([]byte("x"))), true, false},
		"Packed": {string(compressed(t, literal([]byte("x")))), true, false},
		"Empty":  {"", false, false}, "Hello": {"hello", false, false}, "Mention": {"use -----BEGIN PGP MESSAGE----- to begin", false, false}, "PEM": {"-----BEGIN CERTIFICATE-----\n", false, false},
		"Other": {"-----BEGIN PGP SOMETHING-----\n", false, false}, "Age": {"age-encryption.org/v1\n", false, false}, "Umlaut": {"\u00c3\u00a4rger \u00fcber alles", false, false}, "Latin1": {"\xc4rger \xfcber alles und noch mehr", false, false},
		"PNG": {"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", false, false}, "JPEG": {"\xff\xd8\xff\xe0\x00\x10JFIF", false, false}, "UTF16": {"\xff\xfeh\x00i\x00", false, false}, "JavaClass": {"\xca\xfe\xba\xbe\x00\x00\x00\x34", false, false},
		"MachO": {"\xcf\xfa\xed\xfe\x07\x00\x00\x01", false, false}, "CFB": {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", false, false}, "Zstd": {"\x28\xb5\x2f\xfd", false, false}, "Late": {strings.Repeat("x\n", 20_000) + armored, false, false},
	} {
		if ok, armor := pgp.Looks([]byte(tt.in)); ok != tt.ok || armor != tt.armor {
			t.Errorf("%s: %v, %v", name, ok, armor)
		}
	}
	var hits int
	r := rand.New(rand.NewPCG(1, 2))
	const tries = 1_000_000
	for range tries {
		var b [64]byte
		for i := 0; i < len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], r.Uint64())
		}
		if ok, _ := pgp.Looks(b[:]); ok {
			hits++
		}
	}
	if hits > tries/5000 {
		t.Errorf("%d of %d random beginnings pass", hits, tries)
	}
	t.Logf("%d of %d random beginnings pass", hits, tries)
}

func TestInspect(t *testing.T) {
	k, modern := key(t, pgp.Curve25519), key(t, pgp.Curve25519V6)
	enc := func(o pgp.EncryptOptions) []byte { return encrypt(t, content(1000), o) }
	sign := func(o pgp.SignOptions, detached bool) []byte {
		var out bytes.Buffer
		f := pgp.Sign
		if detached {
			f = pgp.SignDetached
		}
		w, err := f(&out, []*pgp.Key{k}, o)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w, content(1000))
		return out.Bytes()
	}
	clear, err := pgp.SignText([]byte("hello\n"), []*pgp.Key{k}, 0, pgp.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	both := enc(pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate(), key(t, pgp.P256).Certificate()}, Passphrases: []string{"a"}, Armor: true})
	for name, tt := range map[string]struct {
		in    []byte
		kind  pgp.Kind
		check func(pgp.Info) bool
	}{
		"Message": {both, pgp.KindMessage, func(i pgp.Info) bool {
			return len(i.Recipients) == 2 && i.Recipients[0].KeyID == k.Info(timeNow()).Subkeys[0].KeyID && i.Recipients[1].Algorithm == "ecdh" && len(i.Passphrases) == 1 &&
				i.Passphrases[0].S2K.Count == quick && i.Passphrases[0].Cipher == "AES-256" && i.Protection == "SEIPDv1" && i.Checksum == "ok" && i.Armored && i.Plaintext == -1
		}},
		"V6": {enc(pgp.EncryptOptions{To: []*pgp.Certificate{modern.Certificate()}, Armor: true}), pgp.KindMessage, func(i pgp.Info) bool {
			return i.Protection == "SEIPDv2" && i.Cipher == "AES-256" && i.AEAD == "OCB" && i.ChunkSize == 256<<10 && i.Checksum == "none" && len(i.Recipients[0].Fingerprint) == 64
		}},
		"Quoted":   {[]byte("Ann wrote:\n> " + strings.ReplaceAll(string(both), "\n", "\r\n> ")), pgp.KindMessage, func(i pgp.Info) bool { return i.Quoted && i.Checksum == "ok" }},
		"Checksum": {[]byte(strings.Replace(string(both), "\n=", "\n=AAA", 1)), pgp.KindMessage, func(i pgp.Info) bool { return true }},
		"Signed": {sign(pgp.SignOptions{}, false), pgp.KindSigned, func(i pgp.Info) bool {
			return i.Plaintext == 1000 && len(i.Signatures) == 1 && i.Signatures[0].Hash == "SHA-512" && i.Signatures[0].KeyID == k.Info(timeNow()).KeyID
		}},
		"Detached": {sign(pgp.SignOptions{Armor: true}, true), pgp.KindSignature, func(i pgp.Info) bool {
			return len(i.Signatures) == 1 && i.Signatures[0].Algorithm == "eddsa" && !i.Signatures[0].Time.IsZero()
		}},
		"Clear": {clear, pgp.KindClear, func(i pgp.Info) bool { return len(i.Signatures) == 1 }},
		"Public": {[]byte(k.Certificate().Armor()), pgp.KindPublicKey, func(i pgp.Info) bool {
			return i.KeyCount == 1 && i.Keys[0].Fingerprint == k.Fingerprint() && !i.Keys[0].Private
		}},
		"Private": {k.Bytes(), pgp.KindPrivateKey, func(i pgp.Info) bool { return i.KeyCount == 1 && i.Keys[0].Algorithm == "ed25519" && i.Keys[0].Private }},
		"Ring":    {bytes.Repeat(k.Certificate().Bytes(), 500), pgp.KindPublicKey, func(i pgp.Info) bool { return i.KeyCount == 500 && len(i.Keys) == 100 && len(i.Packets) == 100 }},
		"Packed":  {compressed(t, literal([]byte("x"))), pgp.KindPlain, func(i pgp.Info) bool { return i.Compressed }},
	} {
		i, err := pgp.Inspect(bytes.NewReader(tt.in))
		if name == "Checksum" {
			continue
		}
		if err != nil || i.Kind != tt.kind || !i.Whole || i.Size != int64(len(tt.in)) || !tt.check(i) {
			t.Errorf("%s: %+v, %v", name, i, err)
		}
		for _, n := range []int{len(tt.in) - 10, len(tt.in) * 2 / 3} {
			i, err := pgp.Inspect(bytes.NewReader(tt.in[:n]))
			if err == nil && i.Whole && name != "Packed" && name != "Ring" {
				t.Errorf("%s cut to %d bytes: %+v", name, n, i)
			}
		}
	}
	wrong := strings.Split(string(both), "\n")
	wrong[len(wrong)-3] = "=AAAA"
	if i, err := pgp.Inspect(strings.NewReader(strings.Join(wrong, "\n"))); err != nil || i.Checksum != "wrong" || !i.Whole {
		t.Errorf("a wrong checksum: %+v, %v", i, err)
	}
	for _, in := range []string{"", "hello", "\x89PNG", strings.Repeat("\x00", 100_000)} {
		if i, err := pgp.Inspect(strings.NewReader(in)); !errors.Is(err, pgp.ErrFormat) {
			t.Errorf("%.10q: %+v, %v", in, i, err)
		}
	}
}

// TestInspect_Flat looks at 10 GiB of packed zeros and unpacks none.
func TestInspect_Flat(t *testing.T) {
	b := bomb(t, 10<<10)
	peak := heap(func(sample func()) {
		for range 256 {
			sample()
		}
		if i, err := pgp.Inspect(bytes.NewReader(b)); err != nil || !i.Compressed {
			t.Errorf("%+v, %v", i, err)
		}
	})
	if peak > 4<<20 {
		t.Errorf("%d KiB", peak>>10)
	}
}

// TestVerifyText_Tricks has texts that try to pass off what is not signed.
func TestVerifyText_Tricks(t *testing.T) {
	k := key(t, pgp.Curve25519)
	certs := []*pgp.Certificate{k.Certificate()}
	b, err := pgp.SignText([]byte("pay 1 to Bob\n"), []*pgp.Key{k}, 0, pgp.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	signed := string(b)
	const begin, sig, end = "-----BEGIN PGP SIGNED MESSAGE-----\n", "-----BEGIN PGP SIGNATURE-----\n", "-----END PGP SIGNATURE-----\n"
	for name, in := range map[string]string{
		"Twice":        signed + signed,
		"Nested":       begin + "Hash: SHA512\n\n" + signed,
		"NestedBefore": begin + "\npay 1000\n" + signed,
		"HeaderText":   strings.Replace(signed, "Hash: SHA512\n", "Hash: SHA512\nPay: 1000\n", 1),
		"HeaderNoKey":  strings.Replace(signed, "Hash: SHA512\n", "pay 1000\n", 1),
		"NoBlank":      strings.Replace(signed, "Hash: SHA512\n\n", "Hash: SHA512\npay 1000\n\n", 1),
		"TwoSigs":      strings.Replace(signed, sig, sig+sig, 1),
		"SecondSig":    signed + sig + "\nabc\n" + begin + end,
		"Unescaped":    strings.Replace(signed, "pay 1", "-----BEGIN PGP MESSAGE-----\npay 1", 1),
		"Message":      "-----BEGIN PGP MESSAGE-----\n\n" + signed,
		"Empty":        "",
		"NoSignature":  begin + "\nhello\n",
		"KeyAsSig":     begin + "\nhello\n" + k.Certificate().Armor(),
	} {
		got, err := pgp.VerifyText(strings.NewReader(in), certs, 0, pgp.VerifyOptions{})
		if err == nil && pgp.AnyGood(got.Signatures) && (string(got.Text) != "pay 1 to Bob\n" || !got.Around) {
			t.Errorf("%s: %q is good", name, got.Text)
		}
	}
	got, err := pgp.VerifyText(strings.NewReader("pay 1000\n"+signed+"pay 2000\n"), certs, 0, pgp.VerifyOptions{})
	if err != nil || !pgp.AnyGood(got.Signatures) || string(got.Text) != "pay 1 to Bob\n" || !got.Around {
		t.Errorf("text around: %+v, %v", got, err)
	}
	got, err = pgp.VerifyText(strings.NewReader(strings.Replace(signed, "pay 1", "pay 9", 1)), certs, 0, pgp.VerifyOptions{})
	if err != nil || got.Signatures[0].Status != pgp.Bad {
		t.Errorf("changed: %+v, %v", got, err)
	}
	if _, err := pgp.VerifyText(strings.NewReader(signed), certs, 100, pgp.VerifyOptions{}); !errors.Is(err, pgp.ErrTooLarge) {
		t.Errorf("too long: %v", err)
	}
	for _, text := range []string{"\xff", "a\x00b", strings.Repeat("x", pgp.MaxText+1)} {
		if _, err := pgp.SignText([]byte(text), []*pgp.Key{k}, 0, pgp.SignOptions{}); err == nil {
			t.Errorf("signed %.10q", text)
		}
	}
	big := strings.Repeat("- dash and more\n", pgp.MaxText/16)
	b, err = pgp.SignText([]byte(big), []*pgp.Key{k}, 0, pgp.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := pgp.VerifyText(bytes.NewReader(b), certs, 0, pgp.VerifyOptions{}); err != nil || string(got.Text) != big || !pgp.AnyGood(got.Signatures) {
		t.Errorf("1 MiB: %v", err)
	}
}

func TestArmor(t *testing.T) {
	k, modern := key(t, pgp.Curve25519), key(t, pgp.Curve25519V6)
	msg := encrypt(t, content(1000), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
	for name, tt := range map[string]struct {
		in   []byte
		want string
	}{
		"Message": {msg, pgp.ArmorMessage(msg)}, "Public": {k.Certificate().Bytes(), k.Certificate().Armor()}, "Private": {k.Bytes(), k.Armor()},
		"V6": {modern.Bytes(), modern.Armor()}, "Text": {[]byte("x\n" + k.Armor()), "x\n" + k.Armor()},
	} {
		var out bytes.Buffer
		if err := pgp.AddArmor(&out, bytes.NewReader(tt.in)); err != nil || strings.TrimSpace(out.String()) != strings.TrimSpace(tt.want) {
			t.Errorf("%s: %s, %v", name, out.String(), err)
		}
		if name != "Text" && !bytes.Equal(dearmored(t, out.Bytes()), tt.in) {
			t.Errorf("%s: not the same again", name)
		}
	}
	if err := pgp.AddArmor(&bytes.Buffer{}, strings.NewReader("hello")); !errors.Is(err, pgp.ErrFormat) {
		t.Errorf("text: %v", err)
	}
	if err := pgp.RemoveArmor(&bytes.Buffer{}, strings.NewReader("hello")); !errors.Is(err, pgp.ErrFormat) {
		t.Errorf("text: %v", err)
	}
}
