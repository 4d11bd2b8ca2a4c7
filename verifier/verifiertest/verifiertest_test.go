package verifiertest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

var (
	alice = User{Name: "alice", Realm: "example.org", Password: "pencil-of-alice"}
	bob   = User{Name: "bob", Realm: "example.org", Password: "Crayon-of-Bob"}
	carol = User{Name: "carol", Realm: "example.net", Password: "Kreide für Grün"}
	dave  = User{Name: "dave", Realm: "example.org", Password: "ink-of-dave", Disabled: true}
	erin  = User{Name: "erin", Realm: "example.org", Password: "chalk-of-erin", Expired: true}
	frank = User{Name: "frank", Realm: "example.org"} // has no password

	everyone = []User{alice, bob, carol, dave, erin}
)

// hashes are secrets of the other kinds, different for every user.
func hashes(u User) []verifier.Secret {
	cram := md5.Sum([]byte("cram" + u.Password))
	digest := md5.Sum([]byte(u.Name + ":" + u.Realm + ":" + u.Password))
	return []verifier.Secret{
		{Kind: verifier.KindCRAMMD5, Value: append(cram[:], cram[:]...)},
		{Kind: verifier.KindDIGESTMD5, Value: digest[:]},
		{Kind: verifier.KindSCRAMSHA1, Value: fmt.Appendf(nil, "\x00\x00\x10\x00%[1]s----%[1]s----%[2]s", digest, cram)},
		{Kind: verifier.KindSCRAMSHA256, Value: fmt.Appendf(nil, "\x00\x00\x10\x00%[1]s%[2]s%[1]s%[2]s%[2]s", digest, cram)},
		{Kind: verifier.KindOTP, Value: fmt.Appendf(nil, "md5\t0499\tve0001\t%x\t%020d", digest[:8], 0)},
	}
}

// full returns a store of everyone with every kind.
func full() *Memory {
	m := new(Memory)
	for _, u := range everyone {
		m.Add(u, hashes(u)...)
	}
	return m
}

func TestSound(t *testing.T) {
	enabled := []User{alice, bob, carol}
	static := verifier.Static{}
	for _, u := range enabled {
		static[u.Name+"@"+u.Realm] = u.Password
	}
	callback := func(users ...User) verifier.SecretSource {
		return verifier.Passwords(func(_ context.Context, r verifier.Request) (string, error) {
			for _, u := range users {
				if u.Name == r.User && u.Realm == r.Realm {
					switch {
					case u.Disabled:
						return u.Password, verifier.ErrDisabled
					case u.Expired:
						return u.Password, verifier.ErrExpired
					}
					return u.Password, nil
				}
			}
			return "", verifier.ErrNoUser
		})
	}
	mixed := NewMemory(alice, frank)
	mixed.Add(User{Name: bob.Name, Realm: bob.Realm}, verifier.Secret{Kind: verifier.KindCheck, Value: []byte(bob.Password)})
	mixed.Add(User{Name: dave.Name, Realm: dave.Realm, Disabled: true}, hashes(dave)...)
	var zero Memory
	for _, c := range []struct {
		name  string
		v     verifier.Verifier
		users []User
	}{
		{"Memory", full(), everyone},
		{"Memory with passwords only", NewMemory(everyone...), everyone},
		{"Memory with different kinds for each", mixed, []User{alice, bob, frank, {Name: dave.Name, Realm: dave.Realm, Disabled: true}}},
		{"Memory without users", &zero, nil},
		{"Memory as a mere verifier", struct{ verifier.Verifier }{full()}, everyone},
		{"Memory as a mere source", struct{ verifier.SecretSource }{full()}, everyone},
		{"Faulty without a fault", &Faulty{Verifier: full()}, everyone},
		{"Faulty without a fault, a mere verifier", &Faulty{Verifier: struct{ verifier.Verifier }{full()}}, everyone},
		{"Faulty that is slow", &Faulty{Verifier: full(), Fault: Fault{Delay: time.Microsecond}}, everyone[:1]},
		{"Static", static, enabled},
		{"Static, every realm", verifier.Static{"alice": alice.Password, "bob": bob.Password}, []User{alice, bob, {Name: "alice", Password: alice.Password}}},
		{"Static, addresses as names", verifier.Static{"alice@example.org": "pencil-1", "bob@example.org": "pencil-2"},
			[]User{{Name: "alice@example.org", Password: "pencil-1"}, {Name: "bob@example.org", Password: "pencil-2"}}},
		{"Static with an empty password", verifier.Static{"alice": alice.Password, "bob": ""}, []User{{Name: "alice", Password: alice.Password}}},
		{"Static without users", verifier.Static{}, nil},
		{"Passwords", callback(everyone...), everyone},
		{"Chain of one", verifier.Chain(full()), everyone},
		{"Chain of none", verifier.Chain(), nil},
		{"Chain of stores", verifier.Chain(static, callback(dave), NewMemory(erin)), everyone},
		{"Chain of empty stores and a full one", verifier.Chain(verifier.Static{}, &zero, full()), everyone},
		{"Chain of a mere verifier and stores", verifier.Chain(struct{ verifier.Verifier }{NewMemory(bob)}, full()), everyone},
		{"Chain of chains", verifier.Chain(verifier.Chain(callback(alice), NewMemory(bob)), verifier.Chain(NewMemory(carol, dave, erin))), everyone},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := TestVerifier(c.v, c.users...); err != nil {
				t.Error(err)
			}
		})
	}
}

