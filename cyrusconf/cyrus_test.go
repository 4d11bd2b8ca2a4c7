package cyrusconf

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/peers"
)

// A libsasl2 is Cyrus SASL's library as a server uses it.
type libsasl2 struct {
	in  io.Writer
	out *bufio.Reader
}

// A reading is what the library makes of a file.
type reading struct {
	init, check string   // result codes
	list        []string // what is offered
	values      map[string]string
}

func startLibsasl2(t *testing.T) *libsasl2 {
	t.Helper()
	program := peers.Compile(t, "testdata/libsasl2_config.c", peers.Library{Header: "sasl/sasl.h", Link: "sasl2", DebianPackage: "libsasl2-dev"})
	in, out := peers.Start(t, program)
	return &libsasl2{in, out}
}

// read asks the library what the keys of a file are set to.
func (l *libsasl2) read(t *testing.T, text string, keys ...string) reading {
	t.Helper()
	dir := inFolder(t, map[string]string{"smtpd.conf": text})
	if _, err := fmt.Fprintf(l.in, "%s %s\n", dir, strings.Join(keys, " ")); err != nil {
		t.Fatal(err)
	}
	line, err := l.out.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	w := strings.Fields(line)
	if len(w) == 1 {
		return reading{init: w[0]}
	}
	if len(w) != 3+len(keys) {
		t.Fatalf("libsasl2_config says %q", w)
	}
	r := reading{init: w[0], check: w[1], values: map[string]string{}}
	if w[2] != "-" {
		r.list = strings.Split(w[2], ",")
	}
	for i, key := range keys {
		if value, err := base64.StdEncoding.DecodeString(w[3+i]); err == nil && w[3+i] != "-" {
			r.values[key] = string(value)
		}
	}
	return r
}

const (
	saslOK        = "0"
	saslNoMech    = "-4"
	saslConfigErr = "-100"
)

// What Cyrus refuses Parse refuses, and nothing else but lines that it reads
// differently from how they look. What it does not refuse has the same values.
func TestCyrusReadsTheSame(t *testing.T) {
	t.Parallel()
	l := startLibsasl2(t)
	for _, c := range cases {
		f, err := Parse("smtpd.conf", strings.NewReader(c.text))
		if err != nil {
			r := l.read(t, c.text)
			if (r.init == saslConfigErr) == c.cyrus {
				t.Errorf("%s: the library says %s, we %v", c.name, r.init, err)
			}
			continue
		}
		sameValues(t, l, c.name, c.text, f)
	}
	for _, c := range faultCases {
		sameValues(t, l, c.name, c.text, mustParse(t, c.text))
	}
}

func sameValues(t *testing.T, l *libsasl2, name, text string, f *File) {
	t.Helper()
	var keys []string
	want := map[string]string{}
	for _, s := range f.Settings {
		if s.Key != "" {
			keys = append(keys, s.Key)
			want[s.Key], _ = f.Value(s.Key)
		}
	}
	r := l.read(t, text, keys...)
	if diff := cmp.Diff(want, r.values); r.init != saslOK || diff != "" && len(keys) > 0 {
		t.Errorf("%s: the library says %s, -ours +its:\n%s", name, r.init, diff)
	}
}

