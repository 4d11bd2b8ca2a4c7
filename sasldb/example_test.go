package sasldb_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
)

var ctx = context.Background()

// database makes a sasldb with one user in a new folder, for the examples to work on; a
// site has /etc/sasldb2.
func database(user, password string) (path string, remove func()) {
	folder, err := os.MkdirTemp("", "sasldb")
	if err != nil {
		log.Fatal(err)
	}
	path = filepath.Join(folder, "sasldb2")
	if err := sasldb.Update(ctx, path, sasldb.WriteOptions{Create: true}, verifier.Request{User: user, Realm: "example.com"}, newPassword(user, password)); err != nil {
		log.Fatal(err)
	}
	return path, func() { os.RemoveAll(folder) }
}

// newPassword is the change that saslpasswd2 makes: all that the user had is replaced.
func newPassword(user, password string) func(verifier.Entry) (verifier.Entry, error) {
	return func(e verifier.Entry) (_ verifier.Entry, err error) {
		e.Exists, e.Disabled = true, false
		e.Secrets, err = mech.Secrets(user, "example.com", password, verifier.KindPassword)
		return e, err
	}
}

// A server's store: what another program changes in the file counts from the next login
// on.
func ExampleOpen() {
	path, remove := database("alice", "pencil")
	defer remove()
	db, err := sasldb.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	auth := &saslkit.Authenticator{Verifier: db}
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
	login := func(password string) {
		result, err := saslkittest.Client{
			Mechanism:   "SCRAM-SHA-256",
			Credentials: saslkit.Credentials{Username: "alice", Password: password},
			Realm:       realm.Policy{Default: "example.com"},
		}.Login(auth)
		fmt.Printf("%s: %q %v\n", password, result.Name(), err)
	}

	login("pencil")
	alice := verifier.Request{User: "alice", Realm: "example.com"} // another process, in life
	if err := sasldb.Update(ctx, path, sasldb.WriteOptions{}, alice, newPassword("alice", "crayon")); err != nil {
		log.Fatal(err)
	}
	login("pencil")
	login("crayon")
	// Output:
	// pencil: "alice@example.com" <nil>
	// pencil: "" sasl: authentication failed: verifier: wrong password
	// crayon: "alice@example.com" <nil>
}

// A user who may not log in for a while, and keeps his password.
func ExampleDB_Update() {
	path, remove := database("alice", "pencil")
	defer remove()
	db, err := sasldb.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	alice := verifier.Request{User: "alice", Realm: "example.com"}
	for _, disabled := range []bool{true, false} {
		err := db.Update(ctx, alice, func(e verifier.Entry) (verifier.Entry, error) {
			e.Disabled = disabled
			return e, nil
		})
		if err != nil {
			log.Fatal(err)
		}
		_, err = db.VerifyPassword(ctx, alice, "pencil")
		fmt.Println(err)
	}
	// Output:
	// verifier: account is disabled
	// <nil>
}

// Any number of changes in one commit: alice is called alice.smith from now on, and bob is
// gone. The function may run again, on what another writer has made of the file: it reads
// through the Tx.
func ExampleEdit() {
	path, remove := database("alice", "pencil")
	defer remove()
	err := sasldb.Edit(ctx, path, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error {
		tx.DeleteUser("bob", "example.com")
		for _, r := range tx.User("alice", "example.com") {
			tx.Delete(r.Authid, r.Realm, r.Property)
			r.Authid = "alice.smith"
			if err := tx.Set(r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	list, err := sasldb.Read(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range list.Records {
		fmt.Println(r) // without its value
	}
	// Output: "alice.smith"@"example.com" "userPassword" REDACTED
}

// From Berkeley DB, which distributions leave, to GDBM.
func ExampleConvert() {
	path, remove := database("alice", "pencil")
	defer remove()
	n, err := sasldb.Convert(ctx, path, path, sasldb.ConvertOptions{Format: sasldb.GDBM, Replace: true})
	if err != nil {
		log.Fatal(err)
	}
	list, err := sasldb.Read(path)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n.Records, "record,", list.Format)
	// Output: 1 record, gdbm
}

// What a server finds out at start, if logins are to change the file.
func ExampleCheckWritable() {
	path, remove := database("alice", "pencil")
	defer remove()
	fmt.Println(sasldb.CheckWritable(ctx, path))
	// Output: <nil>
}
