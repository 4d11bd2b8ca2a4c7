package daemon

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/dovecot"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// A countingListener counts the writes on its connections.
type countingListener struct {
	net.Listener
	writes atomic.Int64
}

type countingConn struct {
	net.Conn
	writes *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, &l.writes}, err
}

func (c countingConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// greetingOf reads a greeting from a client that has said nothing.
func greetingOf(t testing.TB, socket string) []string {
	t.Helper()
	c := dialOnly(t, socket)
	defer c.Close()
	var lines []string
	for len(lines) == 0 || lines[len(lines)-1] != "DONE" {
		lines = append(lines, c.line())
	}
	return lines
}

func TestDovecotGreeting(t *testing.T) {
	t.Parallel()
	l := &countingListener{Listener: listenInTemp(t)}
	r := startServerOn(t, &Server{Handler: dovecotOf(permissive(aliceStore()))}, l)
	var cookies []string
	for i := range 2 {
		got := greetingOf(t, r.socket)
		cookies = append(cookies, got[len(got)-2])
		want := []string{
			"VERSION 1 2",
			"MECH PLAIN plaintext", "MECH LOGIN plaintext", "MECH CRAM-MD5 dictionary active", "MECH DIGEST-MD5 dictionary active mutual-auth",
			"MECH SCRAM-SHA-256 mutual-auth", "MECH SCRAM-SHA-1 mutual-auth", "MECH EXTERNAL", "MECH ANONYMOUS anonymous",
			fmt.Sprint("SPID ", os.Getpid()), fmt.Sprint("CUID ", i+1), cookies[i], "DONE",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if n := l.writes.Load(); n != int64(i+1) {
			t.Errorf("%d writes for %d greetings", n, i+1)
		}
	}
	if !regexp.MustCompile(`^COOKIE [0-9a-f]{32}$`).MatchString(cookies[0]) || cookies[0] == cookies[1] {
		t.Errorf("the cookies are %q", cookies)
	}
}

// announcedBy returns the names in a greeting.
func announcedBy(t testing.TB, socket string) (names string) {
	t.Helper()
	var all []string
	for _, line := range greetingOf(t, socket) {
		if mech, ok := strings.CutPrefix(line, "MECH "); ok {
			name, _, _ := strings.Cut(mech, " ")
			all = append(all, name)
		}
	}
	return strings.Join(all, " ")
}

// passwordsOnly hides that a store has secrets.
type passwordsOnly struct{ verifier.Verifier }

func TestDovecotMechanisms(t *testing.T) {
	t.Parallel()
	store := aliceStore()
	allSCRAM := "SCRAM-SHA3-512 SCRAM-SHA-512 SCRAM-SHA-384 SCRAM-SHA-256 SCRAM-SHA-224 SCRAM-SHA-1"
	mixed := verifiertest.NewMemory(verifiertest.User{Name: "alice", Password: "secret"})
	mixed.Add(verifiertest.User{Name: "bob"}, verifier.Secret{Kind: verifier.KindCheck, Value: []byte("secret")})
	noplaintext := mech.NoAnonymous | mech.NoPlaintext
	for _, c := range []struct {
		name string
		auth *saslkit.Authenticator
		want string
	}{
		{"can only check passwords", &saslkit.Authenticator{Verifier: passwordsOnly{store}}, "PLAIN LOGIN"},
		{"has passwords", &saslkit.Authenticator{Verifier: store}, withoutOnlyIfNamed(allSCRAM) + " PLAIN LOGIN"},
		{"noplaintext", &saslkit.Authenticator{Verifier: store, Policy: mech.Policy{Clear: noplaintext, TLS: noplaintext}}, withoutOnlyIfNamed(allSCRAM)},
		{"noplaintext and only password checks", &saslkit.Authenticator{Verifier: passwordsOnly{store}, Policy: mech.Policy{Clear: noplaintext, TLS: noplaintext}}, "SCRAM-SHA-512"},
		{"noplaintext for what was named", &saslkit.Authenticator{Verifier: store, Mechanisms: allMechanisms, Policy: mech.Policy{Clear: noplaintext, TLS: noplaintext}},
			"CRAM-MD5 DIGEST-MD5 SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL"},
		{"mutual_auth in the clear only", &saslkit.Authenticator{Verifier: store, Mechanisms: []string{"plain", "Digest-MD5"}, Policy: mech.Policy{Clear: mech.MutualAuth}}, "PLAIN DIGEST-MD5"},
		{"mutual_auth under TLS only", &saslkit.Authenticator{Verifier: store, Mechanisms: []string{"PLAIN", "DIGEST-MD5"}, Policy: mech.Policy{Clear: mech.AnyMechanism, TLS: mech.MutualAuth}}, "PLAIN DIGEST-MD5"},
		{"order of the site", &saslkit.Authenticator{Verifier: store, Mechanisms: []string{"LOGIN", "SCRAM-SHA-1", "login", "KERBEROS_V4", "PLAIN"}}, "LOGIN SCRAM-SHA-1 PLAIN"},
		{"EXTERNAL is named", &saslkit.Authenticator{Verifier: store, Mechanisms: []string{"PLAIN", "EXTERNAL"}}, "PLAIN EXTERNAL"},
		{"-PLUS is named", &saslkit.Authenticator{Verifier: store, Mechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}}, "SCRAM-SHA-256"},
		{"some users only", &saslkit.Authenticator{Verifier: mixed}, "PLAIN LOGIN"},
		{"some users only, and named", &saslkit.Authenticator{Verifier: mixed, Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}}, "SCRAM-SHA-256 PLAIN"},
		{"nobody, named", &saslkit.Authenticator{Verifier: verifiertest.NewMemory(), Mechanisms: []string{"LOGIN", "PLAIN"}}, "LOGIN"},
		{"nobody", &saslkit.Authenticator{Verifier: verifiertest.NewMemory()}, "SCRAM-SHA-512"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := announcedBy(t, serveAuth(t, c.auth).socket); got != c.want {
				t.Errorf("announced %s, want %s", got, c.want)
			}
		})
	}
}

