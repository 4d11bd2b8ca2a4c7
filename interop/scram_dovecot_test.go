package interop

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Our client against Dovecot, which knows two SCRAM mechanisms without channel
// binding: from a password, from keys that its own tool made and from ours. The keys
// of its tool let a client in to our server too.
func TestDovecotSCRAM(t *testing.T) {
	t.Parallel()
	accounts := map[string]string{
		labUser:  "{PLAIN}" + labPassword,
		utf8User: "{PLAIN}" + cyrusUsers[utf8User],
	}
	users := verifiertest.NewMemory()
	for _, m := range gnuSCRAM {
		theirs, ours := dovecotUsers(m)
		accounts[theirs] = doveadmPassword(t, m, labPassword)
		read, err := verifier.ParseSCRAM(accounts[theirs])
		if err != nil {
			t.Fatal(err)
		}
		users.Add(verifiertest.User{Name: theirs, Realm: labRealm}, read)
		accounts[ours], err = verifier.FormatSCRAM(scramKeys(t, m, labPassword), verifier.SCRAMDovecot)
		if err != nil {
			t.Fatal(err)
		}
	}
	l := dovecot(t, accounts)
	for _, m := range gnuSCRAM {
		theirs, ours := dovecotUsers(m)
		for _, w := range []wire{inClear, startTLS} {
			t.Run(m+"/"+string(w), func(t *testing.T) {
				t.Parallel()
				for user, password := range map[string]string{
					labUser: labPassword, strings.ToUpper(labUser): labPassword, utf8User: cyrusUsers[utf8User], theirs: labPassword, ours: labPassword,
				} {
					if err := authOnIMAP(t, l, w, m, user, password); err != nil {
						t.Errorf("%s: %v", user, err)
					}
				}
				for _, user := range []string{labUser, ours} {
					err := authOnIMAP(t, l, w, m, user, "wrong")
					if err == nil || !strings.HasPrefix(err.Error(), "a NO [AUTHENTICATIONFAILED]") {
						t.Errorf("%s with a wrong password: %v", user, err)
					}
				}
			})
		}
		t.Run(m+"/our server", func(t *testing.T) {
			if r, err := loginAs(scramOver(users), m, theirs, labPassword); err != nil || r.User != theirs {
				t.Errorf("%+v, %v", r, err)
			}
			wantRefused(t, scramOver(users), m, theirs, "wrong")
		})
	}
	// Dovecot's proof is a challenge, to which the empty response is an empty line.
	// What go-imap's client says is not base64 to Dovecot.
	t.Run("go-imap", func(t *testing.T) {
		c := dialIMAP(t, l, inClear, scram256)
		err := c.Authenticate(ourIMAPClient(t, c, inClear, scram256, labPassword))
		var refusal *imap.Error
		if !errors.As(err, &refusal) {
			t.Errorf("go-imap's client logs in by SCRAM: %v", err)
		}
	})
}

// dovecotUsers are those with keys of a mechanism, in lower case as Dovecot makes
// all names.
func dovecotUsers(mechanism string) (theirs, ours string) {
	return "theirs-" + strings.ToLower(mechanism), "ours-" + strings.ToLower(mechanism)
}
