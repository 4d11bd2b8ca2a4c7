package mech

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/verifier"
)

// The messages of the token mechanisms. SEP is the byte 0x01.
//
//	OAUTHBEARER   gs2-header SEP *(key "=" value SEP) SEP       RFC 7628 section 3.1
//	gs2-header    ("n" / "y") "," ["a=" authzid] ","
//	XOAUTH2       "user=" name SEP "auth=Bearer " token SEP SEP
//	refusal       {"status":"invalid_token","scope":"…","openid-configuration":"…"}
//	answer to it  SEP with OAUTHBEARER, nothing with XOAUTH2
//
// Of the keys auth must be there; host and port are read, those that we do not know are
// passed over. None may stand twice.

const (
	oauthSeparator = '\x01'
	maxOAuthKeys   = 64
)

var (
	// tokenByte is the charset of a bearer token (RFC 6750 section 2.1). '=' may stand
	// anywhere, as servers have it.
	tokenByte = cursor.SetOf(func(b byte) bool {
		return isLetter(b) || '0' <= b && b <= '9' || strings.IndexByte("-._~+/=", b) >= 0
	})
	// oauthByte is that of the other values (RFC 7628 section 3.1), but for the ends of
	// lines, which have no business in a log or in an HTTP request.
	oauthByte = cursor.SetOf(func(b byte) bool { return ' ' <= b && b <= '~' || b == '\t' })
	hostByte  = cursor.SetOf(func(b byte) bool { return '!' <= b && b <= '~' })
)

// An oauthMessage is what a client says in either mechanism.
type oauthMessage struct {
	name  string // whom to act as; "" if OAUTHBEARER's client does not say
	host  string // as the client knows the server; "" if it does not say
	port  int    // 0 if it does not say
	token string // "": the client asks what would be accepted (OAUTHBEARER)
}

func parseOAUTHBEARER(b []byte) (oauthMessage, error) {
	c := cursor.New(b)
	var m oauthMessage
	switch c.Take("expected a channel-binding flag") {
	case 'n', 'y': // there is nothing to bind to with a bearer token
	case 'p':
		c.Fail("the mechanism has no channel binding")
	default:
		c.Fail("expected n or y")
	}
	c.Expect(',', "expected ','")
	if c.Peek() == 'a' {
		m.name = oauthName(&c)
	}
	c.Expect(',', "expected ','")
	c.Expect(oauthSeparator, "expected 0x01")
	var seen []string
	for c.More() && c.Peek() != oauthSeparator {
		key := c.While(letter)
		c.Expect('=', "expected letters and '='")
		if len(seen) == maxOAuthKeys || slices.Contains(seen, key) || key == "" {
			c.Fail("no key, too many of them, or one twice")
		}
		seen = append(seen, key)
		m.read(&c, key)
		c.Expect(oauthSeparator, "expected 0x01")
	}
	if !slices.Contains(seen, "auth") {
		c.Fail("expected the key auth")
	}
	c.Expect(oauthSeparator, "expected 0x01")
	if err := c.Err("OAUTHBEARER message"); err != nil {
		return oauthMessage{}, err
	}
	return m, nil
}

// read reads the value of a key.
func (m *oauthMessage) read(c *cursor.Cursor, key string) {
	switch key {
	case "auth":
		if c.Peek() != oauthSeparator { // or it is empty: RFC 7628 section 4.3
			m.token = bearerToken(c)
		}
	case "host":
		if m.host = c.While(hostByte); m.host == "" {
			c.Fail("expected a host")
		}
	case "port":
		digits := c.While(decimalDigit)
		n, err := strconv.ParseUint(digits, 10, 16)
		if m.port = int(n); err != nil || n == 0 || digits[0] == '0' {
			c.Fail("expected a port")
		}
	default:
		c.While(oauthByte)
	}
}

// oauthName reads a saslname (RFC 5801 section 4).
func oauthName(c *cursor.Cursor) string {
	c.Expect('a', "expected a=")
	c.Expect('=', "expected a=")
	raw := c.Until(',')
	name, ok := unescapeSCRAMName(raw)
	if raw == "" || !ok || strings.IndexByte(raw, oauthSeparator) >= 0 {
		c.Fail("expected a name, in which '=' begins =2C or =3D")
	}
	return name
}

