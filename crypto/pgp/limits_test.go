package pgp_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"

	"zencrypt/crypto/pgp"
)

// raw writes a packet with a header of the new format.
func raw(tag byte, contents []byte) []byte {
	var out bytes.Buffer
	if err := (&packet.OpaquePacket{Tag: tag, Contents: contents}).Serialize(&out); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// never fails the test when a slow hash is about to be computed.
func never(t testing.TB) pgp.Acquire {
	return func(n int64) (func(), error) {
		t.Errorf("%d bytes were about to be used", n)
		return func() {}, errors.New("no")
	}
}

// seal encrypts packets of any kind with a passphrase, as go-crypto would not.
func seal(t testing.TB, inner []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	cfg := &packet.Config{DefaultCipher: packet.CipherAES256, S2KConfig: &s2k.Config{S2KCount: quick}}
	key, err := packet.SerializeSymmetricKeyEncrypted(&out, []byte("secret"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w, err := packet.SerializeSymmetricallyEncrypted(&out, packet.CipherAES256, false, packet.CipherSuite{}, key, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(inner); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func literal(b []byte) []byte { return raw(11, append([]byte{'b', 0, 0, 0, 0, 0}, b...)) }

func compressed(t testing.TB, inner []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	out.WriteByte(1)
	w, _ := flate.NewWriter(&out, 9)
	if _, err := w.Write(inner); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return raw(8, out.Bytes())
}

var withSecret = pgp.OpenOptions{Passphrases: []string{"secret"}}

func TestOpen_Argon2Bomb(t *testing.T) {
	msg := encrypt(t, []byte("x"), pgp.EncryptOptions{Passphrases: []string{"secret"}, Modern: true})
	at := bytes.Index(msg, []byte{3, 4, 16}) // passes, lanes, log2 of KiB
	for name, patch := range map[string][]byte{"4GiB": {3, 4, 22}, "2TiB": {3, 4, 31}, "512MiB": {3, 4, 19}, "Passes": {11, 4, 16}, "Passes255": {255, 4, 16}} {
		bomb := bytes.Clone(msg)
		copy(bomb[at:], patch)
		if _, _, err := open(bomb, pgp.OpenOptions{Passphrases: []string{"secret"}, Acquire: never(t)}); !errors.Is(err, pgp.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, patch := range map[string][]byte{"NoPasses": {0, 4, 16}, "NoLanes": {3, 0, 16}, "TooLittle": {3, 255, 3}, "Beyond": {3, 4, 32}} {
		bad := bytes.Clone(msg)
		copy(bad[at:], patch)
		if _, _, err := open(bad, pgp.OpenOptions{Passphrases: []string{"secret"}, Acquire: never(t)}); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	var asked, released int64
	o := withSecret
	o.Acquire = func(n int64) (func(), error) { asked = n; return func() { released = n }, nil }
	if got, _, err := open(msg, o); err != nil || string(got) != "x" || asked != 64<<20 || released != asked {
		t.Errorf("%q, %v, asked for %d, released %d", got, err, asked, released)
	}
	busy := errors.New("busy")
	o.Acquire = func(int64) (func(), error) { return nil, busy }
	if _, _, err := open(msg, o); err != busy {
		t.Errorf("no room: %v", err)
	}
}

func TestKey_Argon2Bomb(t *testing.T) {
	k, err := key(t, pgp.Curve25519V6).Lock("secret", pgp.LockOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := pgp.SecretS2K(k); err != nil || s.Kind != "argon2" || s.Memory != 64<<20 || s.Passes != 3 {
		t.Fatalf("%+v, %v", s, err)
	}
	msg := encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
	// The last part with the bomb, and both.
	all := k.Bytes()
	last := bytes.LastIndex(all, []byte{3, 4, 16})
	for name, at := range map[string][]int{"Primary": {bytes.Index(all, []byte{3, 4, 16})}, "Subkey": {last}} {
		bomb := bytes.Clone(all)
		for _, i := range at {
			bomb[i+2] = 22
		}
		keys, err := pgp.ReadKeys(bytes.NewReader(bomb), pgp.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys[0].Unlock("secret", pgp.LockOptions{Acquire: never(t)}); !errors.Is(err, pgp.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
		if name != "Subkey" {
			continue
		}
		if _, _, err := open(msg, pgp.OpenOptions{Keys: keys, Passphrases: []string{"secret"}, Acquire: never(t)}); !errors.Is(err, pgp.ErrRefused) {
			t.Errorf("%s: Open: %v", name, err)
		}
	}
	// The older kinds of key are seen through as well.
	for _, a := range []pgp.Algorithm{pgp.Curve25519, pgp.P384, pgp.RSA3072} {
		locked, err := key(t, a).Lock("secret", pgp.LockOptions{Count: quick})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := pgp.SecretS2K(locked); err != nil || s.Kind != "iterated" || s.Count != quick || s.Hash != "SHA-256" {
			t.Errorf("%s: %+v, %v", a, s, err)
		}
	}
}

func TestOpen_TooManyPackets(t *testing.T) {
	k := key(t, pgp.Curve25519)
	msg := encrypt(t, []byte("x"), pgp.EncryptOptions{Passphrases: []string{"secret"}})
	n := 2 + int(msg[1]) // the passphrase packet
	for count, want := range map[int]error{16: nil, 17: pgp.ErrRefused, 10_000: pgp.ErrRefused} {
		many := append(bytes.Repeat(msg[:n], count), msg[n:]...)
		if _, _, err := open(many, withSecret); !errors.Is(err, want) {
			t.Errorf("%d passphrase packets: %v", count, err)
		}
	}
	wrong := append(bytes.Repeat(msg[:n], 16), msg[n:]...)
	if _, _, err := open(wrong, pgp.OpenOptions{Passphrases: []string{"a", "b", "c"}}); !errors.Is(err, pgp.ErrRefused) {
		t.Errorf("16 packets and 3 passphrases: %v", err)
	}
	msg = encrypt(t, []byte("x"), pgp.EncryptOptions{To: []*pgp.Certificate{k.Certificate()}})
	n = 2 + int(msg[1])
	for count, want := range map[int]error{64: nil, 65: pgp.ErrRefused, 10_000: pgp.ErrRefused} {
		many := append(bytes.Repeat(msg[:n], count), msg[n:]...)
		if _, _, err := open(many, pgp.OpenOptions{Keys: []*pgp.Key{k}}); !errors.Is(err, want) {
			t.Errorf("%d recipients: %v", count, err)
		}
	}
	// 64 packets for anybody against 64 keys.
	anonymous := bytes.Clone(msg[:n])
	copy(anonymous[3:11], make([]byte, 8))
	many := append(bytes.Repeat(anonymous, 64), msg[n:]...)
	keys := make([]*pgp.Key, 64)
	for i := range keys {
		keys[i] = fresh(t, pgp.KeyParams{})
	}
	if _, _, err := open(many, pgp.OpenOptions{Keys: keys}); !errors.Is(err, pgp.ErrRefused) {
		t.Errorf("64 hidden recipients and 64 keys: %v", err)
	}
	if _, _, err := open(many, pgp.OpenOptions{Keys: []*pgp.Key{keys[0], k}}); err != nil {
		t.Errorf("64 hidden recipients and the key: %v", err)
	}
	locked, err := k.Lock("secret", pgp.LockOptions{Count: quick})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		passes []string
		kind   error
	}{{nil, pgp.ErrLocked}, {[]string{"other"}, pgp.ErrWrongPassphrase}} {
		if _, _, err := open(msg, pgp.OpenOptions{Keys: []*pgp.Key{locked}, Passphrases: tt.passes}); !errors.Is(err, tt.kind) {
			t.Errorf("locked key, passphrases %v: %v", tt.passes, err)
		}
	}
}

// TestOpen_Inner hides in the encrypted content what must not be there.
func TestOpen_Inner(t *testing.T) {
	argon2 := append([]byte{4, 9, 4}, make([]byte, 16)...)
	argon2 = raw(3, append(argon2, 3, 4, 31))
	k := key(t, pgp.Curve25519)
	var signed bytes.Buffer
	w, err := pgp.Sign(&signed, []*pgp.Key{k}, pgp.SignOptions{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, w, []byte("x"))
	ops := signed.Bytes()[:2+int(signed.Bytes()[1])]
	v6 := append([]byte{6, 0, 27, 10, 0x10, 0, 0, 0}, make([]byte, 20<<20)...)
	for name, inner := range map[string][]byte{
		"Passphrase":   append(bytes.Clone(argon2), seal(t, literal([]byte("x")))...),
		"Encrypted":    seal(t, literal([]byte("x"))),
		"Twice":        append(literal([]byte("x")), literal([]byte("y"))...),
		"Key":          append(k.Bytes(), literal([]byte("x"))...),
		"Unsigned":     append(bytes.Clone(ops), literal([]byte("x"))...),
		"OPSFlood":     append(bytes.Repeat(ops, 100_000), literal([]byte("x"))...),
		"HugeSig":      compressed(t, append(raw(2, v6), literal([]byte("x"))...)),
		"SigCompress":  append(bytes.Clone(ops), compressed(t, literal([]byte("x")))...),
		"AfterPacked":  append(compressed(t, literal([]byte("x"))), literal([]byte("y"))...),
		"Empty":        {},
		"NoData":       raw(21, make([]byte, 100)),
		"MarkersOnly":  bytes.Repeat(raw(10, []byte("PGP")), 1000),
		"CutLiteral":   literal([]byte("xyz"))[:9],
		"CriticalKind": append(raw(30, []byte("x")), literal([]byte("x"))...),
	} {
		msg := seal(t, inner)
		start := time.Now()
		peak := heap(func(func()) {
			got, _, err := open(msg, pgp.OpenOptions{Passphrases: []string{"secret"}, Verify: []*pgp.Certificate{k.Certificate()}})
			if err == nil {
				t.Errorf("%s: %q without an error", name, got)
			}
		})
		if d := time.Since(start); d > time.Minute || peak > 8<<20 {
			t.Errorf("%s: %s, %d KiB", name, d, peak>>10)
		}
	}
	var zl bytes.Buffer
	zw := zlib.NewWriter(&zl)
	if _, err := zw.Write(literal([]byte("x"))); err != nil || zw.Close() != nil {
		t.Fatal(err)
	}
	small := append([]byte{2}, zl.Bytes()...)
	small[1], small[2] = 0x58, 0x85 // the header of a window of 8 KiB
	for name, inner := range map[string][]byte{
		"Zlib":         raw(8, append([]byte{2}, zl.Bytes()...)),
		"ZlibSmall":    raw(8, small),
		"Uncompressed": raw(8, append([]byte{0}, literal([]byte("x"))...)),
		"OddName":      raw(11, []byte("b\x03\x01\n\xff\x00\x00\x00\x00x")),
		"Local":        raw(11, []byte("l\x00\x00\x00\x00\x00x")),
		"Padding":      append(literal([]byte("x")), raw(21, make([]byte, 1000))...),
		"Marker":       append(raw(10, []byte("PGP")), literal([]byte("x"))...),
		"Packed":       compressed(t, literal([]byte("x"))),
		"Signed":       signed.Bytes(),
		"NonCritical":  append(literal([]byte("x")), raw(60, []byte("private"))...),
	} {
		if got, _, err := open(seal(t, inner), withSecret); err != nil || string(got) != "x" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestOpen_Unprotected has a message of packet type 9.
func TestOpen_Unprotected(t *testing.T) {
	var out bytes.Buffer
	cfg := &packet.Config{DefaultCipher: packet.CipherAES256, S2KConfig: &s2k.Config{S2KCount: quick}}
	session, err := packet.SerializeSymmetricKeyEncrypted(&out, []byte("secret"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	inner := literal([]byte("unprotected"))
	block := packetCipher(t, session)
	s, prefix := packet.NewOCFBEncrypter(block, make([]byte, 16), packet.OCFBResync)
	s.XORKeyStream(inner, inner)
	out.Write(raw(9, append(prefix, inner...)))
	if _, _, err := open(out.Bytes(), withSecret); !errors.Is(err, pgp.ErrUnprotected) {
		t.Errorf("no integrity protection: %v", err)
	}
	o := withSecret
	o.Unprotected = true
	if got, m, err := open(out.Bytes(), o); err != nil || string(got) != "unprotected" || !m.Unprotected || m.Chunked {
		t.Errorf("asked for: %q, %v", got, err)
	}
	if i, err := pgp.Inspect(bytes.NewReader(out.Bytes())); err != nil || i.Protection != "none" || !i.Whole {
		t.Errorf("%+v, %v", i, err)
	}
}
