package digest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func ids(keep func(Algorithm) bool) (ids []string) {
	for _, a := range Algorithms() {
		if keep(a) {
			ids = append(ids, a.ID)
		}
	}
	return ids
}

func all(Algorithm) bool { return true }

// pattern is BLAKE3's test input: 0 to 250, again and again.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

// sums hashes in one write.
func sums(t *testing.T, ids []string, key, input []byte) []Sum {
	t.Helper()
	h, err := New(ids, key)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := h.Write(input); n != len(input) || err != nil {
		t.Fatalf("wrote %d of %d: %v", n, len(input), err)
	}
	s, err := h.Sums()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sum(t *testing.T, id string, key, input []byte) string {
	t.Helper()
	return sums(t, []string{id}, key, input)[0].Hex()
}

func TestAlgorithms(t *testing.T) {
	// The IDs stand in forms, commands and saved items.
	want := strings.Fields("md5 sha1 sha224 sha256 sha384 sha512 sha512-256 sha3-224 sha3-256 sha3-384 sha3-512 blake2b-256 blake2b-512 blake2s-256 blake3")
	got := ids(all)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	labels := map[string]bool{}
	for _, a := range Algorithms() {
		if found, ok := Lookup(a.ID); !ok || found != a {
			t.Errorf("Lookup(%s) finds %+v", a.ID, found)
		}
		if a.Label == "" || labels[a.Label] {
			t.Errorf("%s: label %q is missing or used twice", a.ID, a.Label)
		}
		labels[a.Label] = true
		if broken := a.ID == "md5" || a.ID == "sha1"; a.Broken != broken {
			t.Errorf("%s: broken is %v", a.ID, a.Broken)
		}
		if n := len(sum(t, a.ID, nil, nil)) / 2; n != a.Size {
			t.Errorf("%s: %d bytes, said to be %d", a.ID, n, a.Size)
		}
	}
	if _, ok := Lookup("SHA256"); ok {
		t.Error("Lookup takes other spellings")
	}
	Algorithms()[0].ID = "changed"
	if Algorithms()[0].ID == "changed" {
		t.Error("the table can be changed from outside")
	}
}

// Published values. MD5: RFC 1321, A.5. SHA-1 and SHA-2: NIST's examples to FIPS
// 180-4. SHA-3: NIST's test vectors to FIPS 202. BLAKE2: RFC 7693, appendices A
// and B; BLAKE2b-256, which has none there: b2sum -l 256 of GNU coreutils 9.1.
func TestHasher_Published(t *testing.T) {
	for id, want := range map[string]string{
		"md5":         "900150983cd24fb0d6963f7d28e17f72",
		"sha1":        "a9993e364706816aba3e25717850c26c9cd0d89d",
		"sha224":      "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
		"sha256":      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha384":      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
		"sha512":      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
		"sha512-256":  "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
		"sha3-224":    "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
		"sha3-256":    "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
		"sha3-384":    "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
		"sha3-512":    "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0",
		"blake2b-256": "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319",
		"blake2b-512": "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
		"blake2s-256": "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982",
	} {
		if got := sum(t, id, nil, []byte("abc")); got != want {
			t.Errorf("%s of abc: got %s, want %s", id, got, want)
		}
	}
	// One million times "a": NIST's long example.
	if got, want := sum(t, "sha256", nil, bytes.Repeat([]byte("a"), 1_000_000)), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"; got != want {
		t.Errorf("sha256 of a million a: got %s, want %s", got, want)
	}
}

