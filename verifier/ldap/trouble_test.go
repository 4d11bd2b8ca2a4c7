package ldap

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
)

// bindOptions bind without a search.
func bindOptions(servers ...string) Options {
	return Options{Servers: servers, Method: Fastbind, Filter: "uid=%u,dc=x"}
}

func searchOptions(servers ...string) Options {
	return Options{Servers: servers, SearchBase: "dc=x", Filter: "(uid=%u)"}
}

func newTest(t testing.TB, o Options) *Directory {
	t.Helper()
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

var alice = verifier.Request{User: "alice", Service: "smtp"}

// Whatever a server sends that is no answer is trouble and no refusal, and ends.
func TestHostileServer(t *testing.T) {
	t.Parallel()
	endless := func(message func(id byte) string) func(*dialog) {
		return func(d *dialog) {
			for id, _, _ := d.request(); ; {
				if _, err := d.Write([]byte(message(id))); err != nil {
					return
				}
			}
		}
	}
	after := func(messages ...string) func(*dialog) {
		return func(d *dialog) { d.request(); d.say(messages...) }
	}
	for name, script := range map[string]func(*dialog){
		"closes":                 func(d *dialog) {},
		"closes after a request": func(d *dialog) { d.request() },
		"half an answer":         after(result(1, bindAnswer, 0, "")[:9]),
		"half a length":          after("\x30\x82\x01"),
		"length of 2 GiB":        after("\x30\x84\x7f\xff\xff\xff\x02"),
		"the greatest length":    after("\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff"),
		"indefinite length":      after("\x30\x80\x02\x01\x01"),
		"deep":                   after(nested(500)),
		"HTTP":                   after("HTTP/1.1 400 Bad Request\r\n\r\n"),
		"answer to another":      func(d *dialog) { d.request(); d.say(result(77, bindAnswer, 0, "")) },
		"another's kind":         after(foundEntry(1, "uid=alice,dc=x")),
		"no result":              after(element(0x30, element(2, "\x01")+element(0x61, ""))),
		"disconnection":          after(result(0, 0x78, 52, element(0x8a, "1.3.6.1.4.1.1466.20036"))),
		"busy":                   after(result(1, bindAnswer, goldap.LDAPResultBusy, "")),
		"unavailable":            after(result(1, bindAnswer, goldap.LDAPResultUnavailable, "")),
		"unwilling":              after(result(1, bindAnswer, goldap.LDAPResultUnwillingToPerform, "")),
		"referral":               after(result(1, bindAnswer, goldap.LDAPResultReferral, element(0xa3, element(4, "ldap://elsewhere.example/")))),
		"time limit":             after(result(1, bindAnswer, goldap.LDAPResultTimeLimitExceeded, "")),
		"unknown code":           after(result(1, bindAnswer, 123, "")),
		"SASL in progress":       after(result(1, bindAnswer, goldap.LDAPResultSaslBindInProgress, "")),
		"endless notices":        endless(func(byte) string { return result(0, 0x78, 0, "") }),
		"endless entries":        endless(func(id byte) string { return foundEntry(id, "uid=alice,dc=x", "a", strings.Repeat("x", 60_000)) }),
		"endless references": endless(func(id byte) string {
			return element(0x30, element(2, string([]byte{id}))+element(0x73, element(4, "ldap://x/")))
		}),
		"never answers": func(d *dialog) { d.sit() },
	} {
		for method, options := range map[string]func(...string) Options{"bind": bindOptions, "search": searchOptions} {
			t.Run(name+", "+method, func(t *testing.T) {
				t.Parallel()
				f := newFake(t, script)
				o := options(f.url())
				if o.Timeout = 3 * time.Minute; name == "never answers" || name == "answer to another" {
					o.Timeout = 100 * time.Millisecond
				}
				account, err := newTest(t, o).VerifyPassword(t.Context(), alice, "canary")
				if !errors.Is(err, verifier.ErrUnavailable) || account.User != "" {
					t.Errorf("%v, %v", account, err)
				}
				if err != nil && strings.Contains(err.Error(), "canary") {
					t.Errorf("the password is shown: %v", err)
				}
			})
		}
	}
}

// Answers about a user are what they are, whether or not there is a reason.
func TestBindAnswers(t *testing.T) {
	t.Parallel()
	policy := func(content string) string {
		return element(0xa0, element(0x30, element(4, goldap.ControlTypeBeheraPasswordPolicy)+element(4, element(0x30, content))))
	}
	answer := func(code byte, diagnostic, controls string) string {
		return element(0x30, element(2, "\x01")+element(bindAnswer, element(10, string([]byte{code}))+element(4, "")+element(4, diagnostic))+controls)
	}
	ad := func(data string) string {
		return answer(49, "80090308: LdapErr: DSID-0C09042F, comment: AcceptSecurityContext error, data "+data+", v2580\x00", "")
	}
	for name, c := range map[string]struct {
		answer string
		want   error
	}{
		"success":                           {answer(0, "", ""), nil},
		"success, grace logins":             {answer(0, "", policy(element(0xa0, element(0x81, "\x02")))), nil},
		"wrong":                             {answer(49, "", ""), verifier.ErrWrongPassword},
		"no such entry":                     {answer(32, "", ""), verifier.ErrNoUser},
		"no DN":                             {answer(34, "", ""), verifier.ErrNoUser},
		"no password":                       {answer(48, "", ""), verifier.ErrNoSecret},
		"expired":                           {answer(49, "", policy(element(0x81, "\x00"))), verifier.ErrExpired},
		"locked":                            {answer(49, "", policy(element(0x81, "\x01"))), verifier.ErrWrongPassword},
		"locked, 389":                       {answer(19, "", policy(element(0x81, "\x01"))), verifier.ErrWrongPassword},
		"constraint":                        {answer(19, "", ""), verifier.ErrUnavailable},
		"Active Directory, no such user":    {ad("525"), verifier.ErrNoUser},
		"Active Directory, wrong":           {ad("52e"), verifier.ErrWrongPassword},
		"Active Directory, at this time":    {ad("530"), verifier.ErrDisabled},
		"Active Directory, at this station": {ad("531"), verifier.ErrDisabled},
		"Active Directory, expired":         {ad("532"), verifier.ErrExpired},
		"Active Directory, disabled":        {ad("533"), verifier.ErrDisabled},
		"Active Directory, account expired": {ad("701"), verifier.ErrExpired},
		"Active Directory, must change":     {ad("773"), verifier.ErrExpired},
		"Active Directory, locked out":      {ad("775"), verifier.ErrWrongPassword},
		"Active Directory, unknown":         {ad("9999"), verifier.ErrWrongPassword},
	} {
		f := newFake(t, func(d *dialog) { d.request(); d.say(c.answer); d.sit() })
		_, err := newTest(t, bindOptions(f.url())).VerifyPassword(t.Context(), alice, "canary")
		if c.want == nil && err != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// What a name that is no DN is bound as.
func TestBindName(t *testing.T) {
	t.Parallel()
	names := make(chan string, 10)
	f := newFake(t, func(d *dialog) {
		for {
			id, _, p := d.request()
			if p == nil {
				return
			}
			names <- p.Children[1].Children[1].Value.(string)
			d.say(result(id, bindAnswer, 0, ""))
		}
	})
	o := bindOptions(f.url())
	o.Filter = "%u@corp.example"
	d := newTest(t, o)
	if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil || <-names != "alice@corp.example" {
		t.Error(err)
	}
	_, err := d.VerifyPassword(t.Context(), verifier.Request{User: "cn=admin,dc=corp"}, "x")
	if name := <-names; !errors.Is(err, verifier.ErrNoUser) || !strings.HasPrefix(name, "cn=saslkit-") {
		t.Errorf("%v, asked for %q", err, name)
	}
}

// A connection that the server has closed while it was idle costs no login.
func TestIdleConnection(t *testing.T) {
	t.Parallel()
	closed := make(chan bool, 10)
	f := newFake(t, func(d *dialog) {
		id, _, _ := d.request()
		d.say(result(id, bindAnswer, 0, ""))
		d.Close()
		closed <- true
	})
	d := newTest(t, bindOptions(f.url()))
	for range 5 {
		if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil {
			t.Error(err)
		}
		<-closed
	}
	if n := f.served(); n != 5 {
		t.Errorf("%d connections", n)
	}
}

// An idle connection is used again, and closed in the end.
func TestIdleLife(t *testing.T) {
	t.Parallel()
	ended := make(chan bool, 10)
	f := newFake(t, func(d *dialog) { obey(d, 0); ended <- true })
	d := newTest(t, bindOptions(f.url()))
	for range 3 {
		if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil {
			t.Error(err)
		}
	}
	if n := f.served(); n != 1 {
		t.Errorf("%d connections", n)
	}
	d.servers[0].users.idle = time.Millisecond
	if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil {
		t.Error(err)
	}
	<-ended
	if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil {
		t.Error(err)
	}
}

// No more connections than the options say, whoever waits; who waits too long is told.
func TestConnections(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	hold := make(chan bool)
	f := newFake(t, func(d *dialog) {
		for {
			id, _, p := d.request()
			if p == nil {
				return
			}
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-hold
			now.Add(-1)
			d.say(result(id, bindAnswer, 0, ""))
		}
	})
	o := bindOptions(f.url())
	o.Connections, o.Timeout = 3, 3*time.Minute
	d := newTest(t, o)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil {
				t.Error(err)
			}
		})
	}
	asktest.Until(t, "three are asked for", func() bool { return now.Load() == 3 })
	ctx, cancel := context.WithCancel(t.Context())
	all.Go(func() {
		if _, err := d.VerifyPassword(ctx, alice, "x"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	cancel()
	close(hold)
	all.Wait()
	if most.Load() != 3 {
		t.Errorf("%d at a time", most.Load())
	}
}

// The next server answers for one that is dead, silent, or unwilling, and the silent one
// is not asked for a while.
func TestFailover(t *testing.T) {
	t.Parallel()
	good := newFake(t, func(d *dialog) { obey(d, 0) })
	dead := nobodyThere(t)
	silent := newFake(t, func(d *dialog) { d.sit() })
	unwilling := newFake(t, func(d *dialog) { obey(d, goldap.LDAPResultUnwillingToPerform) })
	o := bindOptions(dead, silent.url(), unwilling.url(), good.url())
	o.Timeout = 50 * time.Millisecond
	d := newTest(t, o)
	d.servers[2].users.timeout, d.servers[3].users.timeout = 3*time.Minute, 3*time.Minute
	for range 10 {
		if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil {
			t.Error(err)
		}
	}
	if n := silent.served(); n > 8 { // 5 open the breaker
		t.Errorf("the silent one was asked %d times", n)
	}
	refuse := newFake(t, func(d *dialog) { obey(d, goldap.LDAPResultInvalidCredentials) })
	_, err := newTest(t, bindOptions(dead, refuse.url(), good.url())).VerifyPassword(t.Context(), alice, "x")
	if !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("the first answer counts: %v", err)
	}
}

// One who hangs up says nothing of the server.
func TestCancelled(t *testing.T) {
	t.Parallel()
	asked := make(chan bool, 100)
	answer := make(chan bool)
	f := newFake(t, func(d *dialog) {
		for id, _, p := d.request(); p != nil; id, _, p = d.request() {
			asked <- true
			<-answer
			d.say(result(id, bindAnswer, 0, ""))
		}
	})
	o := bindOptions(f.url())
	o.Timeout = 3 * time.Minute
	d := newTest(t, o)
	for range 8 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-asked; cancel() }()
		if _, err := d.VerifyPassword(ctx, alice, "x"); !errors.Is(err, verifier.ErrUnavailable) {
			t.Error(err)
		}
		cancel()
	}
	close(answer)
	if _, err := d.VerifyPassword(t.Context(), alice, "x"); err != nil {
		t.Error(err)
	}
}

