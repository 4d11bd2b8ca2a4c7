package dovecot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/verifier"
)

// FuzzServer puts a question to a server that greets, says anything, and goes. The
// answer is one of the contract's, and yes only if the first answer to this request was
// an OK with a name.
func FuzzServer(f *testing.F) {
	for _, said := range []string{
		"OK\t1\tuser=alice@example.org\n", "OK\t1\tuser=@example.org\n", "FAIL\t1\tcode=temp_fail\n", "FAIL\t1\nOK\t1\tuser=alice\n", "CONT\t1\t\n",
		"OK\t2\tuser=alice\nOK\t1\tuser=bob\tnologin\n", "X\n\nOK\t1\tuser=a\x01tb\n", "OK\t1\tuser=alice",
	} {
		f.Add(said)
	}
	r := request("alice", "example.org")
	const password = "correct horse"
	f.Fuzz(func(t *testing.T, said string) {
		a, err := converse(t, r, password, said)
		if err != nil && (a.User != "" || !verifier.Answered(err) && !errors.Is(err, verifier.ErrUnavailable)) {
			t.Fatalf("%v, %v", a, err)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), password) {
			t.Fatalf("the error shows the password: %v", err)
		}
		if (err == nil || verifier.Answered(err)) != answered(said) {
			t.Fatalf("%v, %v, but the server said %q", a, err, said)
		}
		if err == nil && a.User == "" {
			t.Fatal("success without a name")
		}
	})
}

// converse is a check on a connection of its own.
func converse(t *testing.T, r verifier.Request, password, said string) (verifier.Account, error) {
	t.Helper()
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		lines := dovecotauth.NewReader(theirs)
		for n := 0; ; n++ {
			line, err := lines.Line()
			switch {
			case err != nil:
				return
			case strings.HasPrefix(string(line), "CPID\t"):
				io.WriteString(theirs, greeting)
			case strings.HasPrefix(string(line), "AUTH\t"):
				io.WriteString(theirs, said)
				return
			}
		}
	}()
	open, err := shakeHands(ours)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Options{Socket: "/nowhere"})
	c.conn = open
	c.runs.Go(open.read)
	c.runs.Go(open.write)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer c.Close()
	a, err := c.VerifyPassword(ctx, r, password)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	return a, err
}

// answered reports whether text has an answer to request 1, before anything that is no
// line of the protocol, which is a clear yes or no.
func answered(said string) bool {
	for line := range strings.Lines(said) {
		bare, whole := strings.CutSuffix(line, "\n")
		if !whole {
			return false
		}
		m, err := dovecotauth.ParseServer([]byte(bare))
		if err != nil {
			return false
		}
		switch m := m.(type) {
		case dovecotauth.OK:
			if m.ID == 1 {
				name, _ := m.Params.Value("user")
				return name != "" && !strings.EqualFold(name, "@example.org") && !m.Params.Has("proxy")
			}
		case dovecotauth.Fail:
			if code, _ := m.Params.Value("code"); m.ID == 1 {
				return code != "temp_fail" && code != "invalid_base64" && !m.Params.Has("temp")
			}
		case dovecotauth.Cont:
			if m.ID == 1 {
				return false
			}
		}
	}
	return false
}
