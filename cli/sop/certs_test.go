package sop_test

import (
	"strings"
	"testing"

	"zencrypt/cli/sop"
)

// TestUserIDs: who is vouched for by whom, and when.
func TestUserIDs(t *testing.T) {
	f := newFolder(t)
	const alice = "Alice <alice@example.org>"
	certified := f.must(0, f.read("alice.cert"), "certify-userid", "--userid="+alice, "signer.key", "six.key")
	for _, tt := range []struct {
		code sop.Code
		args []string
	}{
		{sop.Success, []string{alice, "signer.cert"}},
		{sop.Success, []string{alice, "six.cert"}},
		{sop.Success, []string{alice, "alice.cert"}},
		{sop.Success, []string{alice, "revoked.cert", "six.cert"}},
		{sop.Success, []string{"--addr-spec-only", "alice@example.org", "six.cert"}},
		{sop.Success, []string{"--addr-spec-only", "work@example.org", "alice.cert"}},
		{sop.CertUserIDNoMatch, []string{"--addr-spec-only", "work@example.org", "six.cert"}},
		{sop.CertUserIDNoMatch, []string{"--addr-spec-only", alice, "six.cert"}},
		{sop.CertUserIDNoMatch, []string{"alice@example.org", "six.cert"}},
		{sop.CertUserIDNoMatch, []string{"Alice at work <work@example.org>", "six.cert"}},
		{sop.CertUserIDNoMatch, []string{"--validate-at=2001-01-01T00:00:00Z", alice, "six.cert"}},
	} {
		f.must(int(tt.code), certified, append([]string{"validate-userid"}, tt.args...)...)
	}
	// What was signed for one certificate counts for no other, and not under a signer that was revoked.
	f.must(int(sop.CertUserIDNoMatch), f.read("alice.cert"), "validate-userid", alice, "six.cert")
	f.write("six.revoked", f.must(0, f.read("six.key"), "revoke-key"))
	f.must(int(sop.CertUserIDNoMatch), certified, "validate-userid", alice, "six.revoked")
	f.must(int(sop.CertUserIDNoMatch), f.read("revoked.cert"), "validate-userid", alice, "alice.cert")
	// A changed signature counts for nothing.
	binary := f.must(0, certified, "dearmor")
	bad := strings.Replace(binary, "Alice <alice@example.org>", "Alicf <alice@example.org>", 1)
	f.must(int(sop.CertUserIDNoMatch), bad, "validate-userid", "Alicf <alice@example.org>", "six.cert")
}

// TestMergeCerts: what only one copy has, the merged one has; merging again changes nothing.
func TestMergeCerts(t *testing.T) {
	f := newFolder(t)
	const alice, work = "Alice <alice@example.org>", "Alice at work <work@example.org>"
	plain := f.read("alice.cert")
	f.write("one", f.must(0, plain, "certify-userid", "--userid="+alice, "signer.key"))
	f.write("two", f.must(0, plain, "certify-userid", "--userid="+work, "six.key"))
	merged := f.must(0, plain, "merge-certs", "one", "two", "six.cert")
	f.must(0, merged, "validate-userid", alice, "signer.cert")
	f.must(0, merged, "validate-userid", work, "six.cert")
	f.write("merged", merged)
	for _, args := range [][]string{nil, {"one"}, {"merged", "two"}, {"signer.cert"}} {
		if f.must(0, merged, append([]string{"merge-certs"}, args...)...) != merged {
			t.Errorf("merged with %v it is another", args)
		}
	}
	if f.must(0, plain+f.read("one")+f.read("two"), "merge-certs") != merged {
		t.Error("copies on standard input are not merged")
	}
	f.must(int(sop.CertCannotEncrypt), "x", "encrypt", "--", "revoked.cert")
	f.write("gone", f.must(0, merged, "merge-certs", "revoked.cert"))
	f.must(int(sop.CertCannotEncrypt), "x", "encrypt", "gone")
}