// Anything before TLS that is not the answer is a reason to hang up, and nothing is ever
// said without TLS.
func TestStartTLSRefused(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"no":               result(1, 0x78, goldap.LDAPResultProtocolError, ""),
		"more behind it":   result(1, 0x78, 0, "") + result(2, bindAnswer, 0, ""),
		"another's answer": result(1, bindAnswer, 0, ""),
		"garbage":          "\x15\x03\x01\x00\x02\x02\x28",
		"nothing":          "",
	} {
		var heard atomic.Int64
		f := newFake(t, func(d *dialog) {
			if _, operation, _ := d.request(); operation != goldap.ApplicationExtendedRequest {
				heard.Add(1)
			}
			d.say(answer)
			if n, _ := d.r.Read(make([]byte, 100)); n > 0 {
				heard.Add(1)
			}
		})
		o := bindOptions(f.url())
		o.StartTLS = true
		if name == "nothing" {
			o.Timeout = 100 * time.Millisecond
		}
		_, err := newTest(t, o).VerifyPassword(t.Context(), alice, "canary")
		f.stop()
		if !errors.Is(err, verifier.ErrUnavailable) || heard.Load() > 0 {
			t.Errorf("%s: %v; %d messages without TLS", name, err, heard.Load())
		}
	}
}

