package dovecotauth

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/cursor"
)

// The lines as they were seen between Postfix 3.7, Exim 4.96, Dovecot 2.3.19's login
// processes and its auth process.
var clientLines = []struct {
	name, line string
	want       Message
}{
	{"version of Postfix", "VERSION\t1\t0", Version{1, 0}},
	{"pid", "CPID\t4711", CPID("4711")},
	{"PLAIN from Postfix", "AUTH\t1\tPLAIN\tservice=smtp\tnologin\tlip=127.0.0.1\trip=::1\tsecured\tresp=AGFsaWNlAHNlY3JldA==",
		Auth{ID: 1, Mechanism: "PLAIN", Service: "smtp", Params: Params{"nologin", "lip=127.0.0.1", "rip=::1", "secured"}, HasResponse: true, Response: "AGFsaWNlAHNlY3JldA=="}},
	{"no initial response", "AUTH\t2\tCRAM-MD5\tservice=smtp\tnologin\tlip=\trip=", Auth{ID: 2, Mechanism: "CRAM-MD5", Service: "smtp", Params: Params{"nologin", "lip=", "rip="}}},
	{"empty resp of Exim", "AUTH\t1\tLOGIN\tservice=smtp\tnologin\tresp=", Auth{ID: 1, Mechanism: "LOGIN", Service: "smtp", Params: Params{"nologin"}, HasResponse: true}},
	{"empty initial response", "AUTH\t1\tEXTERNAL\tservice=smtp\tresp==", Auth{ID: 1, Mechanism: "EXTERNAL", Service: "smtp", HasResponse: true, Response: "="}},
	{"secured with a value", "AUTH\t1\tPLAIN\tservice=imap\tsecured=tls", Auth{ID: 1, Mechanism: "PLAIN", Service: "imap", Params: Params{"secured=tls"}}},
	{"escaped parameter", "AUTH\t1\tPLAIN\tservice=imap\tclient_id=a\x01tb\x011c\x01n\x01r\x010", Auth{ID: 1, Mechanism: "PLAIN", Service: "imap", Params: Params{"client_id=a\tb\x01c\n\r\x00"}}},
	{"largest id", "AUTH\t4294967295\tPLAIN\tservice=", Auth{ID: 4294967295, Mechanism: "PLAIN"}},
	{"continuation", "CONT\t3\tYWxpY2U=", Cont{ID: 3, Data: "YWxpY2U="}},
	{"empty continuation", "CONT\t3\t", Cont{ID: 3}},
	{"cancel", "CANCEL\t3", Cancel{3}},
}

var serverLines = []struct {
	name, line string
	want       Message
}{
	{"version", "VERSION\t1\t2", Version{1, 2}},
	{"mechanism", "MECH\tCRAM-MD5\tdictionary\tactive", Mech{"CRAM-MD5", Params{"dictionary", "active"}}},
	{"mechanism without properties", "MECH\tEXTERNAL", Mech{Name: "EXTERNAL"}},
	{"server's pid", "SPID\t17", SPID("17")},
	{"connection", "CUID\t1", CUID("1")},
	{"cookie", "COOKIE\t0123456789abcdef", Cookie{Hex: "0123456789abcdef"}},
	{"end of the greeting", "DONE", Done{}},
	{"success", "OK\t1\tuser=alice", OK{ID: 1, Params: Params{"user=alice"}}},
	{"escaped user", "OK\t1\tuser=a\x01tb", OK{ID: 1, Params: Params{"user=a\tb"}}},
	{"success without a user", "OK\t1", OK{ID: 1}},
	{"challenge", "CONT\t1\tVXNlcm5hbWU6", Cont{ID: 1, Data: "VXNlcm5hbWU6"}},
	{"empty challenge", "CONT\t1\t", Cont{ID: 1}},
	{"failure", "FAIL\t5", Fail{ID: 5}},
	{"temporary failure", "FAIL\t5\tuser=alice\tcode=temp_fail", Fail{ID: 5, Params: Params{"user=alice", "code=temp_fail"}}},
}

