//go:build linux

package interop

import (
	"debug/elf"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
	"github.com/saslkit/saslkit/internal/peers"
)

// referencePage is one of docs/reference.
func referencePage(t *testing.T, name string) *pages.Page {
	t.Helper()
	page, err := pages.Read("../docs/reference/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// constants are the strings in the read-only data of programs and libraries.
func constants(t *testing.T, files ...string) (all []string) {
	t.Helper()
	for _, path := range files {
		file, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range file.Sections {
			if !strings.HasPrefix(s.Name, ".rodata") {
				continue
			}
			data, err := s.Data()
			if err != nil {
				t.Fatalf("%s: %s: %v", path, s.Name, err)
			}
			all = append(all, strings.Split(string(data), "\x00")...)
		}
		file.Close()
	}
	return all
}

// installed are files that match one of the patterns, or the end of the test for want of
// a package.
func installed(t *testing.T, debianPackage string, patterns ...string) (all []string) {
	t.Helper()
	for _, pattern := range patterns {
		found, _ := filepath.Glob(pattern)
		all = append(all, found...)
	}
	if all == nil {
		peers.Missing(t, strings.Join(patterns, ", ")+" (Debian package "+debianPackage+")")
	}
	return all
}

// cyrusLibrary is libsasl2 with its plugins.
func cyrusLibrary(t *testing.T) []string {
	t.Helper()
	needCyrusModules(t)
	needCyrusPlugin(t)
	return append(installed(t, "libsasl2-2", "/usr/lib/*/libsasl2.so.2", "/usr/lib*/libsasl2.so.*"),
		installed(t, "libsasl2-modules", "/usr/lib/*/sasl2/lib*.so.2", "/usr/lib*/sasl2/lib*.so.*")...)
}

// postfixPrograms are the daemons of Postfix with their libraries.
func postfixPrograms(t *testing.T) []string {
	t.Helper()
	folder, libraries := output(t, postconf(t), "-dh", "daemon_directory"), output(t, postconf(t), "-dh", "shlib_directory")
	return installed(t, "postfix", folder+"/smtpd", folder+"/smtp", libraries+"/libpostfix-*.so")
}

// postconf tells what Postfix has.
func postconf(t *testing.T) string {
	t.Helper()
	return peers.Need(t, "postconf", "postfix")
}
