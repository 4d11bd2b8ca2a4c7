package cyrusconf

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What Cyrus refuses we refuse, and nothing else but lines that it reads differently
// from how they look.
func TestCyrusAgrees(t *testing.T) {
	t.Parallel()
	command := saslpasswd2(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := inFolder(t, map[string]string{"saslpasswd.conf": c.text})
			cmd := exec.Command(command, "-p", "-f", filepath.Join(dir, "sasldb2"), "al")
			cmd.Env = append(os.Environ(), "SASL_CONF_PATH="+dir)
			cmd.Stdin = strings.NewReader("pencil")
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			refused := cmd.ProcessState.ExitCode() == 100 // SASL_CONFIGERR
			if refused != (c.faults != nil && !c.cyrus) {
				t.Errorf("exit %d: %s", cmd.ProcessState.ExitCode(), out)
			}
		})
	}
}

func saslpasswd2(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"saslpasswd2", "/usr/sbin/saslpasswd2"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("SASLKIT_PEERS") == "required" {
		t.Fatal("missing peer: saslpasswd2 (Debian package sasl2-bin)")
	}
	t.Skip("missing peer: saslpasswd2 (Debian package sasl2-bin)")
	return ""
}
