package mech

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/cursor"
)

// The messages of DIGEST-MD5 are comma-separated lists of name=value with the
// white space and empty elements of RFC 2616's #rule (RFC 2831 section 7.1).

// A directive is one name=value. The name is in lower case, the value has its
// quotes and escapes removed and is still in the character set of the message.
type directive struct{ name, value string }

// maxDirectives bounds the elements of one message.
const maxDirectives = 64

// parseDirectives reads a list. Values may be quoted or bare whatever the
// grammar says of the directive: the JDK quotes cipher and not qop, Windows
// quotes qop.
func parseDirectives(message string, b []byte) ([]directive, error) {
	c := cursor.New(b)
	list := make([]directive, 0, 12)
	for c.While(isListSpace); c.More(); c.While(isListSpace) {
		name := c.While(isToken)
		if name == "" {
			c.Fail("expected the name of a directive")
		}
		c.While(isLWS)
		c.Expect('=', "expected '=' after the name of a directive")
		c.While(isLWS)
		value := directiveValue(&c)
		c.While(isLWS)
		if c.More() && c.Peek() != ',' {
			c.Fail("expected ',' after a directive")
		}
		list = append(list, directive{strings.ToLower(name), value})
		if len(list) > maxDirectives {
			c.Fail("more than 64 directives")
		}
	}
	if len(list) == 0 {
		c.Fail("expected a directive")
	}
	if err := c.Err(message); err != nil {
		return nil, err
	}
	return list, nil
}

func directiveValue(c *cursor.Cursor) string {
	if c.Peek() != '"' {
		bare := c.While(isToken)
		if bare == "" {
			c.Fail("expected a value")
		}
		return bare
	}
	c.Take("")
	value := c.While(isQuotedText)
	for c.Peek() == '\\' {
		c.Take("")
		if escaped := c.Take("quoted value ends with a backslash"); escaped != 0 {
			value += string([]byte{escaped})
		} else {
			c.Fail("NUL in a quoted value")
		}
		value += c.While(isQuotedText)
	}
	c.Expect('"', "quoted value does not end, or holds a control character")
	return value
}

func isLWS(b byte) bool       { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }
func isListSpace(b byte) bool { return b == ',' || isLWS(b) }

// isQuotedText is what stands for itself in a quoted value.
func isQuotedText(b byte) bool {
	return b != '"' && b != '\\' && (b >= ' ' || b == '\t') && b != 0x7f
}

// isToken is the token of RFC 2831 section 7.1, and '/' beside: bare
// digest-uris are met. What holds '=' and '+', such as a nonce, comes quoted.
func isToken(b byte) bool { return tokenBytes[b] }

var tokenBytes = func() (set [256]bool) {
	for b := '!'; b <= '~'; b++ {
		set[b] = !strings.ContainsRune(`()<>@,;:\"[]?={}`, b)
	}
	return set
}()

func appendQuoted(b []byte, name, value string) []byte {
	b = append(append(b, name...), '=', '"')
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}

// once stores the directives that may come only once; a second one is an error.
// Where a directive is stored, field says: nil for one that is not known, which
// is ignored (RFC 2831 section 2.1.1, auth-param).
func once(message string, list []directive, field func(name string) *string) error {
	for i, d := range list {
		place := field(d.name)
		if place == nil {
			continue
		}
		for _, earlier := range list[:i] {
			if earlier.name == d.name {
				return &SyntaxError{Message: message, Reason: d.name + " is given twice"}
			}
		}
		*place = d.value
	}
	return nil
}

const (
	maxDigestChallenge = 2048 // bytes, RFC 2831 section 2.1.1: less than this
	maxDigestResponse  = 4096 // bytes, RFC 2831 section 2.1.2: less than this
	maxDigestBuffer    = 1<<24 - 1
	minDigestBuffer    = 17
)

// authOnly is the qop of a message that says nothing of it.
var authOnly = []string{"auth"}

// A digestChallenge is the server's first message (RFC 2831 section 2.1.1).
type digestChallenge struct {
	realms  []string
	nonce   string
	qops    []string // what it offers; auth if it says nothing
	ciphers []string // for auth-conf
	utf8    bool     // charset=utf-8
}

