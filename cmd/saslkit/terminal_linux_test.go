package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/term"
)

// newTerminal makes a pseudo terminal: what is written to the first file is typed,
// and what is printed on the second, the terminal, can be read from the first.
func newTerminal(t *testing.T) (keyboard, terminal *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("missing: a pseudo terminal: ", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	var unlock, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keyboard.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Skip("missing: a pseudo terminal: ", errno)
		}
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("missing: a pseudo terminal: ", err)
	}
	t.Cleanup(func() { terminal.Close() })
	return keyboard, terminal
}

// answer types a line each time that a question is on standard error.
type answer struct {
	keyboard *os.File
	lines    []string
	asked    *syncBuffer
}

func (a *answer) Write(b []byte) (int, error) {
	if bytes.HasSuffix(b, []byte(": ")) && len(a.lines) > 0 {
		line := a.lines[0]
		a.lines = a.lines[1:]
		time.AfterFunc(50*time.Millisecond, func() { io.WriteString(a.keyboard, line+"\n") }) // once the echo is off
	}
	return a.asked.Write(b)
}

func TestPasswordIsAskedForTwice(t *testing.T) {
	t.Setenv("SASL_CONF_PATH", t.TempDir())
	for _, c := range []struct {
		name, program string
		args          []string
		typed         []string
		code          int
		held          []string
		want          string
	}{
		{"new", "saslkit", []string{"passwd", "al@e"}, []string{"new", "new"}, 0, []string{"userPassword=new"}, "New password of al@e: \nAgain: \n"},
		{"mistyped", "saslkit", []string{"passwd", "al@e"}, []string{"new", "now"}, 2, nil, "not the same"},
		{"old name", "saslpasswd2", []string{"al@e"}, []string{"new", "new"}, 0, []string{"cmusaslsecretOTP", "userPassword=new"}, "Password: \nAgain (for verification): \n"},
		{"old name, mistyped", "saslpasswd2", []string{"al@e"}, []string{"new", "now"}, 7, nil, "saslpasswd2: passwords don't match; aborting\n"},
		{"old name, empty", "saslpasswd2", []string{"al@e"}, []string{"", ""}, 7, nil, "saslpasswd2: invalid parameter supplied\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := filepath.Join(t.TempDir(), "sasldb2")
			keyboard, terminal := newTerminal(t)
			asked := &answer{keyboard: keyboard, lines: c.typed, asked: &syncBuffer{}}
			code := runAs(t.Context(), c.program, append(c.args, "-f", db), terminal, io.Discard, asked)
			if code != c.code || !strings.Contains(asked.asked.String(), c.want) {
				t.Errorf("exit %d, want %d: %q", code, c.code, asked.asked.String())
			}
			if _, err := os.Stat(db); c.held == nil {
				if err == nil {
					t.Error("a file was made")
				}
				return
			}
			wantHeld(t, db, map[string][]string{"al@e": c.held})
		})
	}
}

// TestInterruptedPrompt: who is interrupted at a question has a terminal with echo.
func TestInterruptedPrompt(t *testing.T) { // not parallel: the signals are the process's
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		_, terminal := newTerminal(t)
		before, err := term.GetState(int(terminal.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		asked := &interrupter{terminal: int(terminal.Fd()), before: before, signal: s}
		code := run(t.Context(), []string{"check", "--verifier", "sasldb:" + mailDB(t), "alice@mail.example"}, terminal, io.Discard, asked)
		if code != exitUntried || !strings.Contains(asked.String(), "interrupted\n") {
			t.Errorf("%v: exit %d: %s", s, code, asked)
		}
		if after, err := term.GetState(int(terminal.Fd())); err != nil || *after != *before {
			t.Errorf("%v: the terminal is not as it was (%v)", s, err)
		}
	}
}

// An interrupter sends a signal to the process once the terminal is without echo for a
// question.
type interrupter struct {
	syncBuffer
	terminal int // descriptor
	before   *term.State
	signal   syscall.Signal
}

func (i *interrupter) Write(b []byte) (int, error) {
	if bytes.HasSuffix(b, []byte(": ")) {
		go func() {
			for now := i.before; *now == *i.before; time.Sleep(time.Millisecond) {
				var err error
				if now, err = term.GetState(i.terminal); err != nil {
					return
				}
			}
			syscall.Kill(os.Getpid(), i.signal)
		}()
	}
	return i.syncBuffer.Write(b)
}

// Progress is shown on a terminal only, and without colours.
func TestProgress(t *testing.T) {
	t.Setenv("NO_COLOR", "1")
	keyboard, terminal := newTerminal(t)
	printed := make(chan string)
	go func() {
		var all bytes.Buffer
		io.Copy(&all, keyboard) // until the terminal is closed
		printed <- all.String()
	}()
	var text strings.Builder
	for i := range 20_000 {
		text.WriteString(jsonLine("user"+strconv.Itoa(i), "x") + "\n")
	}
	dir := t.TempDir()
	file, db := filepath.Join(dir, "records.json"), filepath.Join(dir, "db")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, args := range [][]string{{"import", "-f", db, file}, {"export", "-f", db}, {"convert", db, db + "2", "--format", "gdbm"}} {
		if code := run(t.Context(), args, strings.NewReader(""), &out, terminal); code != 0 {
			t.Errorf("%q: exit %d", args, code)
		}
	}
	terminal.Close()
	got := <-printed
	for _, want := range []string{"reading " + file, "printing records"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not shown: %.300q", want, got)
		}
	}
	if strings.Contains(got, "\x1b[3") || strings.Count(got, "\n") > 0 {
		t.Errorf("colours or lines are left: %.300q", got)
	}
	if quiet := runCommand(t, "", "import", "-f", db, file); quiet.stderr != "" {
		t.Errorf("without a terminal: %q", quiet.stderr)
	}
}
