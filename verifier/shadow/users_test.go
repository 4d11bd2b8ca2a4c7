package shadow

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// TestUserMark: it is the user's alone, and the same after a restart.
func TestUserMark(t *testing.T) {
	t.Parallel()
	alice, bob := "alice:"+md5Hash+":19000:0:99999:7::"+fmt.Sprint(today+1)+":", "bob:"+yescrypt+":19000:0:99999:7:::"
	db := newDB(t, stored.Options{}, alice, bob)
	mark := func(user string) string {
		t.Helper()
		m, err := db.UserMark(t.Context(), verifier.Request{User: user})
		if err != nil || m == "" || strings.Contains(m, "$") {
			t.Errorf("mark %q, %v", m, err)
		}
		return m
	}
	first := mark("alice")
	again, err := Open(db.file.Path())
	if err != nil {
		t.Fatal(err)
	}
	again.now = db.now
	if m, _ := again.UserMark(t.Context(), verifier.Request{User: "alice"}); m != first || first == mark("bob") || first == mark("nobody") {
		t.Error("a mark is not the user's own, or not the same in another process")
	}
	write(t, db.file.Path(), alice, "bob:!"+yescrypt+":19000:0:99999:7:::")
	if mark("alice") != first {
		t.Error("another's line has changed the mark")
	}
	for name, line := range map[string]string{
		"another hash": strings.Replace(alice, "$1$", "$1$x", 1),
		"locked":       strings.Replace(alice, ":", ":!", 1),
		"no password":  "alice:*:19000:0:99999:7:::",
		"gone":         "zoe:*:19000:0:99999:7:::",
	} {
		write(t, db.file.Path(), line, bob)
		if mark("alice") == first {
			t.Errorf("%s: the mark is the same", name)
		}
	}
	write(t, db.file.Path(), alice, bob)
	if mark("alice") != first {
		t.Error("with the line the mark is not back")
	}
	db.now = func() time.Time { return time.Unix((today+1)*86400, 0) }
	if mark("alice") == first {
		t.Error("the mark of an expired user is the same")
	}
	os.Remove(db.file.Path())
	if _, err := db.UserMark(t.Context(), verifier.Request{User: "alice"}); !errors.Is(err, verifier.ErrUnavailable) {
		t.Error(err)
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{},
		"root:*:19000:0:99999:7:::", "alice:"+md5Hash+":19000:0:99999:7:::", "bob:"+yescrypt+":19000:0:99999:7:::",
		"locked:!"+md5Hash+":19000:0:99999:7:::", "over:"+md5Hash+":19000:0:99999:7::1:")
	if got := slices.Sorted(maps.Keys(maps.Collect(db.Users()))); !slices.Equal(got, []string{"alice", "bob"}) {
		t.Errorf("users %q", got)
	}
	for range db.Users() {
		break
	}
}
