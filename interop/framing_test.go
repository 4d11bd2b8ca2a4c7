package interop

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
)

// A framingVector is one of framing.json, of kind "framing" or
// "base64".
type framingVector struct {
	ID       string
	Kind     string
	Why      string
	Protocol string
	Lines    []string
	Expect   struct{ Reply string }
	Text     string // base64
	OK       bool   // base64: Text is valid
}

// before are the lines that lead to a vector that begins in the middle.
var before = map[string][]string{
	"smtp-long":   {"C: AUTH PLAIN", "S: 334 "},
	"imap-cancel": {"C: a AUTHENTICATE CRAM-MD5", "S: + "},
}

// deviations are the vectors that the hosts answer in their own way, with what
// they say: not ours to change, and to be noticed when it changes.
var deviations = map[string]string{
	"smtp-badb64": "454 4.7.0", // go-smtp: bad base64 is temporary trouble
	"smtp-eqline": "235 ",      // go-smtp: = is empty at any place
	"smtp-long":   "500 5.4.0", // go-smtp: and then it closes
}

// elsewhere are the vectors that no host here can answer.
var elsewhere = map[string]string{
	"smtp-final":    "SCRAM is not built; TestFinalData does the same with DIGEST-MD5",
	"imap-final":    "SCRAM is not built; TestFinalData does the same with DIGEST-MD5",
	"imap-plusnosp": "about a client: TestIMAPClientTakesBarePlus",
	"b64-crlf":      "a line ends there, before anything decodes it",
	"b64-star":      "cancels: see smtp-cancel and imap-cancel",
}

// lenient are the texts that are not base64 and that a host decodes all the
// same: Go's encoding/base64 ignores trailing bits unless it is told to be strict,
// and a lone = is an empty message to both hosts.
var lenient = map[string]bool{"b64-bits": true, "b64-eq": true}

func loadFraming(t *testing.T) []framingVector {
	t.Helper()
	content, err := os.ReadFile("../mech/testdata/vectors/framing.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []framingVector }
	if err := json.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

// framingSetup knows the user of the vectors, who is also at the other end of
// the channel.
func framingSetup() setup {
	auth := labAuth()
	auth.Verifier = verifier.Static{"tim": "tanstaaftanstaaf"}
	return setup{auth: auth, channel: func(net.Conn) saslkit.Channel { return saslkit.Channel{External: "tim"} }}
}

func TestFramingVectors(t *testing.T) {
	for _, v := range loadFraming(t) {
		switch v.Kind {
		case "framing":
			t.Run(v.ID, func(t *testing.T) {
				t.Parallel()
				v.play(t)
			})
		case "base64":
			for _, protocol := range []string{"smtp", "imap"} {
				t.Run(protocol+"/"+v.ID, func(t *testing.T) {
					t.Parallel()
					v.decode(t, protocol)
				})
			}
		}
	}
}

func (v framingVector) play(t *testing.T) {
	if reason := elsewhere[v.ID]; reason != "" {
		t.Skip(reason)
	}
	p, ok := protocols[v.Protocol]
	if !ok {
		t.Skip("no host of " + v.Protocol + " here")
	}
	script := append([]string{}, before[v.ID]...)
	for _, line := range v.Lines {
		line, _, _ = strings.Cut(line, "<")
		script = append(script, line)
	}
	if v.Expect.Reply != "" {
		script = append(script, "S: "+v.Expect.Reply)
	}
	if reply := deviations[v.ID]; reply != "" {
		script[len(script)-1] = "S: " + reply
	}
	_, d := p.start(t, framingSetup())
	d.follow(script)
}

// decode sends the text where a message of PLAIN belongs. None of the texts is
// one, so that what was decoded is refused for its grammar.
func (v framingVector) decode(t *testing.T, protocol string) {
	if reason := elsewhere[v.ID]; reason != "" {
		t.Skip(reason)
	}
	begin, refused, decoded := "C: AUTH PLAIN", "454 4.7.0 Invalid base64", "501 5.5.2 Malformed message"
	if protocol == "imap" {
		begin, refused, decoded = "C: a AUTHENTICATE PLAIN", "a BAD Malformed SASL response", "a BAD Malformed message"
	}
	want := refused
	if v.OK || lenient[v.ID] {
		want = decoded
	}
	_, d := protocols[protocol].start(t, framingSetup())
	d.follow([]string{begin, "S: "})
	d.say(v.Text)
	d.expect(want)
}

// Some servers leave out the space of an empty challenge (RFC 9051 has it).
func TestIMAPClientTakesBarePlus(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	l := &lab{addr: ln.Addr().String(), tls: labTLS(t)}
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		lines := bufio.NewScanner(conn)
		io.WriteString(conn, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n")
		lines.Scan()
		tag, _, _ := strings.Cut(lines.Text(), " ")
		io.WriteString(conn, "+\r\n")
		lines.Scan()
		if lines.Text() == goodPLAIN {
			io.WriteString(conn, tag+" OK welcome\r\n")
		}
	}()
	c := dialIMAP(t, l, inClear, "PLAIN")
	if err := c.Authenticate(ourIMAPClient(t, c, inClear, "PLAIN", labPassword)); err != nil {
		t.Fatal(err)
	}
}