// A planted is a sound store with one fault: the functions that are set replace
// or change what Memory does.
type planted struct {
	*Memory
	verify func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error)
	lookup func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error)
	update func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error
	cover  func() verifier.Coverage
	print  string
}

func (p *planted) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	if p.verify != nil {
		return p.verify(ctx, r, password)
	}
	return p.Memory.VerifyPassword(ctx, r, password)
}

func (p *planted) LookupSecret(ctx context.Context, r verifier.Request, kinds ...verifier.Kind) (verifier.Secret, error) {
	if p.lookup != nil {
		return p.lookup(ctx, r, kinds)
	}
	return p.Memory.LookupSecret(ctx, r, kinds...)
}

func (p *planted) Update(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
	if p.update != nil {
		return p.update(ctx, r, change)
	}
	return p.Memory.Update(ctx, r, change)
}

func (p *planted) Coverage() verifier.Coverage {
	if p.cover != nil {
		return p.cover()
	}
	return p.Memory.Coverage()
}

func (p *planted) Format(f fmt.State, _ rune) { io.WriteString(f, cmp.Or(p.print, "a store")) }

// A fault plants itself in a store of everyone.
type fault struct {
	name  string
	rule  string
	plant func(p *planted, m *Memory)
}

// likeFault accepts what sound makes of the password.
func likeFault(name string, sound func(string) string) fault {
	return fault{name, ruleResembling, func(p *planted, m *Memory) {
		p.verify = func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
			for _, u := range everyone {
				if u.Name == r.User && password != "" && sound(password) == sound(u.Password) {
					password = u.Password
				}
			}
			return m.VerifyPassword(ctx, r, password)
		}
	}}
}

// nameFault asks for what sound makes of the name.
func nameFault(name string, sound func(string) string) fault {
	return fault{name, ruleNames, func(p *planted, m *Memory) {
		p.verify = func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
			r.User = sound(r.User)
			return m.VerifyPassword(ctx, r, password)
		}
	}}
}

// verifyFault changes the answers of VerifyPassword.
func verifyFault(name, rule string, answer func(r verifier.Request, password string, a verifier.Account, err error) (verifier.Account, error)) fault {
	return fault{name, rule, func(p *planted, m *Memory) {
		p.verify = func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
			a, err := m.VerifyPassword(ctx, r, password)
			return answer(r, password, a, err)
		}
	}}
}

// lookupFault changes the answers of LookupSecret.
func lookupFault(name, rule string, answer func(r verifier.Request, kinds []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error)) fault {
	return fault{name, rule, func(p *planted, m *Memory) {
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			s, err := m.LookupSecret(ctx, r, kinds...)
			return answer(r, kinds, s, err)
		}
	}}
}

// entryFault changes the entry on its way from change to the store.
func entryFault(name, rule string, answer func(was, e verifier.Entry) verifier.Entry) fault {
	return fault{name, rule, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			return m.Update(ctx, r, func(was verifier.Entry) (verifier.Entry, error) {
				e, err := change(was)
				if err != nil {
					return e, err
				}
				return answer(was, e), nil
			})
		}
	}}
}

