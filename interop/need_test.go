package interop

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// packages are the Debian packages that hold the commands.
var packages = map[string]string{
	"curl":             "curl",
	"doveadm":          "dovecot-core",
	"dovecot":          "dovecot-core",
	"exim4":            "exim4-daemon-heavy, unpacked; SASLKIT_EXIM says where",
	"gsasl":            "gsasl",
	"htpasswd":         "apache2-utils",
	"java":             "openjdk-17-jdk-headless",
	"javac":            "openjdk-17-jdk-headless",
	"ldapwhoami":       "ldap-utils",
	"mbsync":           "isync",
	"mkpasswd":         "whois",
	"mount":            "mount",
	"msmtp":            "msmtp",
	"mutt":             "mutt",
	"perl":             "perl",
	"postfix":          "postfix",
	"python3":          "python3",
	"psql":             "postgresql-client",
	"saslauthd":        "sasl2-bin",
	"saslpasswd2":      "sasl2-bin",
	"sasldblistusers2": "sasl2-bin",
	"slapadd":          "slapd",
	"slapd":            "slapd",
	"swaks":            "swaks",
	"chage":            "passwd",
	"useradd":          "passwd",
	"usermod":          "passwd",
}

// need returns the path of a command, or ends the test for want of it.
func need(t testing.TB, command string) string {
	t.Helper()
	return peers.Need(t, command, packages[command])
}

// needPerl wants a Perl module, without which swaks cannot speak a mechanism or
// TLS.
func needPerl(t testing.TB, module, pkg string) {
	t.Helper()
	if exec.Command(need(t, "perl"), "-M"+module, "-e1").Run() != nil {
		peers.Missing(t, "Perl module "+module+" (Debian package "+pkg+")")
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
	peers.Missing(t, "the mechanisms of libsasl2 (Debian package libsasl2-modules)")
}
