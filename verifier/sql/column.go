package sql

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A column is one that the verifier knows by name: a column of a row, or a property of
// Cyrus's, which is a column's name as well.
type column struct {
	name  string // in lower case
	holds verifier.Kinds
	// scheme is that of values without a {SCHEME}; "" for that of the options
	scheme string
}

// scramColumns are the kinds of SCRAM keys, with the column of each. The first of them
// that a store has is authPassword with Cyrus, which has one property for all; most
// clients that know SCRAM know SHA-256.
var scramColumns = []struct {
	kind verifier.Kind
	name string
}{
	{verifier.KindSCRAMSHA256, "scram_sha_256"},
	{verifier.KindSCRAMSHA1, "scram_sha_1"},
	{verifier.KindSCRAMSHA512, "scram_sha_512"},
	{verifier.KindSCRAMSHA384, "scram_sha_384"},
	{verifier.KindSCRAMSHA224, "scram_sha_224"},
	{verifier.KindSCRAMSHA3512, "scram_sha3_512"},
}

// Cyrus's names of properties.
const (
	propertyPassword  = "userPassword"
	propertySCRAM     = "authPassword"
	propertyCRAMMD5   = "cmusaslsecretCRAM-MD5"
	propertyDIGESTMD5 = "cmusaslsecretDIGEST-MD5"
	propertyOTP       = "cmusaslsecretOTP"
	propertyOrigin    = "saslkit_origin" // not Cyrus's
)

// secretColumns are those that can hold what lets a user in.
var secretColumns = func() []column {
	anyPassword := verifier.AllKinds &^ textKinds
	cram, digest, otp := verifier.KindsOf(verifier.KindCRAMMD5), verifier.KindsOf(verifier.KindDIGESTMD5), verifier.KindsOf(verifier.KindOTP)
	all := []column{
		{"password", anyPassword, ""},
		{strings.ToLower(propertyPassword), anyPassword, ""},
		{strings.ToLower(propertySCRAM), verifier.KindsOf(verifier.SCRAMKinds()...), "SCRAM"},
		{"cram_md5", cram, "CRAM-MD5"},
		{strings.ToLower(propertyCRAMMD5), cram, "CRAM-MD5"},
		{"digest_md5", digest, "DIGEST-MD5"},
		{strings.ToLower(propertyDIGESTMD5), digest, "DIGEST-MD5"},
		{"nt_hash", verifier.KindsOf(verifier.KindNTHash), "NTLM"},
		{"otp", otp, ""},
		{strings.ToLower(propertyOTP), otp, ""},
		{propertyOrigin, verifier.KindsOf(verifier.KindOrigin), ""},
	}
	for _, s := range scramColumns {
		all = append(all, column{s.name, verifier.KindsOf(s.kind), s.kind.SCRAMName()})
	}
	return all
}()

// secretColumn finds a column by its name; nil if it holds no secret. Only letters of
// ASCII are folded, so that the name is one of ours in whatever case.
func secretColumn(name string) *column {
	lower := lowerASCII(name)
	for i := range secretColumns {
		if secretColumns[i].name == lower {
			return &secretColumns[i]
		}
	}
	return nil
}

func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}

func (c *column) isPassword() bool { return c.holds.Has(verifier.KindPassword) }

// textKinds are those whose value is a text of fields with tabs between them, and not
// one of package stored.
const textKinds verifier.Kinds = 1<<verifier.KindOTP | 1<<verifier.KindOrigin

func (c *column) isText() bool { return c.holds&^textKinds == 0 }

// properties are Cyrus's names for the columns of some kinds, in the order in which
// they are asked for.
func properties(kinds verifier.Kinds) []string {
	var all []string
	if kinds.Has(verifier.KindPassword) || kinds.Has(verifier.KindCheck) {
		all = append(all, propertyPassword)
	}
	first := true
	for _, s := range scramColumns {
		switch {
		case !kinds.Has(s.kind):
		case first:
			all, first = append(all, propertySCRAM), false
		default:
			all = append(all, s.name)
		}
	}
	for _, p := range []struct {
		kind verifier.Kind
		name string
	}{
		{verifier.KindCRAMMD5, propertyCRAMMD5}, {verifier.KindDIGESTMD5, propertyDIGESTMD5}, {verifier.KindOTP, propertyOTP},
		{verifier.KindOrigin, propertyOrigin},
	} {
		if kinds.Has(p.kind) {
			all = append(all, p.name)
		}
	}
	return all
}

// kindWords are the words for kinds in a file.
var kindWords = func() map[string]verifier.Kind {
	words := map[string]verifier.Kind{
		"password": verifier.KindPassword, "check": verifier.KindCheck,
		"cram-md5": verifier.KindCRAMMD5, "digest-md5": verifier.KindDIGESTMD5, "nt-hash": verifier.KindNTHash, "otp": verifier.KindOTP,
		"origin": verifier.KindOrigin,
	}
	for _, k := range verifier.SCRAMKinds() {
		words[strings.ToLower(k.SCRAMName())] = k
	}
	return words
}()

