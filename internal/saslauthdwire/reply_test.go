package saslauthdwire

import (
	"strings"
	"testing"
)

// replies are those that go both ways.
var replies = []struct {
	wire string
	want Reply
}{
	{"\x00\x02OK", Reply{Verdict: Yes}},
	{"\x00\x02NO", Reply{Verdict: No}},
	{"\x00\x23OK remote authentication successful", Reply{Yes, "remote authentication successful"}},
	{"\x00\x15NO Incorrect password", Reply{No, "Incorrect password"}},
	{"\x00\x06NO  \xff\n", Reply{No, " \xff\n"}},
	{"\x04\x00NO " + strings.Repeat("x", 1021), Reply{No, strings.Repeat("x", 1021)}},
}

func TestReply(t *testing.T) {
	t.Parallel()
	for _, c := range replies {
		got, err := ParseReply([]byte(c.wire))
		if err != nil || got != c.want {
			t.Errorf("%q: %+v, %v, want %+v", c.wire, got, err, c.want)
		}
		if b := AppendReply([]byte("kept"), c.want); string(b) != "kept"+c.wire {
			t.Errorf("%+v: %q, want %q", c.want, b, c.wire)
		}
		for i := range len(c.wire) {
			if got, err := ParseReply([]byte(c.wire[:i])); err != ErrIncomplete || got != (Reply{}) {
				t.Errorf("the first %d bytes of %q: %+v, %v", i, c.wire, got, err)
			}
		}
	}
}

func TestReplyIsNeither(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, wire, want string }{
		{"nothing", "\x00\x00", "a reply of 0 bytes, not 2 to 1024"},
		{"one byte", "\x00\x01O", "a reply of 1 bytes, not 2 to 1024"},
		{"too long, before it has come", "\x04\x01OK", "a reply of 1025 bytes, not 2 to 1024"},
		{"longest", "\xff\xffOK", "a reply of 65535 bytes, not 2 to 1024"},
		{"text without a length", "OK", "a reply of 20299 bytes, not 2 to 1024"},
		{"OKAY", "\x00\x04OKAY", "a reply of 4 bytes that is neither OK nor NO"},
		{"leading space", "\x00\x03 OK", "a reply of 3 bytes that is neither OK nor NO"},
		{"lower case", "\x00\x02ok", "a reply of 2 bytes that is neither OK nor NO"},
		{"NUL", "\x00\x03OK\x00", "a reply of 3 bytes that is neither OK nor NO"},
		{"line", "\x00\x03OK\n", "a reply of 3 bytes that is neither OK nor NO"},
		{"NONE", "\x00\x04NONE", "a reply of 4 bytes that is neither OK nor NO"},
		{"one more byte", "\x00\x02OKx", "1 bytes behind the reply"},
		{"two replies", "\x00\x02NO\x00\x02OK", "4 bytes behind the reply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseReply([]byte(c.wire))
			if err == nil || err.Error() != c.want || got != (Reply{}) {
				t.Errorf("%+v, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestAppendReply(t *testing.T) {
	t.Parallel()
	if b := AppendReply(nil, Reply{}); string(b) != "\x00\x02NO" {
		t.Errorf("no verdict: %q", b)
	}
	for n := 1015; n < 1030; n++ {
		b := AppendReply(nil, Reply{Yes, strings.Repeat("x", n)})
		if r, err := ParseReply(b); err != nil || len(r.Reason) != min(n, MaxText-3) || len(b) > MaxReply {
			t.Errorf("a reason of %d bytes: %d bytes, %v", n, len(b), err)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	for _, c := range replies {
		f.Add([]byte(c.wire))
	}
	f.Add([]byte("\x00\x03OK "))
	f.Add([]byte("\x00\x04OKAY"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseReply(b)
		if err != nil {
			if r != (Reply{}) {
				t.Fatalf("%q: a reply with %v", b, err)
			}
			if err == ErrIncomplete && len(b) >= MaxReply {
				t.Fatalf("%d bytes are incomplete", len(b))
			}
			return
		}
		// libsasl reads it in the same way.
		if begins := strings.HasPrefix(string(b[2:]), "OK"); begins != (r.Verdict == Yes) {
			t.Fatalf("%q is %+v", b, r)
		}
		again, err := ParseReply(AppendReply(nil, r))
		if err != nil || again != r {
			t.Fatalf("%q: parsed %+v, printed, parsed %+v, %v", b, r, again, err)
		}
	})
}