func parseDigestChallenge(b []byte) (digestChallenge, error) {
	const message = "digest-challenge"
	list, err := parseDirectives(message, b)
	if err != nil {
		return digestChallenge{}, err
	}
	var c digestChallenge
	var qop, charset, algorithm, maxbuf, ciphers, stale string
	err = once(message, list, func(name string) *string {
		switch name {
		case "nonce":
			return &c.nonce
		case "qop":
			return &qop
		case "charset":
			return &charset
		case "algorithm":
			return &algorithm
		case "maxbuf":
			return &maxbuf
		case "cipher":
			return &ciphers
		case "stale":
			return &stale
		}
		return nil
	})
	fault := func(reason string) (digestChallenge, error) {
		return digestChallenge{}, &SyntaxError{Message: message, Reason: reason}
	}
	switch {
	case err != nil:
		return digestChallenge{}, err
	case c.nonce == "":
		return fault("nonce is missing")
	case !strings.EqualFold(algorithm, "md5-sess"):
		return fault("algorithm is not md5-sess")
	case charset != "" && !strings.EqualFold(charset, "utf-8"):
		return fault("charset is not utf-8")
	case !validBuffer(maxbuf):
		return fault("maxbuf is out of range")
	}
	for _, d := range list {
		if d.name == "realm" {
			c.realms = append(c.realms, d.value)
		}
	}
	c.utf8 = charset != ""
	c.qops, c.ciphers = listOf(qop), listOf(ciphers)
	if len(c.qops) == 0 {
		c.qops = authOnly
	}
	return c, nil
}

// encoded is the challenge with its realms, which come from the configuration in
// UTF-8, in the character set of the message.
func (c digestChallenge) encoded() digestChallenge {
	if c.utf8 {
		return c
	}
	realms := make([]string, 0, len(c.realms))
	for _, r := range c.realms {
		realms = append(realms, c.encode(r))
	}
	c.realms = realms
	return c
}

// append writes the directives in the order of RFC 2831's example.
func (c digestChallenge) append(b []byte) []byte {
	for _, r := range c.realms {
		b = append(appendQuoted(b, "realm", r), ',')
	}
	b = append(appendQuoted(b, "nonce", c.nonce), ',')
	b = append(appendQuoted(b, "qop", strings.Join(c.qops, ",")), ',')
	if c.utf8 {
		b = append(b, "charset=utf-8,"...)
	}
	if len(c.ciphers) > 0 {
		b = append(appendQuoted(b, "cipher", strings.Join(c.ciphers, ",")), ',')
	}
	return append(b, "algorithm=md5-sess"...)
}

// encode turns a string into the character set of the message.
func (c digestChallenge) encode(s string) string {
	if c.utf8 {
		return s
	}
	if l, ok := latin1(s); ok {
		return l
	}
	return s
}

// A digestResponse is the client's message (RFC 2831 section 2.1.2). Strings
// are as they crossed the wire, in UTF-8 if utf8 is set and ISO 8859-1 if not.
type digestResponse struct {
	username, realm, nonce, cnonce, nc, qop, uri, response string
	cipher, authzid                                        string
	utf8                                                   bool
}

func (r *digestResponse) field(name string) *string {
	switch name {
	case "username":
		return &r.username
	case "realm":
		return &r.realm
	case "nonce":
		return &r.nonce
	case "cnonce":
		return &r.cnonce
	case "nc":
		return &r.nc
	case "qop":
		return &r.qop
	case "digest-uri":
		return &r.uri
	case "response":
		return &r.response
	case "cipher":
		return &r.cipher
	case "authzid":
		return &r.authzid
	}
	return nil
}

