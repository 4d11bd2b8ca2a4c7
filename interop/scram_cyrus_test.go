package interop

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit/sasldb"
)

// cyrusKeysUser is one of whom Cyrus has the keys of one mechanism: its property
// for them holds no more.
func cyrusKeysUser(mechanism string) string {
	return strings.ToLower(strings.TrimSuffix(mechanism, "-PLUS"))
}

// scramDatabase is a sasldb2 with a password of labUser, and users with keys alone.
func scramDatabase(t testing.TB) string {
	t.Helper()
	records := []sasldb.Record{
		{Authid: labUser, Realm: labRealm, Property: sasldb.PropertyPassword, Value: []byte(labPassword)},
		{Authid: utf8User, Realm: labRealm, Property: sasldb.PropertyPassword, Value: []byte(cyrusUsers[utf8User])},
	}
	for _, m := range scramMechanisms {
		keys := scramKeys(t, m, labPassword)
		records = append(records, sasldb.Record{Authid: cyrusKeysUser(m), Realm: labRealm, Property: "authPassword", Value: []byte(recordText(t, keys))})
	}
	file := filepath.Join(t.TempDir(), "sasldb2")
	if err := sasldb.Create(file, records); err != nil {
		t.Fatal(err)
	}
	return file
}

// Our client against the server half of libsasl2, told of a channel binding: from a
// password and from the keys that we stored.
func TestCyrusServerSCRAM(t *testing.T) {
	t.Parallel()
	const badAuth = -13
	s := newLibsasl2Server(t, scramDatabase(t))
	for _, mechanism := range append(scramMechanisms, plusMechanisms...) {
		t.Run(mechanism, func(t *testing.T) {
			b := labBinding.forMechanism(mechanism)
			for _, user := range []string{labUser, cyrusKeysUser(mechanism)} {
				a := login{mechanism: mechanism, user: user, password: labPassword, channel: b.channel()}
				if err := a.into(t, s.server(mechanism, b)); err != nil {
					t.Errorf("%s: %v", user, err)
				}
				a.password = "wrong"
				err := a.into(t, s.server(mechanism, b))
				var refusal *libsasl2Refusal
				if !errors.As(err, &refusal) || refusal.code != badAuth {
					t.Errorf("%s with a wrong password: %v, want code %d", user, err, badAuth)
				}
			}
			if !isPlus(mechanism) {
				return
			}
			other := binding{b.name, []byte("the hash of the certificate of another")}
			a := login{mechanism: mechanism, user: labUser, password: labPassword, channel: b.channel()}
			if err := a.into(t, s.server(mechanism, other)); err == nil {
				t.Error("logged in on another channel")
			}
		})
	}
	t.Run("hidden", func(t *testing.T) {
		a := login{mechanism: scram256, user: labUser, password: labPassword, channel: labBinding.channel(), offered: []string{scram256}}
		err := a.into(t, s.server(scram256, labBinding))
		var refusal *libsasl2Refusal
		if !errors.As(err, &refusal) || refusal.code != badAuth {
			t.Errorf("the client was not shown -PLUS: %v, want code %d", err, badAuth)
		}
		if err := a.into(t, s.server(scram256, noBinding)); err != nil {
			t.Errorf("there is no -PLUS: %v", err)
		}
	})
}

// Our client against Postfix with Cyrus SASL, which is told of no channel binding.
func TestPostfixServerSCRAM(t *testing.T) {
	t.Parallel()
	p, l := cyrusPostfixOffering(t, scramDatabase(t), scramMechanisms)
	for _, w := range []wire{inClear, startTLS} {
		for _, mechanism := range scramMechanisms {
			t.Run(mechanism+"/"+string(w), func(t *testing.T) {
				for _, user := range []string{labUser, cyrusKeysUser(mechanism)} {
					if err := authOnSMTP(t, l, w, mechanism, user, labPassword); err != nil {
						t.Errorf("%s: %v\n%s", user, err, p.logged())
					}
					wantSMTPError(t, authOnSMTP(t, l, w, mechanism, user, "wrong"), 535, smtp.EnhancedCode{5, 7, 8})
				}
				if err := authOnSMTP(t, l, w, mechanism, utf8User, cyrusUsers[utf8User]); err != nil {
					t.Errorf("%s: %v\n%s", utf8User, err, p.logged())
				}
			})
		}
	}
}
