package passwdfile

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/nobody"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Hashes of "secret", by htpasswd -nbB and -nbm.
const (
	bcrypt = "$2y$05$VyxSCzk5lojeL5/yxmt1z.JaGUCAcJCWJ6fjoYJVtxAdJ4Hfyc.Fi"
	apr1   = "$apr1$j5d1FHbB$vNDJ6Cyccv4VDE7U21jtY1"
)

// secretOf is a secret made of a password, in the form of the file.
func secretOf(t testing.TB, kind verifier.Kind, user, realm, password string) string {
	t.Helper()
	secrets, err := mech.SecretOptions{Iterations: mech.MinIterations}.Secrets(user, realm, password, kind)
	if err != nil {
		t.Fatal(err)
	}
	switch kind {
	case verifier.KindCRAMMD5, verifier.KindDIGESTMD5:
		name := map[verifier.Kind]string{verifier.KindCRAMMD5: "CRAM-MD5", verifier.KindDIGESTMD5: "DIGEST-MD5"}[kind]
		return fmt.Sprintf("{%s}%x", name, secrets[0].Value)
	}
	text, err := verifier.FormatSCRAM(secrets[0], verifier.SCRAMDovecot)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func rfc5803(t testing.TB, password string) string {
	t.Helper()
	keys, err := mech.SCRAMSecret(verifier.KindSCRAMSHA256, password, []byte("0123456789abcdef"), mech.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	text, err := verifier.FormatSCRAM(verifier.Secret{Kind: verifier.KindSCRAMSHA256, Value: keys}, verifier.SCRAMRecord)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func write(t testing.TB, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func newDB(t testing.TB, o stored.Options, lines ...string) *DB {
	t.Helper()
	path := filepath.Join(t.TempDir(), "users")
	write(t, path, lines...)
	db, err := OpenWith(path, o)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func verify(t testing.TB, db *DB, user, realm, password string) error {
	t.Helper()
	_, err := db.VerifyPassword(t.Context(), verifier.Request{User: user, Realm: realm, Service: "smtp"}, password)
	return err
}

const home = "mail.example"

func TestContract(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{},
		"# users of this host", "",
		"alice:"+apr1,
		"bob:"+bcrypt+":1000:1000::/home/bob::userdb_mail=maildir:~/Maildir",
		"carol:{PLAIN}carol's own",
		"dave@mail.example:"+secretOf(t, verifier.KindSCRAMSHA256, "dave", home, "dave's own"),
		"erin:"+secretOf(t, verifier.KindCRAMMD5, "erin", home, "erin's own"),
		"frank@mail.example:"+secretOf(t, verifier.KindDIGESTMD5, "frank", home, "frank's own"),
		"gina:{PLAIN}gina's own::::::nologin",
		"hal:{OTP}nothing",
	)
	err := verifiertest.TestVerifier(db,
		verifiertest.User{Name: "alice", Realm: home, Password: "secret"},
		verifiertest.User{Name: "bob", Realm: home, Password: "secret"},
		verifiertest.User{Name: "carol", Realm: home, Password: "carol's own"},
		verifiertest.User{Name: "dave", Realm: home, Password: "dave's own"},
		verifiertest.User{Name: "erin", Realm: home, Password: "erin's own"},
		verifiertest.User{Name: "frank", Realm: home, Password: "frank's own"},
		verifiertest.User{Name: "gina", Realm: home, Password: "gina's own", Disabled: true},
		verifiertest.User{Name: "hal", Realm: home},
	)
	if err != nil {
		t.Error(err)
	}
	want := verifier.Measured([]verifier.Kinds{
		verifier.KindsOf(verifier.KindCheck), verifier.KindsOf(verifier.KindCheck), verifier.KindsOf(verifier.KindPassword),
		verifier.KindsOf(verifier.KindCheck, verifier.KindSCRAMSHA256), verifier.KindsOf(verifier.KindCheck, verifier.KindCRAMMD5),
		verifier.KindsOf(verifier.KindCheck, verifier.KindDIGESTMD5), 0,
	}, []string{home})
	if diff := cmp.Diff(want, db.Coverage()); diff != "" {
		t.Errorf("coverage: -want +got\n%s", diff)
	}
}

// TestLines is what a line says of its user, who logs in from 192.0.2.7.
func TestLines(t *testing.T) {
	t.Parallel()
	long := "{PLAIN}secret:1000:1000:U:/home/u:/bin/sh:"
	for _, tt := range []struct {
		name, lines string
		user, realm string
		want        error // for the right password
	}{
		{"htpasswd", "u:" + apr1, "u", home, nil},
		{"carriage returns", "u:" + apr1 + "\r", "u", home, nil},
		{"without a realm", "u:" + apr1, "u", "", nil},
		{"of this realm", "u@mail.example:" + apr1, "u", home, nil},
		{"of another realm", "u@other.example:" + apr1, "u", home, verifier.ErrNoUser},
		{"own line before every realm's", "u:{PLAIN}other\nu@mail.example:{PLAIN}secret", "u", home, nil},
		{"whole name where there are no realms", "u@mail.example:" + apr1, "u@mail.example", "", nil},
		{"two @", "u@x@mail.example:" + apr1, "u@x", home, nil},
		{"name of another realm", "u@other.example:" + apr1, "u@other.example", home, verifier.ErrNoUser},

		{"colons in extra fields", "u:" + long + "userdb_mail=maildir:/var/mail/u allow_nets=2001:db8::/32,192.0.2.0/24", "u", home, nil},
		{"from here", "u:" + long + "allow_nets=10.0.0.1,192.0.2.7", "u", home, nil},
		{"from elsewhere", "u:" + long + "allow_nets=10.0.0.0/8", "u", home, verifier.ErrNoSecret},
		{"local only", "u:" + long + "allow_nets=local", "u", home, verifier.ErrNoSecret},
		{"no network at all", "u:" + long + "allow_nets=", "u", home, verifier.ErrNoSecret},
		{"no network", "u:" + long + "allow_nets=home", "u", home, verifier.ErrNoSecret},
		{"real address", "u:" + long + "allow_real_nets=10.0.0.0/8", "u", home, verifier.ErrNoSecret},
		{"no login", "u:" + long + "nologin", "u", home, verifier.ErrDisabled},
		{"no login, with a reason", "u:" + long + "nologin reason=gone", "u", home, verifier.ErrDisabled},
		{"no password needed", "u::::::nopassword", "u", home, verifier.ErrNoSecret},
		{"no password needed, with one", "u:" + long + "nopassword=y", "u", home, verifier.ErrNoSecret},
		{"always fails", "u:" + long + "fail", "u", home, verifier.ErrNoSecret},
		{"Dovecot's own affair", "u:" + long + "proxy host=10.0.0.1 userdb_quota_rule=*:bytes=1G delay_until=1", "u", home, nil},

		{"twice", "u:{PLAIN}secret\nv:x\nu:{PLAIN}other", "u", home, verifier.ErrNoSecret},
		{"empty", "u:", "u", home, verifier.ErrNoSecret},
		{"in the clear", "u:secret", "u", home, verifier.ErrNoSecret},
		{"unknown scheme", "u:{ROT13}frperg", "u", home, verifier.ErrNoSecret},
		{"comment", "#u:{PLAIN}secret\nv:x", "u", home, verifier.ErrNoUser},
		{"no colon", "u\nv:x", "u", home, verifier.ErrNoUser},
		{"SCRAM record of RFC 5803", "u:" + rfc5803(t, "secret"), "u", home, nil},
		{"SCRAM record and extra fields", "u:" + rfc5803(t, "secret") + ":1000:1000:U:/home/u:/bin/sh:nologin", "u", home, verifier.ErrDisabled},
		{"DIGEST-MD5 of the realm", "u@mail.example:" + secretOf(t, verifier.KindDIGESTMD5, "u", home, "secret"), "u", home, nil},
		{"DIGEST-MD5 of no realm", "u:" + secretOf(t, verifier.KindDIGESTMD5, "u", "", "secret"), "u", home, nil},
		{"DIGEST-MD5 of another realm", "u@mail.example:" + secretOf(t, verifier.KindDIGESTMD5, "u", "x", "secret"), "u", home, verifier.ErrWrongPassword},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			db := newDB(t, stored.Options{}, tt.lines)
			r := verifier.Request{User: tt.user, Realm: tt.realm, Service: "smtp", Remote: netip.MustParseAddrPort("192.0.2.7:40000")}
			a, err := db.VerifyPassword(t.Context(), r, "secret")
			if !errors.Is(err, tt.want) || tt.want == nil && err != nil {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if err == nil && (a.User != tt.user || a.Realm != tt.realm) {
				t.Errorf("account %+v", a)
			}
			if _, err := db.VerifyPassword(t.Context(), r, "Secret"); !verifier.Refused(err) {
				t.Errorf("wrong password: %v", err)
			}
			// What may not log in gets no secret either.
			if s, err := db.LookupSecret(t.Context(), r, verifier.KindPassword); tt.want != nil && err == nil {
				t.Errorf("hands out a %v", s.Kind)
			}
		})
	}
}

// TestSecrets is what is handed out, in the order asked.
func TestSecrets(t *testing.T) {
	t.Parallel()
	digest := secretOf(t, verifier.KindDIGESTMD5, "d", home, "pw")
	db := newDB(t, stored.Options{},
		"p:{PLAIN}secret", "c:"+secretOf(t, verifier.KindCRAMMD5, "c", home, "pw"), "s:"+secretOf(t, verifier.KindSCRAMSHA1, "s", home, "pw"),
		"d@mail.example:"+digest, "bare:"+digest, "h:"+apr1, "alias:{PLAIN}x::::::user=other@else.example")
	for _, tt := range []struct {
		user string
		ask  []verifier.Kind
		kind verifier.Kind
		err  error
	}{
		{"p", []verifier.Kind{verifier.KindSCRAMSHA1, verifier.KindPassword}, verifier.KindPassword, nil},
		{"p", []verifier.Kind{verifier.KindCRAMMD5}, 0, verifier.ErrNoSecret},
		{"c", []verifier.Kind{verifier.KindCRAMMD5, verifier.KindPassword}, verifier.KindCRAMMD5, nil},
		{"c", []verifier.Kind{verifier.KindPassword}, 0, verifier.ErrNoSecret},
		{"s", []verifier.Kind{verifier.KindSCRAMSHA1}, verifier.KindSCRAMSHA1, nil},
		{"d", []verifier.Kind{verifier.KindDIGESTMD5}, verifier.KindDIGESTMD5, nil},
		{"bare", []verifier.Kind{verifier.KindDIGESTMD5}, 0, verifier.ErrNoSecret},
		{"h", []verifier.Kind{verifier.KindCheck, verifier.KindPassword}, 0, verifier.ErrNoSecret},
		{"h", nil, 0, verifier.ErrNoSecret},
		{"nobody", []verifier.Kind{verifier.KindPassword}, 0, verifier.ErrNoUser},
	} {
		s, err := db.LookupSecret(t.Context(), verifier.Request{User: tt.user, Realm: home}, tt.ask...)
		if !errors.Is(err, tt.err) || tt.err == nil && err != nil || s.Kind != tt.kind {
			t.Errorf("%s asked for %v: %v, %v", tt.user, tt.ask, s.Kind, err)
		}
		if err == nil && (s.Account.User != tt.user || s.Account.Realm != home) {
			t.Errorf("%s: account %+v", tt.user, s.Account)
		}
	}
	s, err := db.LookupSecret(t.Context(), verifier.Request{User: "alias", Realm: home}, verifier.KindPassword)
	if diff := cmp.Diff(verifier.Account{User: "other", Realm: "else.example"}, s.Account); diff != "" || err != nil {
		t.Errorf("extra field user: %v\n%s", err, diff)
	}
}

// TestWork: whoever asks for whom, one check is computed, and for an unknown user one
// of the cost that most users' have.
func TestWork(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var costs []string
	db := newDB(t, stored.Options{Observer: func(cost string) {
		mu.Lock()
		defer mu.Unlock()
		costs = append(costs, cost)
	}}, "p:{PLAIN}secret", "a:"+apr1, "b:"+apr1, "off:"+apr1+"::::::nologin", "away:"+apr1+"::::::allow_nets=10.0.0.1",
		"empty:", "otp:{OTP}x", "any:{PLAIN}x::::::nopassword")
	common, err := stored.Parse(apr1)
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"nobody", "a", "b", "off", "away", "empty", "otp", "any", "x@y", ""} {
		for _, password := range []string{"wrong", "secret"} {
			costs = nil
			verify(t, db, user, home, password)
			if diff := cmp.Diff([]string{common.Cost()}, costs); diff != "" {
				t.Errorf("%s: -want +got\n%s", user, diff)
			}
		}
	}
}

// TestFileInTrouble: what cannot be read is trouble and no refusal, for passwords and
// secrets, and only as long as it lasts.
func TestFileInTrouble(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{}, "alice:{PLAIN}secret", "bob:{PLAIN}other")
	path := db.file.Path()
	r := verifier.Request{User: "alice", Realm: home}
	for _, tt := range []struct {
		name  string
		spoil func() error
	}{
		{"removed", func() error { return os.Remove(path) }},
		{"truncated", func() error { return os.Truncate(path, 0) }},
		{"cut in a line", func() error { return os.Truncate(path, 25) }},
		{"a folder", func() error { os.Remove(path); return os.Mkdir(path, 0o700) }},
	} {
		if err := tt.spoil(); err != nil {
			t.Fatal(err)
		}
		if err := verify(t, db, "alice", home, "secret"); !errors.Is(err, verifier.ErrUnavailable) || verifier.Refused(err) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, err := db.LookupSecret(t.Context(), r, verifier.KindPassword); !errors.Is(err, verifier.ErrUnavailable) || verifier.Refused(err) {
			t.Errorf("%s: look-up: %v", tt.name, err)
		}
		os.Remove(path)
		write(t, path, "alice:{PLAIN}secret")
		if err := verify(t, db, "alice", home, "secret"); err != nil {
			t.Errorf("after %s: %v", tt.name, err)
		}
	}
	write(t, path, "alice:{PLAIN}changed", "carol:"+apr1)
	if err := verify(t, db, "alice", home, "secret"); !errors.Is(err, verifier.ErrWrongPassword) {
		t.Errorf("after the change: %v", err)
	}
	if c := db.Coverage(); c.Users != 2 || c.All.Has(verifier.KindPassword) {
		t.Errorf("coverage after the change: %+v", c)
	}
}

func TestPermission(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{}, "alice:{PLAIN}secret")
	dir := filepath.Dir(db.file.Path())
	for name, mode := range map[string]os.FileMode{db.file.Path(): 0, dir: 0o755, filepath.Dir(dir): 0o755} { // the file's mode alone decides
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
	}
	nobody.Do(func() {
		if _, err := Open(db.file.Path()); !errors.Is(err, os.ErrPermission) {
			t.Errorf("at start: %v", err)
		}
		if err := verify(t, db, "alice", home, "secret"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, os.ErrPermission) {
			t.Errorf("at a login: %v", err)
		}
	})
}

