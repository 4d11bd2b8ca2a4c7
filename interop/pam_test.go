//go:build linux

package interop

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/pam"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// pamAccounts are those of pam_unix that may not log in, beside some that may.
var pamAccounts = append(saslauthdAccounts[:len(saslauthdAccounts):len(saslauthdAccounts)],
	unixAccount{name: "account-expired", password: labPassword, aging: "19000:0:99999:7::10000:"},
	unixAccount{name: "password-expired", password: labPassword, aging: "10000:0:30:7:::"},
	unixAccount{name: "long-inactive", password: labPassword, aging: "10000:0:30:7:5::"},
	unixAccount{name: "must-change", password: labPassword, aging: "0:0:99999:7:::"},
	unixAccount{name: "locked", password: labPassword, mark: "!"},
)

// pamServices are stacks beside that of smtp, which is pam_unix. ETC is the folder that is
// /etc there.
var pamServices = map[string][]string{
	"su":   {"auth sufficient pam_rootok.so", "auth required pam_unix.so nodelay", "account required pam_permit.so"},
	"deny": {"auth required pam_deny.so", "account required pam_deny.so"},
	"common-auth": { // as Debian has it
		"auth [success=1 default=ignore] pam_unix.so nullok nodelay", "auth requisite pam_deny.so", "auth required pam_permit.so",
		"account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so", "account requisite pam_deny.so", "account required pam_permit.so",
	},
	"includes":    {"auth include smtp", "account substack smtp", "@include nothing-more"},
	"listed":      {"auth required pam_listfile.so item=user sense=allow onerr=fail file=/etc/listed", "auth required pam_unix.so nodelay", "account required pam_unix.so"},
	"unlisted":    {"auth required pam_unix.so nodelay", "account required pam_listfile.so item=user sense=deny onerr=fail file=/etc/listed"},
	"people":      {"auth requisite pam_succeed_if.so quiet uid >= 40001", "auth required pam_unix.so nodelay", "account required pam_unix.so"},
	"asks-twice":  {"auth sufficient pam_unix.so nodelay", "auth required pam_unix.so nodelay", "account required pam_unix.so"},
	"night":       {"auth required pam_unix.so nodelay", "account required pam_nologin.so file=/etc/listed"},
	"echo":        {"auth optional pam_echo.so file=/etc/listed", "auth required pam_unix.so nodelay", "account required pam_permit.so"},
	"script":      {"auth required pam_exec.so quiet expose_authtok /bin/sh /etc/script", "account required pam_permit.so"},
	"script-deny": {"auth [success=1 default=ignore] pam_exec.so quiet expose_authtok /bin/sh /etc/script", "auth requisite pam_deny.so", "auth required pam_permit.so", "account required pam_permit.so"},
	"missing":     {"auth required pam_missing.so", "account required pam_permit.so"},
	"faillock": {"auth required pam_faillock.so preauth dir=/etc/tally deny=3 even_deny_root", "auth sufficient pam_unix.so nodelay",
		"auth [default=die] pam_faillock.so authfail dir=/etc/tally deny=3 even_deny_root", "account required pam_unix.so"},
	"nothing-more": {},
}

