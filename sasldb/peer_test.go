//go:build unix

package sasldb

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

func mustRun(t *testing.T, stdin, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, complaint.Bytes())
	}
	return out.String()
}

// A cyrus runs saslpasswd2 on one file.
type cyrus struct {
	program string
	path    string
	env     []string
}

const cyrusRealm = "example.com"

func newCyrus(t *testing.T, path string) *cyrus {
	t.Helper()
	program := peers.Need(t, "saslpasswd2", "sasl2-bin")
	// With other mechanisms it would add properties of theirs.
	folder := t.TempDir()
	config := "mech_list: plain\nsasldb_path: " + path + "\n"
	if err := os.WriteFile(filepath.Join(folder, "saslpasswd.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	return &cyrus{program, path, append(os.Environ(), "SASL_CONF_PATH="+folder)}
}

func (c *cyrus) arguments(password, name string) []string {
	change := []string{"-c"}
	if password == "" {
		change = []string{"-d"}
	}
	return append(change, "-p", "-f", c.path, "-u", cyrusRealm, name)
}

// command prepares saslpasswd2 to set a password, or to delete the user if it is "".
func (c *cyrus) command(t *testing.T, password, name string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), c.program, c.arguments(password, name)...)
	cmd.Env = c.env
	cmd.Stdin = strings.NewReader(password)
	return cmd
}

// checkWithLibdb has libdb verify a file, where it is installed.
func checkWithLibdb(t *testing.T, path string) {
	t.Helper()
	if program, ok := peers.Find("db5.3_verify"); ok {
		mustRun(t, "", program, "-q", path)
	}
}

// A content is what a file holds.
type content struct {
	format Format
	values map[string]string // by key; nil: there is no file
}

func (c content) equal(d content) bool {
	return c.format == d.format && (c.values == nil) == (d.values == nil) && maps.Equal(c.values, d.values)
}

// contentOf reads a file. One with damage, or that libdb does not like, fails the
// test.
func contentOf(t *testing.T, path string) content {
	t.Helper()
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return content{}
	}
	l, err := Read(path)
	if err != nil || l.Damage != nil || l.Foreign > 0 {
		t.Fatalf("%v, damage: %v, %d foreign records", err, l.Damage, l.Foreign)
	}
	c := content{l.Format, map[string]string{}}
	for key, value := range recordMap(t, l.Records) {
		c.values[key] = string(value)
	}
	if c.format == BerkeleyDB {
		checkWithLibdb(t, path)
	}
	return c
}

// leftBeside returns the names in the folder of a database, without its own.
func leftBeside(t *testing.T, path string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			names = append(names, e.Name())
		}
	}
	return names
}

// difference names the keys that two contents do not agree on.
func (c content) difference(d content) string {
	keys := map[string]bool{}
	for key, value := range c.values {
		other, ok := d.values[key]
		keys[key] = !ok || other != value
	}
	for key := range d.values {
		if _, ok := c.values[key]; !ok {
			keys[key] = true
		}
	}
	maps.DeleteFunc(keys, func(_ string, differs bool) bool { return !differs })
	return fmt.Sprintf("%v and %v, %d keys differ: %.300q", c.format, d.format, len(keys), slices.Sorted(maps.Keys(keys)))
}
