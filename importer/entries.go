package importer

import (
	"cmp"
	"fmt"
	"slices"
)

// maxRecords bounds what one source may hold of a kind, for the index's memory: 192 MiB.
const maxRecords = 1 << 24

// nobody owns what belongs to no account.
const nobody = ^uint32(0)

// An entry is where a record lies and whose it is: its place is a row id, or a file's number in the
// upper 16 bits and an offset. Twelve bytes, since there is one for every record of a source.
type entry struct{ owner, high, low uint32 }

func newEntry(owner uint32, place int64) entry {
	return entry{owner, uint32(uint64(place) >> 32), uint32(uint64(place))}
}

func (e entry) place() int64 { return int64(uint64(e.high)<<32 | uint64(e.low)) }

// entries are an index of records by owner, in two steps: add all, then sort.
type entries []entry

func (es *entries) add(owner uint32, place int64) error {
	if len(*es) == maxRecords {
		return fmt.Errorf("%w: more than %d records of a kind", ErrSource, maxRecords)
	}
	*es = append(*es, newEntry(owner, place))
	return nil
}

func (es entries) sort() {
	slices.SortFunc(es, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.owner, b.owner), cmp.Compare(a.place(), b.place()))
	})
}

// of gives an owner's entries, in the order of their places.
func (es entries) of(owner uint32) entries {
	first, _ := slices.BinarySearchFunc(es, owner, func(e entry, o uint32) int { return cmp.Compare(e.owner, o) })
	end := first
	for end < len(es) && es[end].owner == owner {
		end++
	}
	return es[first:end]
}
