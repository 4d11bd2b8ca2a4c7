package interop

import (
	"encoding/binary"
	"path/filepath"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
)

// Cyrus logs in from a file that sasldb.Create made, and the property that Cyrus
// SASL 1.5 left behind for CRAM-MD5 is read by both in the same way: inner state,
// outer state, big-endian words.
func TestCyrusReadsOurFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sasldb2")
	err := sasldb.Create(file, []sasldb.Record{
		{Authid: labUser, Realm: labRealm, Property: sasldb.PropertyPassword, Value: []byte(labPassword)},
		{Authid: "carol", Realm: labRealm, Property: "cmusaslsecretCRAM-MD5", Value: cyrusStates(labPassword)},
	})
	if err != nil {
		t.Fatal(err)
	}
	p, l := cyrusPostfix(t, file)
	for _, mechanism := range fourMechanisms {
		if err := authOn(t, l, mechanism, labUser, labPassword); err != nil {
			t.Errorf("%s from userPassword: %v\n%s", mechanism, err, p.logged())
		}
	}
	if err := authOn(t, l, "CRAM-MD5", "carol", labPassword); err != nil {
		t.Errorf("CRAM-MD5 from its own property: %v\n%s", err, p.logged())
	}
	wantSMTPError(t, authOn(t, l, "CRAM-MD5", "carol", "wrong"), 535, smtp.EnhancedCode{5, 7, 8})

	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	auth := labAuth()
	auth.Verifier = db
	if r, err := loginAs(auth, "CRAM-MD5", "carol", labPassword); err != nil || r.User != "carol" {
		t.Errorf("ours, from the same property: %+v, %v", r, err)
	}
}

// authOn logs our client in on a connection of its own.
func authOn(t *testing.T, l *lab, mechanism, user, password string) error {
	t.Helper()
	return authOnSMTP(t, l, inClear, mechanism, user, password)
}

func authOnSMTP(t *testing.T, l *lab, w wire, mechanism, user, password string) error {
	t.Helper()
	c := helloSMTP(t, l, w)
	x := ourSMTPClientAs(t, c, mechanism, user, password)
	if err := c.Auth(x); err != nil {
		return err
	}
	return x.Finish()
}

// cyrusStates are the HMAC-MD5 states as Cyrus stores them.
func cyrusStates(password string) []byte {
	states := mech.CRAMMD5Secret(password) // outer, inner, little-endian words
	var cyrus []byte
	for _, half := range [][]byte{states[16:], states[:16]} {
		for i := 0; i < len(half); i += 4 {
			cyrus = binary.BigEndian.AppendUint32(cyrus, binary.LittleEndian.Uint32(half[i:]))
		}
	}
	return cyrus
}
