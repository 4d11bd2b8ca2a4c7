package cyrusconf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// set is a line without blanks behind the value.
func set(key, value string, line int) Setting { return Setting{Key: key, Value: value, Line: line} }

// cases are files, what they say, and what is wrong with them.
var cases = []struct {
	name, text string
	want       []Setting
	refused    []string // without the name
	cyrus      bool     // Cyrus reads it nevertheless
}{
	{name: "empty", text: ""},
	{name: "ordinary", text: "pwcheck_method: auxprop\nmech_list:plain  login\n", want: []Setting{
		set("pwcheck_method", "auxprop", 1), set("mech_list", "plain  login", 2),
	}},
	{name: "no newline at the end", text: "a: x", want: []Setting{set("a", "x", 1)}},
	{name: "comments and blank lines", text: "# a: x\n\n \t\r\n \t#b:y\nc: z # no comment\n", want: []Setting{set("c", "z # no comment", 5)}},
	{name: "comment as a value", text: "a:#x\n", want: []Setting{set("a", "#x", 1)}},
	{name: "blanks", text: " \t\v\fa:\v\f \tx y \t\r\n", want: []Setting{{"a", "x y", " \t\r", 1}}},
	{name: "case of keys", text: "Mech_LIST-9: Plain\n", want: []Setting{set("mech_list-9", "Plain", 1)}},
	{name: "twice", text: "a: 1\na: 2\n", want: []Setting{set("a", "1", 1), set("a", "2", 2)}},
	{name: "any bytes as a value", text: "a: \xa0\xff\x01\n", want: []Setting{set("a", "\xa0\xff\x01", 1)}},
	{name: "any bytes as a comment", text: "#\xef\xbb\xbf\n"},
	{name: "no key", text: ": x\n", want: []Setting{set("", "x", 1)}},
	{name: "colons as a value", text: "a:::\n", want: []Setting{set("a", "::", 1)}},
	{name: "quotes", text: "a: \"x\"\n", want: []Setting{set("a", `"x"`, 1)}},
	{name: "longest line", text: "a: " + strings.Repeat("x", 4092) + "\n", want: []Setting{set("a", strings.Repeat("x", 4092), 1)}},

	{name: "blank before the colon", text: "a: x\nmech_list : plain\n", refused: []string{"2: blank before the colon, which must touch the key (write mech_list: value)"}},
	{name: "blank before the colon of an unknown key", text: "hunter2 : plain\n", refused: []string{"1: blank before the colon, which must touch the key (write key: value)"}},
	{name: "equals sign", text: "sql_passwd=secret\nfoo = bar\n", refused: []string{
		"1: '=' in place of the colon (write sql_passwd: value)", "2: '=' in place of the colon (write key: value)",
	}},
	{name: "Postfix's file", text: "smtpd_sasl_auth_enable = yes\n", refused: []string{"1: smtpd_sasl_auth_enable is an option of Postfix, and followed by no colon (move it to Postfix's main.cf)"}},
	{name: "Debian's /etc/default/saslauthd", text: "START=yes\nMECHANISMS=\"pam\"\n", refused: []string{
		"1: start is an option of the script that starts saslauthd, and followed by no colon (move it to /etc/default/saslauthd, on RHEL /etc/sysconfig/saslauthd)",
		"2: mechanisms is an option of the script that starts saslauthd, and followed by no colon (move it to /etc/default/saslauthd, on RHEL /etc/sysconfig/saslauthd)",
	}},
	{name: "Dovecot's file", text: "auth_mechanisms = plain login\n", refused: []string{"1: auth_mechanisms is an option of Dovecot, and followed by no colon (move it to dovecot.conf)"}},
	{name: "no colon", text: "mech_list plain\n", refused: []string{"1: expected a key of letters, digits, '-' and '_', then a colon (write mech_list: value, all on one line, or begin a comment with '#')"}},
	{name: "key alone", text: "mech_list", refused: []string{"1: expected a key of letters, digits, '-' and '_', then a colon (write mech_list: value, all on one line, or begin a comment with '#')"}},
	{name: "wrapped password", text: "sql_passwd: secret\nhunter2\n", refused: []string{"2: expected a key of letters, digits, '-' and '_', then a colon (write key: value, all on one line, or begin a comment with '#')"}},
	{name: "dot in the key", text: "a.b: x\n", refused: []string{"1: expected a key of letters, digits, '-' and '_', then a colon (write key: value, all on one line, or begin a comment with '#')"}},
	{name: "umlaut in the key", text: "ä: x\n", refused: []string{"1: " + notASCII}},
	{name: "blank of a web page", text: "a: x\n\u00a0b: y\n", refused: []string{"2: " + notASCII}},
	{name: "blank of a web page before the colon", text: "a\u00a0: x\n", refused: []string{"1: " + notASCII}},
	{name: "byte-order mark", text: "\ufeffmech_list: plain\n", refused: []string{"1: line begins with a byte-order mark (save the file as UTF-8 without one)"}},
	{name: "byte-order mark before a comment", text: "\ufeff# SASL\n", refused: []string{"1: line begins with a byte-order mark (save the file as UTF-8 without one)"}},
	{name: "UTF-16", text: "\xff\xfea\x00:\x00x\x00", refused: []string{"1: line begins with a byte-order mark of UTF-16 (save the file as plain text)"}},
	{name: "empty value", text: "sasldb_path:\n", refused: []string{"1: sasldb_path has no value (to keep the default, leave the line out)"}},
	{name: "blank value", text: "A: \t\r\n", refused: []string{"1: a has no value (to keep the default, leave the line out)"}},
	{name: "several faults", text: "a\nb: x\nc:\nmech_list : plain\n", refused: []string{
		"1: expected a key of letters, digits, '-' and '_', then a colon (write key: value, all on one line, or begin a comment with '#')",
		"3: c has no value (to keep the default, leave the line out)",
		"4: blank before the colon, which must touch the key (write mech_list: value)",
	}},
	{name: "line too long", text: "a: " + strings.Repeat("x", 4093) + "\n", refused: []string{"1: line of 4096 bytes, more than 4095 are cut (shorten it)"}},
	{name: "NUL in the value", text: "a: x\x00y\n", refused: []string{"1: line holds NUL, where Cyrus cuts it (save the file as plain text)"}, cyrus: true},
	{name: "NUL in the key", text: "a\x00: x\n", refused: []string{"1: line holds NUL, where Cyrus cuts it (save the file as plain text)"}},
}

