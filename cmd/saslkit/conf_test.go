package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// textFile writes lines into a file of that name in a folder of its own.
func textFile(t *testing.T, name string, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A hash of "secret", by openssl passwd -1.
const md5Hash = "$1$Bg91IMFJ$koCsd7rN65w3c8lCaRtwo0"

// secretLine is a passwd-file's line with a secret of a kind, for "secret".
func secretLine(t *testing.T, kind verifier.Kind, user, realm string) string {
	t.Helper()
	secrets, err := mech.Secrets(user, realm, "secret", kind)
	if err != nil {
		t.Fatal(err)
	}
	name := user + "@" + realm
	if kind.IsSCRAM() {
		text, err := verifier.FormatSCRAM(secrets[0], verifier.SCRAMRecord)
		if err != nil {
			t.Fatal(err)
		}
		return name + ":" + text
	}
	scheme := map[verifier.Kind]string{verifier.KindCRAMMD5: "CRAM-MD5", verifier.KindDIGESTMD5: "DIGEST-MD5"}[kind]
	return fmt.Sprintf("%s:{%s}%x", name, scheme, secrets[0].Value)
}

// TestKinds: each verifier says at start which mechanisms it can serve, and a
// mechanism that is named all the same is refused with both names.
func TestKinds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	passwd := func(lines ...string) string { return "passwdfile:" + textFile(t, "users", lines...) }
	sasldb := "sasldb:" + testdata + "bdb-one-user.db"
	cram := passwd(secretLine(t, verifier.KindCRAMMD5, "alice", "example.com"))
	scram := []string{"SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512", "SCRAM-SHA3-512"}
	checks := []string{"PLAIN", "LOGIN"}
	everything := slices.Concat(scram, []string{"DIGEST-MD5", "CRAM-MD5"}, checks)
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"sasldb", []string{"--verifier", sasldb}, everything},
		{"shadow", []string{"--verifier", "shadow:" + textFile(t, "shadow", "alice:"+md5Hash+":::::::")}, checks},
		{"htpasswd", []string{"--verifier", passwd("alice:" + md5Hash)}, checks},
		{"passwords in the clear", []string{"--verifier", passwd("alice:{PLAIN}secret")}, everything},
		{"CRAM-MD5 states", []string{"--verifier", cram}, slices.Concat([]string{"CRAM-MD5"}, checks)},
		{"DIGEST-MD5 hash", []string{"--verifier", passwd(secretLine(t, verifier.KindDIGESTMD5, "alice", "example.com"))}, slices.Concat([]string{"DIGEST-MD5"}, checks)},
		{"SCRAM keys", []string{"--verifier", passwd(secretLine(t, verifier.KindSCRAMSHA256, "alice", "example.com"))}, slices.Concat([]string{"SCRAM-SHA-256"}, checks)},
		{"saslauthd", []string{"--verifier", "saslauthd:" + dir}, checks},
		{"pwcheck", []string{"--verifier", "pwcheck:" + dir}, checks},
		{"dovecot", []string{"--verifier", "dovecot:" + filepath.Join(dir, "auth")}, checks},
		{"saslauthd before a store of secrets", []string{"--verifier", "saslauthd:" + dir, "--verifier", cram}, slices.Concat([]string{"CRAM-MD5"}, checks)},
		{"saslauthd and secrets", []string{"--verifier", "saslauthd:" + dir, "--secrets", sasldb}, everything},
		{"shadow and secrets", []string{"--verifier", "shadow:" + textFile(t, "shadow", "alice:"+md5Hash+":::::::"), "--secrets", cram}, slices.Concat([]string{"CRAM-MD5"}, checks)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var served []string
			for _, m := range everything {
				got := runCommand(t, "", slices.Concat([]string{"mechs", "-r", "example.com", "--mech-list", m}, tt.args)...)
				if got.code == 0 && strings.Contains(got.out, "tls    "+m+" ") {
					served = append(served, m)
					continue
				}
				_, spec, _ := strings.Cut(strings.Join(tt.args, " "), " ")
				store, _, _ := strings.Cut(spec, " ")
				named := strings.Contains(got.stderr, store) || strings.Contains(got.stderr, "the store holds: ")
				if got.code != 2 || !strings.Contains(got.stderr, "mech_list names "+m+", but ") || !named {
					t.Errorf("%s: exit %d, errors %q", m, got.code, got.stderr)
				}
			}
			slices.Sort(served)
			want := slices.Sorted(slices.Values(tt.want))
			if diff := cmp.Diff(want, served); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// offered lists the mechanisms of the output of mechs that are offered under TLS.
func offered(out string) string {
	var names []string
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "tls" && f[2] == "yes" && !strings.HasSuffix(f[1], "-PLUS") {
			names = append(names, f[1])
		}
	}
	return strings.Join(names, " ")
}

