package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/sasldb"
)

func runOld(t *testing.T, name, stdin string, args ...string) ran {
	t.Helper()
	return runOldReading(t, name, strings.NewReader(stdin), args...)
}

func runOldReading(t *testing.T, name string, stdin io.Reader, args ...string) ran {
	t.Helper()
	var out, stderr bytes.Buffer
	code := runAs(t.Context(), "/usr/sbin/"+name, args, stdin, &out, &stderr)
	return ran{code, out.String(), stderr.String()}
}

func TestGetopt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args, want string // what comes out, separated by spaces
	}{
		{"", ""},
		{"al", "al"},
		{"-p al", "p al"},
		{"al -p", "p al"},
		{"-pcn al", "p c n al"},
		{"-f db al", "f=db al"},
		{"-fdb al", "f=db al"},
		{"-pcfdb al", "p c f=db al"},
		{"-pcf db al", "p c f=db al"},
		{"-f -p al", "f=-p al"},
		{"-p -- -al -c", "p -al -c"},
		{"- -p", "p -"},
		{"-pz al", "p !invalid option -- 'z'"},
		{"--pipe al", "!invalid option -- '-'"},
		{"-: al", "!invalid option -- ':'"},
		{"al -f", "!option requires an argument -- 'f'"},
	} {
		var got []string
		operands, err := getopt(strings.Fields(c.args), "pcnf:", func(letter byte, value string) {
			if value != "" {
				value = "=" + value
			}
			got = append(got, string(letter)+value)
		})
		got = append(got, operands...)
		if err != nil {
			got = append(got, "!"+err.Error())
		}
		if diff := cmp.Diff(c.want, strings.Join(got, " ")); diff != "" {
			t.Errorf("%q: -want +got:\n%s", c.args, diff)
		}
	}
}

