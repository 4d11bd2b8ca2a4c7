//go:build unix

package sasldb

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

const someOrigin = "v1\tshadow:/a beside b/shadow\t2026-11-22T10:00:00.000000000Z\t-\t-"

// TestOriginInForce: of whom the file says that he is a copy, after other programs have
// changed one property and left the others.
func TestOriginInForce(t *testing.T) {
	t.Parallel()
	const beside = " beside 10000:c2FsdDI="
	for _, c := range []struct {
		name   string
		values map[string]string
		want   bool
	}{
		{"keys", map[string]string{propertySCRAM: sha256Keys, propertyOrigin: someOrigin + beside}, true},
		{"a password", map[string]string{PropertyPassword: "pw", propertyOrigin: someOrigin + besideMark + withMark}, true},
		{"both", map[string]string{PropertyPassword: "pw", propertySCRAM: sha256Keys + withMark, propertyOrigin: someOrigin + beside + withMark}, true},
		{"a hash for DIGEST-MD5", map[string]string{propertyDIGESTMD5: "0123456789abcdef", propertyOrigin: someOrigin + besideMark}, true},
		{"the origin was deleted", map[string]string{propertySCRAM: sha256Keys}, false},
		{"a password has come", map[string]string{PropertyPassword: "pw", propertySCRAM: sha256Keys, propertyOrigin: someOrigin + beside}, false},
		{"the password is gone", map[string]string{propertyOrigin: someOrigin + besideMark + withMark}, false},
		{"authPassword is newer", map[string]string{propertySCRAM: sha1Keys, propertyOrigin: someOrigin + beside}, false},
		{"authPassword has come", map[string]string{PropertyPassword: "pw", propertySCRAM: sha1Keys, propertyOrigin: someOrigin + besideMark + withMark}, false},
		{"authPassword has come, not of SCRAM", map[string]string{propertySCRAM: "x", propertyOrigin: someOrigin + beside}, false},
		{"authPassword is gone", map[string]string{propertyOrigin: someOrigin + beside}, false},
		{"cut", map[string]string{propertyDIGESTMD5: "0123456789abcdef", propertyOrigin: "v1\tx"}, false},
		{"no text", map[string]string{propertyOrigin: besideMark}, false},
	} {
		var h holdings
		values := map[string][]byte{}
		for name, value := range c.values {
			values[name] = []byte(value)
			h.add(entry{mark: markOf([]byte(name)), value: []byte(value)})
		}
		text, held := h.secret(verifier.KindOrigin)
		if held != c.want || held && string(text) != someOrigin {
			t.Errorf("%s: a login sees %q, %v", c.name, text, held)
		}
		s, held := originSecret(values, verifier.Account{})
		if held != c.want || held && string(s.Value) != someOrigin {
			t.Errorf("%s: a change sees %q, %v", c.name, s.Value, held)
		}
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add([]byte(someOrigin), []byte(sha256Keys), []byte("pw"))
	f.Add([]byte(" beside 1:a with userPassword"), []byte(nil), []byte(nil))
	f.Add([]byte("x"), []byte("SCRAM-SHA-1$$"), []byte(nil))
	f.Fuzz(func(t *testing.T, text, keys, password []byte) {
		values := map[string][]byte{}
		if keys != nil {
			values[propertySCRAM] = keys
		}
		if password != nil {
			values[PropertyPassword] = password
		}
		putOrigin(values, text)
		s, ok := originSecret(values, verifier.Account{})
		_, unreadable := scram.Parse(keys)
		if want := len(text) > 0 && (keys == nil || unreadable == nil); want && (!ok || string(s.Value) != string(text)) {
			t.Errorf("%q is read back as %q, %v", text, s.Value, ok)
		}
	})
}

// TestCopiedUser is one on disk, beside saslpasswd2.
func TestCopiedUser(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sasldb2")
	r := verifier.Request{User: "alice", Realm: cyrusRealm}
	copied := func(kinds ...verifier.Kind) {
		t.Helper()
		secrets := []verifier.Secret{{Kind: verifier.KindOrigin, Value: []byte(someOrigin)}}
		for _, k := range kinds {
			secrets = append(secrets, verifier.Secret{Kind: k, Value: map[verifier.Kind][]byte{
				verifier.KindPassword: []byte("pw"), verifier.KindSCRAMSHA256: []byte(packed(sha256Keys)), verifier.KindSCRAMSHA1: []byte(packed(sha1Keys)),
			}[k]})
		}
		err := Update(t.Context(), path, WriteOptions{Create: true}, r, func(e verifier.Entry) (verifier.Entry, error) {
			e.Exists, e.Secrets = true, secrets
			return e, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	copied(verifier.KindSCRAMSHA256, verifier.KindSCRAMSHA1)
	db := openDB(t, path)
	holds := func(want ...verifier.Kind) {
		t.Helper()
		var held []verifier.Kind
		for k := range verifier.AllKinds.All() {
			if s, err := db.LookupSecret(t.Context(), r, k); err == nil && s.Kind == k {
				held = append(held, k)
			} else if !verifier.Refused(err) {
				t.Errorf("%v: %v", k, err)
			}
		}
		if diff := cmp.Diff(want, held); diff != "" {
			t.Errorf("kinds (-want +got)\n%s", diff)
		}
	}
	holds(verifier.KindSCRAMSHA1, verifier.KindSCRAMSHA256, verifier.KindOrigin)
	if c := db.Coverage(); c.Serving([]verifier.Kind{verifier.KindOrigin}) != 1 {
		t.Errorf("coverage %+v", c)
	}

	// Who is disabled stays a copy.
	for _, disabled := range []bool{true, false} {
		if err := db.Update(t.Context(), r, func(e verifier.Entry) (verifier.Entry, error) { e.Disabled = disabled; return e, nil }); err != nil {
			t.Fatal(err)
		}
		s, err := db.LookupSecret(t.Context(), r, verifier.KindOrigin)
		if errors.Is(err, verifier.ErrDisabled) != disabled || string(s.Value) != someOrigin {
			t.Errorf("disabled %v: %q, %v", disabled, s.Value, err)
		}
	}

	// saslpasswd2 makes a copy the file's own, and a copy again.
	c := newCyrus(t, path)
	set := func(password string) {
		t.Helper()
		if out, err := c.command(t, password, "alice").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	set("another")
	holds(verifier.KindPassword)
	set("")
	holds(verifier.KindSCRAMSHA1, verifier.KindSCRAMSHA256, verifier.KindOrigin)
	copied(verifier.KindPassword)
	holds(verifier.KindPassword, verifier.KindOrigin)
	set("")
	holds()

	// New secrets without an origin are the file's own.
	copied(verifier.KindSCRAMSHA256)
	err := db.Update(t.Context(), r, func(e verifier.Entry) (verifier.Entry, error) {
		e.Exists, e.Secrets = true, []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte("own")}}
		return e, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	holds(verifier.KindPassword)
	if l, err := Read(path); err != nil || len(l.Records) != 1 {
		t.Errorf("%d records, %v", len(l.Records), err)
	}
}
