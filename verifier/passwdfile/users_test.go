package passwdfile

import (
	"slices"
	"testing"

	"github.com/saslkit/saslkit/verifier/stored"
)

func TestUsers(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{}, "alice:{PLAIN}secret", "bob@example.com:{PLAIN}secret", "off:{PLAIN}secret::::::nologin", "empty:", "odd:{NOSUCH}x")
	var users []string
	for user, realm := range db.Users() {
		users = append(users, user+" of "+realm)
	}
	slices.Sort(users)
	if !slices.Equal(users, []string{"alice of ", "bob of example.com"}) {
		t.Errorf("users %q", users)
	}
	for range db.Users() {
		break
	}
}
