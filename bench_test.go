package saslkit_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

const benchUsers = 1000

func benchStores(b *testing.B) map[string]verifier.Verifier {
	b.Helper()
	memory := verifier.Static{}
	var records []sasldb.Record
	for i := range benchUsers {
		name := fmt.Sprintf("user%06d", i)
		memory[name] = password(name)
		records = append(records, sasldb.Record{Authid: name, Realm: testRealm, Property: sasldb.PropertyPassword, Value: []byte(password(name))})
	}
	path := filepath.Join(b.TempDir(), "sasldb2")
	if err := sasldb.Create(path, records); err != nil {
		b.Fatal(err)
	}
	db, err := sasldb.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	return map[string]verifier.Verifier{"memory": memory, "sasldb": db}
}

// BenchmarkServer measures the server's side of one login: a peer, an exchange
// and its steps. The client runs outside of the clock. From sasldb every login
// compares the file's stamp.
func BenchmarkServer(b *testing.B) {
	stores := benchStores(b)
	for _, name := range everyone[1:] {
		for _, place := range []string{"memory", "sasldb"} {
			a := &saslkit.Authenticator{Verifier: stores[place], Policy: anything, Mechanisms: everyone}
			b.Run(name+"/"+place, func(b *testing.B) { benchServer(b, func() *saslkit.Authenticator { return a }, name, benchUsers) })
		}
	}
}

// BenchmarkServerSCRAM measures SCRAM-SHA-256 with stored keys, and with the password
// at a user's first login after a start and at later ones.
func BenchmarkServerSCRAM(b *testing.B) {
	stored := keyStore{}
	for i := range benchUsers {
		name := fmt.Sprintf("user%06d", i)
		value, err := mech.SCRAMSecret(verifier.KindSCRAMSHA256, password(name), []byte("sixteen bytes of"), 1)
		if err != nil {
			b.Fatal(err)
		}
		stored[name] = value
	}
	always := func(v verifier.Verifier) func() *saslkit.Authenticator {
		a := &saslkit.Authenticator{Verifier: v, Policy: anything}
		return func() *saslkit.Authenticator { return a }
	}
	user := verifier.Static{"user000000": password("user000000")}
	b.Run("keys", func(b *testing.B) { benchServer(b, always(stored), "SCRAM-SHA-256", benchUsers) })
	b.Run("first", func(b *testing.B) {
		benchServer(b, func() *saslkit.Authenticator { return always(user)() }, "SCRAM-SHA-256", 1)
	})
	b.Run("again", func(b *testing.B) { benchServer(b, always(user), "SCRAM-SHA-256", 1) })
}

// A keyStore holds SCRAM-SHA-256 keys by user.
type keyStore map[string][]byte

func (keyStore) Coverage() verifier.Coverage { return verifier.Declared(verifier.KindSCRAMSHA256) }

func (keyStore) VerifyPassword(context.Context, verifier.Request, string) (verifier.Account, error) {
	return verifier.Account{}, verifier.ErrNoSecret
}

func (s keyStore) LookupSecret(_ context.Context, r verifier.Request, _ ...verifier.Kind) (verifier.Secret, error) {
	value, ok := s[r.User]
	if !ok {
		return verifier.Secret{}, verifier.ErrNoUser
	}
	return verifier.Secret{Kind: verifier.KindSCRAMSHA256, Value: slices.Clone(value), Account: verifier.Account{User: r.User, Realm: r.Realm}}, nil
}

func benchServer(b *testing.B, auth func() *saslkit.Authenticator, mechanism string, users int) {
	b.ReportAllocs()
	cfg := saslkit.PeerConfig{Service: "smtp", Realm: realm.Policy{Default: testRealm}}
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		name := fmt.Sprintf("user%06d", i%users)
		client := mech.ByName(mechanism).NewClient(&mech.ClientConfig{
			Credentials: mech.Credentials{Username: name, Password: password(name)}, Service: "smtp", Host: "localhost", MinIterations: 1,
		})
		response, err := client.Start()
		if err != nil {
			b.Fatal(err)
		}
		a := auth()
		b.StartTimer()
		peer := a.NewPeer(cfg)
		x, err := peer.Start(mechanism)
		if err != nil {
			b.Fatal(err)
		}
		for {
			challenge, done, err := x.Next(response)
			if err != nil {
				b.Fatal(err)
			}
			if done {
				break
			}
			b.StopTimer()
			if response, err = client.Next(challenge); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// BenchmarkAdvertised is what EHLO costs.
func BenchmarkAdvertised(b *testing.B) {
	a := &saslkit.Authenticator{Verifier: benchStores(b)["sasldb"], Policy: anything, Mechanisms: everyone}
	peer := a.NewPeer(saslkit.PeerConfig{})
	b.ReportAllocs()
	for b.Loop() {
		if len(peer.AuthMechanisms()) == 0 {
			b.Fatal("nothing is advertised")
		}
	}
}