func TestLines(t *testing.T) {
	t.Parallel()
	for side, c := range map[string]struct {
		lines []struct {
			name, line string
			want       Message
		}
		parse func([]byte) (Message, error)
	}{"client": {clientLines, ParseClient}, "server": {serverLines, ParseServer}} {
		for _, l := range c.lines {
			t.Run(side+"/"+l.name, func(t *testing.T) {
				got, err := c.parse([]byte(l.line))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(l.want, got); diff != "" {
					t.Errorf("parsed, -want +got:\n%s", diff)
				}
				line, err := l.want.Append([]byte("before\n"))
				if err != nil || string(line) != "before\n"+l.line+"\n" {
					t.Errorf("printed %q, %v", line, err)
				}
			})
		}
	}
}

func TestUnknownCommandsAndEmptyFields(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"", "HELLO", "PENALTY\t1", "ok\t1\tuser=alice", "OK ", "\t"} {
		for side, parse := range map[string]func([]byte) (Message, error){"client": ParseClient, "server": ParseServer} {
			if m, err := parse([]byte(line)); m != nil || err != nil {
				t.Errorf("%s: %q is %v, %v, want nothing", side, line, m, err)
			}
		}
	}
	m, err := ParseServer([]byte("OK\t1\t\tuser=alice\t\t")) // parameters that Dovecot hides
	if diff := cmp.Diff(OK{ID: 1, Params: Params{"user=alice"}}, m); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}

func TestBrokenLines(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("\tx", maxParams+1)
	for side, c := range map[string]struct {
		parse func([]byte) (Message, error)
		lines []string
	}{
		"client": {ParseClient, []string{
			"VERSION", "VERSION\t1", "VERSION\t1\t", "VERSION\t1\tx", "VERSION\t1\t4294967296", "VERSION\t-1\t0", "VERSION\t+1\t0",
			"CPID", "CPID\t", "AUTH", "AUTH\t", "AUTH\t1", "AUTH\t1\t", "AUTH\t1\tPLAIN", "AUTH\t1\tPLAIN\tsecured", "AUTH\tx\tPLAIN\tservice=smtp",
			"AUTH\t1\tPLAIN\tservice=smtp\tresp=AA==\tmore", "AUTH\t1\tPLAIN\tservice=smtp\tresp=\t", "AUTH\t1\tPLAIN\tservice=smtp" + many,
			"AUTH\t1_0\tPLAIN\tservice=smtp", "CONT", "CONT\t1", "CANCEL", "CANCEL\t", "CONT\t1\ta\x00b", "CANCEL\t1\r", "CANCEL\t1\n",
			"CONT\t1\t\x01", "CONT\t1\t\x01x", "CONT\t1\t" + strings.Repeat("A", MaxLine),
		}},
		"server": {ParseServer, []string{
			"MECH", "MECH\t", "SPID", "CUID\t", "COOKIE", "OK", "OK\t", "OK\tx", "OK\t1x\tuser=alice", "FAIL", "FAIL\t4294967296", "CONT\t1",
			"OK\t1\tuser=alice\x01", "OK\t1\tuser=alice\r", "OK\t1" + many, "OK\t 1\tuser=alice",
		}},
	} {
		for _, line := range c.lines {
			m, err := c.parse([]byte(line))
			var syntax *cursor.SyntaxError
			if m != nil || !errors.As(err, &syntax) {
				t.Errorf("%s: %.60q is %v, %v", side, line, m, err)
			}
		}
	}
}

