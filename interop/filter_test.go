package interop

import (
	"bufio"
	"fmt"
	"net"
	"net/smtp"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
)

// What a server offers that Postfix's client and ours filter.
const filterOffer = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 PLAIN login GSSAPI X_OTHER"

// filterFiles are lists that filters name as FILES/name.
var filterFiles = map[string]string{
	"two":       "plain\nLOGIN\n",
	"notes":     "# the old ones\n\n  # an indented note\nplain,\n  login\n# and\n\tcram-md5\n",
	"excluding": "!plain static:rest",
	"nested":    "!FILES/two\nstatic:rest",
	"crlf":      "plain\r\nlogin\r\n",
	"empty":     "",
	"blank":     " \n\t\n# nothing\n",
}

// A filterCase is a filter with what Postfix makes of it.
type filterCase struct {
	filter  string
	kept    string // by Postfix; by us too unless refused
	refused bool   // by us: Postfix goes on with a warning, or with a pattern that never fits
	fatal   bool   // for Postfix's client; we refuse it as well
}

var filterCases = []filterCase{
	{filter: ",", kept: ""},
	{filter: "plain", kept: "PLAIN"},
	{filter: "plain, LOGIN", kept: "PLAIN login"},
	{filter: "login,,plain ,", kept: "PLAIN login"},
	{filter: "scram-sha-256", kept: "SCRAM-SHA-256"},
	{filter: "!plain", kept: ""},
	{filter: "!gssapi, !login, static:rest", kept: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 PLAIN X_OTHER"},
	{filter: "static:all, !plain", kept: filterOffer},
	{filter: "!static:all, plain", kept: ""},
	{filter: "cram-md5, !static:all, plain", kept: "CRAM-MD5"},
	{filter: "!!plain", kept: "PLAIN"},
	{filter: "!!!plain, x_other, plain", kept: "X_OTHER"},
	{filter: "!plain, plain, gssapi", kept: "GSSAPI"},
	{filter: "FILES/two", kept: "PLAIN login"},
	{filter: "!FILES/two, static:rest", kept: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 GSSAPI X_OTHER"},
	{filter: "!!FILES/two", kept: "PLAIN login"},
	{filter: "FILES/notes", kept: "CRAM-MD5 PLAIN login"},
	{filter: "FILES/excluding", kept: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 login GSSAPI X_OTHER"},
	{filter: "!FILES/excluding", kept: "PLAIN"},
	{filter: "FILES/nested", kept: "SCRAM-SHA-256-PLUS SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5 GSSAPI X_OTHER"},
	{filter: "!FILES/nested", kept: "PLAIN login"},
	{filter: "FILES/crlf", kept: "PLAIN login"},
	{filter: "FILES/empty", kept: ""},
	{filter: "!FILES/blank FILES/blank static:all", kept: filterOffer},

	{filter: "plain; login", kept: "login", refused: true},
	{filter: "!plain; static:rest", kept: filterOffer, refused: true},

	{filter: "! plain", fatal: true},
	{filter: "plain, !", fatal: true},
	{filter: "FILES/missing", fatal: true},
	{filter: "STATIC:all", fatal: true},
	{filter: "static:", fatal: true},
}

// Postfix's SMTP client says of every mechanism whether its filter keeps it. Ours
// keeps the same.
func TestMechanismFilterOfPostfix(t *testing.T) {
	p := newPostfix(t)
	files := p.dir + "/etc/mechs"
	for name, content := range filterFiles {
		p.write(t, "etc/mechs/"+name, strings.ReplaceAll(content, "FILES", files))
	}
	_, port, _ := net.SplitHostPort(offeringServer(t))
	var transports, routes, recipients []string
	for i, c := range filterCases {
		transports = append(transports, fmt.Sprintf(
			"f%d unix - - n - - smtp -v -o syslog_name=f%d -o smtp_tls_security_level=none -o { smtp_sasl_mechanism_filter = %s }",
			i, i, strings.ReplaceAll(c.filter, "FILES", files)))
		routes = append(routes, fmt.Sprintf("f%d.example f%d:[127.0.0.1]:%s\n", i, i, port))
		recipients = append(recipients, fmt.Sprintf("bob@f%d.example", i))
	}
	p.start(t, []string{
		"myhostname = relay.example",
		"mynetworks = 127.0.0.0/8",
		"transport_maps = texthash:" + p.write(t, "etc/transport", strings.Join(routes, "")),
		"smtp_sasl_auth_enable = yes",
		// Nobody, since it is enough to see what would be used.
		"smtp_sasl_password_maps = texthash:" + p.write(t, "etc/passwords", "nobody.example x:y\n"),
	}, transports)
	if err := smtp.SendMail(p.addr, nil, "alice@mail.example", recipients, []byte(message)); err != nil {
		t.Fatalf("%v\n%s", err, p.logged())
	}
	for i, c := range filterCases { // at the first that is missing it is over
		end := "status=sent"
		if c.fatal {
			end = "fatal: "
		}
		p.find(t, fmt.Sprintf(` f%d/smtp\[.*%s`, i, end))
	}
	for i, c := range filterCases {
		t.Run(c.filter, func(t *testing.T) {
			ours, err := saslkit.ParseMechanismFilter(strings.ReplaceAll(c.filter, "FILES", files))
			if (err != nil) != (c.refused || c.fatal) {
				t.Errorf("ours: %v", err)
			}
			if c.fatal {
				return
			}
			if diff := cmp.Diff(c.kept, p.keptBy(t, i)); diff != "" {
				t.Errorf("Postfix (-want +got):\n%s", diff)
			}
			if err != nil {
				return
			}
			var kept []string
			for _, name := range strings.Fields(filterOffer) {
				if ours.Permits(name) {
					kept = append(kept, name)
				}
			}
			if diff := cmp.Diff(c.kept, strings.Join(kept, " ")); diff != "" {
				t.Errorf("ours (-want +got):\n%s", diff)
			}
		})
	}
}

// keptBy reads from the log what the filter of a transport did. Every mechanism
// was looked at.
func (p *postfix) keptBy(t *testing.T, transport int) string {
	t.Helper()
	var kept []string
	said := regexp.MustCompile(fmt.Sprintf(` f%d/smtp\[\d+\]: \S+: (keep|drop) SASL mechanism: '(.*)'`, transport)).FindAllStringSubmatch(p.logged(), -1)
	for _, m := range said {
		if m[1] == "keep" {
			kept = append(kept, m[2])
		}
	}
	if want := len(strings.Fields(filterOffer)); len(said) != want {
		t.Errorf("Postfix speaks of %d mechanisms, want %d", len(said), want)
	}
	return strings.Join(kept, " ")
}

// offeringServer takes every message, and never asks for a login.
func offeringServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go takeMail(conn)
		}
	}()
	return ln.Addr().String()
}

func takeMail(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	say := func(text string) { conn.Write([]byte(text + "\r\n")) }
	say("220 offering.example")
	data := false
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		switch line := lines.Text(); {
		case data:
			if data = line != "."; !data {
				say("250 taken")
			}
		case strings.HasPrefix(line, "EHLO"):
			say("250-offering.example\r\n250 AUTH " + filterOffer)
		case line == "DATA":
			data = true
			say("354 go on")
		case line == "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}