func TestFaults(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{}, "ok:"+apr1, "canary", ":canary", "e:", "x:{NOSUCH}canary", "ok:{PLAIN}canary", "n:{PLAIN}canary::::::allow_nets=all")
	var got []string
	for _, err := range db.Faults() {
		got = append(got, strings.TrimPrefix(err.Error(), "passwdfile: "+db.file.Path()+": "))
	}
	want := []string{
		"line 2: no colon", "line 3: no user name", `line 4: user "e": the password is empty: nobody is let in by that`,
		got[3], `line 6: user "ok" is in line 1 already: programs disagree about which counts`,
		`line 7: user "n": extra field allow_nets: "all" is not an address or network`,
	}
	if diff := cmp.Diff(want, got); diff != "" || strings.Contains(strings.Join(got, "\n"), "canary") {
		t.Errorf("-want +got\n%s\n%s", diff, got[3])
	}
}

func TestPrinting(t *testing.T) {
	t.Parallel()
	db := newDB(t, stored.Options{}, "alice:{PLAIN}canary")
	if got, want := verifier.Name(db), "passwdfile:"+db.file.Path(); got != want {
		t.Errorf("name %q, want %q", got, want)
	}
	if got := fmt.Sprintf("%v %+v %#v %+v", db, db, *db, db.file.Last()); strings.Contains(got, "canary") {
		t.Error("prints the file")
	}
	if db, err := Open(filepath.Join(t.TempDir(), "users")); db != nil || !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("alice:" + apr1 + "\nbob@x:{PLAIN}y:1:1:g:/h:/s:allow_nets=::1/128,local nologin\n")
	f.Add("a:{SCRAM-SHA-256}4096,x\n#\n\na:b\n")
	f.Add("@:x\nx@:{PLAIN}y::::::user=@\n")
	f.Fuzz(func(t *testing.T, text string) {
		tb, err := parse([]byte(text))
		if err != nil {
			if tb != nil {
				t.Error("an error and a table")
			}
			return
		}
		for name, e := range tb.users {
			if name == "" || strings.ContainsAny(name, ":\n") || e.user == "" {
				t.Errorf("name %q, user %q", name, e.user)
			}
			if (e.unusable == nil) != e.value.Kinds().Has(verifier.KindCheck) {
				t.Errorf("%q: %v with kinds %v", name, e.unusable, e.value.Kinds())
			}
		}
		if c := tb.coverage; c.Users > len(tb.users) {
			t.Errorf("coverage of %d users, there are %d", c.Users, len(tb.users))
		}
	})
}