func TestWhatCannotBeSaid(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("A", MaxLine)
	for name, m := range map[string]Message{
		"mechanism without a name":    Mech{},
		"empty property":              Mech{"PLAIN", Params{""}},
		"empty pid":                   SPID(""),
		"empty connection":            CUID(""),
		"empty cookie":                Cookie{},
		"empty client":                CPID(""),
		"request without a mechanism": Auth{ID: 1},
		"response as a parameter":     Auth{ID: 1, Mechanism: "PLAIN", Params: Params{"resp=AA=="}},
		"empty parameter":             Auth{ID: 1, Mechanism: "PLAIN", Params: Params{""}},
		"long response":               Auth{ID: 1, Mechanism: "PLAIN", HasResponse: true, Response: long},
		"long challenge":              Cont{ID: 1, Data: long},
		"long by escapes":             OK{ID: 1, Params: Params{"user=" + strings.Repeat("\t", MaxLine/2)}},
		"long failure":                Fail{ID: 1, Params: Params{"reason=" + long}},
		"many parameters":             OK{ID: 1, Params: make(Params, maxParams+1)},
		"greeting without mechanisms": Greeting{Version: Version{1, 2}, SPID: "1", CUID: "1"},
		"greeting of another version": Greeting{Version: Version{2, 0}, Mechs: []Mech{{Name: "PLAIN"}}, SPID: "1", CUID: "1"},
		"greeting without a pid":      Greeting{Version: Version{1, 2}, Mechs: []Mech{{Name: "PLAIN"}}, CUID: "1"},
		"greeting with 300 lines":     Greeting{Version: Version{1, 2}, Mechs: mechanisms(300), SPID: "1", CUID: "1"},
	} {
		b, err := m.Append([]byte("before"))
		if err == nil || string(b) != "before" {
			t.Errorf("%s: appended %.60q, %v", name, b, err)
		}
	}
	full := Cont{ID: 1, Data: strings.Repeat("A", MaxLine-len("CONT\t1\t\n"))}
	line, err := full.Append(nil)
	if err != nil || len(line) != MaxLine {
		t.Fatalf("a line of %d bytes, %v", len(line), err)
	}
	if m, err := ParseServer(line[:MaxLine-1]); err != nil || cmp.Diff(full, m) != "" {
		t.Errorf("the longest line is not read back: %v", err)
	}
}

func mechanisms(n int) (all []Mech) {
	for i := range n {
		all = append(all, Mech{Name: fmt.Sprint("X-", i)})
	}
	return all
}

func TestParams(t *testing.T) {
	t.Parallel()
	p := Params{"user=alice", "nologin", "user=bob", "resp=a==", "temp="}
	for name, want := range map[string]string{"user": "alice", "nologin": "", "resp": "a==", "temp": ""} {
		if got, ok := p.Value(name); got != want || !ok || !p.Has(name) {
			t.Errorf("%s is %q, %v, want %q", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "use", "alice", "user=alice", "NOLOGIN"} {
		if got, ok := p.Value(name); got != "" || ok || p.Has(name) {
			t.Errorf("%s is %q, %v, want none", name, got, ok)
		}
	}
}

func TestInitialResponse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		auth   Auth
		minor  uint32
		want   []byte
		broken bool
	}{
		{"none", Auth{}, 0, nil, false},
		{"empty resp of Exim", Auth{HasResponse: true}, 0, nil, false},
		{"empty resp of Dovecot", Auth{HasResponse: true}, 2, []byte{}, false},
		{"equals sign", Auth{HasResponse: true, Response: "="}, 0, []byte{}, false},
		{"data", Auth{HasResponse: true, Response: "AGEAYg=="}, 0, []byte("\x00a\x00b"), false},
		{"no base64", Auth{HasResponse: true, Response: "not base64"}, 0, nil, true},
		{"no padding", Auth{HasResponse: true, Response: "AGEAYg"}, 0, nil, true},
		{"line break", Auth{HasResponse: true, Response: "AGEA\nYg=="}, 0, nil, true},
	} {
		got, err := c.auth.InitialResponse(c.minor)
		if (err != nil) != c.broken || cmp.Diff(c.want, got) != "" {
			t.Errorf("%s: %#v, %v, want %#v", c.name, got, err, c.want)
		}
	}
	if b, err := (Cont{}).Message(); b == nil || len(b) != 0 || err != nil {
		t.Errorf("an empty message is %#v, %v", b, err)
	}
}

