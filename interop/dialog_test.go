package interop

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
)

// A dialog talks to a server line by line, for what a well-behaved client would
// not say.
type dialog struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	imap bool
}

// smtpDialog connects and says EHLO. It returns the extensions that the server
// listed.
func smtpDialog(t testing.TB, l *lab, w wire) (*dialog, []string) {
	t.Helper()
	d := dial(t, l, w)
	d.expect("220")
	if w == startTLS {
		d.say("EHLO client.example")
		d.reply()
		d.say("STARTTLS")
		d.expect("220")
		d.upgrade(l)
	}
	d.say("EHLO client.example")
	var extensions []string
	for _, line := range d.reply() {
		extensions = append(extensions, line[4:])
	}
	return d, extensions
}

// imapDialog connects. It returns the capabilities of the greeting, or after
// STARTTLS those that are asked for.
func imapDialog(t testing.TB, l *lab, w wire) (*dialog, []string) {
	t.Helper()
	d := dial(t, l, w)
	d.imap = true
	listed := d.line()
	if w == startTLS {
		d.say("t1 STARTTLS")
		d.expect("t1 OK")
		d.upgrade(l)
		d.say("t2 CAPABILITY")
		listed = d.line()
		d.expect("t2 OK")
	}
	_, listed, _ = strings.Cut(listed, "CAPABILITY ")
	listed, _, _ = strings.Cut(listed, "]")
	return d, strings.Fields(listed)
}

func dial(t testing.TB, l *lab, w wire) *dialog {
	t.Helper()
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if w == overTLS {
		conn = tls.Client(conn, l.tls.client)
	}
	return &dialog{t: t, conn: conn, r: bufio.NewReader(conn)}
}

func (d *dialog) upgrade(l *lab) {
	d.conn = tls.Client(d.conn, l.tls.client)
	d.r = bufio.NewReader(d.conn)
}

// channel is what the client knows of the connection.
func (d *dialog) channel() saslkit.Channel {
	if conn, ok := d.conn.(*tls.Conn); ok {
		return saslkit.ClientTLS(conn.ConnectionState())
	}
	return saslkit.Channel{}
}

// patience is how long anybody may take for what must happen: only a test that hangs waits
// for so long.
const patience = 3 * time.Minute

func (d *dialog) say(line string) {
	d.t.Helper()
	d.conn.SetDeadline(time.Now().Add(patience))
	if _, err := d.conn.Write([]byte(line + "\r\n")); err != nil {
		d.t.Fatalf("saying %.60q: %v", line, err)
	}
}

func (d *dialog) line() string {
	d.t.Helper()
	d.conn.SetDeadline(time.Now().Add(patience))
	line, err := d.r.ReadString('\n')
	if err != nil {
		d.t.Fatalf("the server is silent: %v", err)
	}
	return strings.TrimRight(line, "\r\n")
}

// reply reads a reply of SMTP with all its lines, or one response of IMAP
// without untagged ones before it.
func (d *dialog) reply() []string {
	d.t.Helper()
	var lines []string
	for {
		line := d.line()
		if d.imap && strings.HasPrefix(line, "* ") {
			continue
		}
		lines = append(lines, line)
		if d.imap || len(line) < 4 || line[3] != '-' {
			return lines
		}
	}
}

// expect reads a reply and wants its last line to begin so. It returns the rest.
func (d *dialog) expect(prefix string) string {
	d.t.Helper()
	lines := d.reply()
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, prefix) {
		d.t.Fatalf("the server said %q, want %q", last, prefix)
	}
	return last[len(prefix):]
}

// follow plays a script of lines "C: …" and "S: …". An S line says how the reply
// begins.
func (d *dialog) follow(script []string) {
	d.t.Helper()
	for _, step := range script {
		if line, ok := strings.CutPrefix(step, "C: "); ok {
			d.say(line)
		} else {
			d.expect(strings.TrimPrefix(step, "S: "))
		}
	}
}

// answers begins a login of our client and returns what it says to a challenge,
// both in base64.
func answers(t testing.TB, mechanism, service string) func(challenge string) string {
	t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: labUser, Password: labPassword},
		Mechanisms:  []string{mechanism},
		Policy:      labPolicy,
		Service:     service,
		Host:        "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Start(); err != nil {
		t.Fatal(err)
	}
	return func(challenge string) string {
		t.Helper()
		decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(challenge))
		if err != nil {
			t.Fatal(err)
		}
		response, err := x.Next(decoded)
		if err != nil {
			t.Fatal(err)
		}
		return base64.StdEncoding.EncodeToString(response)
	}
}