// withoutOnlyIfNamed leaves out what must be asked for by name.
func withoutOnlyIfNamed(names string) string {
	var left []string
	for name := range strings.FieldsSeq(names) {
		if m := mech.ByName(name); m != nil && !m.OnlyIfNamed {
			left = append(left, name)
		}
	}
	return strings.Join(left, " ")
}

// A change of the store, or of the site, shows on new connections.
func TestDovecotMechanismsChange(t *testing.T) {
	t.Parallel()
	store := verifiertest.NewMemory()
	auth := &saslkit.Authenticator{Verifier: store, Mechanisms: []string{"DIGEST-MD5", "PLAIN"}}
	d := dovecotOf(auth)
	r := startServer(t, &Server{Handler: d})
	step := func(what, want string) {
		t.Helper()
		if got := announcedBy(t, r.socket); got != want {
			t.Errorf("%s: announced %s, want %s", what, got, want)
		}
	}
	step("empty store", "DIGEST-MD5")
	store.Add(verifiertest.User{Name: "bob"}, verifier.Secret{Kind: verifier.KindCheck, Value: []byte("secret")})
	step("passwords to check", "PLAIN")
	store.Add(verifiertest.User{Name: "alice", Realm: "example.org", Password: "secret"})
	step("passwords", "DIGEST-MD5 PLAIN")
	c := dialDovecot(t, r.socket)
	store.Remove("alice", "example.org")
	store.Remove("bob", "")
	step("empty again: the list before", "DIGEST-MD5 PLAIN")
	d.Current.Set(siteOf(permissive(aliceStore())))
	step("another site", strings.Join(allMechanisms, " "))
	c.ask(authPlain(1, "alice", "secret"), "OK 1 user=alice@example.org")
}

