package importer

import (
	"bufio"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"golang.org/x/crypto/chacha20poly1305"
)

// A spool keeps documents of a compressed dump where they can be read in any order. Each lies in
// the file as
//
//	length of the document 4 bytes, little-endian | ChaCha20-Poly1305 (RFC 8439) of it, 16 bytes longer
//
// under a key that is only in memory, so that the file is noise once the program has ended; the
// nonce is the record's offset, which no two share. age would open 64 KiB for each of a million records of 200
// bytes. Where the system allows it, the file has no name, and a kill leaves nothing.
type spool struct {
	file *os.File
	out  *bufio.Writer
	aead cipher.AEAD
	end  int64
	gone bool // its name is
	buf  []byte
}

const spoolHead = 4 // bytes

func newSpool(dir string) (*spool, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key) // does not fail
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(dir, "zencrypt-import-*")
	if err != nil {
		return nil, fmt.Errorf("spool compressed dump: %w", err)
	}
	s := &spool{file: f, out: bufio.NewWriterSize(f, readAhead), aead: aead}
	s.gone = os.Remove(f.Name()) == nil // a system that can't, does so in close
	return s, nil
}

func (s *spool) nonce(offset int64) []byte {
	var n [chacha20poly1305.NonceSize]byte
	binary.LittleEndian.PutUint64(n[:], uint64(offset))
	return n[:]
}

// put appends a document and tells where.
func (s *spool) put(doc []byte) (offset int64, err error) {
	offset = s.end
	s.buf = binary.LittleEndian.AppendUint32(s.buf[:0], uint32(len(doc)))
	s.buf = s.aead.Seal(s.buf, s.nonce(offset), doc, s.buf[:spoolHead])
	n, err := s.out.Write(s.buf)
	s.end += int64(n)
	if err != nil {
		return 0, fmt.Errorf("spool compressed dump: %w", err)
	}
	return offset, nil
}

// get reads the document at an offset. It is good until the next one.
func (s *spool) get(offset int64) ([]byte, error) {
	if s.out.Buffered() > 0 {
		if err := s.out.Flush(); err != nil {
			return nil, fmt.Errorf("spool compressed dump: %w", err)
		}
	}
	var head [spoolHead]byte
	if _, err := s.file.ReadAt(head[:], offset); err != nil {
		return nil, fmt.Errorf("read spooled dump: %w", err)
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size > maxDocument {
		return nil, fmt.Errorf("read spooled dump: the file was changed")
	}
	sealed := make([]byte, int(size)+s.aead.Overhead())
	if _, err := io.ReadFull(io.NewSectionReader(s.file, offset+spoolHead, int64(len(sealed))), sealed); err != nil {
		return nil, fmt.Errorf("read spooled dump: %w", err)
	}
	doc, err := s.aead.Open(sealed[:0], s.nonce(offset), sealed, head[:])
	if err != nil {
		return nil, fmt.Errorf("read spooled dump: the file was changed")
	}
	return doc, nil
}

func (s *spool) close() error {
	err := s.file.Close()
	if !s.gone {
		os.Remove(s.file.Name())
	}
	return err
}
