package saslkit_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

var update = flag.Bool("update", false, "write the tables of docs/reference/mechanisms.md anew")

const matrixPage = "docs/reference/mechanisms.md"

// A holder is a store of which every user has the same.
type holder verifier.Kinds

func (h holder) VerifyPassword(context.Context, verifier.Request, string) (verifier.Account, error) {
	return verifier.Account{}, verifier.ErrNoUser
}

func (h holder) LookupSecret(context.Context, verifier.Request, ...verifier.Kind) (verifier.Secret, error) {
	return verifier.Secret{}, verifier.ErrNoUser
}

func (h holder) Update(context.Context, verifier.Request, func(verifier.Entry) (verifier.Entry, error)) error {
	return verifier.ErrUnavailable
}

func (h holder) Coverage() verifier.Coverage {
	k := verifier.Kinds(h)
	return verifier.Coverage{Some: k, All: k, Stores: k, Users: -1}
}

// everything is what can be held.
var everything = holder(verifier.AllKinds)

// bestChannel is under TLS, can be bound to, and has proven who it is.
func bestChannel() saslkit.Channel {
	return saslkit.Channel{Secure: true, External: "somebody", Binding: func(string) ([]byte, bool) { return make([]byte, 32), true }}
}

// offers reports whether a mechanism is advertised.
func offers(a *saslkit.Authenticator, ch saslkit.Channel, name string) bool {
	return mech.Listed(a.Advertised(ch), name)
}

// A matrix is a table of the page, computed.
type matrix struct {
	name    string
	columns []string
	cell    func(row *mech.Mechanism, column string) string
}

func (m matrix) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| mechanism | %s |\n|%s\n", strings.Join(m.columns, " | "), strings.Repeat(" --- |", len(m.columns)+1))
	for _, row := range mech.All() {
		fmt.Fprintf(&b, "| %s |", row.Name)
		for _, column := range m.columns {
			fmt.Fprintf(&b, " %s |", m.cell(row, column))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// stores are the columns of what is held. A password can be checked against all but
// one-time passwords.
var stores = []struct {
	column string
	holds  verifier.Verifier
}{
	{"a check", struct{ verifier.Verifier }{everything}},
	{"the password", holder(verifier.KindsOf(verifier.KindPassword))},
	{"SCRAM-SHA-256 keys", holder(verifier.KindsOf(verifier.KindSCRAMSHA256, verifier.KindCheck))},
	{"CRAM-MD5 states", holder(verifier.KindsOf(verifier.KindCRAMMD5, verifier.KindCheck))},
	{"DIGEST-MD5 hash", holder(verifier.KindsOf(verifier.KindDIGESTMD5, verifier.KindCheck))},
	{"NT hash", holder(verifier.KindsOf(verifier.KindNTHash, verifier.KindCheck))},
	{"OTP series", holder(verifier.KindsOf(verifier.KindOTP))},
	{"tokens", nil},
}

// storeCell says whether a store serves a mechanism, by the decision under TLS.
func storeCell(row *mech.Mechanism, column string) string {
	for _, s := range stores {
		if s.column != column {
			continue
		}
		a := &saslkit.Authenticator{Verifier: s.holds, Policy: mech.Policy{TLS: mech.AnyMechanism}}
		if column == "tokens" {
			a.Tokens = verifier.StaticTokens{"token": "al"}
		}
		return yesOrNamed(a, bestChannel(), row)
	}
	return ""
}

// yesOrNamed is yes for a mechanism that is offered without a mech_list.
func yesOrNamed(a *saslkit.Authenticator, ch saslkit.Channel, row *mech.Mechanism) string {
	if offers(a, ch, row.Name) {
		return "yes"
	}
	if a.Mechanisms = []string{row.Name}; offers(a, ch, row.Name) {
		return "named"
	}
	return "–"
}

// properties are the words of policies.
var properties = []string{"noplaintext", "noactive", "nodictionary", "forward_secrecy", "noanonymous", "pass_credentials", "mutual_auth"}

func propertyCell(row *mech.Mechanism, column string) string {
	p, err := mech.ParseProperties(column)
	if err != nil || row.Provides&p == 0 {
		return "–"
	}
	return "yes"
}

// policies are what is asked for, and where.
var policies = []struct {
	column string
	policy mech.Policy
	secure bool
}{
	{"default, in the clear", mech.Policy{}, false},
	{"default, under TLS", mech.Policy{}, true},
	{"`noplaintext`", mech.Policy{TLS: mech.AnyMechanism | mech.NoPlaintext}, true},
	{"`noactive`", mech.Policy{TLS: mech.AnyMechanism | mech.NoActive}, true},
	{"`nodictionary`", mech.Policy{TLS: mech.AnyMechanism | mech.NoDictionary}, true},
	{"`forward_secrecy`", mech.Policy{TLS: mech.AnyMechanism | mech.ForwardSecrecy}, true},
	{"`noanonymous`", mech.Policy{TLS: mech.AnyMechanism | mech.NoAnonymous}, true},
	{"`mutual_auth`", mech.Policy{TLS: mech.AnyMechanism | mech.MutualAuth}, true},
	{"nothing, in the clear", mech.Policy{Clear: mech.AnyMechanism}, false},
}

// policyCell says whether a policy lets a mechanism be offered that is named and that the
// store serves.
func policyCell(row *mech.Mechanism, column string) string {
	for _, p := range policies {
		if p.column != column {
			continue
		}
		ch := bestChannel()
		if !p.secure { // there is nothing to bind to, and no certificate of a client
			ch = saslkit.Channel{}
		}
		a := &saslkit.Authenticator{Verifier: everything, Tokens: verifier.StaticTokens{"token": "al"}, Policy: p.policy, Mechanisms: []string{row.Name}}
		if offers(a, ch, row.Name) {
			return "yes"
		}
	}
	return "–"
}

func matrices() []matrix {
	var held, asked []string
	for _, s := range stores {
		held = append(held, s.column)
	}
	for _, p := range policies {
		asked = append(asked, p.column)
	}
	return []matrix{{"stores", held, storeCell}, {"properties", properties, propertyCell}, {"policies", asked, policyCell}}
}

// TestMatrixPage: every cell of the page is what the library decides.
func TestMatrixPage(t *testing.T) {
	text, err := os.ReadFile(matrixPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for _, m := range matrices() {
		before, rest, begun := strings.Cut(page, "<!-- "+m.name+": computed -->\n")
		old, after, ended := strings.Cut(rest, "<!-- end -->\n")
		if !begun || !ended {
			t.Fatalf("%s: no marks of the table of %s", matrixPage, m.name)
		}
		want := "\n" + m.String() + "\n"
		page = before + "<!-- " + m.name + ": computed -->\n" + want + "<!-- end -->\n" + after
		if diff := cmp.Diff(want, old); diff != "" && !*update {
			t.Errorf("%s: the table of %s is not what the library decides; renew it by\n\tgo test . -run TestMatrixPage -update\n-want +page:\n%s", matrixPage, m.name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(matrixPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