// The transcripts of Postfix 3.7 and Dovecot 2.3, with our prompts, names and nonces.
func TestDovecotTranscripts(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, permissive(aliceStore()))
	const ok = "OK 1 user=alice@example.org"
	for _, c := range []struct {
		name   string
		lines  []string // the client's, and ours after "> "
		secret string
	}{
		{"PLAIN with an initial response", []string{"AUTH 1 PLAIN service=smtp nologin lip=127.0.0.1 rip=127.0.0.1 resp=AGFsaWNlAHNlY3JldA==", "> " + ok}, ""},
		{"PLAIN without", []string{"AUTH 1 PLAIN service=smtp nologin lip=127.0.0.1 rip=127.0.0.1", "> CONT 1 ", "CONT 1 AGFsaWNlAHNlY3JldA==", "> " + ok}, ""},
		{"PLAIN in lower case", []string{"AUTH 1 plain service=smtp resp=AGFsaWNlAHNlY3JldA==", "> " + ok}, ""},
		{"PLAIN of Exim", []string{"AUTH 1 PLAIN service=smtp secured rip=127.0.0.1 lip=127.0.0.1 nologin resp=AGFsaWNlAHNlY3JldA==", "> " + ok}, ""},
		{"PLAIN of Dovecot", []string{"AUTH 1 PLAIN service=imap secured=tls session=BK22 lip=::1 rip=::1 lport=29135 rport=33952 resp=AGFsaWNlAHNlY3JldA==", "> " + ok}, ""},
		{"PLAIN as somebody else", []string{"AUTH 1 PLAIN service=smtp resp=" + encoded("bob\x00alice\x00secret"), "> FAIL 1 user=alice@example.org authz code=authz_fail"}, ""},
		{"LOGIN", []string{"AUTH 1 LOGIN service=smtp", "> CONT 1 VXNlcm5hbWU6", "CONT 1 YWxpY2U=", "> CONT 1 UGFzc3dvcmQ6", "CONT 1 c2VjcmV0", "> " + ok}, ""},
		{"LOGIN with a name", []string{"AUTH 1 LOGIN service=smtp resp=YWxpY2U=", "> CONT 1 UGFzc3dvcmQ6", "CONT 1 c2VjcmV0", "> " + ok}, ""},
		{"LOGIN with an empty name", []string{"AUTH 1 LOGIN service=smtp", "> CONT 1 VXNlcm5hbWU6", "CONT 1 ", "> FAIL 1"}, ""},
		{"wrong password", []string{"AUTH 1 PLAIN service=smtp resp=" + plainMessage("alice", "wrong"), "> FAIL 1 user=alice@example.org"}, ""},
		{"unknown user", []string{"AUTH 1 PLAIN service=smtp resp=" + plainMessage("eve", "wrong"), "> FAIL 1 user=eve@example.org"}, ""},
		{"unknown realm", []string{"AUTH 1 PLAIN service=smtp resp=" + plainMessage("alice@example.net", "secret"), "> FAIL 1 user=alice@example.net"}, ""},
		{"unusable message", []string{"AUTH 1 PLAIN service=smtp resp=YWxpY2U=", "> FAIL 1"}, ""},
		{"not base64", []string{"AUTH 1 PLAIN service=smtp resp=!!", "> FAIL 1"}, ""},
		{"not base64 in an answer", []string{"AUTH 1 LOGIN service=smtp resp=YWxpY2U=", "> CONT 1 UGFzc3dvcmQ6", "CONT 1 !!", "> FAIL 1"}, ""},
		{"no such mechanism", []string{"AUTH 1 KERBEROS_V4 service=smtp", "> FAIL 1"}, ""},
		{"-PLUS", []string{"AUTH 1 SCRAM-SHA-256-PLUS service=smtp", "> FAIL 1"}, ""},
		{"EXTERNAL without a certificate", []string{"AUTH 1 EXTERNAL service=smtp resp=YWxpY2U=", "> FAIL 1"}, ""},
		{"disabled, right password", []string{"AUTH 1 PLAIN service=smtp resp=" + plainMessage("locked", "secret"), "> FAIL 1 user=locked@example.org code=user_disabled"}, ""},
		{"disabled, wrong password", []string{"AUTH 1 PLAIN service=smtp resp=" + plainMessage("locked", "wrong"), "> FAIL 1 user=locked@example.org"}, ""},
		{"expired, right password", []string{"AUTH 1 PLAIN service=smtp resp=" + plainMessage("old", "secret"), "> FAIL 1 user=old@example.org code=pass_expired"}, ""},
		{"expired, wrong password", []string{"AUTH 1 PLAIN service=smtp resp=" + plainMessage("old", "wrong"), "> FAIL 1 user=old@example.org"}, ""},
	} {
		for _, version := range []string{"", "VERSION 1 0", "VERSION 1 2"} {
			t.Run(c.name+"/"+version, func(t *testing.T) {
				t.Parallel()
				c2 := dialDovecot(t, r.socket)
				if version != "" {
					c2.say(version, "CPID 4711")
				}
				for _, line := range c.lines {
					if answer, ours := strings.CutPrefix(line, "> "); ours {
						c2.want(answer)
					} else {
						c2.say(line)
					}
				}
			})
		}
	}
}

