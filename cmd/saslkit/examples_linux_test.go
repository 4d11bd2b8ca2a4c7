package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/sasldb"
)

// An exampleSite is a machine of a mail site, in a folder that stands for /.
type exampleSite struct {
	root, home string
	lab        lab // mail.example.com
}

// newExampleSite has a user alice@example.com with the password wonderland, in Postfix's
// sasldb, in /etc/shadow, behind saslauthd and on the mail server.
func newExampleSite(t *testing.T) *exampleSite {
	t.Helper()
	s := &exampleSite{root: socketDir(t)}
	s.home = filepath.Join(s.root, "home")
	for _, dir := range []string{"home", "bin", "etc/postfix/sasl", "etc/sasl2", "var/backups", "var/spool/postfix/private", "run/saslauthd", "run/saslkit", "etc/bash_completion.d", "home/.config/fish/completions"} {
		if err := os.MkdirAll(filepath.Join(s.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	db := filepath.Join(s.root, defaultDB)
	alice := sasldb.Record{Authid: "alice", Realm: "example.com", Property: "userPassword", Value: []byte("wonderland")}
	for _, path := range []string{db, filepath.Join(s.root, "var/backups/sasldb2")} {
		if err := sasldb.Create(path, []sasldb.Record{alice}); err != nil {
			t.Fatal(err)
		}
	}
	// That of Cyrus SASL 1.5 has a mechanism where the property is now.
	old := sasldb.Record{Authid: "alice", Realm: "example.com", Property: "PLAIN-APOP", Value: []byte("sixteen of salt.\x00wonderland")}
	if err := sasldb.Create(filepath.Join(s.root, "etc/sasldb"), []sasldb.Record{old}); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		"etc/postfix/sasl/smtpd.conf": "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN SCRAM-SHA-256\nsasldb_path: " + db + "\n",
		"etc/shadow":                  "alice:" + md5Hash + ":20000:0:99999:7:::\n",
		"home/users.json":             jsonLine("alice", "changed") + "\n",
		"home/bob.password":           "builder\n",
		"bin/saslkit":                 "#!/bin/sh\nGORACE=\"atexit_sleep_ms=0 $GORACE\" SASLKIT_TEST_AS_COMMAND=1 exec '" + os.Args[0] + "' \"$@\"\n",
	} {
		if err := os.WriteFile(filepath.Join(s.root, path), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.lab = newLab(t, "--db", db)
	return s
}

// startServers has daemons behind /run/saslauthd and /var/spool/postfix/private/auth.
func (s *exampleSite) startServers(t *testing.T) {
	t.Helper()
	_, stderr, end := background(t, "serve", "--verifier", "sasldb:"+s.root+defaultDB, "--realm", "example.com",
		"--mux", s.root+"/run/saslauthd", "--auth", s.root+"/var/spool/postfix/private/auth")
	until(t, stderr, "ready\n")
	t.Cleanup(func() {
		if code := end(); code != 0 {
			t.Errorf("the servers ended with exit %d: %s", code, stderr)
		}
	})
}

var (
	systemPath = regexp.MustCompile(`(^|[\s=:,])/(etc|var|run)/`)
	mailServer = regexp.MustCompile(`smtp://mail\.example\.com(:587)?`)
	usesDB     = regexp.MustCompile(`saslkit (passwd|users|verify|export|import)\b`)
)

// here is an example as it reads at the site: the system's folders are those of the site,
// ports and accounts are such as every machine has.
func (s *exampleSite) here(command string) string {
	if !strings.Contains(command, " -f ") {
		command = usesDB.ReplaceAllString(command, "$0 -f "+defaultDB)
	}
	command = systemPath.ReplaceAllString(command, "$1"+s.root+"/$2/")
	command = mailServer.ReplaceAllString(command, "--insecure smtp://"+s.lab.address)
	return strings.NewReplacer(
		"127.0.0.1:2525", "127.0.0.1:0", "127.0.0.1:9110", "127.0.0.1:0",
		"owner=postfix,group=postfix", fmt.Sprintf("owner=%d,group=%d", os.Getuid(), os.Getgid()),
	).Replace(command)
}

// try runs an example as a person would, who types the password when it is asked for and
// ends what serves.
func (s *exampleSite) try(t *testing.T, example string) {
	t.Helper()
	keyboard, terminal := newTerminal(t)
	go io.Copy(io.Discard, keyboard) // the echo
	if strings.Contains(example, "| grep ") {
		peers.Need(t, "grep", "grep")
	}
	cmd := exec.CommandContext(t.Context(), peers.Need(t, "sh", "dash"), "-c", "trap : TERM\n"+s.here(example))
	cmd.Dir = s.home
	cmd.Env = append(os.Environ(), "PATH="+s.root+"/bin:"+os.Getenv("PATH"), "HOME="+s.home, "TMPDIR="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stdin = terminal
	onlooker := &onlooker{keyboard: keyboard, signal: func(s syscall.Signal) { syscall.Kill(-cmd.Process.Pid, s) }}
	cmd.Stdout, cmd.Stderr = onlooker, onlooker
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(2*time.Minute, func() { onlooker.signal(syscall.SIGKILL) })
	defer hangs.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s\n%v:\n%s", example, err, &onlooker.seen)
	}
}

// An onlooker is shown the output of a command, types the password when it is asked for, and
// ends a server once it serves.
type onlooker struct {
	keyboard *os.File
	signal   func(syscall.Signal)
	seen     bytes.Buffer
}

func (p *onlooker) Write(b []byte) (int, error) {
	switch {
	case bytes.HasSuffix(b, []byte(": ")):
		io.WriteString(p.keyboard, "wonderland\n")
	case serving.Match(b):
		p.signal(syscall.SIGTERM)
	}
	return p.seen.Write(b)
}

// serving is a line of a server that serves.
var serving = regexp.MustCompile(`(?m)^(ready$|token=)`)

// TestExamples: what help and manual show works, at a site like those that read it.
func TestExamples(t *testing.T) {
	t.Parallel()
	_, all := commandTree()
	for _, cmd := range all {
		if cmd.Example == "" {
			continue
		}
		t.Run(cmd.Name(), func(t *testing.T) {
			t.Parallel()
			site := newExampleSite(t)
			if cmd.Name() != "serve" {
				site.startServers(t)
			}
			for _, example := range strings.Split(strings.ReplaceAll(cmd.Example, "\\\n", "\x00"), "\n") {
				if strings.HasPrefix(example, "  # ") {
					continue
				}
				if !strings.Contains(example, "saslkit "+cmd.Name()) {
					t.Errorf("%q is no example of it", example)
				}
				site.try(t, strings.ReplaceAll(example, "\x00", "\\\n"))
			}
		})
	}
}
