package ntlm

import (
	"errors"
	"reflect"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/cursor"
)

// fuzzParser checks one parser and its printer: an error comes with the zero value, and
// what was parsed, printed and parsed again is the same.
func fuzzParser[M any](f *testing.F, parse func([]byte) (M, error), print func(M, []byte) []byte) {
	for _, m := range messages {
		f.Add(m.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 65535 {
			return // what mechanisms let through
		}
		m, err := parse(b)
		if err != nil {
			var zero M
			var syntax *cursor.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(b) || !reflect.DeepEqual(m, zero) {
				t.Fatalf("%+v with %#v", m, err)
			}
			return
		}
		again, err := parse(print(m, nil))
		if diff := cmp.Diff(m, again, cmp.AllowUnexported(Response{})); err != nil || diff != "" {
			t.Fatalf("%x prints as %x, which is another (%v):\n%s", b, print(m, nil), err, diff)
		}
		if printed := print(m, []byte("before")); string(printed) != "before"+string(print(m, nil)) {
			t.Fatalf("appended to something it is %x", printed)
		}
	})
}

func FuzzNegotiate(f *testing.F) {
	fuzzParser(f, ParseNegotiate, Negotiate.Append)
}

func FuzzChallenge(f *testing.F) {
	fuzzParser(f, ParseChallenge, Challenge.Append)
}

func FuzzAuthenticate(f *testing.F) {
	fuzzParser(f, ParseAuthenticate, Authenticate.Append)
}

func FuzzResponse(f *testing.F) {
	f.Add(NewResponse(NewKey(make([]byte, 16), "u", "d"), Nonce{}, Nonce{}, 1, NewInfo("d", "c", "h", 1).WithMIC()).Append(nil))
	fuzzParser(f, ParseResponse, Response.Append)
}

// FuzzInfo: what is found to be right stays so with an integrity code, and says so.
func FuzzInfo(f *testing.F) {
	f.Add([]byte(NewInfo("d", "c", "h", 1)))
	f.Add([]byte(NewInfo("d", "c", "h", 1).WithMIC()))
	f.Add([]byte{6, 0, 4, 0, 1, 2, 3, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		i := Info(b)
		if i.check() != "" || len(i) == 0 {
			return
		}
		time, timed := i.Timestamp()
		with := i.WithMIC()
		again, still := with.Timestamp()
		if reason := with.check(); reason != "" || !with.hasMIC() || again != time || still != timed || len(with)-len(i) > 8 {
			t.Fatalf("%x with a code is %x: %s", i, with, reason)
		}
	})
}

// FuzzUTF16: what is read is UTF-8 and written as it was, and so is its capital form.
func FuzzUTF16(f *testing.F) {
	f.Add([]byte("a\x00\x3d\xd8\x00\xde"))
	f.Add([]byte("\x00\xdc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := decodeUTF16(b)
		switch {
		case !ok && s != "":
			t.Fatalf("%q comes with a refusal", s)
		case ok && (!utf8.ValidString(s) || string(appendUTF16(nil, s)) != string(b)):
			t.Fatalf("%x is read as %q", b, s)
		case ok && (utf8.RuneCountInString(upper(s)) != utf8.RuneCountInString(s) || upper(upper(s)) != upper(s)):
			t.Fatalf("%q in capitals is %q", s, upper(s))
		}
	})
}
