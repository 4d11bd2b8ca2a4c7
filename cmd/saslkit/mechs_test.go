package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMechs(t *testing.T) {
	t.Parallel()
	db := "sasldb:" + mailDB(t)
	got := runCommand(t, "", "mechs", "--verifier", db, "--mech-list", "PLAIN,DIGEST-MD5 ANONYMOUS")
	want := `clear  PLAIN                 no   the policy in the clear asks for noplaintext: only under TLS
clear  DIGEST-MD5            yes  it serves 2 of 3 users
clear  ANONYMOUS             no   the policy in the clear asks for noanonymous
clear  EXTERNAL              no   mech_list does not name it
clear  OTP                   no   mech_list does not name it
clear  CRAM-MD5              no   mech_list does not name it
clear  NTLM                  no   mech_list does not name it
clear  OAUTHBEARER           no   mech_list does not name it
clear  XOAUTH2               no   mech_list does not name it
clear  LOGIN                 no   mech_list does not name it
tls    PLAIN                 yes  it serves 2 of 3 users
tls    DIGEST-MD5            yes  it serves 2 of 3 users
tls    ANONYMOUS             no   the policy under TLS asks for noanonymous
tls    EXTERNAL              no   mech_list does not name it
tls    OTP                   no   mech_list does not name it
tls    CRAM-MD5              no   mech_list does not name it
tls    NTLM                  no   mech_list does not name it
tls    OAUTHBEARER           no   mech_list does not name it
tls    XOAUTH2               no   mech_list does not name it
tls    LOGIN                 no   mech_list does not name it
`
	// ANONYMOUS is named and forbidden everywhere: that contradicts itself.
	if got.code != 2 || !strings.Contains(got.stderr, "mech_list names ANONYMOUS, but the policy under TLS asks for noanonymous") {
		t.Errorf("exit %d, errors %q", got.code, got.stderr)
	}
	got = runCommand(t, "", "mechs", "--verifier", db, "--mech-list", "PLAIN,DIGEST-MD5", "-r", "mail.example")
	got.out = dropLines(got.out, "SCRAM")
	want = dropLines(strings.ReplaceAll(want, "ANONYMOUS ", "\x00"), "\x00")
	if diff := cmp.Diff(want, dropLines(got.out, "ANONYMOUS")); got.code != 0 || got.stderr != "" || diff != "" {
		t.Errorf("exit %d, errors %q, -want +got:\n%s", got.code, got.stderr, diff)
	}
}

func dropLines(text, with string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.Contains(line, with) {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// TestMechsSCRAM: a name stands for -PLUS too, which needs a channel to bind to.
func TestMechsSCRAM(t *testing.T) {
	t.Parallel()
	got := runCommand(t, "", "mechs", "--verifier", "sasldb:"+mailDB(t), "--mech-list", "SCRAM-SHA-256")
	want := `clear  SCRAM-SHA-256-PLUS    no   the channel has nothing to bind to
clear  SCRAM-SHA-256         yes  it serves 2 of 3 users
tls    SCRAM-SHA-256-PLUS    yes  it serves 2 of 3 users
tls    SCRAM-SHA-256         yes  it serves 2 of 3 users
`
	if diff := cmp.Diff(want, dropLines(got.out, "mech_list")); got.code != 0 || diff != "" {
		t.Errorf("exit %d, errors %q, -want +got:\n%s", got.code, got.stderr, diff)
	}
}

func TestMechsJSON(t *testing.T) {
	t.Parallel()
	got := runCommand(t, "", "mechs", "--json", "--verifier", "sasldb:"+testdata+"bdb-one-user.db", "--security-options", "")
	first, _, _ := strings.Cut(got.out, "\n")
	want := `{"channel":"clear","mechanism":"EXTERNAL","offered":false,"reason":"the channel has proven no identity"}`
	if got.code != 0 || first != want {
		t.Errorf("exit %d, first line %s\nwant %s", got.code, first, want)
	}
	if !strings.Contains(got.out, `{"channel":"clear","mechanism":"PLAIN","offered":true,"reason":"all users can use it"}`) {
		t.Errorf("PLAIN in the clear is not offered without security options:\n%s", got.out)
	}
	if !strings.Contains(got.stderr, "realm: example.com, the only one in the store") {
		t.Errorf("errors %q", got.stderr)
	}
}

func TestMechsErrors(t *testing.T) {
	t.Parallel()
	db := "sasldb:" + mailDB(t)
	checkAll(t, []commandCase{
		{name: "no verifier", args: []string{"mechs"}, code: 2, err: []string{"--verifier is missing", "sasldb:FILE"}},
		{name: "unknown kind", args: []string{"mechs", "--verifier", "sasldbb:x"}, code: 2, err: []string{`no kind "sasldbb"`, "sasldb:FILE"}},
		{name: "no kind", args: []string{"mechs", "--verifier", "x"}, code: 2, err: []string{"not kind:location"}},
		{name: "no location", args: []string{"mechs", "--verifier", "sasldb:"}, code: 2, err: []string{"not kind:location"}},
		{name: "unknown kind of secrets", args: []string{"mechs", "--secrets", "x:y"}, code: 2, err: []string{`no kind "x"`}},
		{name: "unknown mechanism", args: []string{"mechs", "--verifier", db, "--mech-list", "PLAIN CRAM"}, code: 2, err: []string{`mech_list names "CRAM"`}},
		{name: "unknown option of the policy", args: []string{"mechs", "--verifier", db, "--security-options", "noplain"}, code: 2, err: []string{"--security-options", `"noplain"`}},
		{name: "unknown option of the policy under TLS", args: []string{"mechs", "--verifier", db, "--tls-security-options", "x"}, code: 2, err: []string{"--tls-security-options"}},
		{name: "nobody in the file", args: []string{"mechs", "--verifier", "sasldb:" + testdata + "bdb-empty.db", "-r", "x"}, code: 2, err: []string{"no mechanism can be offered"}},
		{name: "damaged", args: []string{"mechs", "--verifier", "sasldb:" + testdata + "bad-item-offset.db"}, code: 4, err: []string{"page 1"}},
		{name: "missing", args: []string{"mechs", "--verifier", "sasldb:" + filepath.Join(t.TempDir(), "x")}, code: 3, err: []string{"no such file"}},
	})
}
