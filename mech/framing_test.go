package mech

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/verifier"
)

// The hosts frame messages, and are tested with these vectors in the module interop. Here
// they show that a server needs no more than the outcomes of Step and the replies of an
// Error to speak as the RFCs have it.

// tim is who logs in in the framing vectors.
type tim struct{ nobody }

func (tim) External() string { return "tim" }

func (tim) VerifyPassword(_ context.Context, name, password string) (verifier.Account, error) {
	if name != "tim" || password != "tanstaaftanstaaf" {
		return verifier.Account{}, verifier.ErrWrongPassword
	}
	return verifier.Account{User: "tim"}, nil
}

func (tim) LookupSecret(context.Context, string, string, []verifier.Kind) (verifier.Secret, error) {
	return verifier.Secret{Kind: verifier.KindPassword, Value: []byte("tanstaaftanstaaf"), Account: verifier.Account{User: "tim"}}, nil
}

// A framing is how a protocol says things. No text is an empty message, nil is none.
type framing struct {
	command   *regexp.Regexp // with mechanism and initial response
	challenge string         // what is before it
	ok        func(data []byte) string
	no        func(*Error) string
	carries   bool // data together with success
}

const maxFramedLine = 12_288 // RFC 4954 section 4

var framings = map[string]framing{
	"smtp": {
		regexp.MustCompile(`^AUTH (\S+)(?: (\S+))?$`), "334 ",
		func([]byte) string { return "235" },
		func(e *Error) string {
			code, x, _ := e.SMTP()
			return fmt.Sprintf("%d %d.%d.%d", code, x[0], x[1], x[2])
		}, false,
	},
	"imap": {
		regexp.MustCompile(`^a AUTHENTICATE (\S+)(?: (\S+))?$`), "+ ",
		func([]byte) string { return "a OK" },
		func(e *Error) string { typ, _, _ := e.IMAP(); return "a " + typ }, false,
	},
	"pop3": {
		regexp.MustCompile(`^AUTH (\S+)(?: (\S+))?$`), "+ ",
		func([]byte) string { return "+OK" },
		func(*Error) string { return "-ERR" }, false,
	},
	"managesieve": {
		regexp.MustCompile(`^AUTHENTICATE (\S+)(?: (\S+))?$`), "",
		func(data []byte) string { return fmt.Sprintf(`OK (SASL "%s")`, data) },
		func(*Error) string { return "NO" }, true,
	},
	"ldap": {
		regexp.MustCompile(`^bind (\S+)(?: (\S+))?$`), "",
		func(data []byte) string { return fmt.Sprintf("bindResponse success serverSaslCreds=%s", data) },
		func(*Error) string { return "bindResponse invalidCredentials" }, true,
	},
}

// A framedServer answers lines.
type framedServer struct {
	t *testing.T
	framing
	server Server
	ended  bool // the end is known, and its data has been sent
}

// answer answers a line of a client.
func (f *framedServer) answer(line string) string {
	if len(line) > maxFramedLine {
		return f.no(&Error{Class: Limit})
	}
	var message []byte
	if f.server == nil {
		words := f.command.FindStringSubmatch(line)
		if words == nil {
			f.t.Fatalf("no command: %q", line)
		}
		f.server = ByName(words[1]).NewServer(&ServerConfig{Service: "smtp", SCRAM: testDerivation(f.t)}, tim{})
		if words[2] == "" {
			return f.step(nil)
		}
		if line = words[2]; line == "=" {
			return f.step([]byte{})
		}
	}
	if line == "*" {
		return f.no(&Error{Class: Cancelled})
	}
	message, err := scram.AppendDecoded([]byte{}, []byte(line))
	if err != nil {
		return f.no(&Error{Class: Malformed})
	}
	return f.step(message)
}

func (f *framedServer) step(message []byte) string {
	if f.ended {
		return f.ok(nil)
	}
	o := f.server.Step(f.t.Context(), message)
	switch {
	case o.State == Failed:
		return f.no(o.Err)
	case o.State == More:
	case o.Data == nil || f.carries:
		return f.ok(o.Data)
	default:
		f.ended = true
	}
	return f.challenge + base64.StdEncoding.EncodeToString(o.Data)
}

// hears returns the challenge in a line.
func (f *framedServer) hears(line string) []byte {
	text, ok := strings.CutPrefix(line, strings.TrimRight(f.challenge, " "))
	challenge, err := scram.AppendDecoded([]byte{}, []byte(strings.TrimPrefix(text, " ")))
	if !ok || err != nil {
		f.t.Fatalf("no challenge: %q", line)
	}
	return challenge
}

// beforeFraming are the lines that lead to vectors that begin in the middle.
var beforeFraming = map[string][]string{
	"smtp-long":     {"C: AUTH PLAIN", "S: 334 "},
	"imap-cancel":   {"C: a AUTHENTICATE CRAM-MD5", "S: + <challenge>"},
	"imap-plusnosp": {"C: a AUTHENTICATE PLAIN"},
	"sieve-final":   {"C: AUTHENTICATE SCRAM-SHA-256 <c1>", "S: <s1>", "C: <c2>"},
	"ldap-final":    {"C: bind SCRAM-SHA-256 <c1>", "S: <s1>", "C: <c2>"},
}

func runFraming(t *testing.T, v vector) {
	frame, ok := framings[v.Protocol]
	if !ok {
		t.Fatalf("no protocol %q", v.Protocol)
	}
	f := &framedServer{t: t, framing: frame}
	client := SCRAMSHA256.NewClient(&ClientConfig{Credentials: Credentials{Username: "tim", Password: "tanstaaftanstaaf"}})
	first, err := client.Start()
	if err != nil {
		t.Fatal(err)
	}
	said := "" // by the server
	for _, line := range append(beforeFraming[v.ID], v.Lines...) {
		who, text, _ := strings.Cut(line, ": ")
		switch {
		case who == "C":
			text = strings.Replace(text, "<c1>", base64.StdEncoding.EncodeToString(first), 1)
			if text == "<c2>" {
				second, err := client.Next(f.hears(said))
				if err != nil {
					t.Fatal(err)
				}
				text = base64.StdEncoding.EncodeToString(second)
			}
			said = f.answer(text)
		case text == "+": // as some servers write an empty challenge
			if challenge := f.hears(text); challenge == nil || len(challenge) > 0 || said != "+ " {
				t.Errorf("a bare + is %q", challenge)
			}
		case !framedAs(f, said, text):
			t.Errorf("the server says %.80q, want %q", said, text)
		}
	}
	if v.Expect.Reply != "" && !strings.HasPrefix(said, v.Expect.Reply) {
		t.Errorf("the server says %.80q, want %q", said, v.Expect.Reply)
	}
}

var anyText = regexp.MustCompile(`<[^>]*>`)

// framedAs compares a reply with a line in which <…> stands for a message.
func framedAs(f *framedServer, said, want string) bool {
	if strings.Contains(want, "<v=...>") {
		proof := said
		if !f.carries {
			proof = string(f.hears(said))
		}
		return strings.Contains(proof, "v=")
	}
	pattern := "^" + anyText.ReplaceAllString(regexp.QuoteMeta(want), ".+")
	return regexp.MustCompile(pattern).MatchString(said)
}
