package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/sasldb"
)

// TestSaslpasswd2OTPHash: otp_mda is the hash of new series, ours and Cyrus's.
func TestSaslpasswd2OTPHash(t *testing.T) {
	series := func(path string) string {
		listing, err := sasldb.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range listing.Records {
			if r.Property == "cmusaslsecretOTP" {
				hash, _, _ := bytes.Cut(r.Value, []byte("\t"))
				return string(hash)
			}
		}
		return ""
	}
	for line, want := range map[string]string{"": "md5", "otp_mda: sha1": "sha1", "otp_mda: md5": "md5"} {
		dir, db, args := oldCase(t, line, "-p -f DB al@e")
		t.Setenv("SASL_CONF_PATH", dir)
		if got := runOld(t, "saslpasswd2", "pencil", args...); got.code != 0 || series(db) != want {
			t.Errorf("%q: exit %d, %q, series of %s", line, got.code, got.stderr, series(db))
		}
		cmd := exec.Command(cyrusTool(t, "saslpasswd2"), args...)
		cmd.Env = append(os.Environ(), "SASL_CONF_PATH="+dir)
		cmd.Stdin = strings.NewReader("pencil")
		if out, err := cmd.CombinedOutput(); err != nil || series(db) != want {
			t.Errorf("%q: Cyrus: %v, %s, series of %s", line, err, out, series(db))
		}
	}
	dir, _, args := oldCase(t, "otp_mda: sha256", "-p -f DB al@e")
	t.Setenv("SASL_CONF_PATH", dir)
	if got := runOld(t, "saslpasswd2", "pencil", args...); got.code != oldBadConfig || !strings.Contains(got.stderr, `otp_mda: mech: one-time passwords have no hash "sha256"`) {
		t.Errorf("exit %d, %q", got.code, got.stderr)
	}
}
