//go:build linux

package interop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/saslauthd"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// saslauthdAccounts are right, and odd in all ways that passwd bears.
var saslauthdAccounts = []unixAccount{
	{name: "alice", password: "canary-A7"},
	{name: "al ice", password: " pass word-B8 "},
	{name: "jürgen", password: "schlüssel-C9"},
	{name: "a@b%s", password: "p%40ss@D1:"},
	{name: long256[:255], password: strings.Repeat("E2", 128)},
	{name: long256, password: strings.Repeat("F3", 128)[1:]},
}

var long256 = strings.Repeat("n", 256)

func saslauthdUsers() (users []verifiertest.User) {
	for _, a := range saslauthdAccounts {
		users = append(users, verifiertest.User{Name: a.name, Password: a.password})
	}
	return users
}

func TestSaslauthdContract(t *testing.T) {
	t.Parallel()
	expired := unixAccount{name: "gone", password: "canary-G4", aging: "19000:0:99999:7::10000:"}
	accounts := append(saslauthdAccounts[:len(saslauthdAccounts):len(saslauthdAccounts)], expired)
	for _, c := range []struct {
		backend string
		locked  verifiertest.User
	}{
		{"shadow", verifiertest.User{Name: expired.name, Password: expired.password, Expired: true}},
		{"pam", verifiertest.User{Name: expired.name, Password: expired.password, Disabled: true}},
	} {
		t.Run(c.backend, func(t *testing.T) {
			t.Parallel()
			s := startSaslauthd(t, accounts, nil, "-a", c.backend)
			if err := verifiertest.TestVerifier(s.client(t), append(saslauthdUsers(), c.locked)...); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("sasldb", func(t *testing.T) {
		t.Parallel()
		var users []verifiertest.User
		var records []sasldb.Record
		for _, realm := range []string{labRealm, "other.example"} {
			for _, a := range saslauthdAccounts {
				u := verifiertest.User{Name: a.name, Realm: realm, Password: a.password + realm[:1]}
				u.Password = u.Password[max(0, len(u.Password)-256):]
				users = append(users, u)
				records = append(records, sasldb.Record{Authid: u.Name, Realm: realm, Property: sasldb.PropertyPassword, Value: []byte(u.Password)})
			}
		}
		s := startSaslauthd(t, nil, records, "-a", "sasldb")
		if err := verifiertest.TestVerifier(s.client(t), users...); err != nil {
			t.Error(err)
		}
	})
}

// What shadow and PAM say of accounts that may not log in, with the right password
// and with a wrong one.
func TestSaslauthdAnswers(t *testing.T) {
	t.Parallel()
	accounts := []unixAccount{
		{name: "alice", password: labPassword},
		{name: "account-expired", password: labPassword, aging: "19000:0:99999:7::10000:"},
		{name: "password-expired", password: labPassword, aging: "10000:0:30:7:::"},
		{name: "must-change", password: labPassword, aging: "0:0:99999:7:::"},
		{name: "locked", password: labPassword, mark: "!"},
	}
	type says struct {
		is   error
		text string
	}
	ok := says{}
	wrong, expired := says{verifier.ErrWrongPassword, "Incorrect password"}, says{verifier.ErrExpired, "Account expired"}
	pamAuth, pamAcct := says{verifier.ErrWrongPassword, "PAM auth error"}, says{verifier.ErrDisabled, "PAM acct error"}
	unknown := says{verifier.ErrNoUser, "Invalid username"}
	for _, backend := range []struct {
		name    string
		right   map[string]says
		wrong   says
		unknown says
	}{
		{"shadow", map[string]says{"alice": ok, "account-expired": expired, "password-expired": {verifier.ErrExpired, "Password expired"},
			"must-change": ok, "locked": wrong, "nobody-here": unknown}, wrong, unknown},
		{"pam", map[string]says{"alice": ok, "account-expired": pamAcct, "password-expired": pamAcct,
			"must-change": pamAcct, "locked": pamAuth, "nobody-here": pamAuth}, pamAuth, pamAuth},
	} {
		t.Run(backend.name, func(t *testing.T) {
			t.Parallel()
			v := startSaslauthd(t, accounts, nil, "-a", backend.name).client(t)
			try := func(user, password string, want says) {
				t.Helper()
				_, err := v.VerifyPassword(t.Context(), verifier.Request{User: user, Service: "smtp"}, password)
				if !errors.Is(err, want.is) || want.text != "" && !strings.Contains(err.Error(), `"NO `+want.text+`"`) {
					t.Errorf("%s by %s: %v, want %v by %q", user, password, err, want.is, want.text)
				}
			}
			for user, right := range backend.right {
				try(user, labPassword, right)
				if user == "nobody-here" {
					try(user, "wrong", backend.unknown)
				} else {
					try(user, "wrong", backend.wrong)
				}
			}
		})
	}
}

// An IMAP server that cannot be reached is no wrong password.
func TestSaslauthdInTrouble(t *testing.T) {
	t.Parallel()
	v := startSaslauthd(t, nil, nil, "-a", "rimap", "-O", "127.0.0.1/"+freePort(t)).client(t)
	_, err := v.VerifyPassword(t.Context(), verifier.Request{User: labUser, Service: "imap"}, labPassword)
	if !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "Couldn't contact remote authentication server") {
		t.Error(err)
	}
}

// The daemon takes 256 bytes of a field, and of one more says "NO " unread: with our
// limit where it is, nobody gets so far.
func TestSaslauthdLongFields(t *testing.T) {
	t.Parallel()
	s := startSaslauthd(t, saslauthdAccounts, nil, "-a", "shadow")
	careless, err := saslauthd.New(saslauthd.Options{Socket: s.socket(), MaxField: 1024})
	if err != nil {
		t.Fatal(err)
	}
	alice := saslauthdAccounts[0]
	for n, want := range map[int]string{
		255: "<nil>", 256: "<nil>", 257: `saslauthd: it says "NO": verifier: wrong password`, 1024: `saslauthd: it says "NO": verifier: wrong password`,
	} {
		r := verifier.Request{User: alice.name, Service: strings.Repeat("s", n)}
		if _, err := careless.VerifyPassword(t.Context(), r, alice.password); fmt.Sprint(err) != want {
			t.Errorf("a service of %d bytes: %v, want %s", n, err, want)
		}
	}
	for password, want := range map[string]string{
		long256:       `it says "NO Incorrect password"`,
		long256 + "n": "not asked: password of 257 bytes",
	} {
		_, err := s.client(t).VerifyPassword(t.Context(), verifier.Request{User: alice.name}, password)
		if !errors.Is(err, verifier.ErrWrongPassword) || !strings.Contains(err.Error(), want) {
			t.Errorf("a password of %d bytes: %v", len(password), err)
		}
	}
}

// The fifth field does not disturb a daemon that knows four.
func TestSaslauthdClientAddress(t *testing.T) {
	t.Parallel()
	s := startSaslauthd(t, saslauthdAccounts, nil, "-a", "shadow")
	v, err := saslauthd.New(saslauthd.Options{Socket: s.socket(), ClientAddress: saslauthd.Send})
	if err != nil {
		t.Fatal(err)
	}
	if err := verifiertest.TestVerifier(v, saslauthdUsers()[:2]...); err != nil {
		t.Error(err)
	}
}

// In a chroot, or on Debian, the folder of the socket is for one group.
func TestSaslauthdFolder(t *testing.T) {
	t.Parallel()
	s := startSaslauthd(t, saslauthdAccounts, nil, "-a", "shadow")
	folder := filepath.Dir(s.socket())
	if err := errors.Join(os.Chown(folder, 0, 4242), os.Chmod(folder, 0o710), os.Chmod(s.dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	v := s.client(t)
	check := func() error {
		_, err := v.VerifyPassword(t.Context(), verifier.Request{User: "alice"}, saslauthdAccounts[0].password)
		return err
	}
	nobody.Do(func() {
		err := check()
		if !errors.Is(err, verifier.ErrUnavailable) || !strings.HasSuffix(err.Error(), "mux: connect: permission denied (is the process in group sasl?)") {
			t.Errorf("outside the group: %v", err)
		}
	})
	if err := check(); err != nil {
		t.Errorf("root: %v", err)
	}
	s.kill()
	os.Remove(s.socket()) // as it does when it ends by itself
	if err := check(); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "connect: no such file or directory (does saslauthd run") {
		t.Errorf("without a daemon: %v", err)
	}
}

// A daemon that stops, is killed in the middle, leaves its socket behind and comes
// back refuses nobody.
func TestSaslauthdKilled(t *testing.T) {
	t.Parallel()
	s := startSaslauthd(t, saslauthdAccounts, nil, "-a", "pam", "-n", "1")
	s.service(t, "slow", "auth required pam_exec.so quiet /bin/sh "+s.etc("slow")+"\naccount required pam_permit.so\n")
	gate := s.etc("gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, s.etc("slow"), []byte("read line < /etc/gate\n"))
	v := s.client(t)
	check := func(ctx context.Context, service string) error {
		_, err := v.VerifyPassword(ctx, verifier.Request{User: "alice", Service: service}, saslauthdAccounts[0].password)
		return err
	}
	recovered := func(after string) {
		t.Helper()
		if err := check(t.Context(), "smtp"); err != nil {
			t.Errorf("after it %s: %v", after, err)
		}
	}

	s.signal(syscall.SIGSTOP)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := check(ctx, "smtp"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stopped: %v", err)
	}
	s.signal(syscall.SIGCONT)
	recovered("was stopped")

	answer := make(chan error, 1)
	go func() { answer <- check(t.Context(), "slow") }()
	var inside *os.File // of PAM, waiting for the gate
	asktest.Until(t, "PAM is at work", func() bool {
		var err error
		inside, err = os.OpenFile(gate, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		return err == nil
	})
	s.kill()
	inside.Close() // which ends the module's program
	if err := <-answer; !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "closed the connection without a reply") {
		t.Errorf("killed: %v", err)
	}
	if err := check(t.Context(), "smtp"); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "connection refused (the socket is stale") {
		t.Errorf("its stale socket: %v", err)
	}
	s.start(t)
	recovered("was killed")
}
