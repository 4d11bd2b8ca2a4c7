//go:build linux

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/internal/pages"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/interop/guides"
)

// pagePeers are the commands on a page, and behind it, that not every system has, and their
// Debian packages.
var pagePeers = map[string]map[string]string{
	"authorize.md":  {"postfix": "postfix", "gsasl": "gsasl", "curl": "curl"},
	"ldap.md":       {"slapd": "slapd"},
	"pam.md":        {"adduser": "adduser"},
	"sasldb.md":     {"db5.3_load": "db5.3-util"},
	"transition.md": {"python3": "python3"},
	"serve.md":      {"postfix": "postfix", "curl": "curl"},
	"sql.md":        {"psql": "postgresql"},
	"troubleshooting.md": {
		"postfix": "postfix", "saslauthd": "sasl2-bin", "testsaslauthd": "sasl2-bin", "ss": "iproute2",
		"python3": "python3",
	},
}

// TestPages does what the pages outside of docs/guides show, each on a site of its own, by
// testdata/pages/site.sh. The notation is that of package guides: sh is run, line by line
// until the first failure; conf is a file, whose path stands in its first line, which the
// program reads that such files are for; output is what the commands before have printed,
// and log what daemons have, in any order. What has to be there before stands in comments,
// <!-- sh and its lines; with "set +e" there the commands that follow may fail. A daemon that
// is started ends with the next commands that are shown, if it is started by such. Whoever
// asks for a password gets the right one.
func TestPages(t *testing.T) {
	t.Parallel()
	peers.Root(t, "a site of its own")
	for command, pkg := range map[string]string{
		"unshare": "util-linux", "bash": "bash", "ip": "iproute2", "openssl": "openssl", "useradd": "passwd",
	} {
		peers.Need(t, command, pkg)
	}
	if out, err := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "true").CombinedOutput(); err != nil {
		peers.Missing(t, fmt.Sprintf("name spaces of one's own: %v: %s", err, out))
	}
	command := pamCommand(t)
	done := 0
	for _, path := range pagePaths(t) {
		page, err := pages.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		script := pageScript(page)
		if script == "" || !strings.HasPrefix(path, "../docs/") || filepath.Base(path) == "README.md" { // see TestContributorsCommands
			continue
		}
		done++
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			for command, pkg := range pagePeers[filepath.Base(path)] {
				peers.Need(t, command, pkg)
			}
			for _, fault := range pageFaults(page, runPage(t, command, script)) {
				t.Errorf("%s:%s", path, fault)
			}
		})
	}
	if done < 10 {
		t.Errorf("only %d pages", done)
	}
}

// pageScript is a page for site.sh; empty if it has nothing to be executed.
func pageScript(page *pages.Page) string {
	var b strings.Builder
	for _, block := range page.Blocks() {
		switch {
		case block.Language == "sh" && block.Hidden:
			fmt.Fprintf(&b, "step %d\nexport daemons=/run/kept\n%s", block.Line, block.Text)
		case block.Language == "sh":
			fmt.Fprintf(&b, "over\nstep %d\nexport daemons=/run/daemons\n%sset -e\n", block.Line, block.Text)
		case block.Language == "conf":
			first, _, _ := strings.Cut(block.Text, "\n")
			fmt.Fprintf(&b, "step %d\nput %s <<'@@'\n%s@@\n", block.Line, strings.NewReplacer("# ", "", "(added)", "added").Replace(first), block.Text)
		case block.Language == "sql": // which the commands behind it may use
			fmt.Fprintf(&b, "cat > /run/page.sql <<'@@'\n%s@@\n", block.Text)
		}
	}
	return b.String()
}

// pageFaults looks for what a page says is printed and logged in what was, by the lines at
// which it was printed.
func pageFaults(page *pages.Page, printed map[string]string) (faults []string) {
	before := ""
	for _, b := range page.Blocks() {
		switch b.Language {
		case "sh":
			before = strconv.Itoa(b.Line)
		case "output":
			if line := guides.Missing(printed[before], b.Text); line != "" && before != "" {
				faults = append(faults, fmt.Sprintf("%d: not printed: %q\n%s", b.Line, line, printed[before]))
			}
		case "log":
			if line := guides.Unlogged(printed["log"], b.Text); line != "" {
				faults = append(faults, fmt.Sprintf("%d: not logged: %q\n%s", b.Line, line, printed["log"]))
			}
		}
	}
	return faults
}