// An empty password never reaches a server.
func TestEmptyPassword(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(d *dialog) { obey(d, 0) })
	for _, o := range []Options{bindOptions(f.url()), searchOptions(f.url())} {
		d := newTest(t, o)
		for _, password := range []string{"", "\x00", "x\x00"} {
			if _, err := d.VerifyPassword(t.Context(), alice, password); !verifier.Refused(err) {
				t.Errorf("%q: %v", password, err)
			}
		}
	}
	if f.served() > 0 {
		t.Error("the server was asked")
	}
}

// What a directory does not say for sure lets nobody in.
func TestSearchAnswers(t *testing.T) {
	t.Parallel()
	entry := func(id byte) string { return foundEntry(id, "uid=alice,dc=x") }
	for name, c := range map[string]struct {
		answer func(id byte) []string
		want   error
	}{
		"one":  {func(id byte) []string { return []string{entry(id), result(id, searchAnswer, 0, "")} }, nil},
		"none": {func(id byte) []string { return []string{result(id, searchAnswer, 0, "")} }, verifier.ErrNoUser},
		"two":  {func(id byte) []string { return []string{entry(id), entry(id), result(id, searchAnswer, 0, "")} }, verifier.ErrUnavailable},
		"three": {func(id byte) []string {
			return []string{entry(id), entry(id), entry(id), result(id, searchAnswer, 0, "")}
		}, verifier.ErrUnavailable},
		"without a DN":       {func(id byte) []string { return []string{foundEntry(id, ""), result(id, searchAnswer, 0, "")} }, verifier.ErrUnavailable},
		"more than it sends": {func(id byte) []string { return []string{entry(id), result(id, searchAnswer, 4, "")} }, verifier.ErrUnavailable},
		"one, and an error":  {func(id byte) []string { return []string{entry(id), result(id, searchAnswer, 80, "")} }, verifier.ErrUnavailable},
		"no base":            {func(id byte) []string { return []string{result(id, searchAnswer, 32, "")} }, verifier.ErrUnavailable},
		"not allowed":        {func(id byte) []string { return []string{result(id, searchAnswer, 50, "")} }, verifier.ErrUnavailable},
		"elsewhere":          {func(id byte) []string { return []string{result(id, searchAnswer, 10, "")} }, verifier.ErrUnavailable},
	} {
		f := newFake(t, func(d *dialog) {
			for {
				id, operation, p := d.request()
				switch {
				case p == nil:
					return
				case operation == goldap.ApplicationSearchRequest:
					d.say(c.answer(id)...)
				case operation == goldap.ApplicationBindRequest:
					d.say(result(id, bindAnswer, 0, ""))
				}
			}
		})
		_, err := newTest(t, searchOptions(f.url())).VerifyPassword(t.Context(), alice, "x")
		if c.want == nil && err != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// An unknown user costs a search and a bind, as a wrong password does, and what the server
// says of the bind that is made for nobody does not show.
func TestNobody(t *testing.T) {
	t.Parallel()
	for _, code := range []byte{0, goldap.LDAPResultInvalidCredentials, goldap.LDAPResultUnwillingToPerform, goldap.LDAPResultReferral} {
		var binds atomic.Int64
		f := newFake(t, func(d *dialog) {
			for {
				id, operation, p := d.request()
				switch {
				case p == nil:
					return
				case operation == goldap.ApplicationSearchRequest:
					d.say(result(id, searchAnswer, 0, ""))
				case operation == goldap.ApplicationBindRequest:
					binds.Add(1)
					d.say(result(id, bindAnswer, code, ""))
				}
			}
		})
		a, err := newTest(t, searchOptions(f.url())).VerifyPassword(t.Context(), alice, "x")
		if !errors.Is(err, verifier.ErrNoUser) || errors.Is(err, verifier.ErrUnavailable) || binds.Load() != 1 || a.User != "" {
			t.Errorf("code %d: %v after %d binds", code, err, binds.Load())
		}
	}
}

// A service account that is refused is not tried for every login.
func TestServiceAccountRefused(t *testing.T) {
	t.Parallel()
	f := newFake(t, func(d *dialog) { obey(d, goldap.LDAPResultInvalidCredentials) })
	o := searchOptions(f.url())
	o.BindDN, o.BindPassword = "cn=mail", "canary"
	d := newTest(t, o)
	for range 20 {
		_, err := d.VerifyPassword(t.Context(), alice, "x")
		if !errors.Is(err, verifier.ErrUnavailable) || verifier.Refused(err) {
			t.Error(err)
		}
	}
	if n := f.served(); n > 8 { // 5 open the breaker
		t.Errorf("%d guesses", n)
	}
}

// Trouble of our own is not tried on the next server, and a panic leaves nothing behind.
func TestOwnTrouble(t *testing.T) {
	t.Parallel()
	script := func(d *dialog) {
		for id, _, p := d.request(); p != nil; id, _, p = d.request() {
			d.say(foundEntry(id, "uid=alice,dc=x", "userPassword", "{SHA512}"+strings.Repeat("A", 86)+"=="), result(id, searchAnswer, 0, ""))
		}
	}
	first, second := newFake(t, script), newFake(t, script)
	o := searchOptions(first.url(), second.url())
	o.Method, o.Hashes.Observer = Attributes, func(string) { panic("canary") }
	_, err := newTest(t, o).VerifyPassword(t.Context(), alice, "x")
	if !errors.Is(err, verifier.ErrUnavailable) || first.served() != 1 || second.served() != 0 {
		t.Errorf("%v, the second server was asked %d times", err, second.served())
	}

	d := newTest(t, searchOptions(first.url()))
	func() {
		defer func() { recover() }()
		d.servers[0].users.ask(t.Context(), func(*conn) error { panic("canary") })
	}()
	if len(d.servers[0].users.conns) != 0 || len(d.servers[0].users.slots) != 0 {
		t.Error("the connection of a panic is kept")
	}
}

// No goroutine is left behind by Close.
func TestGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	f := newFake(t, func(d *dialog) { obey(d, 0) })
	d, err := New(searchOptions(f.url()))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { d.VerifyPassword(t.Context(), alice, "x") })
	}
	all.Wait()
	d.Close()
	f.stop()
	asktest.Until(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