// coverFault changes the coverage.
func coverFault(name, rule string, answer func(c *verifier.Coverage)) fault {
	return fault{name, rule, func(p *planted, m *Memory) {
		p.cover = func() verifier.Coverage {
			c := m.Coverage()
			answer(&c)
			return c
		}
	}}
}

func until(cut string) func(string) string {
	return func(s string) string { before, _, _ := strings.Cut(s, cut); return before }
}

var faults = []fault{
	verifyFault("accepts everything", ruleWrong, func(r verifier.Request, _ string, _ verifier.Account, _ error) (verifier.Account, error) {
		return verifier.Account{User: r.User}, nil
	}),
	verifyFault("accepts nothing", ruleRight, func(verifier.Request, string, verifier.Account, error) (verifier.Account, error) {
		return verifier.Account{}, verifier.ErrWrongPassword
	}),
	verifyFault("panics", rulePanic, func(r verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if strings.Contains(r.User, "%") {
			panic("no verb")
		}
		return a, err
	}),
	verifyFault("swallows the error of an unknown user", ruleName, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, verifier.ErrNoUser) {
			err = nil
		}
		return a, err
	}),
	verifyFault("returns the account with the error", ruleNoAccount, func(r verifier.Request, _ string, _ verifier.Account, err error) (verifier.Account, error) {
		return verifier.Account{User: r.User, Realm: r.Realm}, err
	}),
	verifyFault("calls a refusal unavailable", ruleOneAnswer, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if err != nil {
			err = fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
		}
		return a, err
	}),
	verifyFault("wrong password is an error of its own", ruleWrong, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, verifier.ErrWrongPassword) {
			err = errors.New("login incorrect")
		}
		return a, err
	}),
	verifyFault("wrong password is an unknown user", ruleWrong, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, verifier.ErrWrongPassword) {
			err = verifier.ErrNoUser
		}
		return a, err
	}),
	verifyFault("unknown user is an error of its own", ruleNobody, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, verifier.ErrNoUser) {
			err = errors.New("no rows in result set")
		}
		return a, err
	}),
	verifyFault("accepts the empty password", ruleEmpty, func(r verifier.Request, password string, a verifier.Account, err error) (verifier.Account, error) {
		if password == "" {
			return verifier.Account{User: r.User, Realm: r.Realm}, nil
		}
		return a, err
	}),
	verifyFault("lets disabled accounts in", ruleLocked, func(r verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, verifier.ErrDisabled) {
			return verifier.Account{User: r.User, Realm: r.Realm}, nil
		}
		return a, err
	}),
	verifyFault("lets expired accounts in", ruleLocked, func(r verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, verifier.ErrExpired) {
			return verifier.Account{User: r.User, Realm: r.Realm}, nil
		}
		return a, err
	}),
	verifyFault("calls a disabled account a wrong password", ruleLocked, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if verifier.Terminal(err) {
			err = verifier.ErrWrongPassword
		}
		return a, err
	}),
	verifyFault("tells a stranger who is disabled", ruleLockedOnly, func(r verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if r.User == dave.Name {
			err = verifier.ErrDisabled
		}
		return a, err
	}),
	verifyFault("accepts anybody's password", ruleOthers, func(r verifier.Request, password string, a verifier.Account, err error) (verifier.Account, error) {
		if r.User == alice.Name && password == bob.Password {
			return verifier.Account{User: r.User, Realm: r.Realm}, nil
		}
		return a, err
	}),
	verifyFault("puts everybody in one account", ruleOwnAccount, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if err == nil {
			a = verifier.Account{User: "virtual"}
		}
		return a, err
	}),
	verifyFault("folds names in checks but not in look-ups", ruleSameAccount, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		a.User = strings.ToUpper(a.User)
		return a, err
	}),
	likeFault("ignores case", strings.ToLower),
	likeFault("ignores case where the password is mixed", func(s string) string {
		if strings.EqualFold(s, bob.Password) {
			return bob.Password
		}
		return s
	}),
	likeFault("drops the last byte", func(s string) string { return s[:max(0, len(s)-1)] }),
	likeFault("compares eight bytes", func(s string) string { return s[:min(8, len(s))] }),
	likeFault("stops at a NUL", until("\x00")),
	likeFault("trims newlines", strings.TrimSpace),
	likeFault("drops the first byte", func(s string) string { return s[min(1, len(s)):] }),
	likeFault("searches for the password", func(s string) string {
		for _, u := range everyone {
			if strings.Contains(s, u.Password) {
				return u.Password
			}
		}
		return s
	}),
	nameFault("cuts names at an at sign", until("@")),
	nameFault("cuts names at a NUL", until("\x00")),
	nameFault("trims names", strings.TrimSpace),
	nameFault("unquotes names", func(s string) string { return strings.Trim(s, "'\"`\\") }),
	nameFault("injection", func(s string) string {
		if strings.Contains(s, "' OR ") {
			return alice.Name
		}
		return s
	}),
	nameFault("patterns", func(s string) string {
		if s == "%" || s == "*" {
			return alice.Name
		}
		return s
	}),
	nameFault("paths", func(s string) string { return s[strings.LastIndexByte(s, '/')+1:] }),
	nameFault("truncates long names", func(s string) string {
		if len(s) > 255 {
			return s[:len(alice.Name)]
		}
		return s
	}),
	verifyFault("chokes on long names", ruleNames, func(r verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if len(r.User) > 255 {
			return verifier.Account{}, errors.New("name too long")
		}
		return a, err
	}),
	{"breaks after a NUL in a name", ruleNames, func(p *planted, m *Memory) {
		var dead atomic.Bool
		p.verify = func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
			if strings.Contains(r.User, "\x00") {
				dead.Store(true)
				return verifier.Account{}, verifier.ErrNoUser
			}
			if dead.Load() {
				return verifier.Account{}, verifier.ErrUnavailable
			}
			return m.VerifyPassword(ctx, r, password)
		}
	}},
	verifyFault("writes names into errors as they are", ruleQuoted, func(r verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if err != nil {
			err = fmt.Errorf("user %s: %w", r.User, err)
		}
		return a, err
	}),
	verifyFault("writes the presented password into errors", ruleLeak, func(_ verifier.Request, password string, a verifier.Account, err error) (verifier.Account, error) {
		if err != nil {
			err = fmt.Errorf("%q: %w", password, err)
		}
		return a, err
	}),
	verifyFault("writes the stored password into errors, in hex", ruleLeak, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if err != nil {
			err = fmt.Errorf("want %x: %w", alice.Password, err)
		}
		return a, err
	}),
	verifyFault("keeps the password in the error", ruleLeak, func(_ verifier.Request, password string, a verifier.Account, err error) (verifier.Account, error) {
		if err != nil {
			err = &chatty{[]byte(password), err}
		}
		return a, err
	}),
	{"prints its passwords", ruleLeak, func(p *planted, _ *Memory) { p.print = fmt.Sprint([]byte(bob.Password)) }},
	{"ignores a cancelled context", ruleCancelled, func(p *planted, m *Memory) {
		p.verify = func(_ context.Context, r verifier.Request, password string) (verifier.Account, error) {
			return m.VerifyPassword(context.Background(), r, password)
		}
	}},
	{"ignores a cancelled context in look-ups", ruleCancelled, func(p *planted, m *Memory) {
		p.lookup = func(_ context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			return m.LookupSecret(context.Background(), r, kinds...)
		}
	}},
	verifyFault("calls a cancelled context a refusal", ruleCancelled, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, context.Canceled) {
			err = verifier.ErrWrongPassword
		}
		return a, err
	}),
	verifyFault("takes its time although cancelled", rulePrompt, func(_ verifier.Request, _ string, a verifier.Account, err error) (verifier.Account, error) {
		if errors.Is(err, context.Canceled) {
			time.Sleep(testPrompt * 5 / 4)
		}
		return a, err
	}),
	verifyFault("does not return", ruleReturns, func(_ verifier.Request, password string, a verifier.Account, err error) (verifier.Account, error) {
		if password == "\x00" {
			select {}
		}
		return a, err
	}),
	{"mixes up users", ruleConcurrent, func(p *planted, m *Memory) {
		var last atomic.Value
		p.verify = func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
			last.Store(r)
			a, err := m.VerifyPassword(ctx, r, password)
			if err == nil {
				time.Sleep(100 * time.Microsecond)
				a.User = last.Load().(verifier.Request).User
			}
			return a, err
		}
	}},
	{"mixes up secrets", ruleConcurrent, func(p *planted, m *Memory) {
		var last atomic.Value
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			last.Store(r)
			time.Sleep(20 * time.Microsecond)
			return m.LookupSecret(ctx, last.Load().(verifier.Request), kinds...)
		}
	}},
	{"caches without the user", ruleOthers, func(p *planted, m *Memory) {
		var good sync.Map
		p.verify = func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
			if _, ok := good.Load(password); ok && ctx.Err() == nil {
				return verifier.Account{User: r.User, Realm: r.Realm}, nil
			}
			a, err := m.VerifyPassword(ctx, r, password)
			if err == nil {
				good.Store(password, true)
			}
			return a, err
		}
	}},

	coverFault("all without some", ruleCoverage, func(c *verifier.Coverage) { c.Some = 0; c.Counts = nil }),
	coverFault("some has too little", ruleSome, func(c *verifier.Coverage) { *c = verifier.Declared(verifier.KindPassword) }),
	coverFault("no password checks", ruleSome, func(c *verifier.Coverage) { *c = verifier.Declared(verifier.KindCRAMMD5) }),
	coverFault("counts disagree", ruleCoverage, func(c *verifier.Coverage) {
		c.Counts = map[verifier.Kinds]int{verifier.KindsOf(verifier.KindPassword): 1}
	}),
	coverFault("counts too few users", ruleCounted, func(c *verifier.Coverage) { c.Users, c.Counts = 1, nil }),
	coverFault("forgets a realm", ruleCounted, func(c *verifier.Coverage) { c.Realms = []string{"example.org"} }),
	lookupFault("all has too much", ruleAll, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if s.Kind == verifier.KindDIGESTMD5 {
			return verifier.Secret{}, verifier.ErrNoSecret
		}
		return s, err
	}),
	lookupFault("no secret is an error of its own", ruleAll, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if s.Kind == verifier.KindDIGESTMD5 {
			return verifier.Secret{}, errors.New("no such attribute")
		}
		return s, err
	}),
	lookupFault("another kind than asked", ruleAsked, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		s.Kind = verifier.KindPassword
		return s, err
	}),
	lookupFault("hands out checks", ruleCheck, func(r verifier.Request, kinds []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if slices.Equal(kinds, []verifier.Kind{verifier.KindCheck}) {
			return verifier.Secret{Kind: verifier.KindCheck, Value: []byte("$6$salt$hash"), Account: verifier.Account{User: r.User}}, nil
		}
		return s, err
	}),
	lookupFault("hands out something when nothing is asked", ruleNothing, func(r verifier.Request, kinds []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if len(kinds) == 0 {
			return verifier.Secret{Kind: verifier.KindPassword, Value: []byte(alice.Password), Account: verifier.Account{User: r.User}}, nil
		}
		return s, err
	}),
	{"an order of its own", ruleOrder, func(p *planted, m *Memory) {
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			return m.LookupSecret(ctx, r, slices.Sorted(slices.Values(kinds))...)
		}
	}},
	{"looks at the first kind only", ruleOrder, func(p *planted, m *Memory) {
		m.Add(alice) // has a password and no hashes
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			return m.LookupSecret(ctx, r, kinds[:min(1, len(kinds))]...)
		}
	}},
	{"sorts the caller's kinds", ruleKinds, func(p *planted, m *Memory) {
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			asked := slices.Clone(kinds)
			slices.Sort(kinds)
			return m.LookupSecret(ctx, r, asked...)
		}
	}},
	lookupFault("hashes in hex", ruleForm, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if s.Kind == verifier.KindDIGESTMD5 {
			s.Value = fmt.Appendf(nil, "%x", s.Value)
		}
		return s, err
	}),
	lookupFault("keys as text", ruleForm, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if s.Kind == verifier.KindSCRAMSHA1 {
			text, _ := verifier.FormatSCRAM(s, verifier.SCRAMRecord)
			s.Value = []byte(text)
		}
		return s, err
	}),
	lookupFault("keys without salt", ruleForm, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if s.Kind == verifier.KindSCRAMSHA256 {
			s.Value = s.Value[:4+2*32]
		}
		return s, err
	}),
	lookupFault("one-time passwords between blanks", ruleForm, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if s.Kind == verifier.KindOTP {
			s.Value = bytes.ReplaceAll(s.Value, []byte("\t"), []byte(" "))
		}
		return s, err
	}),
	lookupFault("empty values", ruleForm, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		s.Value = nil
		return s, err
	}),
	lookupFault("secrets without an account", ruleName, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		s.Account = verifier.Account{}
		return s, err
	}),
	{"secrets of another user", ruleOwnSecret, func(p *planted, m *Memory) {
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			as := r
			if as.User == bob.Name {
				as.User = alice.Name
			}
			s, err := m.LookupSecret(ctx, as, kinds...)
			if len(s.Value) > 0 {
				s.Account.User = r.User
			}
			return s, err
		}
	}},
	{"hashes of another user", ruleOwnSecret, func(p *planted, m *Memory) { m.Add(bob, hashes(alice)...) }},
	{"hands out its own value", ruleOwned, func(p *planted, m *Memory) {
		var kept sync.Map
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			s, err := m.LookupSecret(ctx, r, kinds...)
			if len(s.Value) > 0 {
				v, _ := kept.LoadOrStore(fmt.Sprint(r.User, s.Kind), s.Value)
				s.Value = v.([]byte)
			}
			return s, err
		}
	}},
	{"hands out its own attributes", ruleOwned, func(p *planted, m *Memory) {
		attributes := map[string][]string{"quota": {"10 GB"}}
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			s, err := m.LookupSecret(ctx, r, kinds...)
			s.Account.Attributes = attributes
			return s, err
		}
	}},
	{"a secret with a refusal", ruleWithheld, func(p *planted, m *Memory) {
		p.lookup = func(ctx context.Context, r verifier.Request, kinds []verifier.Kind) (verifier.Secret, error) {
			s, err := m.LookupSecret(ctx, r, kinds...)
			if errors.Is(err, verifier.ErrNoUser) {
				s.Value = []byte("decoy")
			}
			return s, err
		}
	}},
	lookupFault("gives secrets to strangers", ruleNobody, func(r verifier.Request, kinds []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if errors.Is(err, verifier.ErrNoUser) && len(kinds) > 0 {
			return verifier.Secret{Kind: kinds[0], Value: []byte("decoy"), Account: verifier.Account{User: r.User}}, nil
		}
		return s, err
	}),
	lookupFault("gives a locked account's secret without a word", ruleLocked, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if verifier.Terminal(err) {
			err = nil
		}
		return s, err
	}),
	lookupFault("withholds a locked account's secret", ruleAll, func(_ verifier.Request, _ []verifier.Kind, s verifier.Secret, err error) (verifier.Secret, error) {
		if verifier.Terminal(err) {
			s = verifier.Secret{}
		}
		return s, err
	}),

	{"cannot be written", ruleAdd, func(p *planted, _ *Memory) {
		p.update = func(_ context.Context, _ verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			if _, err := change(verifier.Entry{}); err != nil {
				return err
			}
			return errors.New("read-only file system")
		}
	}},
	{"writes are swallowed", ruleAdd, func(p *planted, _ *Memory) {
		p.update = func(_ context.Context, _ verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			_, err := change(verifier.Entry{})
			return err
		}
	}},
	{"everybody exists", ruleExists, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			return m.Update(ctx, r, func(e verifier.Entry) (verifier.Entry, error) {
				e.Exists = true
				return change(e)
			})
		}
	}},
	entryFault("old kinds stay", ruleReplace, func(was, e verifier.Entry) verifier.Entry {
		for _, old := range was.Secrets {
			if e.Exists && !slices.ContainsFunc(e.Secrets, func(s verifier.Secret) bool { return s.Kind == old.Kind }) {
				e.Secrets = append(slices.Clone(e.Secrets), old)
			}
		}
		return e
	}),
	entryFault("stores the first secret only", ruleAdd, func(_, e verifier.Entry) verifier.Entry {
		e.Secrets = e.Secrets[:min(1, len(e.Secrets))]
		return e
	}),
	entryFault("forgets to disable", ruleDisable, func(_, e verifier.Entry) verifier.Entry {
		e.Disabled = false
		return e
	}),
	entryFault("disabled for ever", ruleDisable, func(was, e verifier.Entry) verifier.Entry {
		e.Disabled = e.Disabled || was.Disabled
		return e
	}),
	entryFault("never removes", ruleRemove, func(was, e verifier.Entry) verifier.Entry {
		if !e.Exists {
			return was
		}
		return e
	}),
	entryFault("removes the secrets but not the user", ruleRemove, func(_, e verifier.Entry) verifier.Entry {
		e.Exists = true
		return e
	}),
	{"accepts what was right a moment ago", ruleRevoked, func(p *planted, m *Memory) {
		var good sync.Map
		p.verify = func(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
			if a, ok := good.Load([2]string{r.User, password}); ok && ctx.Err() == nil {
				return a.(verifier.Account), nil
			}
			a, err := m.VerifyPassword(ctx, r, password)
			if err == nil {
				good.Store([2]string{r.User, password}, a)
			}
			return a, err
		}
	}},
	{"swallows the error of change", ruleChangeErr, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			var failed error
			err := m.Update(ctx, r, func(e verifier.Entry) (verifier.Entry, error) {
				next, err := change(e)
				failed = err
				return next, err
			})
			if failed != nil {
				return nil
			}
			return err
		}
	}},
	{"stores what a failed change returned", ruleChangeErr, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			var failed error
			err := m.Update(ctx, r, func(e verifier.Entry) (verifier.Entry, error) {
				next, err := change(e)
				failed = err
				if errors.Is(err, errPeek) {
					return next, err
				}
				return next, nil
			})
			return cmp.Or(failed, err)
		}
	}},
	{"gives change its own values", ruleChangeErr, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			return m.Update(ctx, r, func(e verifier.Entry) (verifier.Entry, error) {
				m.mu.Lock()
				if user := m.users[name{r.User, r.Realm}]; user != nil {
					e.Secrets = user.secrets
				}
				m.mu.Unlock()
				return change(e)
			})
		}
	}},
	{"keeps the lock when change fails", ruleReturns, func(p *planted, m *Memory) {
		var mu sync.Mutex
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			mu.Lock()
			err := m.Update(ctx, r, change)
			if err == nil {
				mu.Unlock()
			}
			return err
		}
	}},
	{"keeps the caller's values", ruleStored, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			var given []verifier.Secret
			err := m.Update(ctx, r, func(e verifier.Entry) (verifier.Entry, error) {
				e, err := change(e)
				given = e.Secrets
				return e, err
			})
			m.mu.Lock()
			defer m.mu.Unlock()
			n := name{r.User, r.Realm}
			if user := m.users[n]; err == nil && user != nil {
				kept := *user
				kept.secrets = slices.Clone(user.secrets)
				for i := range min(len(given), len(kept.secrets)) {
					kept.secrets[i].Value = given[i].Value
				}
				m.put(n, &kept)
			}
			return err
		}
	}},
	{"stores although cancelled", ruleUpdateDone, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			err := m.Update(context.Background(), r, change)
			return cmp.Or(err, ctx.Err())
		}
	}},
	{"reads and writes in two steps", ruleLost, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			var next verifier.Entry
			peeked := errors.New("peeked")
			var failed error
			err := m.Update(ctx, r, func(e verifier.Entry) (verifier.Entry, error) {
				next, failed = change(e)
				return e, peeked
			})
			if failed != nil || err != peeked {
				return cmp.Or(failed, err)
			}
			time.Sleep(100 * time.Microsecond)
			return m.Update(ctx, r, func(verifier.Entry) (verifier.Entry, error) { return next, nil })
		}
	}},
	{"writes into another user", ruleUntouched, func(p *planted, m *Memory) {
		p.update = func(ctx context.Context, r verifier.Request, change func(verifier.Entry) (verifier.Entry, error)) error {
			m.Remove(carol.Name, carol.Realm)
			return m.Update(ctx, r, change)
		}
	}},
}