// startPam starts a saslauthd that asks PAM, with all accounts and services.
func startPam(t *testing.T) *saslauthdPeer {
	t.Helper()
	s := startSaslauthd(t, pamAccounts, nil, "-a", "pam")
	for name, lines := range pamServices {
		s.service(t, name, strings.Join(lines, "\n")+"\n")
	}
	writeFile(t, s.etc("listed"), []byte("alice\na@b%s\n"))
	writeFile(t, s.etc("script"), []byte("read -r password; [ \"$PAM_USER:$password\" = alice:canary-A7 ]\n"))
	if err := os.Mkdir(s.etc("tally"), 0o700); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestPam is one test for one build of the command.
func TestPam(t *testing.T) {
	t.Parallel()
	s := startPam(t)
	command := pamCommand(t)
	t.Run("contract", func(t *testing.T) {
		t.Parallel()
		testPamContract(t, openPam(t, s, command, pam.Options{Service: "smtp", Parallel: 4}))
	})
	t.Run("answers", func(t *testing.T) {
		t.Parallel()
		testPamAnswers(t, openPam(t, s, command, pam.Options{Service: "smtp"}))
	})
	t.Run("saslauthd", func(t *testing.T) { t.Parallel(); testPamAsSaslauthd(t, s, command) })
	t.Run("faillock", func(t *testing.T) {
		t.Parallel()
		testPamFaillock(t, openPam(t, s, command, pam.Options{Service: "faillock"}))
	})
	t.Run("slow script", func(t *testing.T) { t.Parallel(); testPamSlowScript(t, s, command) })
	t.Run("privileges", func(t *testing.T) { t.Parallel(); testPamPrivileges(t, s, command) })
	t.Run("many", func(t *testing.T) { t.Parallel(); testPamMany(t, openPam(t, s, command, pam.Options{Parallel: 16})) })
}

func testPamContract(t *testing.T, v *pam.Stack) {
	users := append(saslauthdUsers(),
		verifiertest.User{Name: "account-expired", Password: labPassword, Expired: true},
		verifiertest.User{Name: "locked"})
	if err := verifiertest.TestVerifier(v, users...); err != nil {
		t.Error(err)
	}
}

// What pam_unix says of accounts that may not log in.
func testPamAnswers(t *testing.T, v *pam.Stack) {
	for user, want := range map[string]error{
		"account-expired": verifier.ErrExpired, "password-expired": verifier.ErrExpired, "long-inactive": verifier.ErrExpired,
		"must-change": verifier.ErrExpired, "locked": verifier.ErrWrongPassword, "nobody-here": verifier.ErrNoUser,
	} {
		_, err := checkFor(v, user, labPassword)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", user, err, want)
		}
		if _, err := checkFor(v, user, "wrong"); !verifier.Refused(err) {
			t.Errorf("%s with a wrong password: %v", user, err)
		}
	}
}

// The original, the library and the command called saslauthd let the same people in, by
// every stack.
func testPamAsSaslauthd(t *testing.T, s *saslauthdPeer, command string) {
	link := filepath.Join(filepath.Dir(command), "saslauthd")
	if err := os.Symlink(command, link); err != nil {
		t.Fatal(err)
	}
	ours, _ := startInside(t, s, link, "-a", "pam", "-m", "DIR", "-n", "8")
	theirs, library := s.client(t), openPam(t, s, command, pam.Options{})
	var all sync.WaitGroup
	yes := 0
	for service := range pamServices {
		if service == "faillock" {
			continue // remembers
		}
		for _, a := range append(pamAccounts[:len(pamAccounts):len(pamAccounts)], unixAccount{name: "nobody-here", password: "x"}) {
			for _, password := range []string{a.password, "wrong"} {
				r := verifier.Request{User: a.name, Service: service}
				_, want := theirs.VerifyPassword(t.Context(), r, password)
				if service == "su" { // of which the original, being root, lets everybody in
					if want != nil {
						t.Errorf("su, %.20q, %.20q: saslauthd %v", a.name, password, want)
					}
					want = verifier.ErrUnavailable
				}
				if want == nil {
					yes++
				}
				all.Go(func() {
					for name, v := range map[string]verifier.Verifier{"the library": library, "our saslauthd": ours} {
						if _, err := v.VerifyPassword(t.Context(), r, password); (err == nil) != (want == nil) {
							t.Errorf("%s, %.20q, %.20q: saslauthd %v, %s %v", service, a.name, password, want, name, err)
						}
					}
				})
			}
		}
	}
	all.Wait()
	if yes < 40 {
		t.Errorf("only %d could log in", yes)
	}
}