// What a server proves itself with is a CONT of its own, unless the client can take it
// together with success.
func TestDovecotFinalData(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, permissive(aliceStore()))
	for name, prefix := range map[string]string{"CRAM-MD5": "", "DIGEST-MD5": "rspauth=", "SCRAM-SHA-256": "v=", "SCRAM-SHA-1": "v="} {
		for _, final := range []string{"", " final-resp-ok"} {
			t.Run(name+final, func(t *testing.T) {
				t.Parallel()
				c := dialDovecot(t, r.socket)
				x, initial := newExchange(t, name, "alice", "secret")
				c.say("AUTH 7 " + name + " service=smtp nologin" + final)
				var last string
				for {
					line := c.line()
					challenge, more := strings.CutPrefix(line, "CONT 7 ")
					if !more {
						challenge, ok := strings.CutPrefix(line, "OK 7 user=alice@example.org")
						data, carried := strings.CutPrefix(challenge, " resp=")
						switch {
						case !ok || carried != (final != "" && prefix != ""):
							t.Fatalf("the end is %q after %q", line, last)
						case carried:
							last = string(decodedMessage(t, data))
							if _, err := x.Next([]byte(last)); err != nil {
								t.Fatal(err)
							}
						}
						break
					}
					last = string(decodedMessage(t, challenge))
					response := initial
					if initial == nil || last != "" {
						var err error
						if response, err = x.Next([]byte(last)); err != nil {
							t.Fatal(err)
						}
					}
					c.say("CONT 7 " + encoded(string(response)))
				}
				if err := x.Finish(); err != nil || !strings.HasPrefix(last, prefix) {
					t.Errorf("%v after %q", err, last)
				}
			})
		}
	}
}

// Whoever it is and whatever was wrong, the answer looks the same.
func TestDovecotRefusals(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, permissive(aliceStore()))
	for _, name := range []string{"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256", "SCRAM-SHA-1"} {
		for _, final := range []string{"", " final-resp-ok"} {
			for _, user := range []string{"alice", "eve", "locked", "old"} {
				c := dialDovecot(t, r.socket)
				if got, want := c.login(1, name, final, user, "wrong"), "FAIL 1 user="+user+"@example.org"; got != want {
					t.Errorf("%s%s: got %q, want %q", name, final, got, want)
				}
			}
		}
	}
}

func TestDovecotInitialResponses(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, permissive(aliceStore()))
	// What comes for no initial response, and for an empty one.
	for _, c := range []struct{ mechanism, absent, empty string }{
		{"PLAIN", "CONT 1 ", "FAIL 1"},
		{"LOGIN", "CONT 1 VXNlcm5hbWU6", "FAIL 1"},
		{"CRAM-MD5", "CONT 1 PD", "FAIL 1"}, // "<"
		{"DIGEST-MD5", "CONT 1 cmVhbG09", "CONT 1 cmVhbG09"},
		{"SCRAM-SHA-256", "CONT 1 ", "FAIL 1"},
		{"EXTERNAL", "CONT 1 ", "OK 1 user=carl"},
		{"ANONYMOUS", "CONT 1 ", "OK 1 user=anonymous"},
	} {
		for _, minor := range []string{"0", "1", "2", "7"} {
			for resp, want := range map[string]string{"": c.absent, " resp=": c.absent, " resp==": c.empty} {
				if resp == " resp=" && minor > "1" {
					want = c.empty
				}
				t.Run(c.mechanism+" of minor "+minor+resp, func(t *testing.T) {
					t.Parallel()
					p := dialDovecot(t, r.socket)
					p.say("VERSION 1 "+minor, "CPID 1", "AUTH 1 "+c.mechanism+" service=smtp valid-client-cert cert_username=carl"+resp)
					whole := want != "CONT 1 PD" && want != "CONT 1 cmVhbG09"
					if got := p.line(); got != want && (whole || !strings.HasPrefix(got, want)) {
						t.Errorf("got %q, want %q", got, want)
					}
				})
			}
		}
	}
	c := dialDovecot(t, r.socket)
	c.ask("AUTH 1 CRAM-MD5 service=smtp resp=YWxpY2U=", "FAIL 1")
	c.ask("AUTH 1 DIGEST-MD5 service=smtp resp=YWxpY2U=", "FAIL 1")
	c.ask("AUTH 1 EXTERNAL service=smtp valid-client-cert cert_username=carl resp="+encoded("carl"), "OK 1 user=carl")
	c.ask("AUTH 1 EXTERNAL service=smtp valid-client-cert cert_username=carl resp="+encoded("dora"), "FAIL 1 authz code=authz_fail")
	c.ask("AUTH 1 ANONYMOUS service=smtp resp="+encoded("me"), "OK 1 user=anonymous")
}