type chatty struct {
	password []byte
	err      error
}

func (e *chatty) Error() string { return "login failed" }
func (e *chatty) Unwrap() error { return e.err }

const (
	testPatience = 500 * time.Millisecond
	testPrompt   = 20 * time.Millisecond
)

func TestPlantedFaults(t *testing.T) {
	names := make(map[string]bool)
	for _, f := range faults {
		if names[f.name] {
			t.Errorf("two faults are named %q", f.name)
		}
		names[f.name] = true
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			m := full()
			p := &planted{Memory: m}
			f.plant(p, m)
			c := newCheck(p, everyone)
			if f.rule == ruleReturns {
				c.patience = testPatience
			}
			if f.rule == rulePrompt {
				c.prompt = testPrompt
			}
			err := c.run()
			found := findings(err)
			if !slices.ContainsFunc(found, func(g *Finding) bool { return g.Rule == f.rule }) {
				t.Errorf("not found: %s\ngot %v", f.rule, err)
			}
			for _, g := range found {
				text := fmt.Sprintf("%v %+v %#v %q", g, g, *g, g.Detail)
				for _, u := range everyone {
					if strings.Contains(text, u.Password) || strings.Contains(text, fmt.Sprintf("%x", u.Password)) {
						t.Errorf("the finding shows a password: %v", text)
					}
				}
			}
			t.Log(err)
		})
	}
}

