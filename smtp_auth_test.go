package saslkit_test

import (
	"bufio"

	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	cryptotls "crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"math/big"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// serveSMTP accepts one connection and talks to it until the test ends.
func serveSMTP(t *testing.T, talk func(net.Conn, *bufio.Reader)) net.Conn {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(3 * time.Minute))
		talk(conn, bufio.NewReader(conn))
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	t.Cleanup(func() {
		l.Close()
		if conn != nil {
			conn.Close()
		}
		<-done
	})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(3 * time.Minute))
	return conn
}

// scriptSMTP plays a conversation after EHLO: "S: " and a line to send, "C: " and
// a line to expect, "C~ " and the beginning of one. Then it answers "*" and QUIT.
func scriptSMTP(t *testing.T, offered string, steps ...string) *smtp.Client {
	t.Helper()
	conn := serveSMTP(t, func(conn net.Conn, lines *bufio.Reader) {
		steps := append([]string{"S: 220 hello", "C: EHLO localhost", "S: 250-hello", "S: 250 AUTH " + offered}, steps...)
		for _, step := range steps {
			text := step[len("S: "):]
			if step[0] == 'S' {
				conn.Write([]byte(text + "\r\n"))
				continue
			}
			line, err := lines.ReadString('\n')
			line = strings.TrimSuffix(line, "\r\n")
			if err != nil || step[1] == ':' && line != text || !strings.HasPrefix(line, text) {
				t.Errorf("the client sent %q (%v), want %q", line, err, text)
				return
			}
		}
		for _, answer := range []string{"501 cancelled", "221 bye"} {
			if line, err := lines.ReadString('\n'); err != nil || line == "QUIT\r\n" {
				conn.Write([]byte("221 bye\r\n"))
				return
			}
			conn.Write([]byte(answer + "\r\n"))
		}
	})
	c, err := smtp.NewClient(conn, "mail.example")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// net/smtp believes 235 at any time, and takes nil for the end. The adapter does
// not let it.
func TestSMTPAuth(t *testing.T) {
	t.Parallel()
	const digest = `realm="r",nonce="abc",qop="auth",charset=utf-8,algorithm=md5-sess`
	plain := encode("\x00al\x00pw")
	long := strings.Repeat("z", 400)
	external := saslkit.Channel{External: "al"}
	for _, c := range []struct {
		name  string
		mech  string
		cfg   saslkit.ClientConfig
		steps []string
		class mech.Class // 0: a good login
		code  string
	}{
		{name: "PLAIN", mech: "PLAIN", steps: []string{"C: AUTH PLAIN " + plain, "S: 235 ok"}},
		{name: "235 with junk", mech: "PLAIN", steps: []string{"C: AUTH PLAIN " + plain, "S: 235-2.7.0 \xff\x1b[2J", "S: 235 ==="}},
		{name: "235 alone", mech: "PLAIN", steps: []string{"C: AUTH PLAIN " + plain, "S: 235 "}},
		{name: "LOGIN", mech: "LOGIN", steps: []string{"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: " + encode("al"), "S: 334 UGFzc3dvcmQ6", "C: " + encode("pw"), "S: 235 ok"}},
		{name: "CRAM-MD5, RFC 2195 section 2", mech: "CRAM-MD5", cfg: saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "tim", Password: "tanstaaftanstaaf"}},
			steps: []string{"C: AUTH CRAM-MD5", "S: 334 " + encode("<1896.697170952@postoffice.reston.mci.net>"), "C: " + encode("tim b913a602c7eda7a495b4e6e7334d3890"), "S: 235 ok"}},
		{name: "EXTERNAL with nothing to say", mech: "EXTERNAL", cfg: saslkit.ClientConfig{Channel: external}, steps: []string{"C: AUTH EXTERNAL", "S: 334 ", "C: ", "S: 235 ok"}},
		{name: "EXTERNAL, bare 334", mech: "EXTERNAL", cfg: saslkit.ClientConfig{Channel: external}, steps: []string{"C: AUTH EXTERNAL", "S: 334 " + encode("go ahead"), "C: ", "S: 235 ok"}},
		{name: "EXTERNAL for another", mech: "EXTERNAL", cfg: saslkit.ClientConfig{Channel: external, Credentials: saslkit.Credentials{Authzid: "bo"}}, steps: []string{"C: AUTH EXTERNAL " + encode("bo"), "S: 235 ok"}},
		{name: "initial response too long for a command", mech: "PLAIN", cfg: saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "al", Password: "pw", Authzid: long}},
			steps: []string{"C: AUTH PLAIN", "S: 334 ", "C: " + encode(long+"\x00al\x00pw"), "S: 235 ok"}},

		{name: "yes before EXTERNAL's message", mech: "EXTERNAL", cfg: saslkit.ClientConfig{Channel: external}, steps: []string{"C: AUTH EXTERNAL", "S: 235 ok"}, class: mech.ServerNotVerified, code: "too-early"},
		{name: "yes before the challenge", mech: "CRAM-MD5", steps: []string{"C: AUTH CRAM-MD5", "S: 235 ok"}, class: mech.ServerNotVerified, code: "too-early"},
		{name: "yes before the long response", mech: "PLAIN", cfg: saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "al", Password: "pw", Authzid: long}},
			steps: []string{"C: AUTH PLAIN", "S: 235 ok"}, class: mech.ServerNotVerified, code: "too-early"},
		{name: "yes before the proof", mech: "DIGEST-MD5", steps: []string{"C: AUTH DIGEST-MD5", "S: 334 " + encode(digest), "C~ ", "S: 235 ok"}, class: mech.ServerNotVerified, code: "bad-server"},
		{name: "wrong proof", mech: "DIGEST-MD5", steps: []string{"C: AUTH DIGEST-MD5", "S: 334 " + encode(digest), "C~ ", "S: 334 " + encode("rspauth=00000000000000000000000000000000")}, class: mech.ServerNotVerified},
		{name: "proof with the success", mech: "DIGEST-MD5", steps: []string{"C: AUTH DIGEST-MD5", "S: 334 " + encode(digest), "C~ ", "S: 235 " + encode("rspauth=00000000000000000000000000000000")}, class: mech.ServerNotVerified, code: "bad-server"},
		{name: "yes before SCRAM's challenge", mech: "SCRAM-SHA-256", steps: []string{"C~ AUTH SCRAM-SHA-256 ", "S: 235 ok"}, class: mech.ServerNotVerified, code: "bad-server"},
		{name: "SCRAM with a nonce that is not ours", mech: "SCRAM-SHA-256", steps: []string{"C~ AUTH SCRAM-SHA-256 ", "S: 334 " + encode("r=abcdefghijklmnopqrstuvwxyz,s=AAAA,i=4096")}, class: mech.ServerNotVerified, code: "nonce"},
		{name: "challenge after the end", mech: "PLAIN", steps: []string{"C: AUTH PLAIN " + plain, "S: 334 "}, class: mech.Malformed, code: "protocol"},
		{name: "challenge after LOGIN's end", mech: "LOGIN", steps: []string{"C: AUTH LOGIN", "S: 334 ", "C~ ", "S: 334 ", "C~ ", "S: 334 "}, class: mech.Malformed, code: "protocol"},
		{name: "another host", mech: "PLAIN", cfg: saslkit.ClientConfig{Host: "other.example"}, class: mech.ServerNotVerified, code: "wrong-host"},
		{name: "in the clear", mech: "PLAIN", cfg: saslkit.ClientConfig{Policy: mech.Policy{Clear: mech.NoPlaintext}}, class: mech.EncryptionRequired},
		{name: "not offered", mech: "KERBEROS_V4", class: mech.MechanismUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := scriptSMTP(t, c.mech, c.steps...)
			if c.cfg.Credentials.Username == "" && c.cfg.Channel.External == "" {
				c.cfg.Credentials.Username, c.cfg.Credentials.Password = "al", "pw"
			}
			if c.cfg.Policy == (mech.Policy{}) {
				c.cfg.Policy = anything
			}
			if m := mech.ByName(c.mech); m != nil {
				c.cfg.Mechanisms = []string{c.mech}
			}
			err := client.Auth(saslkit.SMTPAuth(c.cfg))
			if c.class == 0 {
				if err != nil {
					t.Errorf("%v", err)
				}
				return
			}
			wantClass(t, err, c.class)
			if e := mech.AsError(err); c.code != "" && e.Code != c.code {
				t.Errorf("%s, want %s", e.Detail(), c.code)
			}
		})
	}
}

