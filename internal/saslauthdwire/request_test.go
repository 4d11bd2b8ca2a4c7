package saslauthdwire

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var long = strings.Repeat("x", 256)

// requests are those that go both ways.
var requests = []struct {
	name string
	wire string
	want Request
}{
	{"libsasl 2.1.28", "\x00\x05alice\x00\x06secret\x00\x04smtp\x00\x0cmail.example",
		Request{Login: "alice", Password: "secret", Service: "smtp", Realm: "mail.example"}},
	{"libsasl 2.2", "\x00\x05alice\x00\x06secret\x00\x04imap\x00\x00\x00\x0e192.0.2.1;4000",
		Request{Form: FiveFields, Login: "alice", Password: "secret", Service: "imap", Client: "192.0.2.1;4000"}},
	{"address is not known", "\x00\x01a\x00\x01b\x00\x00\x00\x00\x00\x00",
		Request{Form: FiveFields, Login: "a", Password: "b"}},
	{"no service and no realm", "\x00\x01a\x00\x01b\x00\x00\x00\x00", Request{Login: "a", Password: "b"}},
	{"any bytes", "\x00\x04a@\xff%\x00\x03 \r\n\x00\x00\x00\x00", Request{Login: "a@\xff%", Password: " \r\n"}},
	{"as long as may be", "\x01\x00" + long + "\x01\x00" + long + "\x01\x00" + long + "\x01\x00" + long + "\x01\x00" + long,
		Request{Form: FiveFields, Login: long, Password: long, Service: long, Realm: long, Client: long}},
}

func TestRequest(t *testing.T) {
	t.Parallel()
	for _, c := range requests {
		t.Run(c.name, func(t *testing.T) {
			b, err := AppendRequest([]byte("kept"), c.want, DefaultMaxField)
			if err != nil || string(b) != "kept"+c.wire {
				t.Errorf("appended %q, %v", b, err)
			}
			got, err := ParseRequest([]byte(c.wire), DefaultMaxField)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRequestIsIncomplete(t *testing.T) {
	t.Parallel()
	for _, c := range requests {
		four := c.want
		four.Form, four.Client = FourFields, ""
		whole, err := AppendRequest(nil, four, DefaultMaxField)
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(c.wire) {
			got, err := ParseRequest([]byte(c.wire[:i]), DefaultMaxField)
			switch {
			case i == len(whole): // what follows may be waited for
				if err != nil || got != four {
					t.Errorf("%s: its first four fields: %v", c.name, err)
				}
			case err != ErrIncomplete || got != Request{}:
				t.Errorf("%s: its first %d bytes: %v", c.name, i, err)
			}
		}
	}
	if !errors.Is(ErrIncomplete, io.ErrUnexpectedEOF) {
		t.Error("ErrIncomplete does not match io.ErrUnexpectedEOF")
	}
}

func TestRequestIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		wire string
		most int
		want string
	}{
		{"empty login", "\x00\x00\x00\x01b\x00\x00\x00\x00", 256, "login is empty"},
		{"empty password", "\x00\x01a\x00\x00\x00\x00\x00\x00", 256, "password is empty"},
		{"NUL in the login", "\x00\x03a\x00b\x00\x01b\x00\x00\x00\x00", 256, "login holds a NUL"},
		{"NUL after the password", "\x00\x01a\x00\x02b\x00\x00\x00\x00\x00", 256, "password holds a NUL"},
		{"NUL in the realm", "\x00\x01a\x00\x01b\x00\x00\x00\x01\x00", 256, "realm holds a NUL"},
		{"NUL in the address", "\x00\x01a\x00\x01b\x00\x00\x00\x00\x00\x01\x00", 256, "client address holds a NUL"},
		{"long login that has not come", "\x01\x01", 256, "login of 257 bytes is longer than the 256 that are taken"},
		{"text", "AUTH PLAIN", 256, "login of 16725 bytes is longer than the 256 that are taken"},
		{"longest length", "\x00\x01a\xff\xff", 256, "password of 65535 bytes is longer than the 256 that are taken"},
		{"lower limit", "\x00\x01a\x00\x01b\x00\x05", 4, "service of 5 bytes is longer than the 4 that are taken"},
		{"limit over what is possible", "\x04\x01", 100_000, "login of 1025 bytes is longer than the 1024 that are taken"},
		{"two requests", "\x00\x01a\x00\x01b\x00\x00\x00\x00\x00\x00\x00\x01a", 256, "more than one request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseRequest([]byte(c.wire), c.most)
			if err == nil || err.Error() != c.want || got != (Request{}) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestAppendRequestRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		r    Request
		want FieldError
	}{
		{"no login", Request{Password: "b"}, FieldError{Login, 0, 256}},
		{"no password", Request{Login: "a"}, FieldError{Password, 0, 256}},
		{"long password", Request{Login: "a", Password: long + "x"}, FieldError{Password, 257, 256}},
		{"NUL in the service", Request{Login: "a", Password: "b", Service: "x\x00y"}, FieldError{Service, 3, 256}},
		{"long realm", Request{Login: "a", Password: "b", Realm: long + long}, FieldError{Realm, 512, 256}},
		{"long address", Request{Login: "a", Password: "b", Form: FiveFields, Client: long + "x"}, FieldError{Client, 257, 256}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := AppendRequest([]byte("kept"), c.r, DefaultMaxField)
			var got *FieldError
			if !errors.As(err, &got) || *got != c.want || string(b) != "kept" {
				t.Errorf("%q, %v, want %v", b, err, &c.want)
			}
		})
	}
	if _, err := AppendRequest(nil, Request{Login: "a", Password: "b", Client: "\x00"}, DefaultMaxField); err != nil {
		t.Errorf("a field that is not sent: %v", err)
	}
}

func TestMaxRequest(t *testing.T) {
	t.Parallel()
	s := strings.Repeat("x", MaxField)
	b, err := AppendRequest(nil, Request{Form: FiveFields, Login: s, Password: s, Service: s, Realm: s, Client: s}, 1<<20)
	if err != nil || len(b) != MaxRequest {
		t.Errorf("%d bytes, %v, want %d", len(b), err, MaxRequest)
	}
}

func TestRequestIsRedacted(t *testing.T) {
	t.Parallel()
	r := Request{Login: "alice", Password: "canary"}
	if s := fmt.Sprintf("%v %+v %#v %s %q", r, &r, r, r, r); strings.Contains(s, "canary") {
		t.Error(s)
	}
}

func FuzzParseRequest(f *testing.F) {
	for _, c := range requests {
		f.Add([]byte(c.wire), DefaultMaxField)
	}
	f.Add([]byte("\xff\xff"), 1<<20)
	f.Add([]byte("\x00\x01a\x00\x01b\x00\x00\x00\x00\x00"), 0)
	f.Fuzz(func(t *testing.T, b []byte, most int) {
		r, err := ParseRequest(b, most)
		if err != nil {
			if r != (Request{}) {
				t.Fatalf("a request with %v", err)
			}
			// Only what may grow is incomplete.
			if err == ErrIncomplete && len(b) >= MaxRequest {
				t.Fatalf("%d bytes are incomplete", len(b))
			}
			return
		}
		again, err := AppendRequest(nil, r, most)
		if err != nil || string(again) != string(b) {
			t.Fatalf("parsed %q, printed %q, %v", b, again, err)
		}
		if r.Login == "" || r.Password == "" || strings.ContainsRune(r.Login+r.Password+r.Service+r.Realm+r.Client, 0) {
			t.Fatalf("took %q", b)
		}
	})
}