// oldCases are calls of saslpasswd2, DB standing for a database. The exit codes are
// those of saslpasswd2 2.1.28 unless ours is said to differ.
var oldCases = []struct {
	name  string
	conf  string // of saslpasswd.conf
	stdin string
	args  string
	code  int
	cyrus int // its exit code if it is another, with the reason in why
	why   string
	held  []string // properties of al@e then
}{
	{name: "set", stdin: "new", args: "-p -c -f DB -u e al", held: []string{"cmusaslsecretOTP", "userPassword=new"}},
	{name: "not created, only set", stdin: "new", args: "-p -f DB al@e", held: []string{"cmusaslsecretOTP", "userPassword=new"}},
	{name: "realm in the name goes before", stdin: "new", args: "-p -f DB -u f al@e", held: []string{"cmusaslsecretOTP", "userPassword=new"}},
	{name: "options behind the name, joined", stdin: "new", args: "al@e -cpfDB", held: []string{"cmusaslsecretOTP", "userPassword=new"}},
	{name: "newline removed, once", stdin: "new\n\n", args: "-f DB al@e", held: []string{"cmusaslsecretOTP", "userPassword=new\n"}},
	{name: "blanks stay", stdin: " new ", args: "-p -f DB al@e", held: []string{"cmusaslsecretOTP", "userPassword= new "}},
	{name: "not prepared", stdin: "gr\xfcn\u00aa", args: "-p -f DB al@e", held: []string{"cmusaslsecretOTP", "userPassword=gr\xfcn\u00aa"}},
	{name: "longest password", stdin: strings.Repeat("x", 2048), args: "-p -f DB al@e", held: []string{"cmusaslsecretOTP", "userPassword=" + strings.Repeat("x", 2048)}},
	{name: "no OTP", conf: "mech_list: plain", stdin: "new", args: "-p -f DB al@e", held: []string{"userPassword=new"}},
	{name: "OTP by name", conf: "mech_list: plain otp", stdin: "new", args: "-p -f DB al@e", held: []string{"cmusaslsecretOTP", "userPassword=new"}},
	{name: "one SCRAM", conf: "mech_list: scram-sha-256\nscram_secret_generate: yes", stdin: "new", args: "-p -f DB al@e", held: []string{"authPassword", "userPassword=new"}},
	{name: "no password", stdin: "new", args: "-n -p -f DB al@e", held: []string{"cmusaslsecretOTP", "userPassword=old"}},
	{name: "no password and nothing else", conf: "mech_list: plain", stdin: "new", args: "-n -p -f DB al@e", held: []string{"userPassword=old"}},
	{name: "path from the configuration", conf: "sasldb_path: DB", stdin: "new", args: "-p al@e", held: []string{"cmusaslsecretOTP", "userPassword=new"}},
	{name: "delete", args: "-d -f DB al@e"},
	{name: "delete by realm", args: "-d -f DB -u e al"},
	{name: "delete an unknown user", args: "-d -f DB bo@e", held: []string{"userPassword=old"}},
	{name: "version", args: "-v", held: []string{"userPassword=old"}},

	{name: "no userid", args: "-f DB", code: 1, held: []string{"userPassword=old"}},
	{name: "two userids", stdin: "x", args: "-p -f DB al@e bo@e", code: 1, held: []string{"userPassword=old"}},
	{name: "create and delete", args: "-c -d -f DB al@e", code: 1, held: []string{"userPassword=old"}},
	{name: "unknown option", stdin: "x", args: "-z -f DB al@e", code: 1, held: []string{"userPassword=old"}},
	{name: "value missing", stdin: "x", args: "al@e -f", code: 1, held: []string{"userPassword=old"}},
	{name: "appname with a slash", stdin: "x", args: "-p -a a/b -f DB al@e", code: 1, held: []string{"userPassword=old"}},
	{name: "empty password", args: "-p -f DB al@e", code: 7, held: []string{"userPassword=old"}},
	{name: "newline as password", stdin: "\n", args: "-p -f DB al@e", code: 7, held: []string{"userPassword=old"}},
	{name: "configuration", conf: "mech_list : plain", stdin: "x", args: "-p -f DB al@e", code: 100, held: []string{"userPassword=old"}},
	{name: "no folder", stdin: "x", args: "-p -f DB/x/y al@e", code: 1, held: []string{"userPassword=old"}},

	{name: "long password", stdin: strings.Repeat("x", 2049), args: "-p -f DB al@e", code: 7, why: "it cuts the password", held: []string{"userPassword=old"}},
	{name: "NUL in the password", stdin: "a\x00b", args: "-p -f DB al@e", code: 7, why: "it cuts the password", held: []string{"userPassword=old"}},
	{name: "no name", stdin: "x", args: "-p -f DB @e", code: 7, why: "it stores what nobody can use", held: []string{"userPassword=old"}},
	{name: "number of iterations", conf: "scram_iteration_counter: many", stdin: "x", args: "-p -f DB al@e", code: 100, why: "it takes its default", held: []string{"userPassword=old"}},
}

// oldCase makes a database, a configuration and the arguments.
func oldCase(t *testing.T, conf, args string) (dir, db string, words []string) {
	t.Helper()
	db = createDB(t, sasldb.Record{Authid: "al", Realm: "e", Property: "userPassword", Value: []byte("old")})
	dir = filepath.Dir(db)
	if err := os.WriteFile(filepath.Join(dir, "saslpasswd.conf"), []byte(strings.ReplaceAll(conf, "DB", db)), 0o600); err != nil {
		t.Fatal(err)
	}
	words = strings.Fields(args)
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "DB", db)
	}
	return dir, db, words
}