// What is not ours comes out as net/smtp has it.
func TestSMTPAuthRefused(t *testing.T) {
	t.Parallel()
	cfg := saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "al", Password: "pw"}, Policy: anything}
	var refusal *textproto.Error
	err := scriptSMTP(t, "PLAIN", "C~ AUTH PLAIN", "S: 535 5.7.8 no").Auth(saslkit.SMTPAuth(cfg))
	if !errors.As(err, &refusal) || refusal.Code != 535 {
		t.Errorf("refused: %v", err)
	}
	var corrupt base64.CorruptInputError
	err = scriptSMTP(t, "PLAIN", "C~ AUTH PLAIN", "S: 334 !").Auth(saslkit.SMTPAuth(cfg))
	if !errors.As(err, &corrupt) {
		t.Errorf("not base64: %v", err)
	}
	err = scriptSMTP(t, "").Auth(saslkit.SMTPAuth(cfg))
	wantClass(t, err, mech.MechanismUnavailable)
	_, err = saslkit.SMTPAuth(cfg).Next(nil, true)
	wantClass(t, err, mech.Malformed)
}

// An SMTP server of few words around an Authenticator. Without proof it leaves out
// the last message of mechanisms that prove the server.
type smallSMTP struct {
	auth  *saslkit.Authenticator
	proof bool
}