// The greetings, and how far a reader gets in them.
func TestGreeting(t *testing.T) {
	t.Parallel()
	const dovecot = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t17\nCUID\t1\nCOOKIE\t0123\nDONE\n"
	for _, c := range []struct {
		name, text string
		err        error
	}{
		{"Dovecot 2.3", dovecot, nil},
		{"a newer minor version and unknown lines", "VERSION\t1\t9\nX\nMECH\tPLAIN\nY\t1\nDONE\n", nil},
		{"another major version", "VERSION\t2\t0\nMECH\tPLAIN\nDONE\n", ErrVersion},
		{"no version", "MECH\tPLAIN\nDONE\n", ErrVersion},
		{"another protocol", "220 mail.example.org ESMTP\n", ErrVersion},
		{"the master's socket", "VERSION\t1\t1\nSPID\t17\n", ErrNoMech},
		{"no mechanisms", "VERSION\t1\t1\nDONE\n", ErrNoMech},
		{"a broken line", "VERSION\t1\t1\nMECH\n", &cursor.SyntaxError{}},
		{"an answer", "VERSION\t1\t2\nMECH\tPLAIN\nOK\t1\tuser=alice\n", errNotGreeting},
		{"no end", "VERSION\t1\t2\n" + strings.Repeat("MECH\tPLAIN\n", 300), errManyLines},
		{"cut", "VERSION\t1\t2\nMECH\tPLAIN\n", ErrUnfinished},
	} {
		g, err := greetingIn(c.text)
		var syntax *cursor.SyntaxError
		if _, broken := c.err.(*cursor.SyntaxError); broken != errors.As(err, &syntax) || !broken && !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.name, err, c.err)
		}
		if c.text != dovecot {
			continue
		}
		if b, err := g.Append(nil); string(b) != dovecot || err != nil {
			t.Errorf("%s: printed %q, %v", c.name, b, err)
		}
	}
}

func greetingIn(text string) (g Greeting, err error) {
	for line := range strings.Lines(text) {
		done, err := g.Add([]byte(strings.TrimSuffix(line, "\n")))
		if done || err != nil {
			return g, err
		}
	}
	return g, ErrUnfinished
}

func TestReader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", MaxLine-1)
	text := "a\n\n" + long + "\nb\n"
	for name, source := range map[string]io.Reader{
		"at once":          strings.NewReader(text),
		"byte by byte":     iotest.OneByteReader(strings.NewReader(text)),
		"end with data":    iotest.DataErrReader(strings.NewReader(text)),
		"half of the rest": iotest.HalfReader(strings.NewReader(text)),
	} {
		r := NewReader(source)
		for _, want := range []string{"a", "", long, "b"} {
			if got, err := r.Line(); string(got) != want || err != nil {
				t.Errorf("%s: got %.20q, %v, want %.20q", name, got, err, want)
			}
		}
		for range 2 {
			if got, err := r.Line(); got != nil || err != io.EOF {
				t.Errorf("%s: got %.20q, %v at the end", name, got, err)
			}
		}
		if len(r.buffer) > firstBuffer {
			t.Errorf("%s: %d bytes are held", name, len(r.buffer))
		}
	}
	for name, c := range map[string]struct {
		source io.Reader
		want   error
	}{
		"within a line": {strings.NewReader("a"), io.ErrUnexpectedEOF},
		"too long":      {strings.NewReader("x" + long + "\n"), ErrLineTooLong},
		"without end":   {endless{}, ErrLineTooLong},
		"no progress":   {stuck{}, io.ErrNoProgress},
		"broken":        {iotest.ErrReader(io.ErrClosedPipe), io.ErrClosedPipe},
	} {
		r := NewReader(c.source)
		for range 2 {
			if got, err := r.Line(); got != nil || err != c.want {
				t.Errorf("%s: got %.20q, %v, want %v", name, got, err, c.want)
			}
		}
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return copy(b, "xxxxxxx"), nil }

type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for _, m := range []Message{
		Auth{Response: secret}, Cont{Data: secret}, OK{Params: Params{"pass=" + secret}}, Fail{Params: Params{"pass=" + secret}}, Cookie{Hex: secret},
	} {
		if s := fmt.Sprintf("%v %+v %#v %s", m, m, m, m); strings.Contains(s, secret) {
			t.Errorf("%T prints %s", m, s)
		}
	}
	_, err := ParseClient([]byte("CONT\t1\t" + secret + "\x01"))
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("the error is %v", err)
	}
}