func TestSaslpasswd2(t *testing.T) {
	for _, c := range oldCases {
		t.Run(c.name, func(t *testing.T) {
			dir, db, args := oldCase(t, c.conf, c.args)
			t.Setenv("SASL_CONF_PATH", dir)
			got := runOld(t, "saslpasswd2", c.stdin, args...)
			if got.code != c.code || got.out != "" || (got.stderr == "") != (c.code == 0 && c.name != "version") {
				t.Errorf("%+v, want exit %d", got, c.code)
			}
			if diff := cmp.Diff(c.held, held(t, db)["al@e"]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// The real saslpasswd2 does the same with the same database.
func TestSaslpasswd2AsCyrus(t *testing.T) {
	t.Parallel()
	command := cyrusTool(t, "saslpasswd2")
	for _, c := range oldCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, db, args := oldCase(t, c.conf, c.args)
			cmd := exec.Command(command, args...)
			cmd.Env = append(os.Environ(), "SASL_CONF_PATH="+dir)
			cmd.Stdin = strings.NewReader(c.stdin)
			out, _ := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); (code == c.code) == (c.why != "") {
				t.Errorf("exit %d, ours %d, %q: %s", code, c.code, c.why, out)
			}
			if c.why != "" {
				return
			}
			if diff := cmp.Diff(c.held, held(t, db)["al@e"]); diff != "" {
				t.Errorf("-ours +its:\n%s", diff)
			}
		})
	}
}

// cyrusTool finds a tool of Debian's package sasl2-bin, or ends the test.
func cyrusTool(t *testing.T, name string) string {
	t.Helper()
	for _, place := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(place); err == nil {
			return path
		}
	}
	if os.Getenv("SASLKIT_PEERS") == "required" {
		t.Fatalf("missing peer: %s (Debian package sasl2-bin)", name)
	}
	t.Skipf("missing peer: %s (Debian package sasl2-bin)", name)
	return ""
}

// Faults of the original that are not copied.
func TestSaslpasswd2LeavesNothingBehind(t *testing.T) {
	t.Setenv("SASL_CONF_PATH", t.TempDir())
	record := func(user, property, value string) sasldb.Record {
		return sasldb.Record{Authid: user, Realm: "e", Property: property, Value: []byte(value)}
	}
	db := createDB(t,
		record("al", "userPassword", "old"), record("al", "authPassword", "SCRAM-SHA-1$4096:1RCpe4m6wYpIdpdKJ9+bMg==$2RrvFMvah/MkAGLOIhEaG6KKl9A=:5t0o1NGnYrROdiWCErBkxN5NYnU="),
		record("al", "cmusaslsecretCRAM-MD5", strings.Repeat("x", 32)), record("al", "cmusaslsecretPLAIN", "x"), record("al", "mailQuota", "1"),
		record("bo", "userPassword", "builder"),
	)
	runCommand(t, "", "passwd", "-f", db, "--disable", "bo@e")
	if got := runOld(t, "saslpasswd2", "new", "-p", "-f", db, "al@e"); got.code != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
	got := runOld(t, "saslpasswd2", "new", "-p", "-f", db, "bo@e")
	if got.code != 0 || !strings.Contains(got.stderr, "bo@e stays disabled") {
		t.Errorf("%+v", got)
	}
	wantHeld(t, db, map[string][]string{
		"al@e": {"authPassword", "cmusaslsecretOTP", "mailQuota", "userPassword=new"},
		"bo@e": {"saslkit-disabled:cmusaslsecretOTP", "saslkit-disabled:userPassword"},
	})
	if allow(t, db, "al@e", "old") || !allow(t, db, "al@e", "new") || allow(t, db, "bo@e", "new") {
		t.Error("logins are not what was set")
	}
	for _, user := range []string{"al@e", "bo@e"} {
		if got := runOld(t, "saslpasswd2", "", "-d", "-f", db, user); got.code != 0 {
			t.Errorf("%+v", got)
		}
	}
	wantHeld(t, db, map[string][]string{})
}

// What is written in two parts is two reads: the first one counts.
func TestSaslpasswd2ReadsOnce(t *testing.T) {
	t.Setenv("SASL_CONF_PATH", t.TempDir())
	db := filepath.Join(t.TempDir(), "db")
	parts := io.MultiReader(strings.NewReader("first"), strings.NewReader("second"))
	if got := runOldReading(t, "saslpasswd2", parts, "-p", "-f", db, "al@e"); got.code != 0 {
		t.Errorf("%+v", got)
	}
	wantHeld(t, db, map[string][]string{"al@e": {"cmusaslsecretOTP", "userPassword=first"}})
}

