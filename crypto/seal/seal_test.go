package seal_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"zencrypt/crypto/seal"
)

func place() seal.Place {
	return seal.Place{Table: "items", Column: "body", Row: []byte("0123456789abcdef"), User: []byte("fedcba9876543210")}
}

func TestSeal_RoundTrip(t *testing.T) {
	key := seal.NewKey()
	for _, n := range []int{0, 1, 15, 16, 17, 63, 64, 65, 1 << 20} {
		plain := bytes.Repeat([]byte{0xa5}, n)
		sealed := seal.Seal(key, 7, place(), plain)
		if len(sealed) != n+seal.Overhead {
			t.Errorf("%d bytes: sealed value has %d bytes, want %d", n, len(sealed), n+seal.Overhead)
		}
		if v, err := seal.Version(sealed); err != nil || v != 7 {
			t.Errorf("%d bytes: Version = %d, %v", n, v, err)
		}
		before := bytes.Clone(sealed)
		got, err := seal.Open(key, place(), sealed)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: Open: %v", n, err)
		}
		if !bytes.Equal(before, sealed) {
			t.Errorf("%d bytes: Open changed its input", n)
		}
	}
}

func TestSeal_SameTwiceDiffers(t *testing.T) {
	key := seal.NewKey()
	if bytes.Equal(seal.Seal(key, 1, place(), []byte("x")), seal.Seal(key, 1, place(), []byte("x"))) {
		t.Error("two seals of the same value are equal")
	}
}

func TestOpen_EveryBit(t *testing.T) {
	key := seal.NewKey()
	sealed := seal.Seal(key, 1, place(), []byte("attack at dawn"))
	for i := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		if got, err := seal.Open(key, place(), changed); err == nil {
			t.Fatalf("bit %d changed and opened as %q", i, got)
		} else if !errors.Is(err, seal.ErrOpen) && !errors.Is(err, seal.ErrFormat) {
			t.Fatalf("bit %d: %v", i, err)
		}
	}
	for n := range len(sealed) {
		if _, err := seal.Open(key, place(), sealed[:n]); err == nil {
			t.Fatalf("opened when cut to %d bytes", n)
		}
	}
	if _, err := seal.Open(key, place(), append(bytes.Clone(sealed), 0)); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("opened with a byte added: %v", err)
	}
}

func TestOpen_OtherPlace(t *testing.T) {
	key := seal.NewKey()
	sealed := seal.Seal(key, 1, place(), []byte("mine"))
	for name, change := range map[string]func(*seal.Place){
		"Table":  func(p *seal.Place) { p.Table = "keys" },
		"Column": func(p *seal.Place) { p.Column = "title" },
		"Row":    func(p *seal.Place) { p.Row = []byte("0123456789abcdeg") },
		"User":   func(p *seal.Place) { p.User = nil },
		// The same bytes in a row, cut elsewhere.
		"Boundary":       func(p *seal.Place) { p.Table, p.Column = "itemsb", "ody" },
		"BoundaryRow":    func(p *seal.Place) { p.Row, p.User = p.Row[:15], append([]byte{p.Row[15]}, p.User...) },
		"SwappedRowUser": func(p *seal.Place) { p.Row, p.User = p.User, p.Row },
	} {
		t.Run(name, func(t *testing.T) {
			p := place()
			change(&p)
			if _, err := seal.Open(key, p, sealed); !errors.Is(err, seal.ErrOpen) {
				t.Errorf("Open in another place: %v, want ErrOpen", err)
			}
		})
	}
	if _, err := seal.Open(seal.NewKey(), place(), sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("Open with another key: %v, want ErrOpen", err)
	}
}