// TestRulesHaveFaults keeps the table complete: every rule has a fault that
// breaks it.
func TestRulesHaveFaults(t *testing.T) {
	planted := make(map[string]bool)
	for _, f := range faults {
		planted[f.rule] = true
	}
	for _, rule := range rules {
		if !planted[rule] {
			t.Errorf("no fault is planted against %q", rule)
		}
		delete(planted, rule)
	}
	for rule := range planted {
		t.Errorf("%q is not in the list of rules", rule)
	}
}

var rules = []string{
	ruleReturns, rulePanic, ruleName, ruleNoAccount, ruleOneAnswer, ruleRight, ruleLocked, ruleLockedOnly, ruleWrong,
	ruleResembling, ruleEmpty, ruleOthers, ruleOwnAccount, ruleNobody, ruleNames, ruleQuoted, ruleCancelled, rulePrompt,
	ruleConcurrent, ruleLeak, ruleCoverage, ruleCounted, ruleAll, ruleSome, ruleAsked, ruleCheck, ruleNothing, ruleOrder,
	ruleKinds, ruleForm, ruleOwnSecret, ruleSameAccount, ruleOwned, ruleWithheld, ruleAdd, ruleExists, ruleReplace,
	ruleRevoked, ruleChangeErr, ruleStored, ruleDisable, ruleLost, ruleRemove, ruleUntouched, ruleUpdateDone,
}

