package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tokenFileOf writes a file for --tokens, which only its owner may read.
func tokenFileOf(t *testing.T, mode os.FileMode, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens.conf")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

// introspectionOf answers that the token of alice is "good", and that there are no others.
func introspectionOf(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		switch {
		case id != "mail" || secret != "sesame":
			w.WriteHeader(http.StatusUnauthorized)
		case r.PostFormValue("token") == "good":
			fmt.Fprint(w, `{"active":true,"username":"alice@mail.example","scope":"imap smtp"}`)
		default:
			fmt.Fprint(w, `{"active":false}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestTokens(t *testing.T) {
	t.Parallel()
	url := introspectionOf(t)
	site := "introspect:" + tokenFileOf(t, 0o600, "# who may log in", "introspection_url: "+url, "client_id: mail", "client_secret: sesame", "timeout: 5")
	locked := "introspect:" + tokenFileOf(t, 0o640, "introspection_url: "+url, "client_id: mail", "client_secret: wrong")
	narrow := "introspect:" + tokenFileOf(t, 0o600, "introspection_url: "+url, "client_id: mail", "client_secret: sesame", "scope: imap pop")
	check := func(spec, user string, more ...string) []string {
		return append([]string{"check", "--tokens", spec, "-r", "mail.example", "--password-stdin", user}, more...)
	}
	checkAll(t, []commandCase{
		{name: "good token", stdin: "good\n", args: check(site, "alice"), out: "ok user=alice realm=mail.example mech=OAUTHBEARER\n"},
		{name: "by a name with its realm", stdin: "good\n", args: check(site, "alice@mail.example", "--mech", "XOAUTH2"), out: "ok user=alice realm=mail.example mech=XOAUTH2\n"},
		{name: "bad token", stdin: "sesame\n", args: check(site, "alice", "--mech", "OAUTHBEARER"), code: 1, out: "no reason=wrong-password\n", err: []string{"not active"}},
		{name: "no token", stdin: "\n", args: check(site, "alice"), code: 1, out: "no reason=wrong-password\n", err: []string{"empty"}},
		{name: "somebody else's", stdin: "good\n", args: check(site, "bob"), code: 1, out: "no reason=not-permitted\n", err: []string{"not permitted"}},
		{name: "for less than is wanted", stdin: "good\n", args: check(narrow, "alice"), code: 1, out: "no reason=wrong-password\n", err: []string{`lacks the scope "pop"`}},
		{name: "we are not let in", stdin: "good\n", args: check(locked, "alice"), code: 3, out: "no reason=unavailable\n", err: []string{"does not let us ask"}},
		{name: "a password needs a store", stdin: "good\n", args: check(site, "alice", "--mech", "PLAIN"), code: 1, out: "no reason=no-secret\n", err: []string{"no secret"}},
	})
	got := runCommand(t, "", "mechs", "--tokens", site, "-r", "mail.example")
	for _, row := range []string{"clear  OAUTHBEARER           no   the policy in the clear asks for noplaintext", "tls    XOAUTH2               yes  it needs a token verifier", "tls    PLAIN                 no   it needs a password check and none is configured"} {
		if got.code != 0 || !strings.Contains(got.out, row) {
			t.Errorf("exit %d, no row %q:\n%s%s", got.code, row, got.out, got.stderr)
		}
	}
}

// Each of two providers is believed about what it has issued.
func TestTokensOfSeveral(t *testing.T) {
	t.Parallel()
	site := "introspect:" + tokenFileOf(t, 0o600, "introspection_url: "+introspectionOf(t), "client_id: mail", "client_secret: sesame")
	down := "introspect:" + tokenFileOf(t, 0o600, "introspection_url: http://127.0.0.1:1/")
	keys := tokenFileOf(t, 0o644, `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)
	signed := "jwt:" + tokenFileOf(t, 0o600, "keys: "+keys, "issuer: https://id.example", "audience: mail")
	check := func(specs ...string) []string {
		args := []string{"check", "-r", "mail.example", "--password-stdin", "alice"}
		for _, spec := range specs {
			args = append(args, "--tokens", spec)
		}
		return args
	}
	const ok = "ok user=alice realm=mail.example mech=OAUTHBEARER\n"
	checkAll(t, []commandCase{
		{name: "the second", stdin: "good\n", args: check(signed, site), out: ok},
		{name: "the first", stdin: "good\n", args: check(site, signed), out: ok},
		{name: "in spite of trouble with the first", stdin: "good\n", args: check(down, site), out: ok},
		{name: "neither", stdin: "bad\n", args: check(site, signed), code: 1, out: "no reason=wrong-password\n", err: []string{"not active"}},
		{name: "trouble with one, and no from the other", stdin: "bad\n", args: check(site, down), code: 3, out: "no reason=unavailable\n", err: []string{"127.0.0.1:1"}},
		{name: "one that is wrong", args: check(site, "oidc:/x"), code: 2, err: []string{`no kind "oidc"`}},
	})
}

// With the file of an application, which may have no mech_list.
func TestTokensBesideConf(t *testing.T) {
	t.Parallel()
	spec := "introspect:" + tokenFileOf(t, 0o600, "introspection_url: https://id.example/")
	for _, list := range []string{"", "mech_list: PLAIN XOAUTH2 OAUTHBEARER"} {
		conf := tokenFileOf(t, 0o600, "pwcheck_method: auxprop", "auxprop_plugin: sasldb", "sasldb_path: "+mailDB(t), list)
		got := runCommand(t, "", "mechs", "-r", "mail.example", "--conf", conf, "--tokens", spec)
		for _, name := range []string{"OAUTHBEARER", "XOAUTH2", "PLAIN"} {
			if row := rowOf(strings.ReplaceAll(got.out, "tls    "+name, name+" tls"), name, "tls"); got.code != 0 || !strings.Contains(row, " yes ") {
				t.Errorf("%q: exit %d, errors %q, row %q", list, got.code, got.stderr, row)
			}
		}
	}
}

func TestTokenFiles(t *testing.T) {
	t.Parallel()
	keys := tokenFileOf(t, 0o644, `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`)
	forUs := []string{"issuer: https://id.example", "audience: mail"}
	file := func(lines ...string) string { return tokenFileOf(t, 0o600, lines...) }
	jwt := func(lines ...string) string { return "jwt:" + file(append(lines, forUs...)...) }
	for _, c := range []struct {
		name, spec string
		code       int
		want       string
	}{
		{"keys in a file", jwt("keys: " + keys), 0, ""},
		{"keys elsewhere", jwt("keys: https://id.example/keys", "algorithms: RS256 ES256", "username_attribute: email"), 0, ""},
		{"no kind", file("x: y"), 2, "is not kind:FILE"},
		{"unknown kind", "oidc:/x", 2, `no kind "oidc" (known: introspect:FILE jwt:FILE)`},
		{"no file", "jwt:/nonexistent", 2, "/nonexistent"},
		{"misspelt key", jwt("keys: "+keys, "issuers: x"), 2, `line 2: no key "issuers"`},
		{"key of the other kind", jwt("keys: "+keys, "client_id: x"), 2, `no key "client_id"`},
		{"twice", jwt("keys: "+keys, "issuer: x"), 2, "issuer is set twice"},
		{"no audience", "jwt:" + file("keys: "+keys, "issuer: x"), 2, "Audiences is missing"},
		{"no keys", jwt(), 2, "keys is missing"},
		{"keys that are not there", jwt("keys: /nonexistent"), 3, "/nonexistent"},
		{"keys that are none", jwt("keys: " + file("x")), 2, "no JSON object"},
		{"symmetric algorithm", jwt("keys: "+keys, "algorithms: HS256"), 2, `no algorithm "HS256"`},
		{"no authorities", jwt("keys: "+keys, "tls_ca_cert_file: "+keys), 2, "holds no certificate"},
		{"in the clear", "introspect:" + file("introspection_url: http://id.example/"), 2, "is not https"},
		{"patience", "introspect:" + file("introspection_url: https://id.example/", "timeout: 60"), 2, "1 to 5 seconds"},
		{"memory", "introspect:" + file("introspection_url: https://id.example/", "remember: 300"), 0, ""},
		{"long memory", "introspect:" + file("introspection_url: https://id.example/", "remember: 301"), 2, "1 to 300 seconds"},
		{"secret for everybody", "introspect:" + tokenFileOf(t, 0o644, "introspection_url: https://id.example/", "client_id: x", "client_secret: sesame"), 2, "chmod o="},
	} {
		got := runCommand(t, "", "mechs", "-r", "mail.example", "--tokens", c.spec)
		if got.code != c.code || !strings.Contains(got.stderr, c.want) || strings.Contains(got.stderr, "sesame") {
			t.Errorf("%s: exit %d, errors %q; want %d, %q", c.name, got.code, got.stderr, c.code, c.want)
		}
	}
}

// TestTraceOfToken: the token is not shown, nor what a server repeats of it.
func TestTraceOfToken(t *testing.T) {
	t.Parallel()
	for message, want := range map[string]string{
		"n,a=al,\x01host=h\x01auth=Bearer sesame\x01\x01": `"n,a=al,\x01host=h\x01auth=<hidden>\x01\x01"`,
		"user=al\x01auth=Bearer sesame\x01\x01":           `"user=al\x01auth=<hidden>\x01\x01"`,
		"\x01":                                            `"\x01"`,
		"":                                                `""`,
	} {
		for _, mechanism := range []string{"OAUTHBEARER", "XOAUTH2"} {
			if got := redactResponse(mechanism, 0, []byte(message)); got != want {
				t.Errorf("%s: %s, want %s", mechanism, got, want)
			}
		}
	}
	l := newLab(t)
	got := runCommand(t, "sesame\n", "login", "--insecure", "--trace", "--mech", "XOAUTH2", "--password-stdin", "smtp://"+l.address, l.user)
	if got.code != 1 || strings.Contains(got.stderr, "sesame") || !strings.Contains(got.stderr, `status "401"`) || !strings.Contains(got.stderr, `334 "{"status":"401"`) {
		t.Errorf("exit %d, errors:\n%s", got.code, got.stderr)
	}
}
