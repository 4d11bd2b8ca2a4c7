//go:build linux

package interop

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// ldapSCRAM is a SCRAM record of a password.
func ldapSCRAM(t testing.TB, k verifier.Kind, password string, form verifier.SCRAMForm) string {
	t.Helper()
	value, err := mech.SCRAMSecret(k, password, []byte("saltsaltsalt1234"), mech.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	text, err := verifier.FormatSCRAM(verifier.Secret{Kind: k, Value: value}, form)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The contract, by every method.
func TestLDAPContract(t *testing.T) {
	t.Parallel()
	keys := person("keys")
	keys.lines = append(keys.lines, "authPassword: "+ldapSCRAM(t, verifier.KindSCRAMSHA256, "canary-keys", verifier.SCRAMRecord),
		"authPassword: "+ldapSCRAM(t, verifier.KindSCRAMSHA1, "canary-keys", verifier.SCRAMRecord), "authPassword: MD5$c2FsdA==$aGFzaA==")
	d := startDirectory(t, directoryPlan{entries: []ldapItem{
		person("clear", "canary-clear"), person("scheme", "{CLEARTEXT}canary-scheme"), person("ssha", hashed("{SSHA}", "canary-ssha")),
		person("crypt", "{CRYPT}"+md5crypt(t, "canary-crypt")), keys, person("dovecot", ldapSCRAM(t, verifier.KindSCRAMSHA256, "canary-dovecot", verifier.SCRAMDovecot)),
		person("several", hashed("{SSHA}", "not this"), "canary-several", ldapSCRAM(t, verifier.KindSCRAMSHA256, "canary-several", verifier.SCRAMDovecot)),
		person("none"),
	}})
	users := func(names ...string) (all []verifiertest.User) {
		for _, n := range names {
			all = append(all, verifiertest.User{Name: n, Password: "canary-" + n})
		}
		return append(all, verifiertest.User{Name: "none"})
	}
	for _, c := range []struct {
		name   string
		users  []verifiertest.User
		change func(*ldap.Options)
	}{
		{"bind", users("clear", "ssha", "crypt"), nil},
		{"fastbind", users("clear", "ssha"), func(o *ldap.Options) { o.Method, o.Filter = ldap.Fastbind, "uid=%u,ou=people,dc=example" }},
		{"compare", users("clear"), func(o *ldap.Options) { o.Method = ldap.Compare }},
		{"attributes", users("clear", "scheme", "ssha", "crypt", "keys", "several"), func(o *ldap.Options) {
			o.Method, o.ListFilter = ldap.Attributes, "(uid=*)"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			v := d.verifier(t, c.change)
			if err := v.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := verifiertest.TestVerifier(v, c.users...); err != nil {
				t.Error(err)
			}
		})
	}
}

// What users have is counted, in pages.
func TestLDAPCoverage(t *testing.T) {
	t.Parallel()
	entries := []ldapItem{person("hash", hashed("{SSHA}", "x")), person("scram", ldapSCRAM(t, verifier.KindSCRAMSHA256, "x", verifier.SCRAMDovecot)), person("none"), person("odd", "{NOSUCH}x")}
	for i := range 1200 {
		entries = append(entries, person(fmt.Sprintf("clear%d", i), "x"))
	}
	d := startDirectory(t, directoryPlan{global: "moduleload back_mdb", backend: "mdb", entries: entries})
	v := d.verifier(t, func(o *ldap.Options) { o.Method, o.ListFilter = ldap.Attributes, "(objectClass=inetOrgPerson)" })
	if c := v.Coverage(); c.Users != -1 || c.All != verifier.KindsOf(verifier.KindCheck) {
		t.Errorf("before: %+v", c)
	}
	if err := v.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := v.Coverage()
	if n := c.Serving([]verifier.Kind{verifier.KindPassword}); n != 1200 || c.Users != 1204 || c.Serving([]verifier.Kind{verifier.KindSCRAMSHA256}) != 1 || c.Serving([]verifier.Kind{verifier.KindCheck}) != 1202 {
		t.Errorf("%+v", c)
	}
	d.end(syscall.SIGKILL)
	if err := v.Refresh(t.Context()); !errors.Is(err, verifier.ErrUnavailable) || v.Coverage().Users != 1204 {
		t.Errorf("%v, %+v", err, v.Coverage())
	}
}

// hostilePhrases resemble alice to whoever does not escape.
var hostilePhrases = []string{
	"*", "al*", "alice*", "*)(uid=*", "alice)(uid=*", ")(uid=*))(|(uid=*", `\2a`, `alice\2a`, `alic\65`, "alice,dc=example", "alice,ou=people", "alice+cn=alice",
	"#alice", `"alice"`, "uid=alice", "alice,ou=people,dc=example", "cn=admin,dc=example", "admin", "<alice>", "alice;x", "\xffalice", "alice\xc3", "alice\x00", "\x00alice",
}

// Nobody is let in as who he is not, whatever is in his name, realm or service.
func TestLDAPInjection(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, directoryPlan{entries: []ldapItem{person("alice", "canary-alice"), person("bob", "canary-bob")}})
	for name, change := range map[string]func(*ldap.Options){
		"filter": func(o *ldap.Options) { o.Filter = "(&(uid=%u)(|(objectClass=person)(uid=%r)(uid=%s)))" },
		"DN":     func(o *ldap.Options) { o.Method, o.Filter = ldap.Fastbind, "uid=%u,ou=people,dc=example" },
		"base": func(o *ldap.Options) {
			o.SearchBase, o.Filter, o.Scope = "uid=%u,ou=people,dc=example", "(|(uid=%u)(uid=%r*x))", ldap.BaseObject
		},
		"contents": byContents,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := d.verifier(t, change)
			refused := func(r verifier.Request, password string) {
				t.Helper()
				if a, err := v.VerifyPassword(t.Context(), r, password); !verifier.Refused(err) || a.User != "" {
					t.Errorf("%q in %q for %q by %q: %v, %v", r.User, r.Realm, r.Service, password, a, err)
				}
			}
			for c := range 256 {
				if b := string([]byte{byte(c)}); b != " " { // which directories ignore
					refused(askFor("alice"+b), "canary-alice")
					refused(askFor(b+"alice"), "canary-alice")
				}
			}
			for _, p := range hostilePhrases {
				refused(askFor(p), "canary-alice")
				refused(askFor(p), directorySecret)
				r := askFor("alice")
				r.Realm, r.Service = p, p
				refused(r, "canary-bob")
			}
			r := askFor("alice")
			r.Realm = "mail.example"
			if _, err := v.VerifyPassword(t.Context(), r, "canary-alice"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TLS is verified, and nothing is said without it where it was asked for.
func TestLDAPTLS(t *testing.T) {
	t.Parallel()
	site := labTLS(t)
	people := []ldapItem{person("alice", "canary-alice")}
	d, clear := startDirectory(t, directoryPlan{tls: site, entries: people}), startDirectory(t, directoryPlan{entries: people})
	other, err := selfSigned(ecdsaKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger := siteTLS(t, other).client
	for _, c := range []struct {
		name, url string
		start     bool
		tls       *tls.Config
		want      string // in the error; "" for success
	}{
		{"ldaps", "ldaps://localhost:" + d.tlsPort, false, site.client, ""},
		{"StartTLS", "ldap://localhost:" + d.port, true, site.client, ""},
		{"ldaps, an address", "ldaps://127.0.0.1:" + d.tlsPort, false, site.client, ""},
		{"ldaps, another authority", "ldaps://localhost:" + d.tlsPort, false, stranger, "unknown authority"},
		{"StartTLS, another authority", "ldap://localhost:" + d.port, true, stranger, "unknown authority"},
		{"ldaps, the system's authorities", "ldaps://localhost:" + d.tlsPort, false, nil, "unknown authority"},
		{"ldaps, another address", "ldaps://127.0.0.2:" + d.tlsPort, false, site.client, "certificate is valid for"},
		{"StartTLS, another address", "ldap://127.0.0.2:" + d.port, true, site.client, "certificate is valid for"},
		{"StartTLS, no TLS there", clear.urls[0], true, site.client, "StartTLS: result 2"},
		{"ldaps, no TLS there", "ldaps://localhost:" + clear.port, false, site.client, "TLS: "},
		{"unchecked", "ldaps://127.0.0.2:" + d.tlsPort, false, &tls.Config{InsecureSkipVerify: true}, ""},
	} {
		v := d.verifier(t, func(o *ldap.Options) { o.Servers, o.StartTLS, o.TLS = []string{c.url}, c.start, c.tls })
		_, err := v.VerifyPassword(t.Context(), askFor("alice"), "canary-alice")
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// The service account is who is at the other end of the unix socket.
func TestLDAPExternal(t *testing.T) {
	t.Parallel()
	d := startDirectory(t, directoryPlan{entries: []ldapItem{person("alice", "canary-alice")},
		database: fmt.Sprintf("access to * by dn=\"gidNumber=%d+uidNumber=%d,cn=peercred,cn=external,cn=auth\" read by anonymous auth by * none", syscall.Getgid(), syscall.Getuid())})
	for name, c := range map[string]struct {
		external bool
		want     error
	}{"external": {true, nil}, "anonymous": {false, verifier.ErrNoUser}} { // who sees no entry
		v := d.verifier(t, func(o *ldap.Options) { o.Servers, o.External, o.BindDN = d.urls[1:2], c.external, "" })
		if _, err := v.VerifyPassword(t.Context(), askFor("alice"), "canary-alice"); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	v := d.verifier(t, func(o *ldap.Options) { o.BindPassword = "wrong" })
	if _, err := v.VerifyPassword(t.Context(), askFor("alice"), "canary-alice"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("a wrong password of the service account: %v", err)
	}
}

// Groups, names as the directory spells them, referrals and names that two have.
func TestLDAPEntries(t *testing.T) {
	t.Parallel()
	mail := func(p ldapItem, address string) ldapItem {
		p.lines = append(p.lines, "mail: "+address)
		return p
	}
	bob := person(`b\2Cob`, "canary-bob")
	bob.lines = append(bob.lines, "uid: b,ob") // its RDN's
	bob.lines = slices.DeleteFunc(bob.lines, func(l string) bool { return l == `uid: b\2Cob` })
	d := startDirectory(t, directoryPlan{entries: []ldapItem{
		mail(person("Alice", "canary-alice"), "Al.Ice@Mail.Example"), bob, mail(person("carol", "canary-carol"), "twin@mail.example"), mail(person("dave", "canary-dave"), "twin@mail.example"),
		{"cn=mail", []string{"objectClass: groupOfUniqueNames", "cn: mail", "uniqueMember: uid=alice,ou=people,dc=example", `uniqueMember: uid=b\2Cob,ou=people,dc=example`}},
		{"ou=elsewhere,ou=people", []string{"objectClass: referral", "objectClass: extensibleObject", "ou: elsewhere", "ref: ldap://127.0.0.1:1/ou=elsewhere"}},
	}})
	group := func(o *ldap.Options) { o.Group = ldap.Group{DN: "cn=mail,dc=example"} }
	byFilter := func(o *ldap.Options) {
		o.Group = ldap.Group{Filter: "(uniqueMember=%D)", Base: "dc=example"}
	}
	attributes := func(next func(*ldap.Options)) func(*ldap.Options) {
		return func(o *ldap.Options) { o.Method = ldap.Attributes; next(o) }
	}
	names := func(o *ldap.Options) { o.Filter, o.UserAttribute = "(|(uid=%u)(mail=%u@%r))", "uid" }
	for _, c := range []struct {
		name, user, password string
		change               func(*ldap.Options)
		want                 error
		account              string
	}{
		{"member", "alice", "canary-alice", group, nil, "alice"},
		{"member by a DN with a comma", "b,ob", "canary-bob", group, nil, "b,ob"},
		{"no member", "carol", "canary-carol", group, verifier.ErrDisabled, ""},
		{"no member, wrong", "carol", "wrong", group, verifier.ErrWrongPassword, ""},
		{"member by filter", "alice", "canary-alice", byFilter, nil, "alice"},
		{"member by filter and a DN with a comma", "b,ob", "canary-bob", byFilter, nil, "b,ob"},
		{"no member by filter", "carol", "canary-carol", byFilter, verifier.ErrDisabled, ""},
		{"member by contents", "alice", "canary-alice", attributes(group), nil, "alice"},
		{"no member by contents", "carol", "canary-carol", attributes(byFilter), verifier.ErrDisabled, ""},
		{"group that is not there", "alice", "canary-alice", func(o *ldap.Options) { o.Group = ldap.Group{DN: "cn=none,dc=example"} }, verifier.ErrUnavailable, ""},
		{"own spelling", "ALICE", "canary-alice", names, nil, "Alice"},
		{"blanks around", " alice ", "canary-alice", names, nil, "Alice"},
		{"own name", "al.ice", "canary-alice", names, nil, "Alice"},
		{"address", "AL.ICE", "canary-alice", func(o *ldap.Options) { o.Filter, o.UserAttribute = "(mail=%u@%r)", "mail" }, nil, "Al.Ice"},
		{"attribute that is missing", "b,ob", "canary-bob", func(o *ldap.Options) { o.UserAttribute = "mail" }, verifier.ErrUnavailable, ""},
		{"two of that name", "twin", "canary-carol", names, verifier.ErrUnavailable, ""},
		{"base that is elsewhere", "alice", "canary-alice", func(o *ldap.Options) { o.SearchBase = "ou=elsewhere,ou=people,dc=example" }, verifier.ErrUnavailable, ""},
		{"base that is not there", "alice", "canary-alice", func(o *ldap.Options) { o.SearchBase = "ou=none,dc=example" }, verifier.ErrUnavailable, ""},
		{"base of the realm that is not there", "alice", "canary-alice", func(o *ldap.Options) { o.SearchBase = "ou=%r,dc=example" }, verifier.ErrNoUser, ""},
	} {
		v := d.verifier(t, c.change)
		r := askFor(c.user)
		r.Realm = "mail.example"
		a, err := v.VerifyPassword(t.Context(), r, c.password)
		if c.want == nil && err != nil || !errors.Is(err, c.want) || a.User != c.account {
			t.Errorf("%s: %v, %v; want %q, %v", c.name, a, err, c.account, c.want)
		}
	}
}

// Locked and expired accounts, as OpenLDAP's password policy has them.
func TestLDAPPolicy(t *testing.T) {
	t.Parallel()
	marked := func(uid, mark string) ldapItem {
		p := person(uid, hashed("{SSHA}", "canary-"+uid))
		p.lines = append(p.lines, mark)
		return p
	}
	d := startDirectory(t, directoryPlan{
		global:   "moduleload ppolicy",
		database: "overlay ppolicy\nppolicy_default cn=policy,dc=example\nppolicy_use_lockout",
		entries: []ldapItem{
			{"cn=policy", []string{"objectClass: organizationalRole", "objectClass: pwdPolicy", "cn: policy", "pwdAttribute: userPassword", "pwdMaxAge: 3600", "pwdLockout: TRUE", "pwdMaxFailure: 3"}},
			marked("fresh", "pwdChangedTime: "+time.Now().UTC().Format("20060102150405Z")), marked("expired", "pwdChangedTime: 20000101000000Z"),
			marked("locked", "pwdAccountLockedTime: 000001010000Z"), person("guessed", hashed("{SSHA}", "canary-guessed")),
		},
	})
	for name, change := range map[string]func(*ldap.Options){
		"bind":     nil,
		"fastbind": func(o *ldap.Options) { o.Method, o.Filter = ldap.Fastbind, "uid=%u,ou=people,dc=example" },
	} {
		v := d.verifier(t, change)
		for _, c := range []struct {
			user, password string
			want           error
		}{
			{"fresh", "canary-fresh", nil}, {"fresh", "wrong", verifier.ErrWrongPassword},
			{"expired", "canary-expired", verifier.ErrExpired}, {"expired", "wrong", verifier.ErrWrongPassword},
			{"locked", "canary-locked", verifier.ErrWrongPassword}, {"locked", "wrong", verifier.ErrWrongPassword},
		} {
			if _, err := v.VerifyPassword(t.Context(), askFor(c.user), c.password); c.want == nil && err != nil || !errors.Is(err, c.want) {
				t.Errorf("%s: %s by %s: %v, want %v", name, c.user, c.password, err, c.want)
			}
		}
	}
	v := d.verifier(t, nil)
	for range 3 {
		v.VerifyPassword(t.Context(), askFor("guessed"), "wrong")
	}
	if _, err := v.VerifyPassword(t.Context(), askFor("guessed"), "canary-guessed"); !errors.Is(err, verifier.ErrWrongPassword) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("after three guesses: %v", err)
	}
}

// A directory that is stopped, killed or closes what is idle: trouble while it lasts, and
// no login is lost afterwards.
func TestLDAPLife(t *testing.T) {
	t.Parallel()
	people := []ldapItem{person("alice", "canary-alice")}
	first, second := startDirectory(t, directoryPlan{global: "idletimeout 5", entries: people}), startDirectory(t, directoryPlan{entries: people})
	login := func(v verifier.Verifier, timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		defer cancel()
		_, err := v.VerifyPassword(ctx, askFor("alice"), "canary-alice")
		return err
	}
	alone := first.verifier(t, func(o *ldap.Options) { o.Timeout = patience })
	must := func(what string) {
		t.Helper()
		if err := login(alone, patience); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	both := first.verifier(t, func(o *ldap.Options) {
		o.Servers, o.Timeout = []string{first.urls[0], second.urls[0]}, 2*time.Second
	})
	anotherAnswers := func(what string) {
		asktest.Until(t, what+": another server answers", func() bool { return login(both, patience) == nil })
	}
	must("at first")
	first.end(syscall.SIGKILL)
	if err := login(alone, patience); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("killed: %v", err)
	}
	anotherAnswers("killed")
	first.start(t)
	must("restarted")
	first.signal(syscall.SIGSTOP)
	asktest.Until(t, "slapd has stopped", func() bool { return errors.Is(login(alone, 200*time.Millisecond), verifier.ErrUnavailable) })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { anotherAnswers("stopped") })
	}
	all.Wait()
	first.signal(syscall.SIGCONT)
	must("continued")
	closed := strings.Count(first.log(), "closed (idletimeout)")
	must("before it is idle")
	asktest.Until(t, "slapd closes what is idle", func() bool { return strings.Count(first.log(), "closed (idletimeout)") > closed })
	must("after it was idle")
}
