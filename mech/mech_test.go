package mech

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
)

func TestTableIsSound(t *testing.T) {
	registered := regexp.MustCompile(`^[A-Z0-9_-]{1,20}$`) // RFC 4422 section 3.1
	seen := map[string]bool{}
	for _, m := range All() {
		switch {
		case !registered.MatchString(m.Name) || seen[m.Name]:
			t.Errorf("name %q", m.Name)
		case m.MaxResponse <= 0 || m.MaxResponse > 65535:
			t.Errorf("%s: MaxResponse %d", m.Name, m.MaxResponse)
		case (m.Need == NeedPassword || m.Need == NeedSecret) != (len(m.Secrets) > 0):
			t.Errorf("%s needs %s of kinds %v", m.Name, m.Need, m.Secrets)
		case ByName(strings.ToLower(m.Name)) != m:
			t.Errorf("%s is not found by its name in lower case", m.Name)
		}
		seen[m.Name] = true
	}
	for _, name := range []string{"", "PLAI", "PLAINN", " PLAIN", "PLAIN\x00", "PLAİN", "PLA\u0131N", "\u017fCRAM-SHA-1", strings.Repeat("A", 1000)} {
		if m := ByName(name); m != nil {
			t.Errorf("ByName(%q) is %s", name, m.Name)
		}
	}
	all := All()
	all[0] = nil
	if All()[0] == nil {
		t.Error("All hands out the table itself")
	}
}

func TestParseProperties(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Properties
		bad  bool
	}{
		{"", AnyMechanism, false},
		{" , ", AnyMechanism, false},
		{"noanonymous", AnyMechanism | NoAnonymous, false},
		{"noanonymous, noplaintext", AnyMechanism | NoAnonymous | NoPlaintext, false},
		{"NoAnonymous\tmutual_auth\nnoactive,nodictionary forward_secrecy", AnyMechanism | NoAnonymous | MutualAuth | NoActive | NoDictionary | ForwardSecrecy, false},
		{"noanonymus", 0, true},
		{"noanonymous;noplaintext", 0, true},
	} {
		got, err := ParseProperties(c.in)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("ParseProperties(%q) = %v, %v; want %v", c.in, got, err, c.want)
		}
		if again, err := ParseProperties(strings.ReplaceAll(got.String(), "none", "")); err == nil && again != got && !c.bad {
			t.Errorf("%v prints as %q, which is %v", got, got, again)
		}
	}
	// The bits of Cyrus's sasl.h, which Postfix uses.
	if NoPlaintext != 1 || NoActive != 2 || NoDictionary != 4 || ForwardSecrecy != 8 || NoAnonymous != 16 || PassCredentials != 32 || MutualAuth != 64 {
		t.Error("the bits are not Cyrus's")
	}
}

func TestPolicy(t *testing.T) {
	for _, c := range []struct {
		name       string
		policy     Policy
		clear, tls Properties
	}{
		{"zero", Policy{}, NoAnonymous | NoPlaintext, NoAnonymous},
		{"anything", Policy{Clear: AnyMechanism, TLS: AnyMechanism}, 0, 0},
		{"more than the default", Policy{Clear: MutualAuth}, MutualAuth | NoAnonymous | NoPlaintext, NoAnonymous},
		{"a part of the default takes nothing away", Policy{Clear: NoAnonymous, TLS: NoActive}, NoAnonymous | NoPlaintext, NoAnonymous | NoActive},
		{"less is said with the bit for it", Policy{Clear: AnyMechanism | NoAnonymous, TLS: AnyMechanism | NoActive}, NoAnonymous, NoActive},
	} {
		if got := c.policy.Required(false); got != c.clear {
			t.Errorf("%s: in the clear %v, want %v", c.name, got, c.clear)
		}
		if got := c.policy.Required(true); got != c.tls {
			t.Errorf("%s: under TLS %v, want %v", c.name, got, c.tls)
		}
	}
	if got := (Policy{}).Missing(PLAIN, false); got != NoPlaintext {
		t.Errorf("PLAIN misses %v", got)
	}
}

func TestCRAMMD5Challenge(t *testing.T) {
	form := regexp.MustCompile(`^<[0-9]+\.[0-9]+@mail\.example\.com>$`)
	seen := map[string]bool{}
	for range 1000 {
		c := newCRAMChallenge([]string{"mail.example.com", "other"})
		if !form.MatchString(c) || seen[c] {
			t.Fatalf("challenge %q", c)
		}
		seen[c] = true
	}
	if c := newCRAMChallenge(nil); !strings.HasSuffix(c, "@localhost>") {
		t.Errorf("challenge %q", c)
	}
}

