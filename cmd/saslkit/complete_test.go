package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit/sasldb"
)

// completed is what the shell would be offered, without explanations, and whether a space
// follows and files count too.
func completed(t *testing.T, args ...string) (words string, directive cobra.ShellCompDirective) {
	t.Helper()
	got := runCommand(t, "", append([]string{"__complete"}, args...)...)
	if got.code != 0 {
		t.Errorf("%q: exit %d: %s", args, got.code, got.stderr)
	}
	out, number, ok := strings.Cut(strings.TrimSuffix("\n"+got.out, "\n"), "\n:")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		t.Fatalf("%q: %q", args, got.out)
	}
	var all []string
	for line := range strings.Lines(out) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		all = append(all, word)
	}
	return strings.TrimSpace(strings.Join(all, " ")), cobra.ShellCompDirective(n)
}

// TestComplete: what stands at the cursor decides what is offered.
func TestComplete(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db := filepath.Join(dir, "users.db")
	record := func(user, realm, property string) sasldb.Record {
		return sasldb.Record{Authid: user, Realm: realm, Property: property, Value: []byte("wonderland")}
	}
	if err := sasldb.Create(db, []sasldb.Record{
		record("alice", "one.example", "userPassword"), record("alice", "one.example", "authPassword"), record("alan", "two.example", "userPassword"),
		record("bob", "", "userPassword"), record("jörg", "one.example", "userPassword"),
		record("$(reboot)", "one.example", "userPassword"), record("al", "$(reboot)", "userPassword"), record("a b", "one.example", "userPassword"), record("a\n:0", "one.example", "userPassword"),
		record("--delete", "", "userPassword"), record("-f/tmp/users.db", "one.example", "userPassword"), record("ann", "-f/tmp/users.db", "userPassword"),
	}); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "users.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"`reboot`", ".hidden", "other file"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		args      []string
		want      string
		directive cobra.ShellCompDirective
	}{
		"command":                     {[]string{"ver"}, "verify", onlyThese},
		"option":                      {[]string{"passwd", "--if"}, "--if-exists --if-new", onlyThese},
		"command to explain":          {[]string{"help", "pas"}, "passwd", onlyThese},
		"shell":                       {[]string{"completion", ""}, "bash zsh fish", onlyThese},
		"no arguments":                {[]string{"users", ""}, "", onlyThese},
		"file":                        {[]string{"users", "-f", ""}, "", anyFile},
		"folder":                      {[]string{"serve", "--mux", "/"}, "", cobra.ShellCompDirectiveFilterDirs},
		"two files":                   {[]string{"convert", "a", ""}, "", anyFile},
		"no third file":               {[]string{"convert", "a", "b", ""}, "", onlyThese},
		"one file":                    {[]string{"import", ""}, "", anyFile},
		"mechanism":                   {[]string{"check", "--mech", "CR"}, "CRAM-MD5", onlyThese},
		"mechanism in lower case":     {[]string{"login", "--mech", "cr"}, "cram-md5", onlyThese},
		"mechanism behind =":          {[]string{"login", "--mech=OT"}, "OTP", onlyThese},
		"second mechanism":            {[]string{"serve", "--mech-list", "PLAIN,LO"}, "PLAIN,LOGIN", goesOn},
		"mechanism that is there":     {[]string{"serve", "--mech-list", "plain,PLA"}, "", goesOn},
		"format of convert":           {[]string{"convert", "--format", ""}, "bdb gdbm lmdb", onlyThese},
		"format of passwd":            {[]string{"passwd", "--format", ""}, "bdb gdbm", onlyThese},
		"kind of store":               {[]string{"mechs", "--verifier", "sa"}, "sasldb: saslauthd:", goesOn},
		"kind of store for secrets":   {[]string{"mechs", "--secrets", "sql"}, "sql:", goesOn},
		"file of a store":             {[]string{"mechs", "--verifier", "sasldb:" + dir + "/users"}, "sasldb:" + dir + "/users.d/ sasldb:" + db, goesOn},
		"only file of a store":        {[]string{"mechs", "--verifier", "sasldb:" + dir + "/users.db"}, "sasldb:" + db, onlyThese},
		"all of a folder":             {[]string{"mechs", "--verifier", "sasldb:" + dir + "/"}, "sasldb:" + dir + "/users.d/ sasldb:" + db, goesOn},
		"hidden file":                 {[]string{"mechs", "--verifier", "sasldb:" + dir + "/."}, "sasldb:" + dir + "/.hidden", onlyThese},
		"folder of a store":           {[]string{"mechs", "--verifier", "saslauthd:" + dir + "/u"}, "saslauthd:" + dir + "/users.d/", goesOn},
		"no such folder":              {[]string{"mechs", "--verifier", "sasldb:" + dir + "/no/"}, "", onlyThese},
		"service of PAM":              {[]string{"mechs", "--verifier", "pam:"}, "", onlyThese},
		"no such kind":                {[]string{"mechs", "--verifier", "gopher:"}, "", goesOn},
		"tokens":                      {[]string{"check", "--tokens", ""}, "introspect: jwt:", goesOn},
		"security options":            {[]string{"serve", "--security-options", "noplaintext,no"}, "noplaintext,noactive noplaintext,nodictionary noplaintext,noanonymous", goesOn},
		"limit":                       {[]string{"serve", "--limit", "free=5,m"}, "free=5,max=", goesOn},
		"service":                     {[]string{"check", "-s", "s"}, "smtp sieve", onlyThese},
		"transition":                  {[]string{"serve", "--transition", ""}, "noplain yes", onlyThese},
		"path of a socket":            {[]string{"serve", "--auth", "/ru"}, "", anyFile},
		"socket of systemd":           {[]string{"serve", "--auth", "sys"}, "systemd:", goesOn},
		"name of a socket of systemd": {[]string{"serve", "--auth", "systemd:"}, "", onlyThese},
		"number":                      {[]string{"passwd", "--iterations", ""}, "", onlyThese},
		"server":                      {[]string{"login", "smtp"}, "smtp:// smtps://", goesOn},
		"user of a server":            {[]string{"login", "smtp://localhost", ""}, "", onlyThese},
		"user":                        {[]string{"passwd", "-f", db, "al"}, "alan@two.example alice@one.example", onlyThese},
		"user who is left out":        {[]string{"passwd", "--all", "-f", db, "--except", "ala"}, "alan@two.example", onlyThese},
		"every user":                  {[]string{"passwd", "-f", db, ""}, "alan@two.example alice@one.example bob jörg@one.example", onlyThese},
		"user of a realm":             {[]string{"passwd", "-f", db, "-u", "two.example", ""}, "alan", onlyThese},
		"one user only":               {[]string{"passwd", "-f", db, "alice", ""}, "", onlyThese},
		"user to check":               {[]string{"check", "--verifier", "sasldb:" + db, "-r", "one.example", "a"}, "alice", onlyThese},
		"user to check by his secret": {[]string{"check", "--secrets", "sasldb:" + db, "ala"}, "alan@two.example", onlyThese},
		"realm":                       {[]string{"passwd", "-f", db, "-u", ""}, "one.example two.example", onlyThese},
		"no database":                 {[]string{"passwd", "-f", dir + "/none", ""}, "", onlyThese},
		"database that is a folder":   {[]string{"passwd", "-f", dir, ""}, "", onlyThese},
		"damaged database":            {[]string{"passwd", "-f", testdata + "bad-magic.db", ""}, "", onlyThese},
	} {
		got, directive := completed(t, tt.args...)
		if diff := cmp.Diff(tt.want, got); diff != "" || directive != tt.directive {
			t.Errorf("%s: directive %d, want %d; -want +got:\n%s", name, directive, tt.directive, diff)
		}
	}
}

// TestCompleteNothingMore: no option for a value is without a completion, none takes a
// password, and what is offered is explained without marks.
func TestCompleteNothingMore(t *testing.T) {
	t.Parallel()
	for _, cmd := range strings.Fields("check convert demo export import login mechs passwd serve users verify") {
		got := runCommand(t, "", "__complete", cmd, "--")
		if strings.Contains(got.out, "`") || strings.Contains(got.out, "--password\t") || strings.Count(got.out, "--") < 2 && cmd != "verify" {
			t.Errorf("%s: %s", cmd, got.out)
		}
	}
}

func TestCompletionErrors(t *testing.T) {
	t.Parallel()
	checkAll(t, []commandCase{
		{name: "no shell", args: []string{"completion"}, code: 2, err: []string{"SHELL is missing"}},
		{name: "another shell", args: []string{"completion", "csh"}, code: 2, err: []string{"bash zsh fish"}},
	})
}