// TestPageFaults: what was not printed or logged is a fault.
func TestPageFaults(t *testing.T) {
	t.Parallel()
	page := pages.Parse("page.md", "```sh\nsaslkit mechs\n```\n\n```output\nPLAIN …\n```\n\n<!-- sh\ntrue\n-->\n\n```output\nLOGIN\n```\n\n"+
		"```conf\n# /etc/x (added)\nkey: $value\n```\n\n```log\nresult=ok …\n```\n")
	for name, printed := range map[string]map[string]string{
		"":                        {"2": "PLAIN yes\n", "10": "LOGIN\n", "log": "x\nresult=ok user=al\n"},
		`6: not printed: "PLAIN `: {"2": "LOGIN\n", "10": "LOGIN\n", "log": "result=ok user=al\n"},
		`14: not printed: "LOGIN`: {"2": "PLAIN yes\nLOGIN\n", "10": "", "log": "result=ok user=al\n"},
		`23: not logged: "resul`:  {"2": "PLAIN yes\nresult=ok\n", "10": "LOGIN\n", "log": ""},
	} {
		if faults := strings.Join(pageFaults(page, printed), " "); (faults == "") != (name == "") || !strings.HasPrefix(faults, name) {
			t.Errorf("%q: %q", name, faults)
		}
	}
	want := "over\nstep 2\nexport daemons=/run/daemons\nsaslkit mechs\nset -e\nstep 10\nexport daemons=/run/kept\ntrue\n" +
		"step 18\nput /etc/x added <<'@@'\n# /etc/x (added)\nkey: $value\n@@\n"
	if diff := cmp.Diff(want, pageScript(page)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// runPage runs a page and returns what its steps have printed.
func runPage(t *testing.T, command, script string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "page.sh")
	writeFile(t, path, []byte(script))
	tree, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	room := filepath.Join(dir, "room")
	if err := os.Mkdir(room, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--net", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "testdata/pages/site.sh", room, tree, command, tests, path)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TERM=dumb", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:"+os.Getenv("PATH"))
	if strings.Contains(script, "/etc/exim4/") {
		cmd.Env = append(cmd.Env, eximVariable+"="+eximProgram(t))
	}
	out, err := typing(t, cmd, pagesSecret+"\n")
	printed := map[string]string{}
	line := ""
	for step := range strings.SplitSeq("\n"+strings.ReplaceAll(out, "\r\n", "\n"), "\n@@ ") {
		number, text, _ := strings.Cut(step, "\n")
		printed[number], line = text, number
	}
	if err != nil {
		t.Fatalf("line %s: %v\n%s\n%s", line, err, printed[line], printed["log"])
	}
	return printed
}

// typing runs a program on a terminal and types a line whenever it does not show what is
// typed, as who asks for a password does. It returns what was printed.
func typing(t *testing.T, cmd *exec.Cmd, line string) (string, error) {
	t.Helper()
	keyboard, terminal := newTerminal(t)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	t.Cleanup(func() { cmd.Process.Kill() })
	stuck := time.AfterFunc(4*time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	var said syncText
	var reading sync.WaitGroup
	reading.Go(func() {
		for b := make([]byte, 4096); ; {
			n, err := keyboard.Read(b) // fails when nobody has the terminal open
			said.Write(b[:n])
			if err != nil {
				return
			}
		}
	})
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			reading.Wait()
			return said.String(), err
		case <-time.After(50 * time.Millisecond):
		}
		if mode, err := unix.IoctlGetTermios(int(keyboard.Fd()), unix.TCGETS); err == nil && mode.Lflag&unix.ECHO == 0 {
			keyboard.WriteString(line)
		}
	}
}

// newTerminal is a pseudo terminal, and who types on it.
func newTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminal is to be had here: ", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	err = errors.Join(err, unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0))
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}
