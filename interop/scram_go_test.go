package interop

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xdg-go/scram"
	"mellium.im/sasl"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// xdgHashes make the SCRAM mechanisms of xdg-go/scram, which takes any hash.
var xdgHashes = map[string]scram.HashGeneratorFcn{
	"SCRAM-SHA-1":   sha1.New,
	"SCRAM-SHA-224": sha256.New224,
	"SCRAM-SHA-256": sha256.New,
	"SCRAM-SHA-384": sha512.New384,
	"SCRAM-SHA-512": sha512.New,
	sha3Mechanism:   func() hash.Hash { return sha3.New512() },
}

// xdgBinding is the same data as that of the binding.
func (b binding) xdg() scram.ChannelBinding {
	return scram.ChannelBinding{Type: scram.ChannelBindingType(b.name), Data: b.data}
}

// xdgClient is a login by xdg-go/scram.
func xdgClient(t testing.TB, base, user, password string, b binding) (foreignClient, *scram.ClientConversation) {
	t.Helper()
	client, err := xdgHashes[base].NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	c := client.NewConversation()
	if b.name != "" {
		c = client.NewConversationWithChannelBinding(b.xdg())
	}
	return func(challenge []byte) ([]byte, error) {
		response, err := c.Step(string(challenge))
		return []byte(response), err
	}, c
}

// xdgServer is a login to xdg-go/scram, of a user with these credentials.
func xdgServer(t testing.TB, base, user string, stored scram.StoredCredentials, b binding) foreignServer {
	t.Helper()
	server, err := xdgHashes[base].NewServer(func(name string) (scram.StoredCredentials, error) {
		if name != user {
			return scram.StoredCredentials{}, errors.New("no such user")
		}
		return stored, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c := server.NewConversation()
	if b.name != "" {
		c = server.NewConversationWithChannelBindingRequired(b.xdg())
	}
	return func(response []byte) ([]byte, bool, error) {
		challenge, err := c.Step(string(response))
		return []byte(challenge), c.Done(), err
	}
}

// xdgStored are what xdg-go/scram keeps of a password.
func xdgStored(t testing.TB, base, password string) scram.StoredCredentials {
	t.Helper()
	client, err := xdgHashes[base].NewClient("", password, "")
	if err != nil {
		t.Fatal(err)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: scramIterations})
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

// xdgRecord are the same keys in the form of RFC 5803.
func xdgRecord(base string, s scram.StoredCredentials) string {
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", base, s.Iters, encode([]byte(s.Salt)), encode(s.StoredKey), encode(s.ServerKey))
}

// xdg-go/scram's client logs in to our server, from a password, from keys of ours
// and from keys of its own; our client logs in to its server.
func TestXDG(t *testing.T) {
	mechanisms := slices.Sorted(maps.Keys(xdgHashes))
	for _, mechanism := range append(mechanisms, plus(mechanisms)...) {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			kind, _ := verifier.SCRAMKind(mechanism)
			base := kind.SCRAMName()
			b := labBinding.forMechanism(mechanism)
			stored := xdgStored(t, base, labPassword)

			theirs, err := verifier.ParseSCRAM(xdgRecord(base, stored))
			if err != nil {
				t.Fatal(err)
			}
			users := verifiertest.NewMemory(verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword})
			users.Add(verifiertest.User{Name: keysUser, Realm: labRealm}, allKeys(t, labPassword)...)
			users.Add(verifiertest.User{Name: "xavier", Realm: labRealm}, theirs)
			for _, user := range []string{labUser, keysUser, "xavier"} {
				step, c := xdgClient(t, base, user, labPassword, b)
				r, err := login{mechanism: mechanism, channel: b.channel()}.by(t, scramOver(users), step)
				if err != nil || r.User != user || r.Mechanism != mechanism || !c.Valid() {
					t.Errorf("%s: %+v, %v, valid: %v", user, r, err, c.Valid())
				}
				step, _ = xdgClient(t, base, user, "wrong", b)
				_, err = login{mechanism: mechanism, channel: b.channel()}.by(t, scramOver(users), step)
				wantBadCredentials(t, err)
			}

			ours := login{mechanism: mechanism, user: labUser, password: labPassword, channel: b.channel()}
			if err := ours.into(t, xdgServer(t, base, labUser, stored, b)); err != nil {
				t.Error(err)
			}
			ours.password = "wrong"
			if err := ours.into(t, xdgServer(t, base, labUser, stored, b)); err == nil {
				t.Error("logged in with a wrong password")
			}
		})
	}
}

