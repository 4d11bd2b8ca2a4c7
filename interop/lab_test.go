package interop

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-smtp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// What every test logs in as, unless it says otherwise.
const (
	labUser     = "alice"
	labPassword = "secret"
	labRealm    = "mail.example"
)

// A lab is one server, SMTP or IMAP, and what it saw.
type lab struct {
	addr string
	tls  *testTLS

	mu         sync.Mutex
	transcript bytes.Buffer // what crossed the wire, both ways, decrypted
	events     []saslkit.Event
	results    []saslkit.Result // of connections that ended logged in
	open       int              // sessions
}

// labPolicy permits everything everywhere, which no real site wants: the test
// bed of clients that cannot do TLS.
var labPolicy = mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism}

// allMechanisms is a mech_list with every mechanism there is.
var allMechanisms = slices.Concat(plusMechanisms, scramMechanisms, fourMechanisms, []string{"EXTERNAL", "ANONYMOUS"})

// labAuth serves one user by every mechanism under the lab's policy.
func labAuth() *saslkit.Authenticator {
	return &saslkit.Authenticator{
		Verifier:   verifier.Static{labUser + "@" + labRealm: labPassword},
		Mechanisms: allMechanisms,
		Policy:     labPolicy,
	}
}

// A setup says what a lab's server is like. The zero value serves labAuth.
type setup struct {
	auth      *saslkit.Authenticator // of this lab alone
	hostNames []string
	channel   func(net.Conn) saslkit.Channel
	implicit  bool // TLS from the first byte
	tls       *testTLS
}

// lab makes the server's lab, with a certificate of its own or the one of all.
func (s setup) lab(t testing.TB) *lab {
	t.Helper()
	if s.tls != nil {
		return &lab{tls: s.tls}
	}
	return &lab{tls: labTLS(t)}
}

func (s setup) authenticator(l *lab) *saslkit.Authenticator {
	auth := s.auth
	if auth == nil {
		auth = labAuth()
	}
	auth.Observer = l.observe
	return auth
}

func (s setup) peer() saslkit.PeerConfig {
	return saslkit.PeerConfig{Realm: realm.Policy{Default: labRealm}, HostNames: s.hostNames}
}

func (s setup) listen(t testing.TB, l *lab) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.addr = ln.Addr().String()
	if s.implicit {
		return tls.NewListener(ln, l.tls.server)
	}
	return ln
}

// smtpLab starts a go-smtp server that lives as long as the test.
func smtpLab(t testing.TB, s setup) *lab {
	t.Helper()
	l := s.lab(t)
	backend := &SMTPBackend{Auth: s.authenticator(l), Peer: s.peer(), Channel: s.channel}
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		session, err := backend.NewSession(c)
		if err != nil {
			return nil, err
		}
		l.opened()
		return &watchedSMTP{session.(*smtpSession), l}, nil
	}))
	server.Domain = labRealm
	server.AllowInsecureAuth = true
	server.TLSConfig = l.tls.server
	server.MaxLineLength = maxSMTPLine
	server.ReadTimeout = patience
	server.Debug = l
	server.ErrorLog = log.New(io.Discard, "", 0)
	go server.Serve(s.listen(t, l))
	t.Cleanup(func() {
		// Not Close: it calls sessions from another goroutine than theirs.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		server.Shutdown(ctx)
	})
	return l
}

// maxSMTPLine is what RFC 4954 section 4 asks of a server, with CRLF.
const maxSMTPLine = 12288 + 2

type watchedSMTP struct {
	*smtpSession
	lab *lab
}

func (s *watchedSMTP) Logout() error {
	s.lab.closed(s.Peer)
	return s.smtpSession.Logout()
}

