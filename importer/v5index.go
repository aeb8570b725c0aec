package importer

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	placeBits  = 48 // of a place: the offset; the input's number is above
	maxExtra   = 64 // names of unknown fields that are reported, for each collection
	maxNameLen = 64 // bytes of such a name
)

// known are the fields of each collection.
var known = map[string][]string{
	"users":           {"_id", "email", "password"},
	"hashes":          {"_id", "userId", "hash", "salt"},
	"encrypted_texts": {"_id", "userId", "encryptedText"},
}

// add takes one document of the first pass.
func (v *v5) add(n int, place int64, doc bson.Raw) error {
	in := v.inputs[n]
	if place>>placeBits != 0 {
		return fmt.Errorf("%w: %s: longer than can be read", ErrSource, in.path)
	}
	place |= int64(n) << placeBits
	if v.standsTwice(in.collection, place, doc) {
		return nil
	}
	v.countExtra(in.collection, doc)
	switch in.collection {
	case "users":
		return v.addUser(place, doc)
	case "hashes":
		return v.digests.add(v.owner(doc), place)
	default:
		return v.texts.add(v.owner(doc), place)
	}
}

// standsTwice tells whether a record was in an earlier file of its collection.
func (v *v5) standsTwice(collection string, place int64, doc bson.Raw) bool {
	seen := v.several[collection]
	if seen == nil {
		return false
	}
	id := pythonString(lookup(doc, "_id"))
	sum, n := digestOf(id), uint16(place>>placeBits)
	if first, ok := seen[sum]; ok && id != "" && first != n {
		v.again[collection]++
		return true
	}
	seen[sum] = n
	return false
}

// owner finds the account that a record names.
func (v *v5) owner(doc bson.Raw) uint32 {
	name := pythonString(lookup(doc, "userId"))
	if name == "" {
		return nobody
	}
	if n, ok := v.owners[digestOf(name)]; ok {
		return n
	}
	if isObjectID(name) {
		if n, ok := v.owners[digestOf(strings.ToLower(name))]; ok {
			return n
		}
	}
	return nobody
}

func isObjectID(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == len(bson.ObjectID{})
}

func (v *v5) addUser(place int64, doc bson.Raw) error {
	if len(v.users) == maxAccounts {
		return fmt.Errorf("%w: %s: more than %d accounts", ErrSource, v.inputs[place>>placeBits].path, maxAccounts)
	}
	u, n := v5user{place: place}, uint32(len(v.users))
	if id := pythonString(lookup(doc, "_id")); id != "" {
		if _, ok := v.owners[digestOf(id)]; ok {
			u.why = idTwice
		} else {
			v.owners[digestOf(id)] = n
		}
	}
	if u.why == fine {
		u.why = v5account(doc)
	}
	if u.why == fine {
		login := lookup(doc, "email").StringValue()
		exact, lower := digestOf(login), digestOf(strings.ToLower(login))
		if first, ok := v.logins[exact]; ok {
			u.why, u.of = loginTwice, first
		} else if first, ok := v.lowers[lower]; ok {
			u.why, u.of = loginTwiceCase, first
		} else {
			v.logins[exact], v.lowers[lower] = n, n
		}
	}
	v.users = append(v.users, u)
	return nil
}

// v5account tells what is wrong with an account.
func v5account(doc bson.Raw) reason {
	login := lookup(doc, "email")
	switch login.Type {
	case 0:
		return loginMissing
	case bson.TypeNull:
		return loginNull
	case bson.TypeString:
	default:
		return loginNotText
	}
	if why := checkLogin(login.StringValue()); why != fine {
		return why
	}
	pw := lookup(doc, "password")
	switch pw.Type {
	case 0:
		return passwordMissing
	case bson.TypeNull:
		return passwordNull
	}
	text, ok := bytesOf(pw)
	if !ok {
		return passwordNotText
	}
	return checkPassword(string(text))
}

// countExtra counts fields that nobody reads, by their names.
func (v *v5) countExtra(collection string, doc bson.Raw) {
	fields(doc, func(name string, _ bson.RawValue) {
		if slices.Contains(known[collection], name) || slices.Contains(dateNames, name) {
			return
		}
		m := v.extra[collection]
		if m == nil {
			m = map[string]int{}
			v.extra[collection] = m
		}
		if name = strings.ToValidUTF8(name[:min(len(name), maxNameLen)], "?"); m[name] == 0 && len(m) >= maxExtra {
			name = "" // all others
		}
		m[name]++
	})
}

// noteExtra reports them.
func (v *v5) noteExtra() {
	for _, c := range collections {
		if v.again[c] > 0 {
			v.note(c, "", "%d records stood in more than one file, and come once", v.again[c])
		}
		var names []string
		for name := range v.extra[c] {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			if name == "" {
				v.note(c, "", "%d more fields that Zencrypt 5 did not use stay behind", v.extra[c][name])
			} else {
				v.note(c, "", "field %q of %d records, which Zencrypt 5 did not use, stays behind", name, v.extra[c][name])
			}
		}
	}
}