// After three wrong passwords the right one is refused, and looks no different.
func testPamFaillock(t *testing.T, v *pam.Stack) {
	right := pamAccounts[0]
	if _, err := checkFor(v, right.name, right.password); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := checkFor(v, right.name, "wrong"); !errors.Is(err, verifier.ErrWrongPassword) {
			t.Error(err)
		}
	}
	if _, err := checkFor(v, right.name, right.password); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("locked: %v", err)
	}
}

// Who does not wait for a script loses nothing but his answer; the others go on.
func testPamSlowScript(t *testing.T, s *saslauthdPeer, command string) {
	s.service(t, "slow", "auth required pam_exec.so quiet /bin/sh /etc/slow\naccount required pam_permit.so\n")
	writeFile(t, s.etc("slow"), []byte("echo > /etc/begun; until [ -e /etc/gate ]; do sleep 0.01; done; echo >> /etc/counted\n"))
	v := openPam(t, s, command, pam.Options{Parallel: 2})
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() {
		_, err := v.VerifyPassword(ctx, verifier.Request{User: "alice", Service: "slow"}, "x")
		answer <- err
	}()
	exists := func(name string) func() bool {
		return func() bool { _, err := os.Stat(s.etc(name)); return err == nil }
	}
	asktest.Until(t, "the script has begun", exists("begun"))
	cancel()
	if err := <-answer; !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("slow: %v", err)
	}
	if _, err := checkFor(v, "alice", pamAccounts[0].password); err != nil {
		t.Errorf("beside it: %v", err)
	}
	writeFile(t, s.etc("gate"), nil)
	asktest.Until(t, "the script has come to its end", exists("counted"))
}

// serve --user works for a member of group shadow. Another user's daemon says what it
// lacks, and refuses nobody, even with Debian's stack.
func testPamPrivileges(t *testing.T, s *saslauthdPeer, command string) {
	if err := errors.Join(os.Chown(s.etc("shadow"), 0, 42), os.Chmod(s.etc("shadow"), 0o640)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"passwd", "group", "nsswitch.conf", "ld.so.cache", "pam.d/smtp", "pam.d/common-auth"} {
		if err := os.Chmod(s.etc(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	alice := pamAccounts[0]
	member, _ := startInside(t, s, command, "serve", "--verifier", "pam:common-auth", "--mux", "DIR", "--user", "65534", "--group", "42")
	if _, err := checkFor(member, alice.name, alice.password); err != nil {
		t.Errorf("in group shadow: %v", err)
	}
	if _, err := checkFor(member, alice.name, "wrong"); !verifier.Refused(err) {
		t.Errorf("in group shadow, wrong password: %v", err)
	}
	other, said := startInside(t, s, command, "serve", "--verifier", "pam:common-auth", "--mux", "DIR", "--user", "65534", "--group", "65534")
	if _, err := checkFor(other, alice.name, alice.password); err == nil {
		t.Error("without rights alice can log in")
	}
	asktest.Until(t, "the log says why", func() bool {
		return strings.Contains(said.String(), "not root, and /etc/shadow cannot be read") && !strings.Contains(said.String(), "bad-credentials")
	})
	cmd, _ := inside(t, s, peers.Need(t, "setpriv", "util-linux"), "--reuid=65534", "--regid=65534", "--clear-groups", command, "mechs", "--verifier", "pam:common-auth")
	cmd.Stderr = nil
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "not root, and /etc/shadow cannot be read") {
		t.Errorf("at the start: %v, %s", err, out)
	}
}

// A thousand at once get their answers, each his own.
func testPamMany(t *testing.T, v *pam.Stack) {
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			a, password := pamAccounts[i%4], pamAccounts[i%4].password
			if i%3 == 0 {
				password = "wrong"
			}
			account, err := v.VerifyPassword(t.Context(), verifier.Request{User: a.name, Service: "smtp"}, password)
			switch {
			case i%3 == 0 && !errors.Is(err, verifier.ErrWrongPassword), i%3 != 0 && (err != nil || account.User != a.name):
				t.Errorf("%q: %q, %v", a.name, account.User, err)
			}
		})
	}
	all.Wait()
}