const (
	scramOfCyrus = "SCRAM-SHA-512 SCRAM-SHA-384 SCRAM-SHA-256 SCRAM-SHA-224 SCRAM-SHA-1"
	allOfCyrus   = scramOfCyrus + " DIGEST-MD5 OTP CRAM-MD5 PLAIN LOGIN"
)

// TestMechsConf is what a Cyrus application's file comes to.
func TestMechsConf(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "sasldb2") // in a folder that can be written, for OTP
	content, err := os.ReadFile(testdata + "bdb-one-user.db")
	if err == nil {
		err = os.WriteFile(db, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "sasldb2")
	for _, tt := range []struct {
		name    string
		lines   []string
		code    int
		offered string
		err     []string
	}{
		{"auxprop", []string{"pwcheck_method: auxprop", "auxprop_plugin: sasldb", "sasldb_path: " + db, "mech_list: PLAIN CRAM-MD5"}, 0, "PLAIN CRAM-MD5", nil},
		{"no mech_list", []string{"sasldb_path: " + db}, 0, allOfCyrus, []string{"has no mech_list", "mech_list: EXTERNAL " + allOfCyrus}},
		{"saslauthd alone", []string{"pwcheck_method: saslauthd", "sasldb_path: " + missing}, 0, "PLAIN LOGIN", []string{"no store holds secrets", ":2)", "mech_list: EXTERNAL PLAIN LOGIN"}},
		{"saslauthd and secrets: both families", []string{"pwcheck_method: saslauthd", "sasldb_path: " + db}, 0, allOfCyrus, nil},
		{"saslauthd, named", []string{"pwcheck_method: saslauthd", "sasldb_path: " + missing, "mech_list: login plain"}, 0, "LOGIN PLAIN", nil},
		{"saslauthd and auxprop", []string{"pwcheck_method: saslauthd auxprop", "sasldb_path: " + db}, 0, allOfCyrus, nil},
		{"with -PLUS", []string{"sasldb_path: " + db, "mech_list: PLAIN SCRAM-SHA-256-PLUS"}, 0, "PLAIN SCRAM-SHA-256", nil},

		{"the howtos' mistake", []string{"pwcheck_method: saslauthd", "mech_list: PLAIN LOGIN DIGEST-MD5", "sasldb_path: " + missing}, 2, "",
			[]string{"mech_list names DIGEST-MD5, but saslauthd:/", "can only check passwords and no store holds secrets"}},
		{"auxprop without a file", []string{"pwcheck_method: auxprop", "sasldb_path: " + missing}, 3, "", []string{missing, "no such file"}},
		{"commas", []string{"pwcheck_method: saslauthd,auxprop", "sasldb_path: " + db}, 2, "", []string{"smtpd.conf:1", "not commas"}},
		{"misspelt", []string{"mech_lst: PLAIN", "sasldb_path: " + db}, 2, "", []string{"smtpd.conf:1", "did you mean mech_list?"}},
		{"blank before the colon", []string{"mech_list : PLAIN"}, 2, "", []string{"smtpd.conf:1", "colon"}},
		{"lets everybody in", []string{"pwcheck_method: alwaystrue"}, 2, "", []string{"smtpd.conf:1", "alwaystrue"}},
		{"removed", []string{"pwcheck_method: auxprop-hashed"}, 2, "", []string{"smtpd.conf:1", "auxprop-hashed"}},
		{"nobody built it", []string{"pwcheck_method: authdaemond", "sasldb_path: " + missing}, 2, "", []string{"smtpd.conf:1", "authdaemond is not built in"}},
		{"plugin that is not built in", []string{"auxprop_plugin: ldapdb", "ldapdb_uri: ldap://localhost", "ldapdb_id: x", "ldapdb_pw: x", "ldapdb_mech: PLAIN"}, 2, "", []string{"smtpd.conf:1", "ldapdb is not built in"}},
		{"mechanism that is not built in", []string{"sasldb_path: " + db, "mech_list: PLAIN GSSAPI"}, 2, "", []string{`mech_list names "GSSAPI", which does not exist here`}},
		{"no mechanism that anybody knows", []string{"sasldb_path: " + db, "mech_list: PLAINTEXT"}, 2, "", []string{"smtpd.conf:2", "PLAINTEXT"}},
		{"warning", []string{"sasldb_path: " + db, "mech_list: PLAIN", "minimum_layer: 1"}, 0, "PLAIN", []string{"warning: ", "smtpd.conf:3", "minimum_layer"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := runCommand(t, "", "mechs", "-r", "example.com", "--conf", textFile(t, "smtpd.conf", tt.lines...))
			if o := offered(got.out); got.code != tt.code || tt.code == 0 && o != tt.offered {
				t.Errorf("exit %d, offers %q, want %d, %q; errors %q", got.code, o, tt.code, tt.offered, got.stderr)
			}
			for _, text := range tt.err {
				if !strings.Contains(got.stderr, text) {
					t.Errorf("errors %q, want %q in it", got.stderr, text)
				}
			}
			if _, err := os.Stat(missing); err == nil {
				t.Error("the database that is asked about was made")
			}
		})
	}
}

