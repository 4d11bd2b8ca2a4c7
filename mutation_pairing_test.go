package saslkit_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// An identity is what a client logs in with, and what an exchange with it is like
// that nobody edits.
type identity struct {
	username, password, authzid string
	user                        string // in the store, in testRealm

	responses, challenges [][]byte // of an earlier exchange
	clean                 struct{ responses, challenges int }
	final                 bool // the server has data for success
	deliveries            int  // messages of both sides
}

// What is in these names has a meaning in one of the grammars.
var identities = []identity{
	{username: "al", password: "secret", user: "al"},
	{username: "al", password: "secret", user: "al", authzid: "shared"},
	{username: "al@example.com", password: "secret", user: "al"},
	{username: "zo\u00eb", password: "p\u00e4ssw\u00f6rd", user: "zo\u00eb", authzid: "shared"},
	{username: `q"\,= z`, password: `s"\,=, t`, user: `q"\,= z`},
}

// A pairing is a mechanism and a store with one kind of secret.
type pairing struct {
	row  *mech.Mechanism
	kind verifier.Kind
	auth *saslkit.Authenticator
	kept *verifiertest.Memory   // what auth asks
	both *saslkit.Authenticator // offers the mechanism that binds too; nil: there is none
	who  []identity
}

// pairingsOf makes the pairings of each mechanism once.
var pairingsOf = func() func(m *mech.Mechanism) []*pairing {
	var all sync.Map
	return func(m *mech.Mechanism) []*pairing {
		make, _ := all.LoadOrStore(m, sync.OnceValue(func() []*pairing { return newPairings(m) }))
		return make.(func() []*pairing)()
	}
}()

func newPairings(m *mech.Mechanism) []*pairing {
	kinds := m.Secrets
	switch m.Need {
	case mech.NeedPassword:
		kinds = []verifier.Kind{verifier.KindCheck, verifier.KindPassword}
	case mech.NeedSecret:
	default:
		kinds = []verifier.Kind{verifier.KindPassword} // nobody looks
	}
	var list []*pairing
	for _, k := range kinds {
		p := &pairing{row: m, kind: k}
		p.kept = p.store()
		p.auth = authOf(p.kept, m)
		if binding := mech.ByName(m.Name + "-PLUS"); binding != nil {
			p.both = authOf(p.kept, m, binding)
		}
		p.rehearse()
		list = append(list, p)
	}
	return list
}

func authOf(store verifier.Verifier, rows ...*mech.Mechanism) *saslkit.Authenticator {
	a := &saslkit.Authenticator{Verifier: store, Tokens: tokens(), Policy: anything, Authorizer: authorizer(mayBeShared)}
	for _, m := range rows {
		a.Mechanisms = append(a.Mechanisms, m.Name)
	}
	return a
}

// tokens are what the mechanisms with bearer tokens know of the identities.
func tokens() verifier.StaticTokens {
	all := verifier.StaticTokens{}
	for _, who := range identities {
		all[who.token()] = who.user
	}
	return all
}

// token is made of the credentials, in the characters that tokens have.
func (who *identity) token() string {
	return base64.StdEncoding.EncodeToString([]byte(who.user + " " + who.password))
}

// mayBeShared lets everybody act as "shared".
func mayBeShared(_ verifier.Account, user, realmName string) error {
	if user == "shared" && realmName == testRealm {
		return nil
	}
	return verifier.ErrNotPermitted
}

// password is that of an identity, or his pass phrase.
func (p *pairing) password(who *identity) string {
	if p.row == mech.OTP {
		return who.password + " and more"
	}
	return who.password
}

// store makes the secrets. Those of SCRAM have one iteration.
func (p *pairing) store() *verifiertest.Memory {
	store := verifiertest.NewMemory()
	for _, who := range identities {
		var secrets []verifier.Secret
		value, err := []byte(who.password), error(nil)
		switch {
		case p.kind.IsSCRAM():
			value, err = mech.SCRAMSecret(p.kind, who.password, []byte("salt of "+who.user), 1)
		case p.kind != verifier.KindCheck && p.kind != verifier.KindPassword:
			secrets, err = mech.Secrets(who.user, testRealm, p.password(&who), p.kind)
		}
		if err != nil {
			panic(err)
		}
		if secrets == nil {
			secrets = []verifier.Secret{{Kind: p.kind, Value: value}}
		}
		store.Add(verifiertest.User{Name: who.user, Realm: testRealm}, secrets...)
	}
	return store
}

// authenticator is the one of a contest. Where a login changes the store, each contest
// has a copy of it as it was after the rehearsal, so that what was said in that is old.
func (p *pairing) authenticator(who *identity) *saslkit.Authenticator {
	if !p.row.Stores || who.responses == nil {
		return p.auth
	}
	held, err := p.kept.LookupSecret(context.Background(), verifier.Request{User: who.user, Realm: testRealm}, p.kind)
	if err != nil {
		panic(err)
	}
	store := verifiertest.NewMemory()
	store.Add(verifiertest.User{Name: who.user, Realm: testRealm}, held)
	return authOf(store, p.row)
}