// imapLab starts a go-imap server that lives as long as the test.
func imapLab(t testing.TB, s setup) *lab {
	t.Helper()
	l := s.lab(t)
	mailboxes := imapmemserver.NewUser("", "")
	if err := mailboxes.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	backend := &IMAPBackend{Auth: s.authenticator(l), Peer: s.peer(), Channel: s.channel, Mailboxes: mailboxes}
	server := imapserver.New(&imapserver.Options{
		NewSession: func(c *imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			session, greeting, err := backend.NewSession(c)
			if err != nil {
				return nil, nil, err
			}
			l.opened()
			return &watchedIMAP{session.(*imapSession), l}, greeting, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}},
		InsecureAuth: true,
		TLSConfig:    l.tls.server,
		Logger:       log.New(io.Discard, "", 0),
		DebugWriter:  l,
	})
	go server.Serve(s.listen(t, l))
	t.Cleanup(func() { server.Close() })
	return l
}

type watchedIMAP struct {
	*imapSession
	lab *lab
}

func (s *watchedIMAP) Close() error {
	s.lab.closed(s.Peer)
	return s.imapSession.Close()
}

// Write implements io.Writer for the hosts' wire logs.
func (l *lab) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.transcript.Write(b)
}

func (l *lab) observe(e saslkit.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

func (l *lab) opened() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open++
}

func (l *lab) closed(p *saslkit.Peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if r, ok := p.Result(); ok {
		l.results = append(l.results, r)
	}
}

// A sighting is what a lab has seen so far.
type sighting struct {
	transcript string
	events     []saslkit.Event
	results    []saslkit.Result
}

// seen waits until every session has ended and returns what was seen.
func (l *lab) seen(t testing.TB) sighting {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		l.mu.Lock()
		s := sighting{l.transcript.String(), l.events, l.results}
		open := l.open
		l.mu.Unlock()
		if open == 0 {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are still open; on the wire:\n%s", open, s.transcript)
		}
	}
}

// testTLS is a site's certificate, and one of a client that it trusts.
type testTLS struct {
	server *tls.Config
	pem    string // file with the server's certificate, which signed itself
	key    string // file with its key
	leaf   *x509.Certificate
	client *tls.Config // trusts the server
	alice  *tls.Config // and has a certificate for labUser
}

var labTLSFiles struct {
	once sync.Once
	cert tls.Certificate
	err  error
}

// labTLS makes the certificate once and its files for each test.
func labTLS(t testing.TB) *testTLS {
	t.Helper()
	f := &labTLSFiles
	f.once.Do(func() { f.cert, f.err = selfSigned(ecdsaKey) })
	if f.err != nil {
		t.Fatal(f.err)
	}
	return siteTLS(t, f.cert)
}

// siteTLS is a site with this certificate.
func siteTLS(t testing.TB, cert tls.Certificate) *testTLS {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	made := &testTLS{pem: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), leaf: cert.Leaf}
	writeFile(t, made.pem, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}))
	writeFile(t, made.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))

	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	made.server = &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    roots,
	}
	made.client = &tls.Config{RootCAs: roots, ServerName: "localhost"}
	made.alice = made.client.Clone()
	made.alice.Certificates = []tls.Certificate{clientCertificate(t, cert)}
	return made
}

// A keyMaker makes a private key.
type keyMaker func() (crypto.Signer, error)

func ecdsaKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// selfSigned makes a certificate for this machine that may sign others.
func selfSigned(key keyMaker) (tls.Certificate, error) {
	return issue(&x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}, nil, key)
}

func clientCertificate(t testing.TB, ca tls.Certificate) tls.Certificate {
	t.Helper()
	cert, err := issue(&x509.Certificate{
		SerialNumber: big.NewInt(2),
		Subject:      pkix.Name{CommonName: labUser},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &ca, ecdsaKey)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue makes a certificate, signed by ca or by itself.
func issue(template *x509.Certificate, ca *tls.Certificate, maker keyMaker) (tls.Certificate, error) {
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	key, err := maker()
	if err != nil {
		return tls.Certificate{}, err
	}
	parent, signer := template, any(key)
	if ca != nil {
		parent, signer = ca.Leaf, ca.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