// ParseKinds reads a list of words separated by blanks: "password" for passwords that
// are stored as they are, "check" for their hashes, and "scram-sha-256" and the others
// of SCRAM, "cram-md5", "digest-md5", "nt-hash", "otp", and "origin" for where copies are from.
func ParseKinds(list string) (verifier.Kinds, error) {
	var kinds verifier.Kinds
	for _, word := range strings.Fields(list) {
		k, ok := kindWords[strings.ToLower(word)]
		if !ok {
			return 0, fmt.Errorf("sql: sql_kinds: no kind %.40q (known: password check scram-sha-1 scram-sha-256 scram-sha-512 … cram-md5 digest-md5 nt-hash otp origin)", word)
		}
		kinds |= verifier.KindsOf(k)
	}
	if kinds == 0 {
		return 0, errors.New("sql: sql_kinds: the list is empty")
	}
	return kinds, nil
}

// A holding is what one column holds of a user.
type holding struct {
	column *column
	name   string // of the column, as the database spells it
	found  bool   // there is a row for it
	text   string // "": NULL, or nothing
	value  stored.Value
	err    error // why text is of no use
}

// deletedText is what Cyrus's plugin stores in place of a secret that is gone, as its
// statements have '%v' in quotes: with saslpasswd2 -d, and with a sql_update without %p
// even when saslpasswd2 sets a password, for it clears other properties after that.
// Cyrus then takes the word for the password.
const deletedText = "NULL"

var errDeleted = errors.New("the word " + deletedText + ", which Cyrus SASL stores for what is deleted")

// read makes sense of the text. scheme is that of passwords without one.
func (h *holding) read(scheme string) {
	if h.text == deletedText {
		h.err = errDeleted
		return
	}
	if h.text == "" {
		return
	}
	if h.column.isText() {
		if strings.Count(h.text, "\t") != 4 {
			h.err = fmt.Errorf("not the five fields of an %v", h.column.holds)
		}
		return
	}
	text := h.text
	if h.column.scheme != "" {
		scheme, text = h.column.scheme, strings.TrimSpace(text)
	} else if looksHashed(h.text) {
		scheme = "CRYPT" // and never a password, or whoever reads the table could log in
	}
	h.value, h.err = stored.ParseAs(scheme, text)
	if h.err == nil && h.value.Kinds()&h.column.holds == 0 {
		h.value, h.err = stored.Value{}, errors.New("a secret of another kind than the column is for")
	}
}

// looksHashed reports whether a text without a {SCHEME} looks like a hash in the modular
// format of crypt(3), whether that is one we know or not: "$", a name, "$", and 20
// characters or more.
func looksHashed(text string) bool {
	if !strings.HasPrefix(text, "$") {
		return false
	}
	id, rest, ok := strings.Cut(text[1:], "$")
	if !ok || len(id) == 0 || len(id) > 16 || len(rest) < 20 {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool { return r >= 0x80 || r != '-' && r != ',' && r != '=' && !isWord(byte(r)) }) < 0
}

// kinds is what the column gives its user.
func (h *holding) kinds() verifier.Kinds {
	switch {
	case h.text == "" || h.err != nil:
		return 0
	case h.column.isText():
		return h.column.holds
	}
	return h.value.Kinds()
}

// secret is the holding as a secret of one of the kinds. What can only be checked is a
// secret of KindCheck for who changes an entry: its value is the text.
func (h *holding) secret(kinds ...verifier.Kind) (verifier.Secret, bool) {
	if h.text == "" || h.err != nil {
		return verifier.Secret{}, false
	}
	for _, k := range kinds {
		switch {
		case h.column.isText() && h.column.holds.Has(k):
			return verifier.Secret{Kind: k, Value: []byte(h.text)}, true
		case k == verifier.KindCheck && h.value.Kinds() == verifier.KindsOf(verifier.KindCheck):
			return verifier.Secret{Kind: k, Value: []byte(h.text)}, true
		}
		if s, ok := h.value.Secret(k); ok {
			return s, true
		}
	}
	return verifier.Secret{}, false
}

// takes reports whether a secret of a kind can be put in the column. That of passwords
// takes others only if it holds that kind already: with Cyrus the text would be the
// password.
func (h *holding) takes(k verifier.Kind) bool {
	if h.column.isPassword() && k > verifier.KindPassword {
		return h.kinds().Has(k)
	}
	return h.column.holds.Has(k)
}

// write is the text that a column holds for a secret.
func (c *column) write(s verifier.Secret, scheme string) (string, error) {
	text := string(s.Value)
	switch {
	case s.Kind.IsSCRAM():
		var err error
		if text, err = verifier.FormatSCRAM(s, verifier.SCRAMRecord); err != nil {
			return "", fmt.Errorf("sql: %w", err)
		}
	case s.Kind == verifier.KindCRAMMD5, s.Kind == verifier.KindDIGESTMD5, s.Kind == verifier.KindNTHash:
		text = hex.EncodeToString(s.Value)
		if c.isPassword() {
			text = map[verifier.Kind]string{verifier.KindCRAMMD5: "{CRAM-MD5}", verifier.KindDIGESTMD5: "{DIGEST-MD5}", verifier.KindNTHash: "{NTLM}"}[s.Kind] + text
		}
	}
	// What would be read as something else says what it is.
	for _, text := range []string{text, "{PLAIN}" + text} {
		h := holding{column: c, text: text}
		h.read(scheme)
		if again, ok := h.secret(s.Kind); ok && bytes.Equal(again.Value, s.Value) {
			return text, nil
		}
	}
	return "", fmt.Errorf("sql: %d bytes are not a secret of kind %q", len(s.Value), s.Kind)
}
