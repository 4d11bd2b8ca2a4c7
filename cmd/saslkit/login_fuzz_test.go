package main

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// A deafServer has said everything it will ever say, and hears nothing.
type deafServer struct{ said *bytes.Reader }

func (d deafServer) Read(b []byte) (int, error)       { return d.said.Read(b) }
func (d deafServer) Write(b []byte) (int, error)      { return len(b), nil }
func (d deafServer) Close() error                     { return nil }
func (d deafServer) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
func (d deafServer) RemoteAddr() net.Addr             { return d.LocalAddr() }
func (d deafServer) SetDeadline(time.Time) error      { return nil }
func (d deafServer) SetReadDeadline(time.Time) error  { return nil }
func (d deafServer) SetWriteDeadline(time.Time) error { return nil }

// FuzzLogin talks to a server that says arbitrary things. The conversation ends,
// no password shows in the trace, and a mechanism that wants proof of the server is
// not satisfied by one that does not know the password.
func FuzzLogin(f *testing.F) {
	f.Add("smtp", uint8(0), []byte("220 hi\r\n250-hi\r\n250 AUTH DIGEST-MD5\r\n334 bm9uY2U9IngiLGFsZ29yaXRobT1tZDUtc2Vzcw==\r\n334 cnNwYXV0aD0wMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA==\r\n235 ok\r\n"))
	f.Add("smtp", uint8(1), []byte("220 hi\r\n250-hi\r\n250 AUTH=PLAIN\r\n235 QZcanaryZQ\r\n"))
	f.Add("smtp", uint8(2), []byte("220 hi\r\n250-hi\r\n250 AUTH LOGIN\r\n334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n535 5.7.8 UVpjYW5hcnlaUQ==\r\n"))
	f.Add("imap", uint8(0), []byte("* OK hi\r\n* CAPABILITY IMAP4rev1 AUTH=DIGEST-MD5\r\nA1 OK\r\n+ bm9uY2U9IngiLGFsZ29yaXRobT1tZDUtc2Vzcw==\r\nA2 OK\r\n"))
	f.Add("imap", uint8(3), []byte("* OK hi\r\n* CAPABILITY SASL-IR AUTH=CRAM-MD5\r\nA1 OK\r\n+\r\n+ PDEuMkBoPg==\r\nA2 NO [UNAVAILABLE] x\r\n"))
	f.Add("smtp", uint8(4), []byte("220 hi\r\n250-hi\r\n250 AUTH SCRAM-SHA-256\r\n334 cj1hLHM9QUFBQSxpPTQwOTY=\r\n334 dj1BQUFB\r\n235 ok\r\n"))
	f.Add("pop3", uint8(0), []byte("+OK hi\r\n+OK\r\nSASL DIGEST-MD5\r\n.\r\n+ bm9uY2U9IngiLGFsZ29yaXRobT1tZDUtc2Vzcw==\r\n+OK\r\n"))
	f.Add("pop3", uint8(1), []byte("+OK hi\r\n+OK\r\nSASL PLAIN\r\n.\r\n-ERR [SYS/TEMP] QZcanaryZQ\r\n"))
	f.Add("sieve", uint8(0), []byte("\"SASL\" \"DIGEST-MD5\"\r\nOK\r\n{40}\r\nbm9uY2U9IngiLGFsZ29yaXRobT1tZDUtc2Vzcw==\r\nOK (SASL \"cnNwYXV0aD0w\")\r\n"))
	f.Add("sieve", uint8(1), []byte("\"SASL\" {5}\r\nPLAIN\r\nOK \"hi\"\r\nNO (TRYLATER) \"QZcanaryZQ\"\r\n"))
	f.Add("dovecot", uint8(4), []byte("VERSION\t1\t2\nMECH\tSCRAM-SHA-256\nSPID\t1\nCUID\t1\nCOOKIE\tab\nDONE\nCONT\t1\tcj1hLHM9QUFBQSxpPTQwOTY=\nOK\t1\tuser=alice\n"))
	f.Add("dovecot", uint8(1), []byte("VERSION\t1\t2\nMECH\tPLAIN\nSPID\t1\nDONE\nOK\t1\tuser=alice\tpass=QZcanaryZQ\n"))
	mechanisms := []string{"DIGEST-MD5", "PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"}
	f.Fuzz(func(t *testing.T, protocol string, which uint8, said []byte) {
		open, ok := protocols[protocol]
		if !ok {
			return
		}
		// No part of it can come out of an escape such as \xec by chance.
		const password = "QZcanaryZQ"
		var trace bytes.Buffer
		l := &login{
			server:      serverAddress{protocol: protocol, service: protocol, host: "localhost"},
			mechanisms:  []string{mechanisms[int(which)%len(mechanisms)]},
			policy:      mech.Policy{Clear: mech.AnyMechanism},
			credentials: saslkit.Credentials{Username: "alice", Password: password},
			trace:       &tracer{w: &trace},
		}
		l.trace.hide(password)
		w := &wire{trace: l.trace, patience: time.Second}
		w.carry(deafServer{bytes.NewReader(said)})
		p := open(l, w)
		text, err := converse(l, p, w)
		if err == nil && mech.ByName(l.mechanisms[0]).Provides&mech.MutualAuth != 0 {
			t.Fatalf("the server is believed: %q", said)
		}
		all := trace.String() + text
		if err != nil {
			all += err.Error()
		}
		if strings.Contains(all, password) {
			t.Fatalf("the password shows in %q", all)
		}
	})
}

// converse is login.run without a network.
func converse(l *login, p mailProtocol, w *wire) (string, error) {
	if err := p.greet(); err != nil {
		return "", err
	}
	if err := p.ask(); err != nil {
		return "", err
	}
	client, err := l.choose(context.Background(), p, w)
	if err != nil {
		return "", err
	}
	text, err := l.exchange(p, w, client)
	p.quit()
	return text, err
}
