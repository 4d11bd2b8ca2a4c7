package saslkit

import (
	"slices"
	"strings"

	"github.com/saslkit/saslkit/mech"
)

// maxOffered bounds the mechanisms that a server can make us remember; the
// longest real list has about 20.
const maxOffered = 64

// OfferedSMTP reads the mechanisms from the lines of an answer to EHLO, without
// the code before them, for [ClientConfig.Offered]. It understands "AUTH PLAIN
// LOGIN" (RFC 4954 section 4) and the old "AUTH=PLAIN LOGIN", which some servers
// send in its place and some beside it. A host that keeps only the parameters, as
// go-smtp's Extension does, puts "AUTH " before them.
//
// The result of this and the other functions is never nil: an empty list means
// that the server offers nothing. It holds names in upper case, each once, and
// at most 64; what cannot be the name of a mechanism is left out.
func OfferedSMTP(lines []string) []string {
	o := offer{}
	for _, line := range lines {
		if rest, ok := cutKeyword(line, "AUTH"); ok && rest != "" && strings.IndexByte(" \t=", rest[0]) >= 0 {
			o.words(rest[1:])
		}
	}
	return o
}

// OfferedIMAP reads the mechanisms from IMAP's capabilities, such as "AUTH=PLAIN"
// (RFC 9051 section 7.2.2).
func OfferedIMAP(capabilities []string) []string {
	o := offer{}
	for _, capability := range capabilities {
		if name, ok := cutKeyword(capability, "AUTH="); ok {
			o.add(name)
		}
	}
	return o
}

// OfferedPOP3 reads the mechanisms from the lines of an answer to POP3's CAPA,
// such as "SASL PLAIN LOGIN" (RFC 5034 section 3).
func OfferedPOP3(lines []string) []string {
	o := offer{}
	for _, line := range lines {
		if rest, ok := cutKeyword(line, "SASL"); ok && rest != "" && (rest[0] == ' ' || rest[0] == '\t') {
			o.words(rest)
		}
	}
	return o
}

// OfferedSieve reads the mechanisms from the capabilities of ManageSieve, such as
// `"SASL" "PLAIN LOGIN"` (RFC 5804 section 1.7). Only quoted strings are read: no
// server is known to send these as literals.
func OfferedSieve(lines []string) []string {
	o := offer{}
	for _, line := range lines {
		rest, ok := cutKeyword(line, `"SASL"`)
		if !ok {
			continue
		}
		names, opened := strings.CutPrefix(strings.TrimLeft(rest, " "), `"`)
		names, _, closed := strings.Cut(names, `"`)
		if opened && closed {
			o.words(names)
		}
	}
	return o
}

// cutKeyword removes a keyword from the beginning of a line, whatever its case.
func cutKeyword(line, keyword string) (rest string, ok bool) {
	if len(line) < len(keyword) || !mech.SameName(line[:len(keyword)], keyword) {
		return "", false
	}
	return line[len(keyword):], true
}

// An offer is a list of mechanisms in the making.
type offer []string

// words adds the names in a list separated by white space. It goes along the
// text, since a list of fields would be as long as the text.
func (o *offer) words(text string) {
	for word := range strings.FieldsSeq(text) {
		o.add(word)
	}
}

// add takes a name, unless it is none, is there already or is one too many.
func (o *offer) add(name string) {
	if len(*o) >= maxOffered || !isMechanismName(name) {
		return
	}
	if name = strings.ToUpper(name); !slices.Contains(*o, name) {
		*o = append(*o, name)
	}
}

// isMechanismName follows RFC 4422 section 3.1, and takes small letters too.
func isMechanismName(name string) bool {
	if len(name) < 1 || len(name) > 20 {
		return false
	}
	for _, c := range []byte(name) {
		letter := 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
		if !letter && !('0' <= c && c <= '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
