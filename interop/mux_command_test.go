//go:build linux

package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/sasldb"
)

// oldCommands links the command by the names of Cyrus's programs and returns their folder.
func oldCommands(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command := saslkitCommand(t)
	for _, name := range []string{"saslkit", "saslauthd", "testsaslauthd"} {
		if err := os.Symlink(command, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Both testsaslauthds print the same of both saslauthds, each over the same sasldb or
// shadow file, by the same options, and of saslkit serve where it has their like. (With
// sasldb and -r nobody in a realm gets in to the original.)
func TestMuxCommands(t *testing.T) {
	t.Parallel()
	theirs := peers.Need(t, "testsaslauthd", "sasl2-bin")
	commands := oldCommands(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	password := func(user, realm, password string) sasldb.Record {
		return sasldb.Record{Authid: user, Realm: realm, Property: sasldb.PropertyPassword, Value: []byte(password)}
	}
	records := []sasldb.Record{
		password(labUser, host, "at home"), password(labUser, labRealm, labPassword), password("a@b", labRealm, labPassword),
	}
	accounts := append([]unixAccount{{name: labUser + "@" + labRealm, password: "joined"}, {name: labUser, password: "alone"}}, muxAccounts...)
	for _, args := range [][]string{{"-a", "sasldb"}, {"-a", "shadow"}, {"-a", "shadow", "-r"}, {"-a", "shadow", "-c", "-n", "1"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			original := startSaslauthd(t, accounts, records, args...)
			file := original.etc("shadow")
			if args[1] == "sasldb" {
				file = original.etc("sasldb2")
			}
			ours := startOurSaslauthd(t, filepath.Join(commands, "saslauthd"), append(args, "-O", file)...)
			sockets := []string{original.socket(), ours}
			if serve, ok := map[string][]string{"-a shadow": nil, "-a shadow -r": {"--join-realm"}}[strings.Join(args, " ")]; ok {
				sockets = append(sockets, startServeMux(t, filepath.Join(commands, "saslkit"), append(serve, "--verifier", "shadow:"+file, "--limit", "off")...))
			}
			for _, login := range [][]string{{labUser, labPassword}, {labUser, "at home"}, {labUser, "joined"}, {labUser, "alone"},
				{labUser, "wrong"}, {labUser, ""}, {"", "wrong"}, {"nobody-here", "wrong"}, {"a@b", labPassword}, {"gone", labPassword}, {long256, "x"}} {
				for _, realm := range []string{"", labRealm, host, "other.example"} {
					var all []string
					for _, program := range []string{theirs, filepath.Join(commands, "testsaslauthd")} {
						for _, socket := range sockets {
							all = append(all, ran(t, program, "-u", login[0], "-p", login[1], "-r", realm, "-s", "smtp", "-f", socket))
						}
					}
					if len(slices.Compact(all)) > 1 {
						t.Errorf("%.30q in %q: saslauthd, ours, and these by our testsaslauthd: %q", login, realm, all)
					}
				}
			}
		})
	}
}

// ran is what a program prints, and its exit code.
func ran(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out) + cmd.ProcessState.String()
}

// startOurSaslauthd runs our saslauthd until the test ends and returns its socket.
func startOurSaslauthd(t *testing.T, program string, args ...string) (socket string) {
	t.Helper()
	dir := t.TempDir()
	return startMuxCommand(t, dir, exec.Command(program, append(args, "-m", dir)...))
}

// startServeMux does that with saslkit serve --mux.
func startServeMux(t *testing.T, program string, args ...string) (socket string) {
	t.Helper()
	dir := t.TempDir()
	return startMuxCommand(t, dir, exec.Command(program, append([]string{"serve", "--mux", dir}, args...)...))
}

// startMuxCommand runs a daemon of ours until the test ends and returns its socket in that folder.
func startMuxCommand(t *testing.T, dir string, cmd *exec.Cmd) (socket string) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := peers.End(cmd, syscall.SIGTERM); err != nil {
			t.Errorf("%s: %v\n%s", cmd, err, said.String())
		}
	})
	socket = filepath.Join(dir, "mux")
	asktest.Until(t, "our saslauthd listens", func() bool { _, err := os.Stat(socket); return err == nil })
	return socket
}