// rehearse plays an exchange of each identity that nobody edits, to know what it is
// like. An identity that the mechanism has no place for is left out.
func (p *pairing) rehearse() {
	for _, who := range identities {
		if p.kind == verifier.KindDIGESTMD5 && strings.Contains(who.username, "@") {
			continue // a stored hash is of the name alone
		}
		c := p.contest(&who, carriesEnd)
		if _, _, err := c.client.Start(); err != nil && who.authzid != "" {
			continue
		}
		c = p.contest(&who, carriesEnd)
		c.play() // it cannot be judged yet
		if !c.over() || c.finish != nil {
			panic(fmt.Sprintf("%s does not log in: %v", p.row.Name, c))
		}
		who.final = c.told[len(c.told)-1].sent != nil
		for i, t := range c.heard {
			who.responses = append(who.responses, t.sent)
			if i > 0 {
				who.challenges = append(who.challenges, t.got)
			}
		}
		who.clean.challenges = len(who.challenges)
		if who.final {
			who.clean.challenges--
		}
		for _, t := range c.told {
			if t.got != nil {
				who.clean.responses++
			}
		}
		who.deliveries = len(who.responses) + len(who.challenges)
		p.who = append(p.who, who)
	}
}

// The first octets of a script say who talks and how.
const (
	setupSize = 3

	carriesEnd  = 1 << (iota - 1) // the protocol has a place for data of success
	asksFirst                     // and none for an initial response
	clientBinds                   // the client could bind to the channel
	manyRounds                    // the client computes as many iterations as usual
	otherEnd                      // the ends of the channel have different data
	cutOffer                      // the offer of the mechanism that binds has been removed
)

func contestOf(m *mech.Mechanism, script []byte) *contest {
	setup := make([]byte, setupSize)
	script = script[copy(setup, script):]
	list := pairingsOf(m)
	p, how := list[int(setup[2])%len(list)], int(setup[1])&(carriesEnd|asksFirst|clientBinds)
	switch rare := setup[1] >> 4; {
	case rare == 0: // it takes long
		how |= manyRounds
	case list[0].kind.IsSCRAM():
		p = list[0]
	}
	switch rare := setup[2] >> 4; {
	case rare == 0 && m.Binds:
		how |= otherEnd
	case rare == 0 && p.both != nil:
		how |= cutOffer | clientBinds
	}
	c := p.contest(&p.who[int(setup[0])%len(p.who)], how)
	c.edits = editsOf(script)
	return c
}

// contest makes one with a real client and a real server.
func (p *pairing) contest(who *identity, how int) *contest {
	c := &contest{pairing: p, who: who, carriesEnd: how&carriesEnd != 0, asks: how&asksFirst != 0 && !p.row.ServerFirst}
	auth, near, far := p.authenticator(who), saslkit.Channel{Secure: true, External: "al"}, saslkit.Channel{Secure: true, External: "al"}
	if p.row.Binds {
		near.Binding, far.Binding = channelData("one"), channelData("one")
	}
	switch {
	case how&otherEnd != 0:
		far.Binding = channelData("another")
	case how&cutOffer != 0:
		auth, far.Binding = p.both, channelData("one")
	}
	c.doomed = how&(otherEnd|cutOffer) != 0
	c.touched = c.doomed
	if how&clientBinds != 0 {
		near.Binding = channelData("one")
	}
	c.client, c.server = p.clientFor(who, how, near), serverFor(p.row, auth, far, c.carriesEnd)
	return c
}

func channelData(channel string) func(typ string) ([]byte, bool) {
	return func(typ string) ([]byte, bool) { return []byte(channel + " channel, " + typ), true }
}

func serverFor(m *mech.Mechanism, auth *saslkit.Authenticator, ch saslkit.Channel, carriesEnd bool) serverSide {
	peer := auth.NewPeer(saslkit.PeerConfig{
		Service: "smtp", HostNames: []string{"mail.example.com"},
		Realm:   realm.Policy{Default: testRealm, Others: []string{"example.org"}},
		Channel: func() saslkit.Channel { return ch },
	})
	exchange, err := peer.Start(m.Name)
	if err != nil {
		panic(err)
	}
	return &realServer{peer, exchange, carriesEnd}
}

func (p *pairing) clientFor(who *identity, how int, ch saslkit.Channel) clientSide {
	cfg := saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: who.username, Password: p.password(who), Authzid: who.authzid, Trace: who.authzid, Token: mech.FixedToken(who.token())},
		Mechanisms:  []string{p.row.Name}, Offered: []string{p.row.Name}, Policy: anything, Channel: ch,
		Service: "smtp", Host: "mail.example.com",
		MinIterations: 1, MaxIterations: 99,
	}
	if how&manyRounds != 0 || !p.kind.IsSCRAM() {
		cfg.MaxIterations = 2 * mech.MinIterations
	}
	client, err := saslkit.NewClient(cfg)
	if err != nil {
		panic(err)
	}
	return client
}
