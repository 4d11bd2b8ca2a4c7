package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/sasldb"
)

// completionFolder has the command, its scripts by the names of their shells, and a
// database with one user.
func completionFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"saslkit": "#!/bin/sh\nGORACE=\"atexit_sleep_ms=0 $GORACE\" SASLKIT_TEST_AS_COMMAND=1 exec '" + os.Args[0] + "' \"$@\"\n"}
	for _, shell := range shells {
		got := runCommand(t, "", "completion", shell)
		if got.code != 0 || got.stderr != "" {
			t.Fatalf("%s: exit %d: %s", shell, got.code, got.stderr)
		}
		files[shell] = got.out
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := sasldb.Create(filepath.Join(dir, "users.db"), []sasldb.Record{{Authid: "alice", Realm: "mail.example", Property: "userPassword", Value: []byte("wonderland")}}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// completions are lines with the cursor at the end, and as they are after the tab key.
var completions = [][2]string{
	{"saslkit pas", "saslkit passwd "},
	{"saslkit passwd --forma", "saslkit passwd --format "},
	{"saslkit convert --format gd", "saslkit convert --format gdbm "},
	{"saslkit login --mech CRA", "saslkit login --mech CRAM-MD5 "},
	{"saslkit login smtps", "saslkit login smtps://"},
	{"saslkit mechs --verifier sasld", "saslkit mechs --verifier sasldb:"},
	{"saslkit mechs --verifier sasldb:us", "saslkit mechs --verifier sasldb:users.db "},
	{"saslkit mechs --security-options noplaintext,noanon", "saslkit mechs --security-options noplaintext,noanonymous"},
	{"saslkit users -f use", "saslkit users -f users.db "},
	{"saslkit passwd -f users.db al", "saslkit passwd -f users.db alice@mail.example "},
}

// A shellAtWork is an interactive shell on a terminal.
type shellAtWork struct {
	keyboard *os.File
	lines    <-chan string
}

// startShell starts one and waits for its prompt.
func startShell(t *testing.T, dir, program string, args ...string) *shellAtWork {
	t.Helper()
	keyboard, terminal := newTerminal(t)
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "PS1=PROMPT<>\n> ", "LC_ALL=C.UTF-8"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	terminal.Close()
	lines := make(chan string, 1000)
	go func() { // ends when the shell has
		defer close(lines)
		for r := bufio.NewScanner(keyboard); r.Scan(); {
			lines <- r.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	s := &shellAtWork{keyboard, lines}
	s.between(t, "PROMPT<", ">")
	return s
}

// run has a command executed, and waits for the next prompt: what is typed before that
// the terminal edits, and not the shell. Control-X is to show and to empty the line.
func (s *shellAtWork) run(t *testing.T, command string) {
	t.Helper()
	s.write(t, command+"\n")
	s.between(t, "PROMPT<", ">")
}

func (s *shellAtWork) write(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(s.keyboard, text); err != nil {
		t.Fatal(err)
	}
}

// between returns what is printed between two marks.
func (s *shellAtWork) between(t *testing.T, before, after string) string {
	t.Helper()
	patience := time.After(time.Minute)
	var seen []string
	for {
		select {
		case line, ok := <-s.lines:
			if !ok {
				t.Fatalf("the shell has ended: %q", seen)
			}
			seen = append(seen, line)
			if _, rest, found := strings.Cut(line, before); found {
				if text, _, found := strings.Cut(rest, after); found {
					return text
				}
			}
		case <-patience:
			t.Fatalf("no %q in %q", before, seen)
		}
	}
}

// TestCompleteInBash: the tab key, with the package bash-completion.
func TestCompleteInBash(t *testing.T) {
	t.Parallel()
	bash := peers.Need(t, "bash", "bash")
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		peers.Missing(t, library+" (Debian package bash-completion)")
	}
	dir := completionFolder(t)
	s := startShell(t, dir, bash, "--norc", "--noprofile", "-i")
	s.run(t, `source `+library+`; source ./bash; show() { printf "\nLINE<%s>\n" "$READLINE_LINE"; READLINE_LINE=; }; bind -x '"\C-x": show'`)
	for _, c := range completions {
		s.write(t, c[0]+"\t\x18")
		// cobra's script writes a comma as \,, which is the same to the shell.
		if got := strings.ReplaceAll(s.between(t, "LINE<", ">"), `\,`, ","); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

// TestCompleteInFish: fish says itself what it would offer.
func TestCompleteInFish(t *testing.T) {
	t.Parallel()
	fish := peers.Need(t, "fish", "fish")
	dir := completionFolder(t)
	for _, c := range completions {
		cmd := exec.CommandContext(t.Context(), fish, "--no-config", "-c", "source ./fish; complete -C "+"'"+c[0]+"'")
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "TERM=dumb", "LC_ALL=C.UTF-8"}
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%q: %v", c[0], err)
		}
		words := strings.Fields(c[1])
		if first, _, _ := strings.Cut(strings.ReplaceAll(string(out), "\n", "\t"), "\t"); first != words[len(words)-1] {
			t.Errorf("%q: %q, want %q", c[0], out, words[len(words)-1])
		}
	}
}

// TestCompleteInZsh: the tab key.
func TestCompleteInZsh(t *testing.T) {
	t.Parallel()
	zsh := peers.Need(t, "zsh", "zsh")
	dir := completionFolder(t)
	s := startShell(t, dir, zsh, "-f", "-i")
	s.run(t, `autoload -U compinit; compinit -D -u; source ./zsh; show() { zle -I; print -r -- "LINE<$BUFFER>"; BUFFER= }; zle -N show; bindkey '^X' show`)
	for _, c := range completions {
		s.write(t, c[0]+"\t\x18")
		if got := s.between(t, "LINE<", ">"); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}
