package pam

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("x", maxString)
	for _, q := range []request{
		{},
		{service: "smtp", folder: "/etc/pam.d", user: "jürgen", password: "p ä\n", client: "2001:db8::1"},
		{service: longest, folder: longest, user: longest, password: longest, client: longest},
	} {
		b, err := q.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		held, err := readFrame(iotest.OneByteReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseRequest(held); err != nil || got != q {
			t.Errorf("request of %d bytes: %v, another request: %v", len(b), err, got != q)
		}
	}
	for _, a := range []answer{
		{},
		{verdict: accepted, changed: true, user: "alice"},
		{verdict: wrongPassword, text: "pam_authenticate: Authentication failure"},
	} {
		b, err := a.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := parseAnswer(b[4:]); err != nil || got != a {
			t.Errorf("%v, -want +got:\n%s", err, cmp.Diff(a, got, cmp.AllowUnexported(answer{})))
		}
	}
}

func TestMessageErrors(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]request{
		"long": {password: strings.Repeat("x", maxString+1)},
		"NUL":  {user: "a\x00b"},
	} {
		if b, err := q.append(nil); err == nil || b != nil {
			t.Errorf("request, %s: %v", name, err)
		}
	}
	for name, b := range map[string]string{
		"empty": "", "no such verdict": "\x06\x00\x00\x00\x00\x00", "neither changed nor not": "\x01\x02\x00\x00\x00\x00",
		"short string": "\x01\x00\x00\x02x", "more": "\x01\x00\x00\x00\x00\x00x", "NUL": "\x01\x00\x00\x01\x00\x00\x00",
		"a text of two lines": "\x01\x00\x00\x00\x00\x01\n", "a text beyond ASCII": "\x01\x00\x00\x00\x00\x02ä",
		"long string": "\x01\x00\x10\x01" + strings.Repeat("x", 4097) + "\x00\x00",
	} {
		if a, err := parseAnswer([]byte(b)); !errors.Is(err, errMalformed) || a != (answer{}) {
			t.Errorf("answer, %s: %+v, %v", name, a, err)
		}
	}
	for name, c := range map[string]struct {
		b    string
		want error
	}{
		"end":           {"", io.EOF},
		"half a length": {"\x00\x00", io.ErrUnexpectedEOF},
		"half a frame":  {"\x00\x00\x00\x02x", io.ErrUnexpectedEOF},
		"no frame":      {"\x00\x00\x00\x02", io.ErrUnexpectedEOF},
		"too long":      {"\x7f\xff\xff\xff", errMalformed},
	} {
		if b, err := readFrame(strings.NewReader(c.b)); !errors.Is(err, c.want) || b != nil {
			t.Errorf("frame, %s: %q, %v", name, b, err)
		}
	}
}

// What a child takes for a request is what a parent would send, byte for byte.
func FuzzRequest(f *testing.F) {
	b, _ := request{service: "smtp", user: "alice", password: "secret", client: "192.0.2.1"}.append(nil)
	f.Add(b[4:])
	f.Add([]byte("\x00\x00\x00\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseRequest(b)
		if err != nil {
			if q != (request{}) {
				t.Fatal("a request and an error")
			}
			return
		}
		again, err := q.append(nil)
		if err != nil || !bytes.Equal(again[4:], b) {
			t.Fatalf("%q is printed as %q, %v", b, again, err)
		}
	})
}

// What a parent takes for an answer is what a child would send, byte for byte, however
// it comes, and the log can take it.
func FuzzAnswer(f *testing.F) {
	for _, a := range []answer{{verdict: accepted, user: "alice"}, {verdict: expired, changed: true, text: "pam_acct_mgmt"}} {
		b, _ := a.append(nil)
		f.Add(b)
	}
	f.Add([]byte("\x00\x00\x00\x06\x01\x00\x00\x00\x00\x00rest"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		held, err := readFrame(r)
		if err != nil {
			if held != nil {
				t.Fatal("a frame and an error")
			}
			return
		}
		a, err := parseAnswer(held)
		if err != nil {
			if a != (answer{}) {
				t.Fatal("an answer and an error")
			}
			return
		}
		again, err := a.append(nil)
		if err != nil || !bytes.Equal(again, b[:len(b)-r.Len()]) {
			t.Fatalf("%q is printed as %q, %v", b, again, err)
		}
		if strings.ContainsAny(a.text, "\n\r\x1b") {
			t.Fatalf("text %q", a.text)
		}
	})
}
