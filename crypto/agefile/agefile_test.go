package agefile_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"filippo.io/age"

	"zencrypt/crypto/agefile"
)

const chunk = agefile.ChunkSize

// sizes are those around the borders of age's chunks.
func sizes() []int { return []int{0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 9*chunk + 17} }

// content returns n bytes, at most 20 MB, that differ from chunk to chunk and are not to be changed.
func content(n int) []byte { return allContent()[:n:n] }

var allContent = sync.OnceValue(func() []byte {
	b := make([]byte, 20_000_000)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
})

type pair struct {
	id  age.Identity
	rec age.Recipient
}

func newPair(t testing.TB) pair {
	t.Helper()
	identity, recipient, err := agefile.NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	ids, err := agefile.ParseIdentities(identity)
	if err != nil {
		t.Fatal(err)
	}
	recs, err := agefile.ParseRecipients(recipient)
	if err != nil {
		t.Fatal(err)
	}
	return pair{ids[0], recs[0]}
}

func encrypt(t testing.TB, armored bool, plain []byte, rs ...age.Recipient) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := agefile.Encrypt(&buf, armored, rs...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// decrypt reads everything and returns what came before an error too.
func decrypt(file []byte, ids ...age.Identity) ([]byte, error) {
	o, err := agefile.Open(bytes.NewReader(file), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(o)
}

func TestOpen_RoundTrip(t *testing.T) {
	p, other := newPair(t), newPair(t)
	for _, armored := range []bool{false, true} {
		for _, n := range sizes() {
			t.Run(fmt.Sprintf("Armored=%v/%d", armored, n), func(t *testing.T) {
				plain := content(n)
				file := encrypt(t, armored, plain, other.rec, p.rec)
				o, err := agefile.Open(iotest.OneByteReader(bytes.NewReader(file)), newPair(t).id, p.id)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(o)
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				if o.Index != 1 || o.Info.Armored != armored || len(o.Info.Stanzas) != 2 || o.Info.Passphrase {
					t.Errorf("index %d, %+v", o.Index, o.Info)
				}
				r, err := agefile.OpenWithFileKey(bytes.NewReader(file), o.FileKey)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("with the file key: %d bytes, %v", len(got), err)
				}
				if out := fmt.Sprintf("%v %+v %x", o, o, o); strings.Contains(out, fmt.Sprintf("%x", o.FileKey)) || !strings.Contains(out, "redacted") {
					t.Error("the file key prints")
				}
				if out, err := json.Marshal(struct{ Opened agefile.Opened }{agefile.Opened{FileKey: o.FileKey}}); err != nil || strings.Contains(string(out), "FileKey") {
					t.Errorf("the file key is written as JSON: %v", err)
				}
			})
		}
	}
}

func TestOpen_EveryBit(t *testing.T) {
	p := newPair(t)
	plain := []byte("attack at dawn")
	for _, armored := range []bool{false, true} {
		file := encrypt(t, armored, plain, p.rec)
		for i := range len(file) * 8 {
			changed := bytes.Clone(file)
			changed[i/8] ^= 1 << (i % 8)
			got, err := decrypt(changed, p.id)
			if err == nil {
				// White space around armor lines is allowed to differ; what is inside is not.
				if armored && bytes.Equal(got, plain) && whiteSpaceOnly(file, changed) {
					continue
				}
				t.Fatalf("armored %v: bit %d changed (%q to %q) and opened as %q", armored, i, file[i/8], changed[i/8], got)
			}
			// A stanza that was changed looks like somebody else's, and a first line like no age file.
			var noKey *agefile.NoKeyError
			if !errors.Is(err, agefile.ErrDamaged) && !errors.Is(err, agefile.ErrFormat) && !errors.As(err, &noKey) {
				t.Fatalf("armored %v: bit %d: untyped error %v", armored, i, err)
			}
		}
	}
}

func whiteSpaceOnly(a, b []byte) bool {
	return string(bytes.Join(bytes.Fields(a), nil)) == string(bytes.Join(bytes.Fields(b), nil))
}

// In the payload every change is damage, and nothing unauthenticated comes out.
func TestOpen_PayloadBits(t *testing.T) {
	p := newPair(t)
	plain := content(2*chunk + 100)
	file := encrypt(t, false, plain, p.rec)
	info, err := agefile.Inspect(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for at := info.HeaderSize; at < len(file); at += 997 {
		changed := bytes.Clone(file)
		changed[at] ^= 1
		got, err := decrypt(changed, p.id)
		if !errors.Is(err, agefile.ErrDamaged) {
			t.Fatalf("byte %d: %v, want ErrDamaged", at, err)
		}
		if !bytes.HasPrefix(plain, got) || len(got)%chunk != 0 {
			t.Fatalf("byte %d: %d bytes came out that are not whole chunks", at, len(got))
		}
	}
}

func TestOpen_EveryTruncation(t *testing.T) {
	p := newPair(t)
	for _, armored := range []bool{false, true} {
		file := encrypt(t, armored, []byte("attack at dawn"), p.rec)
		// Without its last line break armor is whole.
		whole := len(bytes.TrimSpace(file))
		for n := range len(file) {
			_, err := decrypt(file[:n], p.id)
			switch {
			case armored && n >= whole:
				if err != nil {
					t.Fatalf("armor without its last line break: %v", err)
				}
			case err == nil:
				t.Fatalf("armored %v: opened when cut to %d bytes", armored, n)
			case n < len("age-") || armored && n < len("-----BEGIN AGE ENCRYPTED FILE-----"):
				if !errors.Is(err, agefile.ErrFormat) {
					t.Fatalf("armored %v: cut to %d bytes: %v, want ErrFormat", armored, n, err)
				}
			case !errors.Is(err, agefile.ErrDamaged):
				t.Fatalf("armored %v: cut to %d bytes: %v, want ErrDamaged", armored, n, err)
			}
		}
	}
}

func TestOpen_Chunks(t *testing.T) {
	p := newPair(t)
	plain := content(4*chunk + 5)
	file := encrypt(t, false, plain, p.rec)
	info, err := agefile.Inspect(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	head := info.HeaderSize + 16
	const sealed = chunk + 16
	piece := func(i int) []byte { return file[head+i*sealed : min(head+(i+1)*sealed, len(file))] }
	join := func(pieces ...[]byte) []byte {
		return bytes.Join(append([][]byte{file[:head]}, pieces...), nil)
	}
	for name, tc := range map[string]struct {
		file  []byte
		whole int // chunks that may come out
	}{
		"Swapped":      {join(piece(0), piece(2), piece(1), piece(3), piece(4)), 1},
		"Repeated":     {join(piece(0), piece(0), piece(1), piece(2), piece(3), piece(4)), 1},
		"Dropped":      {join(piece(0), piece(2), piece(3), piece(4)), 1},
		"LastDropped":  {join(piece(0), piece(1), piece(2), piece(3)), 4},
		"LastFirst":    {join(piece(4), piece(0)), 0},
		"TrailingByte": {append(join(piece(0), piece(1), piece(2), piece(3), piece(4)), 0), 4},
		"TwoFiles":     {append(bytes.Clone(file), file...), 4},
		"NoPayload":    {file[:head], 0},
		"NoNonce":      {file[:info.HeaderSize], 0},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decrypt(tc.file, p.id)
			if !errors.Is(err, agefile.ErrDamaged) {
				t.Errorf("error %v, want ErrDamaged", err)
			}
			if len(got) > tc.whole*chunk || !bytes.HasPrefix(plain, got) {
				t.Errorf("%d bytes came out, at most %d are authentic", len(got), tc.whole*chunk)
			}
		})
	}
}

// What follows a full last chunk is found when the end is read.
func TestOpen_TrailingAfterFullChunk(t *testing.T) {
	p := newPair(t)
	file := append(encrypt(t, false, content(chunk), p.rec), 'x')
	if _, err := decrypt(file, p.id); !errors.Is(err, agefile.ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
}

// A source that fails is not a damaged file.
func TestOpen_SourceError(t *testing.T) {
	p := newPair(t)
	lost := errors.New("connection lost")
	for _, armored := range []bool{false, true} {
		file := encrypt(t, armored, content(3*chunk), p.rec)
		for _, n := range []int{0, 1, 30, 150, 250, 5000, chunk + 300, 2 * chunk, len(file)} {
			for _, cause := range []error{lost, io.ErrUnexpectedEOF} {
				o, err := agefile.Open(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(cause)), p.id)
				if err == nil {
					_, err = io.Copy(io.Discard, o)
				}
				if !errors.Is(err, cause) || errors.Is(err, agefile.ErrDamaged) || errors.Is(err, agefile.ErrFormat) {
					t.Errorf("armored %v: failing after %d bytes: %v", armored, n, err)
				}
			}
		}
	}
}

func TestOpen_NotAge(t *testing.T) {
	p := newPair(t)
	for _, in := range []string{"", "a", "hello", "\x00\x00\x00", "age-encryption.org/v2\n-> X25519 x\n", "-----BEGIN PGP MESSAGE-----\n", strings.Repeat("a", 1<<20), strings.Repeat("\n", 1<<20)} {
		if _, err := decrypt([]byte(in), p.id); !errors.Is(err, agefile.ErrFormat) {
			t.Errorf("%.30q: %v, want ErrFormat", in, err)
		}
	}
}

func TestOpen_Pasted(t *testing.T) {
	p := newPair(t)
	file := string(encrypt(t, true, content(1000), p.rec))
	indented := "    " + strings.ReplaceAll(file, "\n", "  \r\n    ")
	for name, in := range map[string]string{
		"BOM": "\ufeff" + file, "CRLF": strings.ReplaceAll(file, "\n", "\r\n"), "Leading": "\n \t\r\n" + file, "Trailing": file + "\n\n  \t" + strings.Repeat("\n", 5000),
		"Indented": indented, "Before": "Hello,\nhere it is:\n\n" + file, "NoFinalBreak": strings.TrimSpace(file),
		"BlankLines": strings.ReplaceAll(file, "\n", "\n\n"),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := decrypt([]byte(in), p.id); err != nil || !bytes.Equal(got, content(1000)) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
		})
	}
	for name, in := range map[string]string{
		"After": file + "more", "Twice": file + file, "NoEnd": strings.Split(file, "-----END")[0],
		"CharacterLost": strings.Replace(file, "\n-----END", "", 1)[:len(file)-50] + "\n-----END AGE ENCRYPTED FILE-----\n", "LongLine": strings.Split(file, "\n")[0] + "\n" + strings.Repeat("A", 1<<20),
		"OneLine": strings.Split(file, "\n")[0] + "\n" + strings.ReplaceAll(strings.SplitN(file, "\n", 2)[1], "\n", ""),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := decrypt([]byte(in), p.id); !errors.Is(err, agefile.ErrDamaged) {
				t.Errorf("error %v, want ErrDamaged", err)
			}
		})
	}
}

