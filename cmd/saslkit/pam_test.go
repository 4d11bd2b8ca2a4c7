package main

import (
	"strings"
	"testing"

	"github.com/saslkit/saslkit/verifier/pam"
)

// A program without PAM says how to build one with it, and one with PAM takes the SPEC.
func TestWithoutPam(t *testing.T) {
	t.Parallel()
	if pam.Built {
		const want = `pam: service "nowhere" has no file (make /etc/pam.d/nowhere)` + "\n"
		if got := runCommand(t, "", "mechs", "--verifier", "pam:nowhere"); got.code != exitUsage || !strings.HasSuffix(got.stderr, want) {
			t.Errorf("%+v", got)
		}
		return
	}
	const want = "pam: built without PAM: go build -tags pam, with cgo and libpam0g-dev\n"
	if got := runOld(t, "saslauthd", "", "-a", "pam", "-m", t.TempDir()); got.code != oldFailed || got.stderr != "saslauthd: "+want {
		t.Errorf("%+v", got)
	}
	if got := runCommand(t, "", "mechs", "--verifier", "pam:smtp"); got.code != exitUsage || !strings.HasSuffix(got.stderr, want) {
		t.Errorf("%+v", got)
	}
}
