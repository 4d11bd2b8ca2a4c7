package saslkit_test

import (
	"fmt"
	"path/filepath"
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
			b.Run(name+"/"+place, func(b *testing.B) { benchServer(b, a, name) })
		}
	}
}

func benchServer(b *testing.B, a *saslkit.Authenticator, mechanism string) {
	b.ReportAllocs()
	cfg := saslkit.PeerConfig{Service: "smtp", Realm: realm.Policy{Default: testRealm}}
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		name := fmt.Sprintf("user%06d", i%benchUsers)
		client := mech.ByName(mechanism).NewClient(&mech.ClientConfig{
			Credentials: mech.Credentials{Username: name, Password: password(name)}, Service: "smtp", Host: "localhost",
		})
		response, err := client.Start()
		if err != nil {
			b.Fatal(err)
		}
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
