package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// peersVariable is the environment variable which, set to "required", turns a
// missing peer from a reason to skip into a failure.
const peersVariable = "SASLKIT_PEERS"

// packages are the Debian packages that hold the commands.
var packages = map[string]string{
	"curl":             "curl",
	"gcc":              "gcc",
	"gsasl":            "gsasl",
	"mbsync":           "isync",
	"msmtp":            "msmtp",
	"mutt":             "mutt",
	"perl":             "perl",
	"postfix":          "postfix",
	"python3":          "python3",
	"saslpasswd2":      "sasl2-bin",
	"sasldblistusers2": "sasl2-bin",
	"swaks":            "swaks",
}

// need returns the path of a command, or ends the test for want of it.
func need(t testing.TB, command string) string {
	t.Helper()
	if path, err := exec.LookPath(command); err == nil {
		return path
	}
	// Where an unprivileged user's PATH does not lead.
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, command)); err == nil {
			return path
		}
	}
	missing(t, command+" (Debian package "+packages[command]+")")
	return ""
}

// needPerl wants a Perl module, without which swaks cannot speak a mechanism or
// TLS.
func needPerl(t testing.TB, module, pkg string) {
	t.Helper()
	if exec.Command(need(t, "perl"), "-M"+module, "-e1").Run() != nil {
		missing(t, "Perl module "+module+" (Debian package "+pkg+")")
	}
}

// needHeader wants what a C program includes and links.
func needHeader(t testing.TB, gcc, header, pkg string) {
	t.Helper()
	cmd := exec.Command(gcc, "-fsyntax-only", "-x", "c", "-")
	cmd.Stdin = strings.NewReader("#include <" + header + ">\n")
	if cmd.Run() != nil {
		missing(t, header+" (Debian package "+pkg+")")
	}
}

// needCyrusModules wants the mechanisms of libsasl2, which Debian packs apart
// from the library.
func needCyrusModules(t testing.TB) {
	t.Helper()
	for _, pattern := range []string{"/usr/lib/*/sasl2/libdigestmd5.so", "/usr/lib*/sasl2/libdigestmd5.so"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return
		}
	}
	missing(t, "the mechanisms of libsasl2 (Debian package libsasl2-modules)")
}

// needRoot wants the rights that Postfix's master needs to switch users.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		missing(t, "root, for Postfix's master")
	}
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(peersVariable) == "required" {
		t.Fatal("missing peer: " + what)
	}
	t.Skip("missing peer: " + what)
}
