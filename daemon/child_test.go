package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// What changes a whole process, or is inherited by one, is tested in children: this test
// binary, which TestMain has do what childVariable says.

const childVariable = "SASLKIT_TEST_CHILD"

// children are what the binary can do as a child of itself. A child has the arguments of
// the command line; what it returns is told on standard output.
var children = map[string]func(args []string) error{}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		if err := children[name](os.Args[1:]); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// childCommand prepares a child, which is killed if the test ends before it.
func childCommand(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Env = childEnvironment(name)
	cmd.Stderr = os.Stderr
	return cmd
}

// childEnvironment is that of a child that does what name says. The race detector would
// have it sleep for a second at its end.
func childEnvironment(name string) []string {
	return append(os.Environ(), childVariable+"="+name, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
}
