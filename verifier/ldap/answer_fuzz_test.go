package ldap

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/verifier"
)

// talk puts a question to a server that answers with these bytes and hangs up.
func talk(t *testing.T, answer []byte, question func(*conn) error) error {
	t.Helper()
	near, far := net.Pipe()
	g := newGuard(near)
	c := &conn{Conn: goldap.NewConn(g, false), guard: g}
	c.Start()
	defer c.close()
	done := make(chan bool)
	go func() {
		defer close(done)
		far.Read(make([]byte, 4096))
		far.Write(answer)
		far.Close()
	}()
	err := c.ask(context.Background(), question)
	c.close()
	<-done
	return err
}

// hasZero reports whether a number is 0, in the shortest form of its length.
func hasZero(b []byte) bool {
	for n := 1; n <= maxNumber; n++ {
		for _, tag := range []byte{tagInteger, tagEnumerated} {
			number := append([]byte{tag, byte(n)}, make([]byte, n)...)
			if bytes.Contains(b, number) {
				return true
			}
		}
	}
	return false
}

// Whatever a server sends, a bind and a search end with an answer or with trouble, and
// only the bytes of a success are one.
func FuzzAnswer(f *testing.F) {
	policy := element(0xa0, element(0x30, element(4, goldap.ControlTypeBeheraPasswordPolicy)+element(4, element(0x30, element(0x81, "\x00")))))
	f.Add([]byte(result(1, bindAnswer, 0, "")))
	f.Add([]byte(element(0x30, element(2, "\x01")+element(bindAnswer, element(10, "\x31")+element(4, "")+element(4, "x"))+policy)))
	f.Add([]byte(foundEntry(1, "uid=alice,dc=x", "userPassword", "secret") + result(1, searchAnswer, 0, "")))
	f.Add([]byte(element(0x30, element(2, "\x01")+element(0x73, element(4, "ldap://x/"))) + result(1, searchAnswer, 10, element(0xa3, element(4, "ldap://x/")))))
	d, err := New(searchOptions("ldap://localhost/"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := talk(t, b, bindAs("uid=alice,dc=x", "canary", nil))
		if err == nil {
			if !hasZero(b) {
				t.Errorf("%x is a success", b)
			}
		} else if !verifier.Answered(err) && !errors.Is(err, errSilent) && !errors.As(err, new(answer)) {
			t.Errorf("%x: %v", b, err)
		}
		var raw *goldap.Entry
		err = talk(t, b, func(c *conn) error {
			result, err := c.Search(d.search("dc=x", "(uid=alice)", Subtree, d.attributes()))
			raw, err = d.only(result, err)
			return err
		})
		if (raw == nil) == (err == nil) || raw != nil && raw.DN == "" {
			t.Errorf("%x: %v, %v", b, raw, err)
		}
	})
}