const notASCII = "a character that is not ASCII in the key or behind it (type the line anew: what is copied from a web page can hold blanks that are none)"

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range cases {
		f, err := Parse("smtpd.conf", strings.NewReader(c.text))
		if c.refused == nil {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			} else if diff := cmp.Diff(c.want, f.Settings); diff != "" || f.Name != "smtpd.conf" {
				t.Errorf("%s: %s, -want +got:\n%s", c.name, f.Name, diff)
			}
			continue
		}
		var faults Faults
		if f != nil || !errors.As(err, &faults) || len(faults.Refused()) != len(faults) {
			t.Errorf("%s: %v, %v", c.name, f, err)
			continue
		}
		want := "smtpd.conf:" + strings.Join(c.refused, "\nsmtpd.conf:")
		if diff := cmp.Diff(want, err.Error()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
	}
	if f, err := Parse("x", strings.NewReader(strings.Repeat("a: x\n", maxFile/5+1))); f != nil || err == nil {
		t.Errorf("file too long: %v, %v", f != nil, err)
	}
	if _, err := Parse("x", io.MultiReader(strings.NewReader("a: x\n"), broken{})); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("failed read: %v", err)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestValues(t *testing.T) {
	t.Parallel()
	f, err := Parse("x", strings.NewReader("mech_list: plain\tLOGIN  otp\nmech_list: anonymous\n"))
	if err != nil {
		t.Fatal(err)
	}
	if value, ok := f.Value("mech_list"); !ok || value != "plain\tLOGIN  otp" {
		t.Errorf("Value: %q, %v", value, ok)
	}
	if diff := cmp.Diff([]string{"plain", "LOGIN", "otp"}, f.Words("mech_list")); diff != "" {
		t.Errorf("Words: -want +got:\n%s", diff)
	}
	var none File
	if value, ok := none.Value("mech_list"); ok || value != "" || len(none.Words("mech_list")) > 0 || none.Bool("mech_list") {
		t.Error("the zero File sets something")
	}
}

// The first letters decide, as they do for saslpasswd2 2.1.28.
func TestBool(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{
		"yes": true, "y": true, "true": true, "tru": true, "1": true, "1x": true, "on": true, "onx": true,
		"no": false, "0": false, "false": false, "off": false, "Yes": false, "On": false, "ON": false, "oN": false, "True": false, "10": true,
	} {
		f := &File{Settings: []Setting{{Key: "a", Value: value}}}
		if f.Bool("a") != want {
			t.Errorf("%q: %v, want %v", value, !want, want)
		}
	}
}