// What a list means to the library, and what we say to it.
func TestCyrusTakesLists(t *testing.T) {
	t.Parallel()
	peers.Need(t, "saslpasswd2", "sasl2-bin")
	l := startLibsasl2(t)
	if all := l.read(t, "").list; !slices.Contains(all, "CRAM-MD5") || !slices.Contains(all, "SCRAM-SHA-1") {
		peers.Missing(t, "CRAM-MD5 and SCRAM-SHA-1 of Cyrus SASL (Debian package libsasl2-modules)")
	}
	for _, c := range []struct {
		list    string
		want    []string
		refused bool
	}{
		{list: "plain login", want: []string{"PLAIN", "LOGIN"}},
		{list: "Login\tCRAM-md5 \v plain", want: []string{"LOGIN", "CRAM-MD5", "PLAIN"}},
		{list: "foo plain", want: []string{"PLAIN"}},
		{list: "plain scram-sha-1-plus", want: []string{"PLAIN", "SCRAM-SHA-1"}},
		{list: "scram-sha-1-plus plain", want: []string{"PLAIN"}, refused: true},
		{list: "plain,login", refused: true},
		{list: "plain,login login", want: []string{"LOGIN"}, refused: true},
		{list: "plaintext", refused: true},
		{list: `"plain"`, refused: true},
		{list: "plain # login", want: []string{"PLAIN", "LOGIN"}, refused: true},
	} {
		text := "mech_list: " + c.list + "\n"
		if diff := cmp.Diff(c.want, l.read(t, text).list); diff != "" {
			t.Errorf("%s: -want +library:\n%s", c.list, diff)
		}
		app, faults := mustParse(t, text).Application()
		if refused := faults.Err() != nil; refused != c.refused {
			t.Errorf("%s: %v", c.list, faults)
		} else if diff := cmp.Diff(c.want, app.MechList); !refused && diff != "" {
			t.Errorf("%s: -want +ours:\n%s", c.list, diff)
		}
	}
}

// Which methods the library has: with the others no password is good, and with
// alwaystrue every one is.
func TestCyrusTakesMethods(t *testing.T) {
	t.Parallel()
	peers.Need(t, "saslpasswd2", "sasl2-bin")
	l := startLibsasl2(t)
	for _, c := range []struct {
		methods, check string
		refused        bool
	}{
		{methods: "saslauthd,auxprop", check: saslNoMech, refused: true},
		{methods: "auxprop-hashed", check: saslNoMech, refused: true},
		{methods: "pam", check: saslNoMech, refused: true},
		{methods: "sasldb", check: saslNoMech, refused: true},
		{methods: `"auxprop"`, check: saslNoMech, refused: true},
		{methods: "AlwaysTrue", check: saslOK, refused: true},
		{methods: "foo\valwaystrue", check: saslOK, refused: true},
		{methods: "SASLAUTHD", check: "-1"}, // nobody listens
		{methods: "auxprop", check: "-20"},  // no user
	} {
		text := "pwcheck_method: " + c.methods + "\nsaslauthd_path: /nonexistent/mux\nsasldb_path: /nonexistent/sasldb2\n"
		if got := l.read(t, text).check; got != c.check {
			t.Errorf("%s: the library says %s, want %s", c.methods, got, c.check)
		}
		if _, faults := mustParse(t, text).Application(); (faults.Err() != nil) != c.refused {
			t.Errorf("%s: %v", c.methods, faults)
		}
	}
}

// On is what makes saslpasswd2 write keys for SCRAM.
func TestCyrusBooleans(t *testing.T) {
	t.Parallel()
	passwd, list := peers.Need(t, "saslpasswd2", "sasl2-bin"), peers.Need(t, "sasldblistusers2", "sasl2-bin")
	for _, value := range []string{"yes", "y", "true", "1", "10", "on", "onx", "no", "0", "off", "Yes", "YES", "True", "On", "ON", "oN", "maybe", "yes # no", `"yes"`} {
		t.Run(value, func(t *testing.T) {
			t.Parallel()
			text := "scram_secret_generate: " + value + "\nmech_list: scram-sha-1\n"
			dir := inFolder(t, map[string]string{"saslpasswd.conf": text})
			db := filepath.Join(dir, "sasldb2")
			set := exec.CommandContext(t.Context(), passwd, "-p", "-f", db, "-u", "e", "al")
			set.Env = append(os.Environ(), "SASL_CONF_PATH="+dir)
			set.Stdin = strings.NewReader("pencil")
			if out, err := set.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			out, err := exec.CommandContext(t.Context(), list, "-f", db).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			f := mustParse(t, text)
			app, _ := f.Application()
			if got := bytes.Contains(out, []byte("authPassword")); got != f.Bool("scram_secret_generate") || got != app.ScramSecretGenerate {
				t.Errorf("%v, ours %v", got, app.ScramSecretGenerate)
			}
		})
	}
}