// A recorder keeps what a verifier is asked and what the site hears.
type recorder struct {
	verifier.Verifier
	mu      sync.Mutex
	request verifier.Request
	event   saslkit.Event
}

func (r *recorder) VerifyPassword(ctx context.Context, q verifier.Request, password string) (verifier.Account, error) {
	r.mu.Lock()
	r.request = q
	r.mu.Unlock()
	return r.Verifier.VerifyPassword(ctx, q, password)
}

func (r *recorder) observe(e saslkit.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.event = e
}

func TestDovecotParameters(t *testing.T) {
	t.Parallel()
	rec := &recorder{Verifier: aliceStore()}
	r := serveAuth(t, &saslkit.Authenticator{Verifier: rec, Policy: everything, Observer: rec.observe})
	c := dialDovecot(t, r.socket)
	type facts struct {
		Service       string
		Remote, Local netip.AddrPort
		Secure        bool
	}
	four, six := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	port := netip.AddrPortFrom
	for _, test := range []struct {
		name, parameters string
		want             facts
	}{
		{"nothing but service", "service=smtp", facts{Service: "smtp"}},
		{"another service", "service=sieve", facts{Service: "sieve"}},
		{"empty service", "service=", facts{}},
		{"service not first", "secured service=imap", facts{Service: "imap", Secure: true}},
		{"Postfix in the clear", "service=smtp nologin lip=192.0.2.1 rip=2001:db8::1", facts{"smtp", port(six, 0), port(four, 0), false}},
		{"Postfix without addresses", "service=smtp nologin lip= rip=", facts{Service: "smtp"}},
		{"secured", "service=smtp secured", facts{Service: "smtp", Secure: true}},
		{"secured with a value", "service=imap secured=tls", facts{Service: "imap", Secure: true}},
		{"secured with an empty value", "service=imap secured=", facts{Service: "imap", Secure: true}},
		{"ports", "service=imap lip=2001:db8::1 rip=192.0.2.1 lport=993 rport=33952", facts{"imap", port(four, 33952), port(six, 993), false}},
		{"one port", "service=imap lip=2001:db8::1 rip=192.0.2.1 lport=993", facts{"imap", port(four, 0), port(six, 993), false}},
		{"ports without addresses", "service=imap lport=993 rport=33952", facts{Service: "imap"}},
		{"brackets", "service=smtp rip=[2001:db8::1]", facts{Service: "smtp"}},
		{"no addresses", "service=smtp rip=unknown lip=192.0.2.300", facts{Service: "smtp"}},
		{"a path", "service=smtp rip=/run/x lip=127.0.0.1:25", facts{Service: "smtp"}},
		{"large port", "service=smtp rip=192.0.2.1 rport=65536", facts{"smtp", port(four, 0), netip.AddrPort{}, false}},
		{"negative port", "service=smtp rip=192.0.2.1 rport=-1", facts{"smtp", port(four, 0), netip.AddrPort{}, false}},
		{"zone", "service=smtp rip=fe80::1%eth0", facts{"smtp", port(netip.MustParseAddr("fe80::1%eth0"), 0), netip.AddrPort{}, false}},
		{"twice: the first", "service=smtp rip=192.0.2.1 rip=2001:db8::1", facts{"smtp", port(four, 0), netip.AddrPort{}, false}},
		{"all that Dovecot sends", "service=imap secured=tls session=BK22 no-penalty debug nologin local_name=x client_id=a=b real_rip=192.0.2.1 forward_x=y ssl_cipher=z unknown",
			facts{Service: "imap", Secure: true}},
	} {
		rec.event = saslkit.Event{}
		c.ask("AUTH 1 PLAIN "+test.parameters+" resp=AGFsaWNlAHNlY3JldA==", "OK 1 user=alice@example.org")
		rec.mu.Lock()
		q, e := rec.request, rec.event
		rec.mu.Unlock()
		got := facts{q.Service, q.Remote, q.Local, e.Secure}
		if diff := cmp.Diff(test.want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("%s: -want +got:\n%s", test.name, diff)
		}
		if e.Remote != q.Remote || e.Service != q.Service || e.Mechanism != "PLAIN" {
			t.Errorf("%s: the event is of %s from %v by %s", test.name, e.Service, e.Remote, e.Mechanism)
		}
	}
}