// bearerToken reads the scheme, whose case does not matter (RFC 7235 section 2.1), and
// the token.
func bearerToken(c *cursor.Cursor) string {
	if !strings.EqualFold(c.While(letter), "Bearer") {
		c.Fail("expected the scheme Bearer")
	}
	c.Expect(' ', "expected a space")
	token := c.While(tokenByte)
	if token == "" {
		c.Fail("expected a token")
	}
	return token
}

func (m oauthMessage) appendOAUTHBEARER(b []byte) []byte {
	b = append(b, "n,"...)
	if m.name != "" {
		b = appendSCRAMName(append(b, "a="...), m.name)
	}
	b = append(b, ',', oauthSeparator)
	if m.host != "" {
		b = append(append(append(b, "host="...), m.host...), oauthSeparator)
	}
	if m.port != 0 {
		b = append(strconv.AppendInt(append(b, "port="...), int64(m.port), 10), oauthSeparator)
	}
	return m.appendToken(b)
}

// appendToken appends the key auth and the end.
func (m oauthMessage) appendToken(b []byte) []byte {
	b = append(b, "auth="...)
	if m.token != "" {
		b = append(append(b, "Bearer "...), m.token...)
	}
	return append(b, oauthSeparator, oauthSeparator)
}

func parseXOAUTH2(b []byte) (oauthMessage, error) {
	c := cursor.New(b)
	for _, want := range []byte("user=") {
		c.Expect(want, "expected user=")
	}
	m := oauthMessage{name: c.Until(oauthSeparator)}
	if m.name == "" {
		c.Fail("expected a name")
	}
	for _, want := range []byte("\x01auth=") {
		c.Expect(want, "expected 0x01 and auth=")
	}
	m.token = bearerToken(&c)
	c.Expect(oauthSeparator, "expected 0x01")
	c.Expect(oauthSeparator, "expected 0x01")
	if err := c.Err("XOAUTH2 message"); err != nil {
		return oauthMessage{}, err
	}
	return m, nil
}

func (m oauthMessage) appendXOAUTH2(b []byte) []byte {
	b = append(append(b, "user="...), m.name...)
	return m.appendToken(append(b, oauthSeparator))
}

// An oauthRefusal is why a token is refused, as it is said to the client. Google and
// Microsoft send a number for the status, "400", and a list of schemes.
type oauthRefusal struct {
	Status        string `json:"status"`
	Schemes       string `json:"schemes,omitempty"`
	Scope         string `json:"scope,omitempty"`
	Configuration string `json:"openid-configuration,omitempty"`
}

// maxOAuthRefusal bounds each text of a refusal that a server sends, in bytes.
const maxOAuthRefusal = 1024

// parseOAuthRefusal reads what a server sends instead of success. Other members are
// passed over.
func parseOAuthRefusal(b []byte) (oauthRefusal, error) {
	fault := func(reason string) (oauthRefusal, error) {
		return oauthRefusal{}, &SyntaxError{Message: "refusal of a token", Reason: reason}
	}
	var r oauthRefusal
	if err := json.Unmarshal(b, &r); err != nil { // whose text may repeat the message
		return fault("expected a JSON object of strings")
	}
	if r.Status == "" {
		return fault("expected a status")
	}
	if max(len(r.Status), len(r.Schemes), len(r.Scope), len(r.Configuration)) > maxOAuthRefusal {
		return fault("a text has more than 1024 bytes")
	}
	return r, nil
}

func (r oauthRefusal) append(b []byte) []byte {
	text, err := json.Marshal(r)
	if err != nil {
		panic("mech: strings can be marshalled") // they always can
	}
	return append(b, text...)
}

// refusalOf is what OAUTHBEARER's client is told about a refused token.
func refusalOf(e *verifier.TokenError) oauthRefusal {
	return oauthRefusal{Status: cmp.Or(e.Status, verifier.TokenInvalid), Scope: e.Scope, Configuration: e.Configuration}
}

// numberedRefusalOf is the same for XOAUTH2's, which expects a status of HTTP and a
// scheme, as Google and Dovecot send them.
func numberedRefusalOf(e *verifier.TokenError) oauthRefusal {
	r := refusalOf(e)
	r.Status, r.Schemes = "401", "bearer"
	if e.Status == verifier.TokenInsufficient {
		r.Status = "403" // RFC 6750 section 3.1
	}
	return r
}
