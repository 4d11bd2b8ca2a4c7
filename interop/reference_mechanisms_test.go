//go:build linux

package interop

import (
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
)

// TestReferenceProperties: a mechanism that Cyrus SASL has too gives what it gives there.
func TestReferenceProperties(t *testing.T) {
	t.Parallel()
	needCyrusModules(t)
	viewer := peers.Need(t, "saslpluginviewer", "sasl2-bin")
	words := strings.NewReplacer("NO_", "no", "|", ",")
	said := regexp.MustCompile(`SASL mechanism: ([A-Z0-9-]+),.*\n\s*security flags: (\S+)`)
	found := said.FindAllStringSubmatch(output(t, viewer, "-s"), -1)
	for _, m := range found {
		ours := mech.ByName(m[1])
		theirs, err := mech.ParseProperties(strings.ToLower(words.Replace(m[2])))
		if ours == nil || err != nil {
			continue // Kerberos's, where they are installed
		}
		if ours.Provides != theirs&^mech.AnyMechanism {
			t.Errorf("%s: %v, with Cyrus %v", m[1], ours.Provides, theirs)
		}
	}
	if len(found) < 10 {
		t.Errorf("saslpluginviewer shows only %d mechanisms", len(found))
	}
}

// families are the mechanisms that a word of the page stands for.
var families = map[string][]string{
	"all": nineMechanisms, "SCRAM": scramMechanisms, "DIGEST-MD5": {"DIGEST-MD5"}, "CRAM-MD5": {"CRAM-MD5"}, "PLAIN": {"PLAIN"}, "LOGIN": {"LOGIN"}, "nothing": nil,
}

// TestReferencePostfixWords: what each word in smtpd_sasl_security_options leaves of what
// our daemon announces.
func TestReferencePostfixWords(t *testing.T) {
	t.Parallel()
	rows := referencePage(t, "mechanisms.md").Rows("The same words in Postfix")
	variants := map[string][]string{}
	for _, row := range rows {
		variants[row.Cells[0]] = []string{"smtpd_sasl_security_options=" + strings.Trim(row.Cells[0], "`")}
	}
	site := newAuthSite(t, databaseAuth(t, cyrusDatabase(t)), variants)
	for _, row := range rows {
		left, _, _ := strings.Cut(row.Cells[1], ";")
		var want []string
		for name := range strings.SplitSeq(left, ", ") {
			family, known := families[name]
			if !known {
				t.Fatalf("line %d: no mechanism %q", row.Line, name)
			}
			want = append(want, family...)
		}
		if want == nil {
			conn, err := net.Dial("tcp", site.ports[row.Cells[0]].addr)
			if err != nil {
				t.Fatal(err)
			}
			site.find(t, "fatal: no SASL authentication mechanisms")
			conn.Close()
			continue
		}
		got, _ := offeredTo(t, site.ports[row.Cells[0]], inClear)
		if !slices.Equal(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))) {
			t.Errorf("line %d: %s leaves %v", row.Line, row.Cells[0], got)
		}
	}
	if len(rows) < 6 {
		t.Errorf("%d words", len(rows))
	}
}
