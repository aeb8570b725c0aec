package importer

import (
	"encoding/binary"
	"hash/crc64"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// makeArchive writes an archive as mongodump does, with blocks of a few documents that take turns.
func makeArchive(db string, docs map[string][][]byte, block int) []byte {
	marshal := func(v any) []byte {
		b, err := bson.Marshal(v)
		if err != nil {
			panic(err)
		}
		return b
	}
	end := []byte{0xff, 0xff, 0xff, 0xff}
	out := binary.LittleEndian.AppendUint32(nil, 0x8199e26d)
	out = append(out, marshal(bson.D{{Key: "concurrent_collections", Value: int32(4)}, {Key: "version", Value: "0.1"}, {Key: "server_version", Value: "6.0.5"}, {Key: "tool_version", Value: "100.7.0"}})...)
	// The accounts last, behind the records that name them.
	names := []string{"encrypted_texts", "hashes", "users"}
	for _, c := range names {
		out = append(out, marshal(bson.D{{Key: "db", Value: db}, {Key: "collection", Value: c}, {Key: "metadata", Value: `{"options":{}}`}, {Key: "size", Value: int32(0)}, {Key: "type", Value: "collection"}})...)
	}
	out = append(out, end...)
	head := func(c string, eof bool, crc uint64) []byte {
		return marshal(bson.D{{Key: "db", Value: db}, {Key: "collection", Value: c}, {Key: "EOF", Value: eof}, {Key: "CRC", Value: int64(crc)}})
	}
	sums, at := map[string]uint64{}, map[string]int{}
	for more := true; more; {
		more = false
		for _, c := range names {
			n := min(block, len(docs[c])-at[c])
			if n <= 0 {
				continue
			}
			more = true
			out = append(out, head(c, false, 0)...)
			for _, d := range docs[c][at[c] : at[c]+n] {
				sums[c] = crc64.Update(sums[c], crc64.MakeTable(crc64.ECMA), d)
				out = append(out, d...)
			}
			at[c] += n
			out = append(out, end...)
		}
	}
	for _, c := range names {
		out = append(append(out, head(c, true, sums[c])...), end...)
	}
	return out
}
