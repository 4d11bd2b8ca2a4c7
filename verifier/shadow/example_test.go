package shadow_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/shadow"
)

// The users of a file, with a cache that forgets what it knows when the file changes.
func Example() {
	folder, err := os.MkdirTemp("", "shadow")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "shadow") // on a real system, /etc/shadow
	// The password of both is pencil; usermod -L has locked bob.
	const hash = "$6$rounds=1000$saslkitsalt$fs8L5CT6u41UB5QYQQkFDIVNWBVvnUdedOexMLiEXpDbNhzkS/3pjNp0UqsU70GwXV7D7vzajH5m4zKXp2QDH1"
	if err := os.WriteFile(path, []byte("alice:"+hash+":20000:0:99999:7:::\nbob:!"+hash+":20000:0:99999:7:::\n"), 0o600); err != nil {
		log.Fatal(err)
	}

	db, err := shadow.Open(path)
	if err != nil {
		log.Fatal(err)
	}
	for _, fault := range db.Faults() {
		log.Print(fault)
	}
	users := verifier.Cache(db, verifier.CacheOptions{Mark: db.Mark})

	account, err := users.VerifyPassword(context.Background(), verifier.Request{User: "alice", Service: "imap"}, "pencil")
	fmt.Println(account.User, err)
	_, err = users.VerifyPassword(context.Background(), verifier.Request{User: "bob", Service: "imap"}, "pencil")
	fmt.Println("bob, right password:", errors.Is(err, verifier.ErrDisabled))
	_, err = users.VerifyPassword(context.Background(), verifier.Request{User: "bob", Service: "imap"}, "crayon")
	fmt.Println("bob, wrong password:", errors.Is(err, verifier.ErrWrongPassword))
	// Output:
	// alice <nil>
	// bob, right password: true
	// bob, wrong password: true
}
