package passwdfile_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/passwdfile"
)

// A file in which one user has SCRAM keys and the other the hash of crypt(3): the one can
// log in with SCRAM and with his password, the other with his password alone.
func Example() {
	folder, err := os.MkdirTemp("", "passwdfile")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "users")
	lines := "alice:" + scramKeys("pencil") + "\n" + // what doveadm pw -s SCRAM-SHA-256 prints
		"bob:$6$rounds=1000$saslkitsalt$fs8L5CT6u41UB5QYQQkFDIVNWBVvnUdedOexMLiEXpDbNhzkS/3pjNp0UqsU70GwXV7D7vzajH5m4zKXp2QDH1\n"
	if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
		log.Fatal(err)
	}

	users, err := passwdfile.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, fault := range users.Faults() {
		log.Print(fault)
	}
	auth := &saslkit.Authenticator{Verifier: users, Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}}
	for _, name := range []string{"alice", "bob"} {
		for _, mechanism := range auth.Mechanisms {
			_, err := saslkittest.Login(auth, saslkit.Channel{Secure: true}, mechanism, name, "pencil")
			fmt.Printf("%s, %s: %v\n", name, mechanism, err)
		}
	}
	// Output:
	// alice, SCRAM-SHA-256: <nil>
	// alice, PLAIN: <nil>
	// bob, SCRAM-SHA-256: sasl: authentication failed: passwdfile: verifier: user has no secret of a usable kind
	// bob, PLAIN: <nil>
}

// scramKeys makes the field of a user from a password.
func scramKeys(password string) string {
	keys, err := mech.Secrets("alice", "", password, verifier.KindSCRAMSHA256)
	if err != nil {
		log.Fatal(err)
	}
	text, err := verifier.FormatSCRAM(keys[0], verifier.SCRAMDovecot)
	if err != nil {
		log.Fatal(err)
	}
	return text
}