// The layout in the package's comments, put together here by hand.
func TestOpen_Layout(t *testing.T) {
	key := seal.Derive([]byte("layout"), "test")
	a, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		t.Fatal(err)
	}
	header := []byte{1, 0, 0, 1, 2}
	ad := bytes.Clone(header)
	for _, part := range []string{"items", "body", "0123456789abcdef", "fedcba9876543210"} {
		ad = append(binary.BigEndian.AppendUint32(ad, uint32(len(part))), part...)
	}
	nonce := []byte("twenty-four byte nonce!!")
	sealed := a.Seal(append(bytes.Clone(header), nonce...), nonce, []byte("hello"), ad)
	got, err := seal.Open(key, place(), sealed)
	if err != nil || string(got) != "hello" {
		t.Errorf("Open = %q, %v", got, err)
	}
	if v, _ := seal.Version(sealed); v != 258 {
		t.Errorf("Version = %d, want 258", v)
	}
}

// RFC 5869 appendix A.3: SHA-256 with no salt and no info; the first 32 of its 42 bytes.
func TestDerive_RFC5869(t *testing.T) {
	got := seal.Derive(bytes.Repeat([]byte{0x0b}, 22), "")
	want := "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
	if hex.EncodeToString(got[:]) != want {
		t.Errorf("Derive = %x, want %s", got[:], want)
	}
}

func TestKey_Redacts(t *testing.T) {
	key := seal.Key(bytes.Repeat([]byte("S"), 32))
	ring := seal.NewRing(1, key)
	held := struct {
		K seal.Key
		R *seal.Ring
	}{key, ring}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%c", "%U"} {
		for _, v := range []any{key, &key, ring, held, []seal.Key{key}, map[string]seal.Key{"k": key}} {
			out := fmt.Sprintf(verb, v)
			for _, leak := range []string{"SS", "83", "53", "123 ", "1010011", "U+0053"} {
				if strings.Contains(out, leak) && !strings.Contains(out, "0xc") {
					t.Errorf("%s of %T prints %s", verb, v, out)
				}
			}
		}
	}
	out, err := json.Marshal(held)
	if err != nil || strings.Contains(string(out), "83") {
		t.Errorf("json: %s, %v", out, err)
	}
}

func TestRing_Versions(t *testing.T) {
	k1, k2, k3 := seal.NewKey(), seal.NewKey(), seal.NewKey()
	ring := seal.NewRing(2, k2)
	ring.Add(1, k1)
	if v, k := ring.Current(); v != 2 || k != k2 {
		t.Errorf("an older version became current: %d", v)
	}
	old := ring.Seal(seal.Items, place(), []byte("old"))
	ring.Add(3, k3)
	if v, k := ring.Current(); v != 3 || k != k3 {
		t.Errorf("current version is %d, want 3", v)
	}
	fresh := ring.Seal(seal.Items, place(), []byte("new"))
	if v, _ := seal.Version(fresh); v != 3 {
		t.Errorf("sealed under version %d, want 3", v)
	}
	for _, sealed := range [][]byte{old, fresh} {
		if _, err := ring.Open(seal.Items, place(), sealed); err != nil {
			t.Errorf("Open: %v", err)
		}
	}
	if _, err := ring.Open(seal.Names, place(), fresh); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("Open for another purpose: %v, want ErrOpen", err)
	}
	if _, err := seal.NewRing(1, k1).Open(seal.Items, place(), fresh); !errors.Is(err, seal.ErrVersion) || !errors.Is(err, seal.ErrOpen) {
		t.Errorf("Open of an unknown version: %v, want ErrVersion, which is an ErrOpen", err)
	}
	if _, ok := ring.Key(9); ok {
		t.Error("the ring has a version that nobody added")
	}
	// A version that is claimed but not the one it was sealed under.
	forged := bytes.Clone(old)
	binary.BigEndian.PutUint32(forged[1:], 3)
	if _, err := ring.Open(seal.Items, place(), forged); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("Open with a forged version: %v", err)
	}
	// The derivation is fixed: what is sealed today opens tomorrow.
	if _, err := seal.Open(seal.Derive(k2[:], "zencrypt/v1/items"), place(), old); err != nil {
		t.Errorf("purpose key is not Derive(account key, zencrypt/v1/items): %v", err)
	}
}