func TestDovecotCertificates(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, permissive(aliceStore()))
	for _, c := range []struct{ name, parameters, minor, want string }{
		{"name and proof", "valid-client-cert cert_username=carl", "2", "OK 1 user=carl"},
		{"proof with a value", "valid-client-cert=yes cert_username=carl", "2", "OK 1 user=carl"},
		{"no proof", "cert_username=carl", "2", "FAIL 1"},
		{"no name", "valid-client-cert", "2", "FAIL 1"},
		{"empty name", "valid-client-cert cert_username=", "2", "FAIL 1"},
		{"a name to be escaped", "valid-client-cert cert_username=a\x01tb", "2", "FAIL 1 temp code=temp_fail"},
		{"a name to be escaped, for Postfix", "valid-client-cert cert_username=a\x01tb", "0", "end"},
		{"a name with DEL", "valid-client-cert cert_username=a\x7fb", "2", "FAIL 1 temp code=temp_fail"},
		{"not UTF-8", "valid-client-cert cert_username=a\xffb", "2", "FAIL 1 temp code=temp_fail"},
		{"other letters", "valid-client-cert cert_username=käthe", "2", "OK 1 user=käthe"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := dialDovecot(t, r.socket)
			p.say("VERSION 1 "+c.minor, "CPID 1", "AUTH 1 EXTERNAL service=smtp "+c.parameters+" resp==")
			p.want(c.want)
		})
	}
}

// Plaintext is for channels under TLS where the site says so.
func TestDovecotSecuredGatesPlaintext(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, &saslkit.Authenticator{Verifier: aliceStore()})
	c := dialDovecot(t, r.socket)
	c.ask("AUTH 1 PLAIN service=smtp resp=AGFsaWNlAHNlY3JldA==", "FAIL 1")
	c.ask("AUTH 1 PLAIN service=smtp secured resp=AGFsaWNlAHNlY3JldA==", "OK 1 user=alice@example.org")
}

// Names of the site, of its store, and those of others.
func TestDovecotNames(t *testing.T) {
	t.Parallel()
	store := verifiertest.NewMemory(verifiertest.User{Name: "al ice", Password: "secret"}, verifiertest.User{Name: "alice", Realm: "a", Password: "secret"})
	auth := permissive(store)
	auth.Authorizer = mayActAs("bob")
	site := &Site{Auth: auth}
	d := &Dovecot{Current: NewCurrent(site)}
	r := startServer(t, &Server{Handler: d})
	c := dialDovecot(t, r.socket)
	c.say("AUTH 1 PLAIN service=smtp resp=" + plainMessage("al ice", "secret"))
	c.want("OK 1 user=al ice")
	d.Current.Set(&Site{Auth: auth, Realm: realm.Policy{Default: "a"}})
	c.ask(authPlain(2, "alice@a", "secret"), "OK 2 user=alice@a")
	c.ask("AUTH 3 PLAIN service=smtp resp="+encoded("bob\x00alice\x00secret"), "OK 3 user=bob@a")
	c.ask("AUTH 4 PLAIN service=smtp resp="+encoded("eve\x00alice\x00secret"), "FAIL 4 user=alice@a authz code=authz_fail")
}

type mayActAs string

func (who mayActAs) Authorize(_ context.Context, _ verifier.Account, user, _ string) error {
	if user == string(who) {
		return nil
	}
	return verifier.ErrNotPermitted
}

// Our own client speaks to our own server.
func TestDovecotClient(t *testing.T) {
	t.Parallel()
	users := []verifiertest.User{
		{Name: "alice", Realm: "example.org", Password: "correct horse"},
		{Name: "bob", Realm: "example.org", Password: "battery staple"},
		{Name: "dora", Realm: "example.org", Password: "jalapeño pepper"},
	}
	r := serveAuth(t, permissive(verifiertest.NewMemory(users...)))
	client, err := dovecot.New(dovecot.Options{Socket: r.socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := verifiertest.TestVerifier(client, users...); err != nil {
		t.Error(err)
	}
}