func TestSasldblistusers2(t *testing.T) {
	t.Setenv("SASL_CONF_PATH", t.TempDir())
	db := mailDB(t)
	const listed = "alice@mail.example: userPassword\nbob@mail.example: userPassword\ncarol@mail.example: cmusaslsecretOTP\n"
	for _, c := range []struct {
		name string
		args []string
		code int
		out  string
		err  string
	}{
		{"with -f", []string{"-f", db}, 0, listed, ""},
		{"path alone", []string{db}, 0, listed, ""},
		{"empty realm", []string{testdata + "bdb-empty-realm.db"}, 0, "root@: userPassword\nroot@example.com: userPassword\n", ""},
		{"foreign records", []string{testdata + "bdb-foreign-keys.db"}, 0, "ok@example.com: userPassword\n", "3 records are no user's"},
		{"damaged", []string{testdata + "bad-item-offset.db"}, 1, "alice@example.com: userPassword\nalice@example.org: cmusaslsecretOTP\nbob@example.com: cmusaslsecretOTP\n", "listusers failed"},
		{"no database", []string{testdata + "bad-magic.db"}, 1, "", "listusers failed"},
		{"missing", []string{"-f", db + "x"}, 1, "", "listusers failed"},
		{"two paths", []string{db, db}, 1, "", "usage: "},
		{"path twice", []string{"-f", db, db}, 1, "", "usage: "},
		{"unknown option", []string{"-x", db}, 1, "", "usage: "},
		{"version", []string{"-v"}, 0, "", "go1"},
	} {
		got := runOld(t, "sasldblistusers2", "", c.args...)
		lines := strings.SplitAfter(got.out, "\n")
		slices.Sort(lines) // the order is that of the file
		if out := strings.Join(lines, ""); got.code != c.code || out != c.out || !strings.Contains(got.stderr, c.err) || (c.err == "") != (got.stderr == "") {
			t.Errorf("%s: %+v, want exit %d, %q and %q", c.name, got, c.code, c.out, c.err)
		}
	}
}

// The real sasldblistusers2 prints the same lines.
func TestSasldblistusers2AsCyrus(t *testing.T) {
	t.Parallel()
	command := cyrusTool(t, "sasldblistusers2")
	for _, db := range []string{mailDB(t), testdata + "bdb-three-users-two-realms.db", testdata + "bdb-empty-realm.db", testdata + "bdb-1000-users.db", testdata + "bdb-empty.db"} {
		its, err := exec.Command(command, "-f", db).Output()
		if err != nil {
			t.Fatal(err)
		}
		ours := runOld(t, "sasldblistusers2", "", "-f", db)
		if diff := cmp.Diff(sortedLines(string(its)), sortedLines(ours.out)); ours.code != 0 || diff != "" {
			t.Errorf("%s: exit %d, -its +ours:\n%s", db, ours.code, diff)
		}
	}
}

func sortedLines(text string) []string { return slices.Sorted(strings.Lines(text)) }

// The name by which a process is called decides, as with a symbolic link.
func TestCalledByName(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	db := mailDB(t)
	for name, want := range map[string]string{
		"sasldblistusers2":           "alice@mail.example: userPassword",
		"/usr/sbin/sasldblistusers2": "alice@mail.example: userPassword",
		"saslkit":                    "no command",
	} {
		cmd := exec.Command(self, "-f", db)
		cmd.Args[0] = name
		cmd.Env = append(os.Environ(), "SASLKIT_TEST_AS_COMMAND=1")
		if name == "saslkit" {
			cmd.Args = cmd.Args[:1]
		}
		out, _ := cmd.CombinedOutput()
		if !strings.Contains(string(out), want) {
			t.Errorf("%s: %s, want %q", name, fmt.Sprintf("%.200s", out), want)
		}
	}
}