// A password does not get into a log by way of a File.
func TestNoPasswordPrinted(t *testing.T) {
	t.Parallel()
	f := mustParse(t, "sql_user: al\nsql_passwd: pencil\nsql_pasword: pencil\nldapdb_pw: pencil\nldap_password: pencil\nldap_bind_pw: pencil\n")
	app, faults := f.Application()
	daemon, more := f.Saslauthd()
	asJSON, err := json.Marshal([]any{f, app, daemon})
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "file", f, "setting", f.Settings[1], "app", app, "daemon", daemon)
	for _, printed := range []string{
		fmt.Sprint(f, *f, app, daemon, faults, more), fmt.Sprintf("%+v %+v %+v", *f, app, daemon), fmt.Sprintf("%#v %#v %#v", *f, app, daemon),
		fmt.Sprintf("%q %x", f.Settings, f.Settings), string(asJSON), logged.String(),
	} {
		if strings.Contains(printed, "pencil") || strings.Contains(printed, fmt.Sprintf("%x", "pencil")) {
			t.Errorf("printed: %s", printed)
		}
	}
	if got := fmt.Sprint(f.Settings); !strings.Contains(got, "sql_user: al") || !strings.Contains(got, "sql_passwd: REDACTED") {
		t.Error(got)
	}
	if app.SQL.Passwd != "pencil" || app.LDAPDB.PW != "pencil" || daemon.LDAP.Password != "pencil" {
		t.Error("the passwords themselves are not there")
	}
}

func mustParse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse("smtpd.conf", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func FuzzParse(f *testing.F) {
	for _, c := range cases {
		if len(c.text) < 1000 {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("x", strings.NewReader(text))
		if err != nil {
			checkFaults(t, text, err)
			if file != nil {
				t.Fatalf("error %v comes with %+v", err, file)
			}
			return
		}
		var printed strings.Builder
		line := 0
		for _, s := range file.Settings {
			if s.Value == "" || s.Line <= line || s.Key != strings.ToLower(s.Key) {
				t.Fatalf("%q: setting %+v after line %d", text, s, line)
			}
			printed.WriteString(strings.Repeat("\n", s.Line-line-1) + s.Key + ": " + s.Value + s.Tail + "\n")
			line = s.Line
		}
		again, err := Parse("x", strings.NewReader(printed.String()))
		if again == nil {
			again = &File{}
		}
		if diff := cmp.Diff(file.Settings, again.Settings); diff != "" && strings.Count(text, "\n")+len(text) < maxLine {
			t.Fatalf("%q: %v, -first +again:\n%s", text, err, diff)
		}
	})
}

// checkFaults holds faults against what is promised of all.
func checkFaults(t *testing.T, text string, err error) {
	t.Helper()
	var faults Faults
	if !errors.As(err, &faults) {
		return // the file is too long
	}
	lines := strings.Count(text, "\n") + 1
	for i, f := range faults {
		if f.Line < 1 || f.Line > lines || f.Problem == "" || f.Cure == "" || f.Name == "" || i > 0 && f.Line < faults[i-1].Line {
			t.Fatalf("%q: fault %+v", text, f)
		}
		if strings.Contains(f.Error(), marker) {
			t.Fatalf("%q: a password is told: %v", text, f)
		}
		if !utf8.ValidString(f.Error()) || strings.ContainsAny(f.Error(), "\n\r\x1b") {
			t.Fatalf("%q: fault is not text: %q", text, f)
		}
	}
}

// marker is a password in the files of fuzz targets.
const marker = "correct-horse"

// secretLines are added to those files.
const secretLines = "\nsql_passwd: " + marker + "\nsql_passwd: " + marker + ", #" + marker + "\nldapdb_pw: \"" + marker +
	"\"\nldap_bind_pw: " + marker + " \nldap_password: " + marker + "\r\nsql_pasword: " + marker + "\nunheard-of: " + marker + "\n"

func FuzzApplication(f *testing.F) {
	for _, c := range cases {
		if len(c.text) < 1000 {
			f.Add(c.text)
		}
	}
	for _, c := range faultCases {
		f.Add(c.text)
	}
	for _, c := range daemonCases {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		text += secretLines
		file, err := Parse("x", strings.NewReader(text))
		if err != nil {
			return
		}
		app, faults := file.Application()
		checkFaults(t, text, faults)
		for key, line := range app.Lines {
			if value, ok := file.Value(key); !ok || value == "" || line < 1 || app.Where(key) != fmt.Sprintf("x:%d", line) {
				t.Fatalf("%q: %s in line %d, %s", text, key, line, app.Where(key))
			}
		}
		if len(app.PwcheckMethod) == 0 && faults.Err() == nil {
			t.Fatalf("%q: nobody checks passwords, and no fault", text)
		}
		for _, list := range [][]string{app.PwcheckMethod, app.MechList, app.AuxpropPlugin} {
			if sorted := slices.Sorted(slices.Values(list)); len(slices.Compact(sorted)) != len(list) {
				t.Fatalf("%q: a name is twice in %q", text, list)
			}
		}
		if slices.Contains(app.PwcheckMethod, "alwaystrue") {
			t.Fatalf("%q: everybody is let in", text)
		}
		_ = app.AutoTransition.String()
		daemon, faults := file.Saslauthd()
		checkFaults(t, text, faults)
		_ = fmt.Sprint(daemon.LDAP.AuthMethod, daemon.LDAP.Scope, daemon.LDAP.Deref, daemon.LDAP.TLSCheckPeer)
	})
}
