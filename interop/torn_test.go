package interop

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// saslpasswd2 changes the file in place, page by page, without any lock. While it
// does, a user who is not touched logs in all the time; at worst he is told to come
// back, never that his password is wrong.
func TestReadingWhileSaslpasswd2Writes(t *testing.T) {
	t.Parallel()
	const writes = 150 // enough for several splits of buckets
	file := filepath.Join(t.TempDir(), "sasldb2")
	setPassword(t, file, labUser, labPassword)
	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	logins, unavailable := 0, 0
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
			}
			_, err := db.VerifyPassword(t.Context(), verifier.Request{User: labUser, Realm: labRealm}, labPassword)
			logins++
			switch {
			case err == nil:
			case errors.Is(err, verifier.ErrUnavailable):
				unavailable++
			default:
				t.Errorf("after %d logins: %v", logins, err)
				return
			}
		}
	}()
	for i := range writes {
		setPassword(t, file, fmt.Sprintf("user%d", i), strings.Repeat("p", 1+i*7%900))
	}
	close(stop)
	<-stopped
	t.Logf("%d logins during %d writes, %d unavailable", logins, writes, unavailable)
	if logins == 0 || unavailable > logins/10 {
		t.Errorf("%d of %d logins were unavailable", unavailable, logins)
	}
}
