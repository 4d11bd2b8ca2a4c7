package pam

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestUsesUnix(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	files := map[string]string{
		"unix":      "auth required pam_unix.so\n",
		"brackets":  "-auth\t[success=1 default=ignore] /lib/security/pam_unix.so nullok",
		"include":   "@include unix\n",
		"included":  "auth required pam_env.so\nauth include unix\n",
		"substack":  "auth substack included\n",
		"absolute":  "@include " + filepath.Join(folder, "unix") + "\n",
		"loop":      "@include loop\n",
		"permit":    "# not pam_unix.so\nauth required pam_permit.so # nor pam_unix.so\n",
		"elsewhere": "@include permit\nauth include nowhere\n",
		"empty":     "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name := range files {
		want := !strings.Contains("permit elsewhere empty", name)
		if got := usesUnix(folder, name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if !usesUnix(folder, "folder") {
		t.Error("what cannot be read may hold pam_unix")
	}
}

func FuzzService(f *testing.F) {
	f.Add("smtp")
	f.Add("../shadow")
	f.Fuzz(func(t *testing.T, name string) {
		if validService(name) && (filepath.Base(name) != name || name != strings.ToLower(name) || strings.ContainsAny(name, ".\x00/")) {
			t.Fatalf("%q is no name of a file in a folder", name)
		}
	})
}