// TestCheckConf: PLAIN goes to pwcheck_method, the others to auxprop_plugin.
func TestCheckConf(t *testing.T) {
	t.Parallel()
	db := mailDB(t)
	conf := textFile(t, "smtpd.conf", "pwcheck_method: auxprop", "sasldb_path: "+db, "mech_list: PLAIN CRAM-MD5")
	beside := textFile(t, "smtpd.conf", "pwcheck_method: saslauthd", "saslauthd_path: "+filepath.Join(t.TempDir(), "mux"), "sasldb_path: "+db, "mech_list: PLAIN CRAM-MD5")
	check := func(conf string, args ...string) []string {
		return append([]string{"check", "--password-stdin", "-r", "mail.example", "--conf", conf}, args...)
	}
	checkAll(t, []commandCase{
		{name: "auxprop", stdin: "wonderland", args: check(conf, "alice"), out: "ok user=alice realm=mail.example mech=PLAIN\n"},
		{name: "auxprop, wrong", stdin: "x", args: check(conf, "alice"), code: 1, out: "no reason=wrong-password\n", err: []string{"wrong password"}},
		{name: "auxprop, CRAM-MD5", stdin: "wonderland", args: check(conf, "--mech", "CRAM-MD5", "alice"), out: "ok user=alice realm=mail.example mech=CRAM-MD5\n"},
		{name: "not in mech_list", stdin: "wonderland", args: check(conf, "--mech", "LOGIN", "alice"), code: 1, out: "no reason=not-permitted\n", err: []string{"mech_list does not name it"}},
		{name: "saslauthd, which does not run", stdin: "wonderland", args: check(beside, "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"mux"}},
		{name: "secrets beside it", stdin: "wonderland", args: check(beside, "--mech", "CRAM-MD5", "alice"), out: "ok user=alice realm=mail.example mech=CRAM-MD5\n"},
		{name: "both", args: []string{"check", "--conf", conf, "--verifier", "sasldb:" + db, "alice"}, code: 2, err: []string{"--conf"}},
		{name: "with a list", args: []string{"check", "--conf", conf, "--mech-list", "PLAIN", "alice"}, code: 2, err: []string{"--mech-list"}},
		{name: "no such file", args: []string{"mechs", "--conf", filepath.Join(t.TempDir(), "smtpd.conf")}, code: 2, err: []string{"smtpd.conf"}},
		{name: "no such application", args: []string{"mechs", "--conf", "nosuchapp"}, code: 2, err: []string{"nosuchapp.conf", "/etc/sasl2"}},
		{name: "a folder", args: []string{"mechs", "--conf", t.TempDir()}, code: 3, err: []string{"not a regular file"}},
	})
}

// TestCheckSpecs: one login against each kind of file.
func TestCheckSpecs(t *testing.T) {
	t.Parallel()
	shadow := "shadow:" + textFile(t, "shadow", "alice:"+md5Hash+":::::::", "locked:!"+md5Hash+":::::::", "old:"+md5Hash+":0::::::", "gost:$gy$j9T$x$y:::::::", "root:*:::::::")
	users := "passwdfile:" + textFile(t, "users", "alice:"+md5Hash, "bob@mail.example:{PLAIN}builder")
	check := func(spec string, args ...string) []string {
		return append([]string{"check", "--password-stdin", "-r", "mail.example", "--verifier", spec}, args...)
	}
	gost := "gost" // every use of the file warns of that user
	checkAll(t, []commandCase{
		{name: "shadow", stdin: "secret", args: check(shadow, "alice"), out: "ok user=alice realm=mail.example mech=PLAIN\n", err: []string{gost}},
		{name: "shadow, wrong", stdin: "x", args: check(shadow, "alice"), code: 1, out: "no reason=wrong-password\n", err: []string{"wrong password"}},
		{name: "shadow, locked", stdin: "secret", args: check(shadow, "locked"), code: 1, out: "no reason=disabled\n", err: []string{"disabled"}},
		{name: "shadow, locked and wrong", stdin: "x", args: check(shadow, "locked"), code: 1, out: "no reason=wrong-password\n", err: []string{gost}},
		{name: "shadow, must change", stdin: "secret", args: check(shadow, "old"), code: 1, out: "no reason=expired\n", err: []string{"must be changed"}},
		{name: "shadow, gost-yescrypt", stdin: "x", args: check(shadow, "gost"), code: 1, out: "no reason=no-secret\n", err: []string{"line 4", "gost-yescrypt"}},
		{name: "shadow, no password", stdin: "x", args: check(shadow, "root"), code: 1, out: "no reason=no-secret\n", err: []string{"no password works"}},
		{name: "shadow, unknown", stdin: "x", args: check(shadow, "nobody"), code: 1, out: "no reason=unknown-user\n", err: []string{"no such user"}},
		{name: "shadow, another realm", stdin: "secret", args: check(shadow, "alice@else.example"), code: 1, out: "no reason=unknown-user\n", err: []string{"not served"}},
		{name: "no shadow", args: check("shadow:"+filepath.Join(t.TempDir(), "x"), "alice"), stdin: "x", code: 3, out: "no reason=unavailable\n", err: []string{"no such file"}},
		{name: "torn shadow", args: check("shadow:"+textFile(t, "shadow", ""), "alice"), stdin: "x", code: 4 - 1, out: "no reason=unavailable\n", err: []string{"no user is in it"}},
		{name: "passwdfile", stdin: "secret", args: check(users, "alice"), out: "ok user=alice realm=mail.example mech=PLAIN\n"},
		{name: "passwdfile, SCRAM", stdin: "builder", args: check(users, "--mech", "SCRAM-SHA-256", "bob"), out: "ok user=bob realm=mail.example mech=SCRAM-SHA-256\n"},
		{name: "passwdfile, no secret", stdin: "secret", args: check(users, "--mech", "SCRAM-SHA-256", "alice"), code: 1, out: "no reason=no-secret\n", err: []string{"no secret"}},
		{name: "saslauthd that does not run", stdin: "x", args: check("saslauthd:"+t.TempDir(), "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"mux", "no such file"}},
		{name: "pwcheck that does not run", stdin: "x", args: check("pwcheck:"+t.TempDir(), "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"pwcheck", "no such file"}},
		{name: "Dovecot that does not run", stdin: "x", args: check("dovecot:"+filepath.Join(t.TempDir(), "auth"), "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"auth", "no such file"}},
		{name: "path that is too long", stdin: "x", args: check("saslauthd:/"+strings.Repeat("x", 200), "alice"), code: 2, err: []string{"no more than 107"}},
		{name: "no secrets in shadow", args: []string{"mechs", "--secrets", shadow}, code: 2, err: []string{"holds no secrets"}},
	})
}