// The first 32 bytes of each extended output in test_vectors/test_vectors.json of
// github.com/BLAKE3-team/BLAKE3 (CC0 1.0 or Apache 2.0), and around this package's own
// segments what b3sum 1.2.0, of the same people, writes for the same pattern.
func TestHasher_BLAKE3(t *testing.T) {
	for n, want := range map[int]string{
		0:     "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
		1:     "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
		1023:  "10108970eeda3eb932baac1428c7a2163b0e924c9a9e25b35bba72b28f70bd11",
		1024:  "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
		1025:  "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
		2048:  "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a",
		2049:  "5f4d72f40d7a5f82b15ca2b2e44b1de3c2ef86c426c95c1af0b6879522563030",
		3072:  "b98cb0ff3623be03326b373de6b9095218513e64f1ee2edd2525c7ad1e5cffd2",
		3073:  "7124b49501012f81cc7f11ca069ec9226cecb8a2c850cfe644e327d22d3e1cd3",
		4096:  "015094013f57a5277b59d8475c0501042c0b642e531b0a1c8f58d2163229e969",
		4097:  "9b4052b38f1c5fc8b1f9ff7ac7b27cd242487b3d890d15c96a1c25b8aa0fb995",
		5120:  "9cadc15fed8b5d854562b26a9536d9707cadeda9b143978f319ab34230535833",
		5121:  "628bd2cb2004694adaab7bbd778a25df25c47b9d4155a55f8fbd79f2fe154cff",
		6144:  "3e2e5b74e048f3add6d21faab3f83aa44d3b2278afb83b80b3c35164ebeca205",
		6145:  "f1323a8631446cc50536a9f705ee5cb619424d46887f3c376c695b70e0f0507f",
		7168:  "61da957ec2499a95d6b8023e2b0e604ec7f6b50e80a9678b89d2628e99ada77a",
		7169:  "a003fc7a51754a9b3c7fae0367ab3d782dccf28855a03d435f8cfe74605e7817",
		8192:  "aae792484c8efe4f19e2ca7d371d8c467ffb10748d8a5a1ae579948f718a2a63",
		8193:  "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b",
		16384: "f875d6646de28985646f34ee13be9a576fd515f76b5b0a26bb324735041ddde4",
		31744: "62b6960e1a44bcc1eb1a611a8d6235b6b4b78f32e7abc4fb4c6cdcce94895c47",
		// b3sum
		100000:        "d93c23eedaf165a7e0be908ba86f1a7a520d568d2d13cde787c8580c5c72cc54",
		1<<20 - 1:     "f32b849d19684c18c138cf13e29dbadc776f4bc2a56b477680ef546b39ac3f71",
		1 << 20:       "74cb441fd087764ca9c3694da742ebe30cbeb3060a17009ca81825c7a8d10343",
		1<<20 + 1:     "2f053cd7472cf0cd2f9adaf45c1180255b91b9a865404a63671a0ee5f792ed33",
		1<<20 + 1024:  "59f733f7a6508b55eb572977d6b5b344769021d8689804460bbbaad07da9688a",
		2 << 20:       "96fbba37478c16b7614c890b26832f67b541cf14e69ab8ebf0c739818588c9f1",
		3<<20 + 17:    "26003c63117013de5d02be76e5e32a2f75bfbc075f17180fd5f9f0b4752d2bfe",
		5<<20 + 16384: "51f7ef9ffa57fac554c4d5e41a7d92b01fa7f1dc904cf7920eccc94f4d99a577",
	} {
		input := pattern(n)
		if got := sum(t, "blake3", nil, input); got != want {
			t.Errorf("%d bytes: got %s, want %s", n, got, want)
		}
		for _, cut := range []int{977, 64 << 10, 1<<20 - 1, 1 << 20, 3 << 19} {
			if n < 1000 || cut > n {
				continue
			}
			h, err := New([]string{"blake3"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			scratch := make([]byte, cut)
			for part := range slices.Chunk(input, cut) {
				_, _ = h.Write(scratch[:copy(scratch, part)])
			}
			if got, err := h.Sums(); err != nil || got[0].Hex() != want {
				t.Errorf("%d bytes in writes of %d: got %s, want %s", n, cut, got[0].Hex(), want)
			}
		}
	}
}

// A hash.Hash may be asked in between, and used again.
func TestBLAKE3Tree_SumAndReset(t *testing.T) {
	h := newBLAKE3()
	for _, n := range []int{0, 1, 2000, 1 << 20, 1<<20 + 1} {
		for range 2 {
			_, _ = h.Write(pattern(n))
			first := h.Sum([]byte{7})
			if again := h.Sum([]byte{7}); !bytes.Equal(again, first) || first[0] != 7 || hex.EncodeToString(first[1:]) != sum(t, "blake3", nil, pattern(n)) {
				t.Errorf("%d bytes: %x, then %x", n, first, again)
			}
			h.Reset()
		}
	}
}

// RFC 4231, sections 4.2, 4.3 and 4.7; RFC 2202, sections 2 and 3, case 2.
func TestHasher_HMAC(t *testing.T) {
	for _, tt := range []struct {
		key, input string
		want       map[string]string
	}{
		{strings.Repeat("\x0b", 20), "Hi There", map[string]string{
			"sha224": "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
			"sha256": "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
			"sha384": "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
			"sha512": "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
		}},
		{"Jefe", "what do ya want for nothing?", map[string]string{
			"md5":    "750c783e6ab0b503eaa86e310a5db738",
			"sha1":   "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
			"sha224": "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
			"sha256": "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
			"sha384": "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
			"sha512": "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
		}},
		{strings.Repeat("\xaa", 131), "Test Using Larger Than Block-Size Key - Hash Key First", map[string]string{
			"sha224": "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
			"sha256": "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
			"sha384": "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
			"sha512": "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
		}},
	} {
		for id, want := range tt.want {
			if got := sum(t, id, []byte(tt.key), []byte(tt.input)); got != want {
				t.Errorf("%s, key of %d bytes: got %s, want %s", id, len(tt.key), got, want)
			}
		}
	}
	t.Run("EmptyKey", func(t *testing.T) {
		// An empty key is a key: HMAC-SHA-256 of nothing under nothing (openssl dgst -hmac "").
		if got, want := sum(t, "sha256", []byte{}, nil), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
	t.Run("Keyed", func(t *testing.T) {
		if !sums(t, []string{"sha256"}, []byte("k"), nil)[0].Keyed || sums(t, []string{"sha256"}, nil, nil)[0].Keyed {
			t.Error("a sum does not know whether it is an HMAC")
		}
	})
	t.Run("KeyIsCopied", func(t *testing.T) {
		key := []byte("Jefe")
		h, err := New([]string{"sha256"}, key)
		if err != nil {
			t.Fatal(err)
		}
		clear(key)
		fmt.Fprint(h, "what do ya want for nothing?")
		if s, err := h.Sums(); err != nil || s[0].Hex() != "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" {
			t.Errorf("changes with the caller's key: %v, %v", s, err)
		}
	})
}

func TestNew_Errors(t *testing.T) {
	for _, tt := range []struct {
		ids  []string
		key  []byte
		want error
	}{
		{nil, nil, ErrAlgorithm},
		{[]string{"sha256", "sha257"}, nil, ErrAlgorithm},
		{[]string{""}, nil, ErrAlgorithm},
		{[]string{"sha256", "blake3"}, []byte("k"), ErrNoHMAC},
	} {
		if h, err := New(tt.ids, tt.key); !errors.Is(err, tt.want) || h != nil {
			t.Errorf("%v: got %v, %v", tt.ids, h, err)
		}
	}
	// What a stranger sends as an algorithm does not fill the log.
	if _, err := New([]string{strings.Repeat("x", 1<<20)}, nil); len(err.Error()) > 200 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	h, err := New([]string{"sha512", "md5", "sha512", "md5"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if s, _ := h.Sums(); len(s) != 2 || s[0].Algorithm.ID != "sha512" || s[1].Algorithm.ID != "md5" {
		t.Errorf("order or number is wrong: %v", s)
	}
}

// However the input is cut and however many processors there are, the digests are
// those of each algorithm alone.
func TestHasher_Write(t *testing.T) {
	input := pattern(3*minParallel + 17)
	hmacs := ids(func(a Algorithm) bool { return a.HMAC })
	for _, procs := range []int{1, 2, 4, 64} {
		t.Run(fmt.Sprint(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			for _, cut := range []int{1, 977, minParallel - 1, minParallel, minParallel + 1, len(input)} {
				plain, err := New(ids(all), nil)
				if err != nil {
					t.Fatal(err)
				}
				keyed, err := New(hmacs, []byte("key"))
				if err != nil {
					t.Fatal(err)
				}
				for part := range slices.Chunk(input, cut) {
					scratch := slices.Clone(part)
					for _, h := range []*Hasher{plain, keyed} {
						if n, err := h.Write(scratch); n != len(part) || err != nil {
							t.Fatalf("wrote %d of %d: %v", n, len(part), err)
						}
					}
					clear(scratch) // Write keeps nothing (io.Writer)
				}
				if plain.Size() != int64(len(input)) {
					t.Errorf("size is %d, want %d", plain.Size(), len(input))
				}
				for key, h := range map[string]*Hasher{"": plain, "key": keyed} {
					got, err := h.Sums()
					if err != nil {
						t.Fatal(err)
					}
					for _, s := range got {
						var k []byte
						if key != "" {
							k = []byte(key)
						}
						if want := sum(t, s.Algorithm.ID, k, input); s.Hex() != want {
							t.Errorf("cut %d, key %q, %s: got %s, want %s", cut, key, s.Algorithm.ID, s.Hex(), want)
						}
					}
				}
			}
		})
	}
}

func TestHasher_End(t *testing.T) {
	newHasher := func(t *testing.T) *Hasher {
		h, err := New(ids(all), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Write(make([]byte, 4*minParallel)); err != nil {
			t.Fatal(err)
		}
		return h
	}
	t.Run("Sums", func(t *testing.T) {
		h := newHasher(t)
		first, err := h.Sums()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Write([]byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("a write after Sums: %v", err)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		again, err := h.Sums()
		if err != nil || len(again) != len(first) || again[0].Hex() != first[0].Hex() {
			t.Errorf("Sums differs the second time: %v", err)
		}
	})
	t.Run("Close", func(t *testing.T) {
		h := newHasher(t)
		if err := errors.Join(h.Close(), h.Close()); err != nil {
			t.Error(err)
		}
		if n, err := h.Write([]byte("x")); n != 0 || !errors.Is(err, ErrClosed) {
			t.Errorf("a write after Close: %d, %v", n, err)
		}
		if s, err := h.Sums(); s != nil || !errors.Is(err, ErrClosed) {
			t.Errorf("Sums after Close: %v, %v", s, err)
		}
	})
	// A bubble fails when a goroutine outlives it.
	t.Run("NoGoroutines", func(t *testing.T) {
		for range 50 {
			synctest.Test(t, func(t *testing.T) { newHasher(t) })
		}
	})
	t.Run("FlatMemory", func(t *testing.T) {
		h, input := newHasher(t), make([]byte, 64<<10)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 512 { // 32 MiB
			if _, err := h.Write(input); err != nil {
				t.Fatal(err)
			}
		}
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
			t.Errorf("allocated %d bytes for 32 MiB", n)
		}
	})
}

func BenchmarkHasher(b *testing.B) {
	for _, set := range [][]string{{"sha256"}, {"blake3"}, {"sha256", "sha512", "blake3"}, ids(all)} {
		for _, size := range []int{64 << 10, Segment, 64 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", strings.Join(set, "+"), size>>10), func(b *testing.B) {
				h, err := New(set, nil)
				if err != nil {
					b.Fatal(err)
				}
				input := make([]byte, size)
				b.SetBytes(int64(len(input)))
				for b.Loop() {
					_, _ = h.Write(input)
				}
			})
		}
	}
}

func FuzzHasher(f *testing.F) {
	f.Add([]byte("abc"), uint16(1))
	f.Fuzz(func(t *testing.T, input []byte, cut uint16) {
		set := ids(all)
		whole := sums(t, set, nil, input)
		h, err := New(set, nil)
		if err != nil {
			t.Fatal(err)
		}
		i := min(int(cut), len(input))
		_, _ = h.Write(input[:i])
		_, _ = h.Write(input[i:])
		parts, err := h.Sums()
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			if !bytes.Equal(whole[i].Digest, parts[i].Digest) {
				t.Errorf("%s: %s in parts", set[i], hex.EncodeToString(parts[i].Digest))
			}
		}
	})
}