func (s smallSMTP) talk(conn net.Conn, lines *bufio.Reader) {
	say := func(text string) { conn.Write([]byte(text + "\r\n")) }
	peer := s.auth.NewPeer(saslkit.PeerConfig{
		Service: "smtp", Realm: realm.Policy{Default: testRealm},
		Channel: func() saslkit.Channel { return serverChannel(conn) },
	})
	defer peer.Close()
	say("220 mail.example")
	for {
		line, err := lines.ReadString('\n')
		words := strings.Fields(line)
		switch {
		case err != nil || len(words) == 0:
			return
		case words[0] == "EHLO":
			say("250-mail.example\r\n250 AUTH " + strings.Join(peer.AuthMechanisms(), " "))
		case words[0] == "AUTH":
			say(s.login(peer, words[1:], func(challenge string) (string, error) {
				say("334 " + challenge)
				line, err := lines.ReadString('\n')
				return strings.TrimSuffix(line, "\r\n"), err
			}))
		case words[0] == "QUIT":
			say("221 bye")
			return
		default:
			say("501 what")
		}
	}
}

// login runs one exchange and returns the reply.
func (s smallSMTP) login(peer *saslkit.Peer, words []string, ask func(string) (string, error)) string {
	x, err := peer.Start(words[0])
	if err != nil {
		return "504 no"
	}
	var response []byte
	if len(words) > 1 {
		response, _ = base64.StdEncoding.DecodeString(words[1])
	}
	for {
		o := x.Step(response)
		switch {
		case o.State == saslkit.Failed:
			return "535 5.7.8 no"
		case o.State == saslkit.Done && (o.Data == nil || !s.proof):
			return "235 2.7.0 yes"
		}
		line, err := ask(base64.StdEncoding.EncodeToString(o.Data))
		if err != nil || line == "*" {
			return "501 cancelled"
		}
		if o.State == saslkit.Done {
			return "235 2.7.0 yes"
		}
		response, _ = base64.StdEncoding.DecodeString(line)
	}
}

func serverChannel(conn net.Conn) saslkit.Channel {
	if c, ok := conn.(*cryptotls.Conn); ok {
		return saslkit.ServerTLS(c.ConnectionState(), certificate.Leaf)
	}
	return saslkit.Channel{}
}