func findings(err error) []*Finding {
	if err == nil {
		return nil
	}
	var all []*Finding
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		all = append(all, e.(*Finding))
	}
	return all
}

func TestMisuse(t *testing.T) {
	for _, users := range [][]User{{alice, alice}, {{Password: "x"}}} {
		err := TestVerifier(full(), users...)
		var f *Finding
		if err == nil || errors.As(err, &f) {
			t.Errorf("TestVerifier(%v) = %v, want an error about the call", users, err)
		}
	}
}

// A password that is also an ordinary word is not searched for.
func TestOrdinaryWords(t *testing.T) {
	users := []User{{Name: "alice", Password: "password"}, {Name: "bob", Password: "user"}, {Name: "carol", Password: "alice"}}
	if err := TestVerifier(NewMemory(users...), users...); err != nil {
		t.Error(err)
	}
}

func TestUserPrintsAsName(t *testing.T) {
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb, alice)
		fmt.Fprintf(&out, verb, []User{alice})
	}
	text, _ := alice.MarshalText()
	fmt.Fprint(&out, alice.LogValue(), string(text))
	if strings.Contains(out.String(), alice.Password) || !strings.Contains(out.String(), "alice@example.org") {
		t.Error(out.String())
	}
}

// A call that could find nothing does not pass.
func TestNothingToCheck(t *testing.T) {
	t.Parallel()
	var nobody *Memory
	someone := User{Name: "alice", Password: "pencil"}
	checks := struct{ verifier.Verifier }{verifier.Static{"alice": "pencil"}}
	for want, err := range map[string]error{
		"no user was given":           TestVerifier(checks),
		"verifiertest: verifier: nil": TestVerifier(nil, someone),
		"a nil *verifiertest.Memory":  TestVerifier(nobody, someone),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
