package mech

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// usualDirectives is how many directives are parsed without an allocation.
const usualDirectives = 12

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
	buffer  int      // maxbuf; 0 if it says nothing
	utf8    bool     // charset=utf-8
	stale   bool     // the nonce was, and not the password (RFC 2831 section 2.2)
}

// A digestOfferText holds the directives of a challenge that may come once, as
// they were received.
type digestOfferText struct {
	nonce, qop, charset, algorithm, maxbuf, cipher, stale string
}

func (t *digestOfferText) field(name string) *string {
	switch name {
	case "nonce":
		return &t.nonce
	case "qop":
		return &t.qop
	case "charset":
		return &t.charset
	case "algorithm":
		return &t.algorithm
	case "maxbuf":
		return &t.maxbuf
	case "cipher":
		return &t.cipher
	case "stale":
		return &t.stale
	}
	return nil
}

func parseDigestChallenge(b []byte) (digestChallenge, error) {
	const message = "digest-challenge"
	var space [usualDirectives]directive
	list, err := parseDirectives(space[:0], message, b)
	if err != nil {
		return digestChallenge{}, err
	}
	var c digestChallenge
	var text digestOfferText
	for i, d := range list {
		if d.name == "realm" {
			c.realms = append(c.realms, d.value)
			continue
		}
		place := text.field(d.name)
		if place == nil {
			continue // unknown: RFC 2831 section 2.1.1, auth-param
		}
		if err := checkOnce(message, list, i); err != nil {
			return digestChallenge{}, err
		}
		*place = d.value
	}
	fault := func(reason string) (digestChallenge, error) {
		return digestChallenge{}, &SyntaxError{Message: message, Reason: reason}
	}
	switch {
	case text.nonce == "":
		return fault("nonce is missing")
	case !strings.EqualFold(text.algorithm, "md5-sess"):
		return fault("algorithm is not md5-sess")
	case text.charset != "" && !strings.EqualFold(text.charset, "utf-8"):
		return fault("charset is not utf-8")
	case !validBuffer(text.maxbuf):
		return fault("maxbuf is out of range")
	}
	c.nonce, c.utf8, c.stale = text.nonce, text.charset != "", strings.EqualFold(text.stale, "true")
	c.buffer = bufferOf(text.maxbuf)
	c.qops, c.ciphers = listOf(text.qop), listOf(text.cipher)
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
	if c.buffer != 0 {
		b = append(appendBuffer(b, c.buffer), ',')
	}
	if c.stale {
		b = append(b, "stale=true,"...)
	}
	return append(b, "algorithm=md5-sess"...)
}

// encode turns a string into the character set of the message.
func (c digestChallenge) encode(s string) string {
	if c.utf8 {
		return s
	}
	return latin1OrUTF8(s)
}

// A digestResponse is the client's message (RFC 2831 section 2.1.2). Strings
// are as they crossed the wire, in UTF-8 if utf8 is set and ISO 8859-1 if not.
type digestResponse struct {
	username, realm, nonce, cnonce, nc, qop, uri, response string
	cipher, authzid, charset, maxbuf                       string
	buffer                                                 int // maxbuf; 0 if it says nothing
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
	case "charset":
		return &r.charset
	case "maxbuf":
		return &r.maxbuf
	}
	return nil
}

func parseDigestResponse(b []byte) (digestResponse, error) {
	const message = "digest-response"
	var space [usualDirectives]directive
	list, err := parseDirectives(space[:0], message, b)
	if err != nil {
		return digestResponse{}, err
	}
	var r digestResponse
	for i, d := range list {
		place := r.field(d.name)
		if place == nil {
			continue // unknown: RFC 2831 section 2.1.2, auth-param
		}
		if err := checkOnce(message, list, i); err != nil {
			return digestResponse{}, err
		}
		*place = d.value
	}
	if reason := r.validate(); reason != "" {
		return digestResponse{}, &SyntaxError{Message: message, Reason: reason}
	}
	return r, nil
}

// validate says what is missing or out of range, and fills in what may be left
// out.
func (r *digestResponse) validate() string {
	r.utf8 = r.charset != ""
	switch {
	case r.username == "":
		return "username is missing"
	case r.nonce == "":
		return "nonce is missing"
	case r.cnonce == "":
		return "cnonce is missing"
	case r.uri == "":
		return "digest-uri is missing"
	case len(r.nc) != 8 || !anyHex.Holds(r.nc):
		return "nc is not 8 hex digits"
	case len(r.response) != 32 || !lowerHex.Holds(r.response):
		return "response is not 32 lower-case hex digits"
	case r.utf8 && !strings.EqualFold(r.charset, "utf-8"):
		return "charset is not utf-8"
	case !validBuffer(r.maxbuf):
		return "maxbuf is out of range"
	case r.utf8 && !(utf8.ValidString(r.username) && utf8.ValidString(r.realm)):
		return "not UTF-8"
	case !utf8.ValidString(r.authzid): // always UTF-8, RFC 2831 section 2.1.2
		return "authzid is not UTF-8"
	}
	if r.qop == "" {
		r.qop = "auth"
	}
	r.buffer = bufferOf(r.maxbuf)
	r.charset, r.maxbuf = "", "" // read and done with
	return ""
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
	if r.buffer != 0 {
		b = appendBuffer(append(b, ','), r.buffer)
	}
	return b
}

// parseRspauth reads the server's last message: rspauth=32LHEX.
func parseRspauth(b []byte) (string, error) {
	const message = "response-auth"
	list, err := parseDirectives(nil, message, b)
	if err != nil {
		return "", err
	}
	var rspauth string
	for i, d := range list {
		if d.name != "rspauth" {
			continue
		}
		if err := checkOnce(message, list, i); err != nil {
			return "", err
		}
		rspauth = d.value
	}
	if len(rspauth) != 32 || !lowerHex.Holds(rspauth) {
		return "", &SyntaxError{Message: message, Reason: "rspauth is not 32 lower-case hex digits"}
	}
	return rspauth, nil
}

// validBuffer checks a maxbuf: RFC 2831 section 2.1.1. Absent is valid.
func validBuffer(s string) bool {
	n := bufferOf(s)
	return s == "" || minDigestBuffer <= n && n <= maxDigestBuffer
}

// bufferOf reads a maxbuf; what is none, or absent, is 0.
func bufferOf(s string) int {
	if s == "" {
		return 0 // at no cost
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}

func appendBuffer(b []byte, n int) []byte {
	return strconv.AppendInt(append(b, "maxbuf="...), int64(n), 10)
}

// listOf splits the comma-separated tokens of qop and cipher.
func listOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// fromLatin1 decodes ISO 8859-1.
func fromLatin1(s string) string {
	runes := make([]rune, 0, len(s))
	for i := range len(s) {
		runes = append(runes, rune(s[i]))
	}
	return string(runes)
}