// TestSecrets holds what a password makes against the vectors' secrets, which
// doveadm and the JDK computed.
func TestSecrets(t *testing.T) {
	checked := 0
	for _, file := range []string{"cram-md5.json", "digest-md5.json"} {
		for _, v := range loadVectors(t, "testdata/vectors/"+file) {
			var s vectorServer
			v.Server.into(t, &s)
			for name, u := range s.Users {
				if u.CRAM != "" {
					checked++
					if got := hex.EncodeToString(CRAMMD5Secret(*u.Password)); got != u.CRAM {
						t.Errorf("%s: CRAM-MD5 states are %s, want %s", v.ID, got, u.CRAM)
					}
				}
				if u.Digest != "" {
					checked++
					if got := hex.EncodeToString(DIGESTMD5Secret(name, u.Realm, *u.Password)); got != u.Digest {
						t.Errorf("%s: DIGEST-MD5 hash is %s, want %s", v.ID, got, u.Digest)
					}
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("only %d secrets were checked", checked)
	}
}

func TestNoncesAreFresh(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		n := nonceSource(nil).next()
		if len(n) != 32 || seen[n] {
			t.Fatalf("nonce %q", n)
		}
		seen[n] = true
	}
}

func TestClientRefusesWhatCannotBeSent(t *testing.T) {
	good := Credentials{Username: "al", Password: "pw"}
	for _, c := range []struct {
		name   string
		m      *Mechanism
		change func(*Credentials)
	}{
		{"no user", PLAIN, func(c *Credentials) { c.Username = "" }},
		{"no password", PLAIN, func(c *Credentials) { c.Password = "" }},
		{"NUL in the user", PLAIN, func(c *Credentials) { c.Username = "a\x00l" }},
		{"NUL in the password", PLAIN, func(c *Credentials) { c.Password = "p\x00" }},
		{"line end in the authzid", PLAIN, func(c *Credentials) { c.Authzid = "a\r\nb" }},
		{"no user", LOGIN, func(c *Credentials) { c.Username = "" }},
		{"authzid", LOGIN, func(c *Credentials) { c.Authzid = "root" }},
		{"authzid", CRAMMD5, func(c *Credentials) { c.Authzid = "root" }},
		{"line end in the user", CRAMMD5, func(c *Credentials) { c.Username = "a\nl" }},
		{"no password", DIGESTMD5, func(c *Credentials) { c.Password = "" }},
		{"long trace", ANONYMOUS, func(c *Credentials) { c.Trace = strings.Repeat("x", 256) }},
		{"line end in the trace", ANONYMOUS, func(c *Credentials) { c.Trace = "a\nb" }},
		{"NUL in the authzid", EXTERNAL, func(c *Credentials) { c.Authzid = "\x00" }},
	} {
		credentials := good
		c.change(&credentials)
		if ir, err := c.m.NewClient(&ClientConfig{Credentials: credentials}).Start(); err == nil {
			t.Errorf("%s, %s: starts with %q", c.m.Name, c.name, ir)
		}
	}
}

// TestClientNeverAnswersNil: go-smtp's client takes nil for success.
func TestClientNeverAnswersNil(t *testing.T) {
	for _, m := range All() {
		c := m.NewClient(&ClientConfig{Credentials: Credentials{Username: "al", Password: "a secret phrase", Token: FixedToken("token")}, Service: "smtp", Host: "h", Binding: nobody{}.Binding})
		if ir, err := c.Start(); err != nil || (ir == nil) != m.ServerFirst {
			t.Errorf("%s starts with %q, %v", m.Name, ir, err)
		}
		for range 4 {
			response, err := c.Next([]byte("challenge"))
			if response == nil && err == nil {
				t.Fatalf("%s answers nil", m.Name)
			}
			if err != nil {
				break
			}
		}
	}
}

func TestDigestClientChoosesRealm(t *testing.T) {
	for _, c := range []struct {
		name, user, realm string
		offered           []string
		want              string
		bad               bool
	}{
		{"none offered", "al", "", nil, "", false},
		{"first", "al", "", []string{"a", "b"}, "a", false},
		{"the user's own", "al@b", "", []string{"a", "b"}, "b", false},
		{"configured", "al@a", "b", []string{"a", "b"}, "b", false},
		{"configured and not offered", "al", "c", []string{"a", "b"}, "", true},
		{"configured and none offered", "al", "c", nil, "", true},
	} {
		client := &digestMD5Client{client: client{ClientConfig: &ClientConfig{Credentials: Credentials{Username: c.user, Realm: c.realm}}}}
		got, err := client.chooseRealm(digestChallenge{realms: c.offered, utf8: true})
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

// TestTLSBinding: both ends of a real handshake have the same data, for the
// types that the version has and no other.
func TestTLSBinding(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for version, want := range map[uint16][]string{
		tls.VersionTLS12: {BindingExporter, BindingUnique, BindingEndPoint},
		tls.VersionTLS13: {BindingExporter, BindingEndPoint},
	} {
		near, far := net.Pipe()
		server := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MaxVersion: version})
		client := tls.Client(far, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		done := make(chan error, 1)
		go func() { done <- server.HandshakeContext(t.Context()) }()
		if err := client.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		ours := TLSBinding(server.ConnectionState(), leaf)
		theirs := TLSBinding(client.ConnectionState(), client.ConnectionState().PeerCertificates[0])
		var got []string
		for _, typ := range []string{BindingExporter, BindingUnique, BindingEndPoint, "tls-unknown"} {
			a, okA := ours(typ)
			b, okB := theirs(typ)
			if okA != okB || !bytes.Equal(a, b) || okA && len(a) < 12 {
				t.Errorf("TLS %x, %s: %x, %v and %x, %v", version, typ, a, okA, b, okB)
			}
			if okA {
				got = append(got, typ)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("TLS %x (-want +got):\n%s", version, diff)
		}
		near.Close()
		far.Close()
	}
	if TLSBinding(tls.ConnectionState{}, leaf) != nil {
		t.Error("a binding before the handshake")
	}
}

func TestErrorDetailed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    *Error
		want string
	}{
		{&Error{Class: Unavailable, Code: "unavailable", Err: errors.New("sql: no route")}, "sasl: temporary authentication failure: sql: no route"},
		{&Error{Class: Limit, Code: "too-long"}, "sasl: message too long: too-long"},
	} {
		err := c.e.Detailed()
		var found *Error
		if err.Error() != c.want || !errors.As(err, &found) || found != c.e || AsError(err) != c.e {
			t.Errorf("%q, want %q, from which the error is found", err, c.want)
		}
		if errors.Is(err, verifier.ErrUnavailable) != (c.e.Class == Unavailable) {
			t.Errorf("%q does not match what it was made of", err)
		}
	}
}
