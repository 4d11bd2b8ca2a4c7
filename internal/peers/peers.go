// Package peers lets tests run foreign programs and libraries beside our own. What is
// not installed ends the test: skipped, or failed where it must be there.
package peers

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Variable is the environment variable which, set to "required", turns a missing
// peer from a reason to skip into a failure.
const Variable = "SASLKIT_PEERS"

// Need returns the path of a command, or ends the test for want of it.
func Need(t testing.TB, command, debianPackage string) string {
	t.Helper()
	path, ok := Find(command)
	if !ok {
		Missing(t, command+" (Debian package "+debianPackage+")")
	}
	return path
}

// Find looks for a command also where an unprivileged user's PATH does not lead.
func Find(command string) (path string, ok bool) {
	for _, candidate := range []string{command, "/usr/sbin/" + command, "/sbin/" + command} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, true
		}
	}
	return "", false
}

// Missing ends the test for want of something else than a command.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv(Variable) == "required" {
		t.Fatal("missing peer: " + what)
	}
	t.Skip("missing peer: " + what)
}

// Root ends the test without the rights of root, which it needs for the reason given.
func Root(t testing.TB, reason string) {
	t.Helper()
	if os.Getuid() != 0 {
		Missing(t, "root, for "+reason)
	}
}

// A Library is one that a C program includes and links.
type Library struct {
	Header, Link  string // "db.h", "db-5.3"
	DebianPackage string
}

// The libraries whose files we read and write.
var (
	Libdb   = Library{"db.h", "db-5.3", "libdb5.3-dev"}
	Libgdbm = Library{"gdbm.h", "gdbm", "libgdbm-dev"}
	Liblmdb = Library{"lmdb.h", "lmdb", "liblmdb-dev"}
)

// Compile compiles a C program against a library and returns its path, or ends the
// test for want of compiler or library. The program is gone when the test ends.
func Compile(t testing.TB, source string, l Library) string {
	t.Helper()
	gcc := Need(t, "gcc", "gcc")
	probe := exec.CommandContext(t.Context(), gcc, "-fsyntax-only", "-x", "c", "-")
	probe.Stdin = strings.NewReader("#include <stdio.h>\n#include <" + l.Header + ">\n")
	if probe.Run() != nil {
		Missing(t, l.Header+" (Debian packages libc6-dev and "+l.DebianPackage+")")
	}
	program := filepath.Join(t.TempDir(), strings.TrimSuffix(filepath.Base(source), ".c"))
	if out, err := exec.CommandContext(t.Context(), gcc, "-O2", "-Wall", "-o", program, source, "-l"+l.Link).CombinedOutput(); err != nil {
		t.Fatalf("gcc %s: %v\n%s", source, err, out)
	}
	return program
}

// Start runs a program that is talked to through its standard input and output. It
// ends when its input does, which is when the test ends; what it says on standard
// error is shown.
func Start(t testing.TB, program string, args ...string) (in io.Writer, out *bufio.Reader) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	stdin, stdout := Pipe(t, cmd)
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s ended: %v", filepath.Base(program), err)
		}
	})
	return stdin, stdout
}

// Pipe starts a program that is talked to in this way. The caller waits for it.
func Pipe(t testing.TB, cmd *exec.Cmd) (in io.WriteCloser, out *bufio.Reader) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return in, bufio.NewReader(stdout)
}