// certificate is one that signed itself.
var certificate = func() cryptotls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"mail.example"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return cryptotls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}()

// dialSmall connects to a small server, under TLS, and returns the channel.
func dialSmall(t *testing.T, s smallSMTP) (*smtp.Client, saslkit.Channel) {
	t.Helper()
	conn := serveSMTP(t, func(conn net.Conn, _ *bufio.Reader) {
		server := cryptotls.Server(conn, &cryptotls.Config{Certificates: []cryptotls.Certificate{certificate}})
		if server.Handshake() == nil {
			s.talk(server, bufio.NewReader(server))
		}
	})
	return dialTLS(t, conn)
}

// trusting believes the certificate.
var trusting = func() *cryptotls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(certificate.Leaf)
	return &cryptotls.Config{RootCAs: roots, ServerName: "mail.example"}
}()

// dialTLS begins TLS and SMTP on a connection.
func dialTLS(t *testing.T, conn net.Conn) (*smtp.Client, saslkit.Channel) {
	t.Helper()
	secured := cryptotls.Client(conn, trusting)
	client, err := smtp.NewClient(secured, "mail.example")
	if err != nil {
		t.Fatal(err)
	}
	return client, saslkit.ClientTLS(secured.ConnectionState())
}

// Every mechanism of the table with a password, to our own server under TLS: a
// good login, a wrong password, and a server that leaves its proof out.
func TestSMTPAuthToOurServer(t *testing.T) {
	t.Parallel()
	var names []string
	for _, m := range mech.All() {
		if m.Need == mech.NeedPassword || m.Need == mech.NeedSecret {
			names = append(names, m.Name)
		}
	}
	auth := &saslkit.Authenticator{Verifier: store(person{"al", kinds(verifier.KindPassword, verifier.KindOTP)}), Mechanisms: names, Policy: anything}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := saslkit.ClientConfig{Credentials: saslkit.Credentials{Username: "al", Password: password("al")}, Mechanisms: []string{name}}
			if name == mech.OTP.Name {
				cfg.Credentials.Password = phrase("al")
			}
			try := func(s smallSMTP, cfg saslkit.ClientConfig) error {
				client, channel := dialSmall(t, s)
				cfg.Channel = channel
				return client.Auth(saslkit.SMTPAuth(cfg))
			}
			if err := try(smallSMTP{auth, true}, cfg); err != nil {
				t.Errorf("good login: %v", err)
			}
			wrong := cfg
			wrong.Credentials.Password += " not"
			var refusal *textproto.Error
			if err := try(smallSMTP{auth, true}, wrong); !errors.As(err, &refusal) || refusal.Code != 535 {
				t.Errorf("wrong password: %v", err)
			}
			err := try(smallSMTP{auth, false}, cfg)
			if mech.ByName(name).Provides&mech.MutualAuth != 0 {
				wantClass(t, err, mech.ServerNotVerified)
			} else if err != nil {
				t.Errorf("without success data: %v", err)
			}
		})
	}
}

// One value serves one login after another, also after one that was broken off,
// and takes the strongest mechanism of each server.
func TestSMTPAuthAgain(t *testing.T) {
	t.Parallel()
	auth := saslkit.SMTPAuth(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: "al", Password: password("al")}, Host: "MAIL.example",
	})
	for _, offered := range [][]string{{"PLAIN"}, {"LOGIN", "PLAIN"}, {"LOGIN"}} {
		client, _ := dialSmall(t, smallSMTP{&saslkit.Authenticator{Verifier: store(full("al")), Mechanisms: offered}, true})
		if err := client.Auth(auth); err != nil {
			t.Errorf("%v: %v", offered, err)
		}
		refusing, _ := dialSmall(t, smallSMTP{&saslkit.Authenticator{Verifier: store(full("bo")), Mechanisms: offered}, true})
		if err := refusing.Auth(auth); err == nil {
			t.Errorf("%v: somebody else logged in", offered)
		}
	}
	var out strings.Builder
	show(&out, auth)
	if strings.Contains(out.String(), password("al")) {
		t.Errorf("the password shows: %s", out.String())
	}
}