func TestRing_Concurrent(t *testing.T) {
	ring := seal.NewRing(1, seal.NewKey())
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			ring.Add(uint32(i+2), seal.NewKey())
			if _, err := ring.Open(seal.Items, place(), ring.Seal(seal.Items, place(), []byte("x"))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// A version that is replaced takes its derived keys with it.
func TestRing_AddAgain(t *testing.T) {
	first, second := seal.NewKey(), seal.NewKey()
	ring := seal.NewRing(1, first)
	sealed := ring.Seal(seal.Items, place(), []byte("x"))
	ring.Add(1, second)
	if _, err := ring.Open(seal.Items, place(), sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("opened with a key that the ring no longer holds: %v", err)
	}
	if _, err := seal.NewRing(1, second).Open(seal.Items, place(), ring.Seal(seal.Items, place(), []byte("x"))); err != nil {
		t.Errorf("sealed under a key that the ring no longer holds: %v", err)
	}
}

func BenchmarkRing_Open(b *testing.B) {
	ring := seal.NewRing(1, seal.NewKey())
	sealed := ring.Seal(seal.Names, place(), []byte("a title of the usual length"))
	for b.Loop() {
		if _, err := ring.Open(seal.Names, place(), sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func TestHPKE(t *testing.T) {
	public, private, err := seal.NewHPKE()
	if err != nil || len(public) != seal.HPKESize || len(private) != seal.HPKESize {
		t.Fatalf("NewHPKE: %d and %d bytes, %v", len(public), len(private), err)
	}
	sealed, err := seal.SealTo(public, []byte("info"), []byte("aad"), []byte("while away"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := seal.OpenFrom(private, []byte("info"), []byte("aad"), sealed)
	if err != nil || string(got) != "while away" {
		t.Fatalf("OpenFrom = %q, %v", got, err)
	}
	for i := range len(sealed) * 8 {
		changed := bytes.Clone(sealed)
		changed[i/8] ^= 1 << (i % 8)
		if _, err := seal.OpenFrom(private, []byte("info"), []byte("aad"), changed); err == nil {
			t.Fatalf("opened with bit %d changed", i)
		}
	}
	for n := range len(sealed) {
		if _, err := seal.OpenFrom(private, []byte("info"), []byte("aad"), sealed[:n]); err == nil {
			t.Fatalf("opened when cut to %d bytes", n)
		}
	}
	_, other, _ := seal.NewHPKE()
	for name, open := range map[string]func() ([]byte, error){
		"Key":  func() ([]byte, error) { return seal.OpenFrom(other, []byte("info"), []byte("aad"), sealed) },
		"Info": func() ([]byte, error) { return seal.OpenFrom(private, []byte("other"), []byte("aad"), sealed) },
		"AAD":  func() ([]byte, error) { return seal.OpenFrom(private, []byte("info"), nil, sealed) },
	} {
		if _, err := open(); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("other %s: %v, want ErrOpen", name, err)
		}
	}
	if _, err := seal.SealTo(make([]byte, 31), nil, nil, nil); err == nil {
		t.Error("sealed to a public key of 31 bytes")
	}
	if _, err := seal.SealTo(make([]byte, 32), nil, nil, nil); err == nil {
		t.Error("sealed to a public key of low order")
	}
}

func FuzzOpen(f *testing.F) {
	key := seal.Derive([]byte("fuzz"), "test")
	f.Add(seal.Seal(key, 1, place(), []byte("seed")))
	f.Add([]byte{1})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		plain, err := seal.Open(key, place(), sealed)
		if err == nil && len(plain) != len(sealed)-seal.Overhead {
			t.Errorf("opened %d bytes from %d", len(plain), len(sealed))
		}
		if err != nil && !errors.Is(err, seal.ErrOpen) && !errors.Is(err, seal.ErrFormat) {
			t.Errorf("untyped error: %v", err)
		}
	})
}
