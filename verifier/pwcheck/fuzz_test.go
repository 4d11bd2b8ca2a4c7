package pwcheck

import (
	"errors"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/verifier"
)

func FuzzConclude(f *testing.F) {
	for _, reply := range []string{"OK", "OK welcome", "OKAY", "O", "", " OK", "Userid not found", "bad: s3cret", "OK " + strings.Repeat("x", 1021)} {
		f.Add(reply, "s3cret")
	}
	f.Fuzz(func(t *testing.T, reply, password string) {
		err := conclude(reply, password)
		if yes := len(reply) <= maxReply && (reply + " ")[:min(3, len(reply)+1)] == "OK "; yes != (err == nil) {
			t.Fatalf("%q: %v", reply, err)
		}
		if err == nil {
			return
		}
		if verifier.Refused(err) == errors.Is(err, verifier.ErrUnavailable) || verifier.Terminal(err) {
			t.Fatalf("%q is no answer: %v", reply, err)
		}
		if len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x00\r\n\x1b") {
			t.Fatalf("%q is not fit for a log: %q", reply, err)
		}
	})
}
