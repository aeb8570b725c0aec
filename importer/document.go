package importer

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

const (
	// maxDocument is what a MongoDB server takes in bytes, 16 MiB and 16 KiB for its own use (BSONObjMaxInternalSize).
	maxDocument = 16<<20 + 16<<10
	minDocument = 5 // bytes: the length and the end
	// maxDepth is how deep documents may lie in each other, as in a MongoDB server.
	maxDepth = 100
)

var (
	errDepth = fmt.Errorf("documents lie in each other more than %d deep", maxDepth)
	errBSON  = errors.New("not well-formed BSON")
)

// checkDocument refuses what is not well-formed BSON to the last byte (https://bsonspec.org/spec.html), or too
// deep. It looks at the depth on the way down, which the module's own Validate does not.
func checkDocument(doc []byte, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	length, rest, ok := bsoncore.ReadLength(doc)
	if !ok || int(length) != len(doc) || len(doc) < minDocument || doc[len(doc)-1] != 0 {
		return errBSON
	}
	for rest = rest[:len(rest)-1]; len(rest) > 0; {
		var e bsoncore.Element
		if e, rest, ok = bsoncore.ReadElement(rest); !ok {
			return errBSON
		}
		v, err := e.ValueErr()
		if err != nil {
			return errBSON
		}
		switch v.Type {
		case bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray:
			err = checkDocument(v.Data, depth+1)
		case bsoncore.TypeCodeWithScope:
			if _, scope, ok := v.CodeWithScopeOK(); ok {
				err = checkDocument(scope, depth+1)
			} else {
				err = errBSON
			}
		case bsoncore.TypeString, bsoncore.TypeJavaScript, bsoncore.TypeSymbol:
			if v.Validate() != nil || v.Data[len(v.Data)-1] != 0 { // the module does not look at the end
				err = errBSON
			}
		default:
			if v.Validate() != nil {
				err = errBSON
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// fields calls each with every field of a checked document.
func fields(doc bson.Raw, each func(name string, v bson.RawValue)) {
	rest := doc[4 : len(doc)-1]
	for len(rest) > 0 {
		e, r, ok := bsoncore.ReadElement(rest)
		if !ok {
			return
		}
		v := e.Value()
		each(e.Key(), bson.RawValue{Type: bson.Type(v.Type), Value: v.Data})
		rest = r
	}
}

// lookup gives a field of a checked document, with Type 0 when it is missing. Of several with the
// name the last counts, as in Python's dictionaries.
func lookup(doc bson.Raw, name string) (found bson.RawValue) {
	fields(doc, func(n string, v bson.RawValue) {
		if n == name {
			found = v
		}
	})
	return found
}

// pythonString is what the old program's str() made of an id, by which records name their owner: "" for
// what is no id.
func pythonString(v bson.RawValue) string {
	switch v.Type {
	case bson.TypeObjectID:
		return v.ObjectID().Hex()
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeInt32:
		return strconv.FormatInt(int64(v.Int32()), 10)
	case bson.TypeInt64:
		return strconv.FormatInt(v.Int64(), 10)
	case bson.TypeDouble:
		if f := v.Double(); f == math.Trunc(f) && math.Abs(f) < 1<<53 {
			return strconv.FormatInt(int64(f), 10) // what mongoexport's relaxed form makes of a number
		}
	}
	return ""
}

// bytesOf gives text, or bytes that were stored as binary of the general kind.
func bytesOf(v bson.RawValue) ([]byte, bool) {
	if s, ok := v.StringValueOK(); ok {
		return []byte(s), true
	}
	if kind, b, ok := v.BinaryOK(); ok && kind == 0 {
		return b, true
	}
	return nil, false
}

// dateNames are fields in which a record's date may stand. Version 5 itself wrote none: without one the id tells.
var dateNames = []string{"created_at", "createdAt", "created"}

// madeAt is when a document was made.
func madeAt(doc bson.Raw) any {
	for _, name := range dateNames {
		v := lookup(doc, name)
		var got any
		switch v.Type {
		case bson.TypeDateTime:
			got = v.Time()
		case bson.TypeTimestamp:
			t, _ := v.Timestamp()
			got = int64(t)
		case bson.TypeString:
			got = v.StringValue()
		case bson.TypeInt32, bson.TypeInt64:
			got = v.AsInt64()
		case bson.TypeDouble:
			got = v.Double()
		}
		if _, ok := parseTime(got); ok {
			return got
		}
	}
	// As text too: it is the same id, written by somebody else.
	if id, err := bson.ObjectIDFromHex(pythonString(lookup(doc, "_id"))); err == nil {
		return id.Timestamp()
	}
	return nil
}
