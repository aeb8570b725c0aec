package audit

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"zencrypt/nofollow"
)

// Head says that a log had a line of this number and MAC. It is one line of JSON, and the signature is over the same
// JSON without it, behind a label. Who keeps heads checks them with the public key, and can make none.
type Head struct {
	Seq  uint64 `json:"seq"`
	MAC  string `json:"mac"`
	Time string `json:"time"`
	Key  string `json:"key"`           // fingerprint of the server key
	Sig  string `json:"sig,omitempty"` // Ed25519 (RFC 8032), base64url
}

const headLabel = "zencrypt/v1/log-head\x00"

// maxHeads bounds the bytes of heads that are read back: 64 MiB are 300,000 of them.
const maxHeads = 64 << 20

func (h Head) signed() []byte {
	h.Sig = ""
	b, err := json.Marshal(h)
	if err != nil {
		panic("audit: encode head: " + err.Error()) // strings and numbers only
	}
	return append([]byte(headLabel), b...)
}

func (h Head) sign(k Key) Head {
	h.Sig = base64.RawURLEncoding.EncodeToString(ed25519.Sign(k.signer(), h.signed()))
	return h
}

func (h Head) genuine(keys Keys) bool {
	k, ok := keys.All[h.Key]
	sig, err := base64.RawURLEncoding.Strict().DecodeString(h.Sig)
	return ok && err == nil && ed25519.Verify(k.Public(), h.signed(), sig)
}

// head writes a line of its own, has it on the disk, and sends its number and MAC to the second places. Nobody waits for
// these: one that hangs must not stop what adds lines.
func (l *Log) head() {
	if len(l.o.Places) == 0 || l.closing {
		return
	}
	err := l.locked(func() error {
		return l.write(Event{Name: eventHead, Counts: map[string]int64{"places": int64(len(l.o.Places))}})
	})
	if err == nil {
		err = l.file.Sync() // first: a head of a line that a power loss takes would be an alarm for nothing
	}
	if err != nil {
		l.report(fmt.Errorf("write head of server log: %w", err))
		return
	}
	head := Head{Seq: l.last.seq, MAC: l.last.mac.String(), Time: l.o.Now().UTC().Format(time.RFC3339Nano), Key: l.o.Keys.Active}
	b, err := json.Marshal(head.sign(l.o.Keys.All[l.o.Keys.Active]))
	if err != nil {
		panic("audit: encode head: " + err.Error())
	}
	l.since, l.headed = 0, l.o.Now()
	select {
	case l.heads <- append(b, '\n'):
	default:
		l.failed(1, fmt.Errorf("write head of server log: %d heads wait for a second place already", headsWaiting))
	}
}

// deliver takes heads to the second places, in their order. One that can't be reached is told, in the log too.
func (l *Log) deliver() {
	defer close(l.ended)
	for head := range l.heads {
		for _, p := range l.o.Places {
			if err := p.Write(head); err != nil {
				l.mu.Lock()
				l.failed(1, fmt.Errorf("write head of server log to %s: %w", p, err))
				l.mu.Unlock()
			}
		}
	}
}

// failed notes that a head did not reach some places.
func (l *Log) failed(places int64, err error) {
	l.report(err)
	_ = l.locked(func() error { return l.write(Event{Name: eventHeadFailed, Counts: map[string]int64{"places": places}}) })
}

// newest is the latest genuine head in the places that can be read back.
func (l *Log) newest() (best Head, ok bool) {
	for _, p := range l.o.Places {
		f, isFile := p.(File)
		if !isFile {
			continue
		}
		heads, _, _, err := readHeads(f, l.o.Keys)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.report(err)
		}
		for _, h := range heads {
			if !ok || h.Seq > best.Seq {
				best, ok = h, true
			}
		}
	}
	return best, ok
}

// readHeads reads a file of heads. Each stands at the end of a line, behind what a syslog writes before it. bad
// counts what looks like a head of this log and is not genuine, gone what names server keys that are not there.
func readHeads(file File, keys Keys) (heads []Head, bad int, gone map[string]int, err error) {
	f, err := nofollow.File(file.Data, file.Path)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("read heads of server log: %w", err)
	}
	defer f.Close()
	return headsIn(f, file.Path, keys)
}

// readNamed is readHeads for a file that a person named.
func readNamed(file File, keys Keys) (heads []Head, bad int, gone map[string]int, err error) {
	f, err := os.Open(file.Path)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("read heads of server log: %w", err)
	}
	defer f.Close()
	return headsIn(f, file.Path, keys)
}

// headsIn reads heads from a file or a pipe of this name.
func headsIn(src io.Reader, path string, keys Keys) (heads []Head, bad int, gone map[string]int, err error) {
	b, err := io.ReadAll(io.LimitReader(src, maxHeads+1))
	if err != nil {
		return nil, 0, nil, fmt.Errorf("read heads of server log: %w", err)
	}
	if len(b) > maxHeads {
		return nil, 0, nil, fmt.Errorf("read heads of server log: %s has more than %d MiB, begin another file", path, maxHeads>>20)
	}
	gone = map[string]int{}
	for text := range bytes.Lines(b) {
		at := bytes.Index(text, []byte(`{"seq":`))
		if at < 0 {
			if len(bytes.TrimSpace(text)) > 0 {
				bad++
			}
			continue
		}
		var h Head
		err := json.Unmarshal(bytes.TrimSpace(text[at:]), &h)
		if _, here := keys.All[h.Key]; err == nil && !here {
			gone[h.Key]++
			continue
		}
		if err != nil || !h.genuine(keys) {
			bad++
			continue
		}
		heads = append(heads, h)
	}
	return heads, bad, gone, nil
}

// File is a second place: a file to which heads are added.
type File struct {
	Path string
	Data string // as in Options
}

// String returns the file's path.
func (f File) String() string { return f.Path }

// Write adds a line and has it on the disk. A folder that is missing is made for its owner alone.
func (f File) Write(line []byte) (err error) {
	file, err := nofollow.Append(f.Data, f.Path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if size := info.Size(); size > 0 { // a write that was cut must not take this one along
		var end [1]byte
		if _, err := file.ReadAt(end[:], size-1); err != nil {
			return err
		}
		if end[0] != '\n' {
			line = append([]byte("\n"), line...)
		}
	}
	if _, err := file.Write(line); err != nil {
		return err
	}
	return file.Sync()
}