func parseDigestResponse(b []byte) (digestResponse, error) {
	const message = "digest-response"
	list, err := parseDirectives(message, b)
	if err != nil {
		return digestResponse{}, err
	}
	var r digestResponse
	var charset, maxbuf string
	err = once(message, list, func(name string) *string {
		switch name {
		case "charset":
			return &charset
		case "maxbuf":
			return &maxbuf
		}
		return r.field(name)
	})
	fault := func(reason string) (digestResponse, error) {
		return digestResponse{}, &SyntaxError{Message: message, Reason: reason}
	}
	if err != nil {
		return digestResponse{}, err
	}
	for _, required := range [...]string{"username", "nonce", "cnonce", "nc", "digest-uri", "response"} {
		if *r.field(required) == "" {
			return fault(required + " is missing")
		}
	}
	r.utf8 = charset != ""
	switch {
	case len(r.nc) != 8 || !isHex(r.nc, isLowerHex, isUpperHex):
		return fault("nc is not 8 hex digits")
	case len(r.response) != 32 || !isHex(r.response, isLowerHex):
		return fault("response is not 32 lower-case hex digits")
	case r.utf8 && !strings.EqualFold(charset, "utf-8"):
		return fault("charset is not utf-8")
	case !validBuffer(maxbuf):
		return fault("maxbuf is out of range")
	case r.utf8 && !(utf8.ValidString(r.username) && utf8.ValidString(r.realm)):
		return fault("not UTF-8")
	case !utf8.ValidString(r.authzid): // always UTF-8, RFC 2831 section 2.1.2
		return fault("authzid is not UTF-8")
	}
	if r.qop == "" {
		r.qop = "auth"
	}
	return r, nil
}

func (r digestResponse) append(b []byte) []byte {
	if r.utf8 {
		b = append(b, "charset=utf-8,"...)
	}
	b = append(appendQuoted(b, "username", r.username), ',')
	if r.realm != "" {
		b = append(appendQuoted(b, "realm", r.realm), ',')
	}
	b = append(appendQuoted(b, "nonce", r.nonce), ',')
	b = append(append(append(b, "nc="...), r.nc...), ',')
	b = append(appendQuoted(b, "cnonce", r.cnonce), ',')
	b = append(appendQuoted(b, "digest-uri", r.uri), ',')
	b = append(append(b, "response="...), r.response...)
	b = append(append(b, ",qop="...), r.qop...)
	if r.cipher != "" {
		b = appendQuoted(append(b, ','), "cipher", r.cipher)
	}
	if r.authzid != "" {
		b = appendQuoted(append(b, ','), "authzid", r.authzid)
	}
	return b
}

// parseRspauth reads the server's last message: rspauth=32LHEX.
func parseRspauth(b []byte) (string, error) {
	const message = "response-auth"
	list, err := parseDirectives(message, b)
	if err != nil {
		return "", err
	}
	var rspauth string
	err = once(message, list, func(name string) *string {
		if name == "rspauth" {
			return &rspauth
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if len(rspauth) != 32 || !isHex(rspauth, isLowerHex) {
		return "", &SyntaxError{Message: message, Reason: "rspauth is not 32 lower-case hex digits"}
	}
	return rspauth, nil
}

func isUpperHex(b byte) bool { return '0' <= b && b <= '9' || 'A' <= b && b <= 'F' }

func isHex(s string, sets ...func(byte) bool) bool {
next:
	for i := range len(s) {
		for _, set := range sets {
			if set(s[i]) {
				continue next
			}
		}
		return false
	}
	return true
}

// validBuffer checks a maxbuf: RFC 2831 section 2.1.1. Absent is valid.
func validBuffer(s string) bool {
	if s == "" {
		return true
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return err == nil && minDigestBuffer <= n && n <= maxDigestBuffer
}

// listOf splits the comma-separated tokens of qop and cipher.
func listOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// latin1 encodes s in ISO 8859-1, if all its characters fit.
func latin1(s string) (string, bool) {
	ascii := true
	for _, r := range s {
		if r > 0xff {
			return "", false
		}
		ascii = ascii && r < utf8.RuneSelf
	}
	if ascii {
		return s, true
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b), true
}

// fromLatin1 decodes ISO 8859-1.
func fromLatin1(s string) string {
	if utf8.ValidString(s) && len(s) == utf8.RuneCountInString(s) {
		return s // ASCII
	}
	runes := make([]rune, 0, len(s))
	for i := range len(s) {
		runes = append(runes, rune(s[i]))
	}
	return string(runes)
}