// A line without end must not be collected.
func TestOpen_EndlessLine(t *testing.T) {
	src := io.MultiReader(strings.NewReader("-----BEGIN AGE ENCRYPTED FILE-----\n"), endless('A'))
	if _, err := agefile.Open(src, newPair(t).id); !errors.Is(err, agefile.ErrDamaged) {
		t.Errorf("error %v, want ErrDamaged", err)
	}
	src = io.MultiReader(strings.NewReader("age-encryption.org/v1\n-> X25519 "), endless('A'))
	if _, err := agefile.Open(src, newPair(t).id); !errors.Is(err, agefile.ErrTooManyStanzas) {
		t.Errorf("error %v, want ErrTooManyStanzas", err)
	}
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

func TestEncrypt_Errors(t *testing.T) {
	p := newPair(t)
	pq, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pass, err := agefile.PassphraseRecipient("secret", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := agefile.Encrypt(io.Discard, false); !errors.Is(err, agefile.ErrNoRecipient) {
		t.Errorf("no recipient: %v", err)
	}
	for name, rs := range map[string][]age.Recipient{"PostQuantum": {p.rec, pq.Recipient()}, "Passphrase": {p.rec, pass}, "TwoPassphrases": {pass, pass}} {
		if _, err := agefile.Encrypt(io.Discard, false, rs...); !errors.Is(err, agefile.ErrMixed) {
			t.Errorf("%s: %v, want ErrMixed", name, err)
		}
	}
	many := make([]age.Recipient, agefile.MaxStanzas+1)
	for i := range many {
		many[i] = p.rec
	}
	if _, err := agefile.Encrypt(io.Discard, false, many...); !errors.Is(err, agefile.ErrManyRecipients) {
		t.Errorf("a file that would not open: %v, want ErrManyRecipients", err)
	}
	if err := agefile.Check(many[1:]...); err != nil {
		t.Errorf("Check of %d recipients: %v", agefile.MaxStanzas, err)
	}
	file := encrypt(t, false, []byte("x"), many[1:]...)
	if _, err := decrypt(file, p.id); err != nil {
		t.Errorf("a file of %d stanzas: %v", agefile.MaxStanzas, err)
	}
	if got, err := decrypt(encrypt(t, true, []byte("pq"), pq.Recipient()), pq); err != nil || string(got) != "pq" {
		t.Errorf("post-quantum: %q, %v", got, err)
	}
}

func TestEncrypt_CloseTwice(t *testing.T) {
	var buf bytes.Buffer
	w, err := agefile.Encrypt(&buf, true, newPair(t).rec)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Error(err)
	}
	if n := bytes.Count(buf.Bytes(), []byte("-----END")); n != 1 {
		t.Errorf("%d ends", n)
	}
}
