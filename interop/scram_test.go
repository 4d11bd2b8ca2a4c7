package interop

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// The SCRAM mechanisms that a server offers unasked, the strongest first, and the
// same with channel binding.
var (
	scramMechanisms = []string{"SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-256", "SCRAM-SHA-224", "SCRAM-SHA-1"}
	plusMechanisms  = plus(scramMechanisms)
)

// sha3Mechanism is offered only if the site names it.
const sha3Mechanism = "SCRAM-SHA3-512"

func plus(mechanisms []string) []string {
	var with []string
	for _, m := range mechanisms {
		with = append(with, m+"-PLUS")
	}
	return with
}

func isPlus(mechanism string) bool { return strings.HasSuffix(mechanism, "-PLUS") }

func isSCRAM(mechanism string) bool {
	_, ok := verifier.SCRAMKind(mechanism)
	return ok
}

// keysUser is one of whom the store has SCRAM keys and no password. It is the
// password of labUser.
const keysUser = "dora"

const scramIterations = 4096

// scramKeys are the stored keys of a password for one mechanism.
func scramKeys(t testing.TB, mechanism, password string) verifier.Secret {
	t.Helper()
	kind, ok := verifier.SCRAMKind(mechanism)
	if !ok {
		t.Fatalf("%s is not a SCRAM mechanism", mechanism)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	value, err := mech.SCRAMSecret(kind, password, salt, scramIterations)
	if err != nil {
		t.Fatal(err)
	}
	return verifier.Secret{Kind: kind, Value: value}
}

// recordText is how Cyrus and PostgreSQL keep them.
func recordText(t testing.TB, keys verifier.Secret) string {
	t.Helper()
	text, err := verifier.FormatSCRAM(keys, verifier.SCRAMRecord)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func allKeys(t testing.TB, password string) []verifier.Secret {
	t.Helper()
	var keys []verifier.Secret
	for _, m := range append(scramMechanisms, sha3Mechanism) {
		keys = append(keys, scramKeys(t, m, password))
	}
	return keys
}

// addKeysUser gives a sasldb2 a user with SCRAM keys alone.
func addKeysUser(t testing.TB, file string) {
	t.Helper()
	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), verifier.Request{User: keysUser, Realm: labRealm}, func(e verifier.Entry) (verifier.Entry, error) {
		return verifier.Entry{Exists: true, Secrets: allKeys(t, labPassword)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// scramAuth serves every SCRAM and nothing else, to labUser by his password and to keysUser by her
// keys.
func scramAuth(t testing.TB) *saslkit.Authenticator {
	t.Helper()
	users := verifiertest.NewMemory(verifiertest.User{Name: labUser, Realm: labRealm, Password: labPassword})
	users.Add(verifiertest.User{Name: keysUser, Realm: labRealm}, allKeys(t, labPassword)...)
	return scramOver(users)
}

func scramOver(users verifier.SecretSource) *saslkit.Authenticator {
	return &saslkit.Authenticator{
		Verifier:   users,
		Mechanisms: slices.Concat(plusMechanisms, scramMechanisms, plus([]string{sha3Mechanism}), []string{sha3Mechanism}),
		Policy:     labPolicy,
	}
}

// A binding is channel-binding data as an application hands it to a library.
type binding struct {
	name string
	data []byte
}

var noBinding binding

// labBinding is enough where both ends are told the data.
var labBinding = binding{mech.BindingEndPoint, []byte("the hash of some certificate, 32")}

// channel is secure if there is something to bind to.
func (b binding) channel() saslkit.Channel {
	if b.name == "" {
		return saslkit.Channel{}
	}
	return saslkit.Channel{Secure: true, Binding: func(typ string) ([]byte, bool) { return b.data, typ == b.name }}
}

// forMechanism is a binding for -PLUS and none for the others.
func (b binding) forMechanism(mechanism string) binding {
	if isPlus(mechanism) {
		return b
	}
	return noBinding
}

// A login is one that a test asks for, on either side.
type login struct {
	mechanism      string
	user, password string
	channel        saslkit.Channel // of the end that is ours
	offered        []string        // what our client was shown; nil: nothing
}

// A foreignServer is the server of one login, of another implementation. It takes
// one response and says what it answers, and whether that is its last word; an
// error is its refusal.
type foreignServer func(response []byte) (challenge []byte, done bool, err error)

var errProtocol = errors.New("the exchange does not end")

// into logs our client in to a foreign server.
func (l login) into(t testing.TB, step foreignServer) error {
	t.Helper()
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: l.user, Password: l.password},
		Offered:     l.offered,
		Mechanisms:  []string{l.mechanism},
		Policy:      labPolicy,
		Channel:     l.channel,
		Service:     "smtp",
		Host:        "localhost",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, response, err := x.Start()
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		challenge, done, err := step(response)
		if err != nil {
			return err
		}
		if challenge != nil || !done {
			if response, err = x.Next(challenge); err != nil {
				return err
			}
		}
		if done {
			return x.Finish()
		}
	}
	return errProtocol
}

// A foreignClient is the client of one login, of another implementation: it
// answers a challenge, the first of which is nil.
type foreignClient func(challenge []byte) (response []byte, err error)

// by logs a foreign client in to ours. The last message of the server travels with
// success; the error is the server's refusal, or else the client's.
func (l login) by(t testing.TB, auth *saslkit.Authenticator, step foreignClient) (saslkit.Result, error) {
	t.Helper()
	peer := auth.NewPeer(saslkit.PeerConfig{
		Realm:   realm.Policy{Default: labRealm},
		Channel: func() saslkit.Channel { return l.channel },
	})
	defer peer.Close()
	x, err := peer.Start(l.mechanism)
	if err != nil {
		t.Fatal(err)
	}
	var challenge []byte
	for range 10 {
		response, err := step(challenge)
		if err != nil {
			return saslkit.Result{}, err
		}
		switch o := x.Step(response); o.State {
		case saslkit.Failed:
			return saslkit.Result{}, o.Err
		case saslkit.Done:
			if _, err := step(o.Data); err != nil {
				return saslkit.Result{}, err
			}
			r, _ := peer.Result()
			return r, nil
		default:
			challenge = o.Data
		}
	}
	return saslkit.Result{}, errProtocol
}

// wantBadCredentials wants the refusal of a wrong password.
func wantBadCredentials(t testing.TB, err error) {
	t.Helper()
	var refusal *saslkit.Error
	if !errors.As(err, &refusal) || refusal.Class != mech.BadCredentials {
		t.Errorf("refused with %v, want the class %v", err, mech.BadCredentials)
		return
	}
	if code, enhanced, _ := refusal.SMTP(); code != 535 || enhanced != [3]int{5, 7, 8} {
		t.Errorf("refused with %d %v, want 535 5.7.8", code, enhanced)
	}
}
