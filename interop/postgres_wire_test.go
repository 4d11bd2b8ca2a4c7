//go:build unix

package interop

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A postgresWire is a connection to PostgreSQL under TLS that goes as far as the
// login. Messages are a letter, a length that counts itself, and the content.
type postgresWire struct {
	t    testing.TB
	conn *tls.Conn
	// mechanisms is what the server offers.
	mechanisms []string
	sent       bool // the initial response
}

const (
	postgresSSLRequest = 80877103
	postgresVersion3   = 3 << 16
)

// The codes of authentication messages.
const (
	postgresOK = 0
	// AuthenticationSASL, with a list of mechanisms; …Continue and …Final with
	// messages of the mechanism.
	postgresSASL         = 10
	postgresSASLContinue = 11
	postgresSASLFinal    = 12
)

// dial connects under a version of TLS and asks to be let in as a role.
func (p *postgres) dial(t testing.TB, version uint16, role string) *postgresWire {
	t.Helper()
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	conn.Write(postgresMessage(0, binary.BigEndian.AppendUint32(nil, postgresSSLRequest)))
	var answer [1]byte
	if _, err := io.ReadFull(conn, answer[:]); err != nil || answer[0] != 'S' {
		t.Fatalf("PostgreSQL answers %q to the request for TLS: %v", answer, err)
	}
	config := p.tls.client.Clone()
	config.MinVersion, config.MaxVersion = version, version
	w := &postgresWire{t: t, conn: tls.Client(conn, config)}
	startup := binary.BigEndian.AppendUint32(nil, postgresVersion3)
	w.conn.Write(postgresMessage(0, append(startup, "user\x00"+role+"\x00database\x00postgres\x00\x00"...)))
	code, list, err := w.read()
	if err != nil || code != postgresSASL {
		t.Fatalf("PostgreSQL does not begin with SASL but with %d: %v", code, err)
	}
	w.mechanisms = strings.Split(strings.TrimRight(string(list), "\x00"), "\x00")
	return w
}

func postgresMessage(letter byte, content []byte) []byte {
	var m []byte
	if letter != 0 { // the first message has none
		m = append(m, letter)
	}
	return append(binary.BigEndian.AppendUint32(m, uint32(4+len(content))), content...)
}

// read returns the next authentication message, or the error of an error message.
func (w *postgresWire) read() (code uint32, content []byte, err error) {
	head := make([]byte, 5)
	if _, err := io.ReadFull(w.conn, head); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length < 8 || length > 4096 {
		return 0, nil, fmt.Errorf("PostgreSQL sends %d bytes", length)
	}
	content = make([]byte, length-4)
	if _, err := io.ReadFull(w.conn, content); err != nil {
		return 0, nil, err
	}
	switch head[0] {
	case 'R':
		return binary.BigEndian.Uint32(content), content[4:], nil
	case 'E':
		return 0, nil, fmt.Errorf("PostgreSQL: %q", bytes.Split(content, []byte{0}))
	}
	return 0, nil, fmt.Errorf("PostgreSQL sends %q", head[0])
}

// server is the login as SASL.
func (w *postgresWire) server(mechanism string) foreignServer {
	return func(response []byte) (challenge []byte, done bool, err error) {
		content := response
		if !w.sent {
			content = append([]byte(mechanism), 0)
			content = append(binary.BigEndian.AppendUint32(content, uint32(len(response))), response...)
			w.sent = true
		}
		if _, err := w.conn.Write(postgresMessage('p', content)); err != nil {
			return nil, false, err
		}
		code, challenge, err := w.read()
		if err != nil || code == postgresSASLContinue {
			return challenge, false, err
		}
		if code != postgresSASLFinal {
			return nil, false, fmt.Errorf("PostgreSQL sends code %d", code)
		}
		if code, _, err = w.read(); err != nil || code != postgresOK {
			return nil, false, fmt.Errorf("PostgreSQL sends code %d: %v", code, err)
		}
		return challenge, true, nil
	}
}