// A client that could bind and was not shown -PLUS says so, and a server that offers
// it then knows that somebody is between them.
func TestXDGHidden(t *testing.T) {
	t.Parallel()
	client, err := scram.SHA256.NewClient(labUser, labPassword, "")
	if err != nil {
		t.Fatal(err)
	}
	advertise := func() foreignClient {
		c := client.NewConversationAdvertisingChannelBinding()
		return func(challenge []byte) ([]byte, error) {
			response, err := c.Step(string(challenge))
			return []byte(response), err
		}
	}
	auth := scramAuth(t)
	_, err = login{mechanism: scram256, channel: labBinding.channel()}.by(t, auth, advertise())
	wantBadCredentials(t, err)
	if _, err := (login{mechanism: scram256}).by(t, auth, advertise()); err != nil {
		t.Errorf("our server does not offer -PLUS: %v", err)
	}

	stored := xdgStored(t, scram256, labPassword)
	a := login{mechanism: scram256, user: labUser, password: labPassword, channel: labBinding.channel(), offered: []string{scram256}}
	if err := a.into(t, xdgServer(t, scram256, labUser, stored, labBinding)); err == nil || !strings.Contains(err.Error(), "downgrade") {
		t.Errorf("the other server offers -PLUS: %v", err)
	}
	if err := a.into(t, xdgServer(t, scram256, labUser, stored, noBinding)); err != nil {
		t.Errorf("the other server does not offer -PLUS: %v", err)
	}
}

// melliumMechanisms are those of mellium.im/sasl.
var melliumMechanisms = map[string]sasl.Mechanism{
	"SCRAM-SHA-1":        sasl.ScramSha1,
	"SCRAM-SHA-256":      sasl.ScramSha256,
	"SCRAM-SHA-1-PLUS":   sasl.ScramSha1Plus,
	"SCRAM-SHA-256-PLUS": sasl.ScramSha256Plus,
}

// melliumClient is a login by mellium.im/sasl, under TLS if there is a state.
func melliumClient(mechanism, user, password string, state *tls.ConnectionState) foreignClient {
	options := []sasl.Option{
		sasl.Credentials(func() (username, word, identity []byte) { return []byte(user), []byte(password), nil }),
		sasl.RemoteMechanisms(mechanism),
	}
	if state != nil {
		options = append(options, sasl.TLSState(*state))
	}
	client := sasl.NewClient(melliumMechanisms[mechanism], options...)
	return func(challenge []byte) ([]byte, error) {
		_, response, err := client.Step(challenge)
		return response, err
	}
}

// mellium.im/sasl's client logs in to our server, with -PLUS over real TLS: it binds
// to tls-exporter under TLS 1.3 and to tls-unique before.
func TestMellium(t *testing.T) {
	auth := scramAuth(t)
	for mechanism := range melliumMechanisms {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(mechanism+"/"+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				server, client := tlsPair(t, labTLS(t), version)
				for _, user := range []string{labUser, keysUser} {
					a := login{mechanism: mechanism, channel: saslkit.ServerTLS(server, nil)}
					r, err := a.by(t, auth, melliumClient(mechanism, user, labPassword, &client))
					if err != nil || r.User != user || r.Mechanism != mechanism {
						t.Errorf("%s: %+v, %v", user, r, err)
					}
					_, err = a.by(t, auth, melliumClient(mechanism, user, "wrong", &client))
					wantBadCredentials(t, err)
				}
				if isPlus(mechanism) {
					other, _ := tlsPair(t, labTLS(t), version)
					a := login{mechanism: mechanism, channel: saslkit.ServerTLS(other, nil)}
					if _, err := a.by(t, auth, melliumClient(mechanism, labUser, labPassword, &client)); err == nil {
						t.Error("logged in on another connection")
					}
				}
			})
		}
	}
}

// Our client logs in to mellium.im/sasl's server, which has no channel binding.
func TestMelliumServer(t *testing.T) {
	for _, tc := range []struct {
		mechanism string
		hash      func() hash.Hash
	}{{"SCRAM-SHA-1", sha1.New}, {"SCRAM-SHA-256", sha256.New}} {
		t.Run(tc.mechanism, func(t *testing.T) {
			t.Parallel()
			salt := []byte("sixteen bytes....")[:16]
			salted := sasl.SCRAMSaltPassword(tc.hash, []byte(labPassword), salt, scramIterations)
			server := func() foreignServer {
				s := sasl.NewServer(melliumMechanisms[tc.mechanism], func(*sasl.Negotiator) bool { return true },
					sasl.SaltedCredentials(func(_, _ []byte, _ string) ([]byte, []byte, int64, error) {
						return salt, salted, scramIterations, nil
					}))
				return func(response []byte) ([]byte, bool, error) {
					more, challenge, err := s.Step(response)
					return challenge, !more, err
				}
			}
			a := login{mechanism: tc.mechanism, user: labUser, password: labPassword}
			if err := a.into(t, server()); err != nil {
				t.Error(err)
			}
			a.password = "wrong"
			if err := a.into(t, server()); err == nil {
				t.Error("logged in with a wrong password")
			}
		})
	}
}

// tlsPair connects a client with a server and returns what TLS tells to either.
func tlsPair(t testing.TB, site *testTLS, version uint16) (server, client tls.ConnectionState) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", site.server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	config := site.client.Clone()
	config.MinVersion, config.MaxVersion = version, version
	dialed := make(chan error, 1)
	go func() {
		conn, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", ln.Addr().String(), config)
		if err == nil {
			client = conn.ConnectionState()
			conn.Close()
		}
		dialed <- err
	}()
	accepted, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	conn := accepted.(*tls.Conn)
	conn.SetDeadline(time.Now().Add(patience))
	if err := errors.Join(conn.HandshakeContext(t.Context()), <-dialed); err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState(), client
}
