package oauth

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/saslkit/saslkit/verifier"
)

// FuzzAnswer: an answer that cannot be read says nothing, and one that can says the same
// when it is written again.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"active":true,"username":"al","aud":["a","b"],"exp":1.5e9,"scope":"x y"}`))
	f.Add([]byte(`{"active":false}`))
	f.Add([]byte(`{"active":true,"aud":"a","scp":["x"],"nbf":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		active, said, err := parseAnswer(b)
		if err != nil || !active {
			if active || !reflect.DeepEqual(said, claims{}) {
				t.Fatalf("%q: %v, %+v with the error %v", b, active, said, err)
			}
			return
		}
		again, err := json.Marshal(said.members)
		if err != nil {
			t.Fatal(err)
		}
		active, other, err := parseAnswer(again)
		said.members, other.members = nil, nil
		if err != nil || !active || !reflect.DeepEqual(said, other) {
			t.Fatalf("%q is %+v, and written as %q %+v, %v", b, said, again, other, err)
		}
	})
}

// FuzzClaims: whose a token is, is somebody whose name can be said.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(said(`,"email":"al@example.com","email_verified":"true"`)))
	f.Add([]byte(said(`,"scp":["imap"],"scope":"smtp"`)))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseClaims(b)
		if err != nil {
			if !reflect.DeepEqual(c, claims{}) {
				t.Fatalf("%q: %+v with the error %v", b, c, err)
			}
			return
		}
		checks := Checks{UserClaim: "email"}
		a, err := checks.account(&c, "")
		if err == nil != isName(a.User) || err != nil && !verifier.Refused(err) {
			t.Fatalf("%q: %+v, %v", b, a, err)
		}
	})
}

// FuzzKeys: a key that is used is public, and long enough.
func FuzzKeys(f *testing.F) {
	f.Add([]byte(keysOf(f, newSigner(f, "1"))))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"c2VjcmV0"},{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := parseKeys(b)
		if err != nil {
			if keys != nil {
				t.Fatalf("%q: keys with the error %v", b, err)
			}
			return
		}
		for id, list := range keys {
			for _, k := range list {
				if k.KeyID != id || !k.IsPublic() {
					t.Fatalf("%q: key %q under %q", b, k.KeyID, id)
				}
			}
		}
	})
}

// FuzzToken: nobody gets in who has not the key.
func FuzzToken(f *testing.F) {
	s := newSigner(f, "1")
	v := newJWT(f, keyFileOf(f, keysOf(f, s)), forUs)
	stranger := newSigner(f, "1")
	f.Add(stranger.sign(f, said("")))
	f.Add("eyJhbGciOiJub25lIn0." + "e30" + ".")
	f.Fuzz(func(t *testing.T, token string) {
		a, err := v.VerifyToken(t.Context(), verifier.Request{}, token)
		if !verifier.Refused(err) || a.User != "" {
			t.Fatalf("%q: %+v, %v", token, a, err)
		}
	})
}
