package saslkit_test

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// A rule says what counts in the messages of a mechanism, from its RFC and without
// our parsers. A mechanism without a rule tolerates nothing.
type rule struct {
	// counts returns what counts of the i-th message of a direction: two messages
	// of which it returns the same say the same.
	counts func(c *contest, fromClient bool, i int, m []byte) string
	// alone judges what a server let in, for the mechanisms that protect nothing:
	// what they send can be replaced by whoever can read it, so it is held against
	// the credentials. It returns what is wrong, or "".
	alone func(c *contest, got [][]byte) string
	// emptyStart says that an empty initial response is none.
	emptyStart bool
}

func ruleOf(m *mech.Mechanism) rule {
	switch {
	case m.Name == "PLAIN":
		return rule{alone: plainAlone}
	case m.Name == "LOGIN":
		return rule{alone: loginAlone}
	case m.Name == "EXTERNAL":
		return rule{alone: externalAlone}
	case m.Name == "ANONYMOUS":
		return rule{alone: anonymousAlone}
	case m.Name == "OAUTHBEARER":
		return rule{alone: oauthAlone(oauthBearerForm)}
	case m.Name == "XOAUTH2":
		return rule{alone: oauthAlone(xoauth2Form)}
	case m.Name == "OTP":
		return rule{alone: otpAlone}
	case m.Name == "CRAM-MD5":
		return rule{counts: cramCounts}
	case m.Name == "DIGEST-MD5":
		return rule{counts: digestCounts, emptyStart: true} // RFC 2831 section 2.1
	case m.Name == "NTLM":
		return rule{counts: ntlmCounts}
	case strings.HasPrefix(m.Name, "SCRAM-"):
		return rule{counts: scramCounts}
	}
	return rule{counts: allCounts}
}

// judge holds the outcome against the rule.
func (c *contest) judge() {
	in := c.accepted > 0 && c.over()
	if in {
		c.judgeServer(ruleOf(c.row))
	}
	if c.finish == nil && c.row.Provides&mech.MutualAuth != 0 {
		c.judgeClient(ruleOf(c.row))
	}
	if c.doomed && (in || c.finish == nil) {
		c.fault("the channel or the offer was another: let in %v, Finish %v", in, c.finish)
	}
	if !c.touched && (!in || c.finish != nil) {
		c.fault("nothing was touched: let in %v, Finish %v", in, c.finish)
	}
}

// judgeServer: what the server decided on is what the client sent, in answer to what
// the server had sent.
func (c *contest) judgeServer(r rule) {
	got := c.responses(r, c.accepted)
	authzid := c.who.authzid
	if r.alone != nil {
		if wrong := r.alone(c, got); wrong != "" {
			c.fault("let in: %s", wrong)
		}
	} else {
		c.judgeResponses(r, got)
		if want := c.actsAs(authzid); c.result.Authzid != want {
			c.fault("acts as %q, want %q", c.result.Authzid, want)
		}
	}
	user, realmName := c.account()
	if c.result.User != user || c.result.Realm != realmName || c.result.Mechanism != c.row.Name {
		c.fault("let in as %q of %q by %s, want %q of %q", c.result.User, c.result.Realm, c.result.Mechanism, user, realmName)
	}
	if (c.result.Binding != "") != c.row.Binds {
		c.fault("let in with the channel binding %q", c.result.Binding)
	}
}

func (c *contest) judgeResponses(r rule, got [][]byte) {
	var sent, heard [][]byte
	for i, t := range c.heard {
		if i > 0 {
			heard = append(heard, t.got)
		}
		if t.sent != nil {
			sent = append(sent, t.sent)
		}
		if len(sent) == len(got) {
			break
		}
	}
	c.same(r, true, sent, got, c.who.clean.responses)
	c.same(r, false, c.challenges(c.accepted-1), heard, c.who.clean.challenges)
}

// judgeClient: what the client heard is what the server sent, in answer to what the
// client had sent.
func (c *contest) judgeClient(r rule) {
	var sent, heard [][]byte
	for i, t := range c.heard {
		if i > 0 {
			heard = append(heard, t.got)
		}
		if t.sent != nil && i < len(c.heard)-1 { // the last one answers the proof
			sent = append(sent, t.sent)
		}
	}
	all, got := c.challenges(len(c.told)), c.responses(r, len(c.told))
	c.same(r, true, sent, got[:min(len(got), len(sent))], c.who.clean.responses)
	c.same(r, false, all[:min(len(all), len(heard))], heard, c.who.clean.challenges+1)
}

// responses are what the server got in its first turns.
func (c *contest) responses(r rule, turns int) [][]byte {
	var list [][]byte
	for i, t := range c.told[:turns] {
		if t.got != nil && (i > 0 || len(t.got) > 0 || !r.emptyStart) {
			list = append(list, t.got)
		}
	}
	return list
}

// challenges are what the server sent in its first turns, without the empty one that
// asks for the initial response.
func (c *contest) challenges(turns int) [][]byte {
	var list [][]byte
	for _, t := range c.told[:turns] {
		if (t.got != nil || c.row.ServerFirst) && t.sent != nil {
			list = append(list, t.sent)
		}
	}
	return list
}

// same compares what counts of all messages of one direction, of which there are n.
func (c *contest) same(r rule, fromClient bool, sent, got [][]byte, n int) {
	from := "server"
	if fromClient {
		from = "client"
	}
	if len(sent) != n || len(got) != n {
		c.fault("of the %s's messages %d were sent and %d arrived, want %d", from, len(sent), len(got), n)
		return
	}
	for i := range n {
		if bytes.Equal(sent[i], got[i]) {
			continue
		}
		want, counts := r.counts(c, fromClient, i, sent[i]), r.counts(c, fromClient, i, got[i])
		if want != counts {
			c.fault("message %d of the %s was changed in what counts, from %q to %q", i, from, want, counts)
		}
	}
}

// account is whom the credentials are of.
func (c *contest) account() (user, realmName string) {
	switch c.row.Need {
	case mech.NeedExternal:
		return "al", ""
	case mech.NeedNothing:
		return "anonymous", ""
	}
	return c.who.user, testRealm
}

// actsAs is who an authorization identity stands for, or something that is nobody.
func (c *contest) actsAs(authzid string) string {
	user, realmName := c.account()
	switch prepared := prepared(authzid); {
	case authzid == "", prepared == user && realmName != "", prepared == user+"@"+realmName:
		return user
	case c.row.Need == mech.NeedExternal && authzid == user:
		return user
	case c.row.Need == mech.NeedExternal && prepared != authzid: // compared as sent
		return "nobody " + authzid
	case strings.TrimSuffix(prepared, "@"+testRealm) == "shared": // see pairing
		return "shared@" + testRealm
	}
	return "nobody " + authzid
}

// sameUser compares names as RFC 4013 prepares them; one without a realm is of the
// default one.
func sameUser(a, b string) bool {
	return strings.TrimSuffix(prepared(a), "@"+testRealm) == strings.TrimSuffix(prepared(b), "@"+testRealm)
}

// prepared is SASLprep's mapping and normalisation (RFC 4013 sections 2.1 and 2.2).
// What it should refuse is not looked at.
func prepared(s string) string {
	return norm.NFKC.String(strings.Map(func(r rune) rune {
		switch {
		case r == 0xad, r == 0x34f, r == 0x1806, 0x180b <= r && r <= 0x180d, r == 0x200c, r == 0x200d,
			r == 0x2060, 0xfe00 <= r && r <= 0xfe0f, r == 0xfeff: // RFC 3454 table B.1
			return -1
		case unicode.Is(unicode.Zs, r), r == 0x200b: // table C.1.2
			return ' '
		}
		return r
	}, s))
}

// plainAlone is RFC 4616: [authzid] NUL authcid NUL passwd.
func plainAlone(c *contest, got [][]byte) string {
	if len(got) != 1 || !utf8.Valid(got[0]) {
		return fmt.Sprintf("got %q", got)
	}
	part := strings.Split(string(got[0]), "\x00")
	switch {
	case len(part) != 3:
		return "the number of NULs"
	case !sameUser(part[1], c.who.username):
		return "another user"
	case prepared(part[2]) != prepared(c.who.password):
		return "another password"
	case c.result.Authzid != c.actsAs(part[0]):
		return fmt.Sprintf("acts as %q, and was asked for %q", c.result.Authzid, part[0])
	}
	return ""
}

// loginAlone: the name, then the password. Prompts do not count.
func loginAlone(c *contest, got [][]byte) string {
	switch {
	case len(got) != 2 || !utf8.Valid(bytes.Join(got, nil)):
		return fmt.Sprintf("got %q", got)
	case !sameUser(string(got[0]), c.who.username):
		return "another user"
	case prepared(string(got[1])) != prepared(c.who.password):
		return "another password"
	case c.result.Authzid != c.who.user:
		return "an authzid"
	}
	return ""
}

// otpAlone is RFC 2444: [authzid] NUL authcid, then the password that was asked for in
// hex or in words. The challenge counts by what the client computes from it.
func otpAlone(c *contest, got [][]byte) string {
	if len(got) != 2 || !utf8.Valid(got[0]) {
		return fmt.Sprintf("got %q", got)
	}
	part := strings.Split(string(got[0]), "\x00")
	form, answer, _ := strings.Cut(strings.ToLower(string(got[1])), ":")
	asked := string(c.challenges(c.accepted)[0])
	var number int
	var seed string
	_, err := fmt.Sscanf(asked, "otp-md5 %d %s ext", &number, &seed)
	switch {
	case err != nil || form != "hex":
		return fmt.Sprintf("asked %q, got %q", asked, got[1])
	case len(part) != 2:
		return "the number of NULs"
	case !sameUser(part[1], c.who.username):
		return "another user"
	case strings.Join(strings.Fields(answer), "") != otpOf(seed+c.password(c.who), number):
		return "another one-time password"
	case c.result.Authzid != c.actsAs(part[0]):
		return fmt.Sprintf("acts as %q, and was asked for %q", c.result.Authzid, part[0])
	}
	return ""
}

// otpOf is RFC 2289 section 6.0 with MD5.
func otpOf(text string, number int) string {
	b := []byte(text)
	for range number + 1 {
		sum := md5.Sum(b)
		for i := range 8 {
			sum[i] ^= sum[i+8]
		}
		b = bytes.Clone(sum[:8])
	}
	return hex.EncodeToString(b)
}

// externalAlone is RFC 4422 appendix A: the message is whom to act as.
func externalAlone(c *contest, got [][]byte) string {
	switch {
	case len(got) > 1 || !utf8.Valid(bytes.Join(got, nil)):
		return fmt.Sprintf("got %q", got)
	case c.result.Authzid != c.actsAs(string(bytes.Join(got, nil))):
		return fmt.Sprintf("acts as %q, and was asked for %q", c.result.Authzid, got)
	}
	return ""
}

// anonymousAlone is RFC 4505: a trace of at most 255 characters, none of them a
// control character. It is nobody's name.
func anonymousAlone(c *contest, got [][]byte) string {
	trace := string(bytes.Join(got, nil))
	switch {
	case len(got) > 1 || !utf8.ValidString(trace) || utf8.RuneCountInString(trace) > 255 || strings.ContainsFunc(trace, unicode.IsControl):
		return fmt.Sprintf("got %q", got)
	case c.result.Trace != trace || !c.result.Anonymous || c.result.Authzid != "anonymous":
		return fmt.Sprintf("%+v for the trace %q", c.result, trace)
	}
	return ""
}

var (
	// oauthBearerForm is RFC 7628 section 3.1, with the name and the token.
	oauthBearerForm = regexp.MustCompile(`^[ny],(?:a=([^,\x00]+))?,\x01(?:[A-Za-z]+=[ -~\t]*\x01)*?auth=(?i:bearer) ([-A-Za-z0-9._~+/=]+)\x01(?:[A-Za-z]+=[ -~\t]*\x01)*\x01$`)
	xoauth2Form     = regexp.MustCompile(`^user=([^\x00\x01]+)\x01auth=(?i:bearer) ([-A-Za-z0-9._~+/=]+)\x01\x01$`)
)

// oauthAlone: the token, and whom its holder wants to act as.
func oauthAlone(form *regexp.Regexp) func(*contest, [][]byte) string {
	return func(c *contest, got [][]byte) string {
		if len(got) != 1 || !utf8.Valid(got[0]) {
			return fmt.Sprintf("got %q", got)
		}
		found := form.FindSubmatch(got[0])
		if found == nil {
			return "the form"
		}
		name := string(found[1])
		if form == oauthBearerForm {
			name = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(name)
		}
		switch {
		case string(found[2]) != c.who.token():
			return "another token"
		case c.result.Authzid != c.actsAs(name):
			return fmt.Sprintf("acts as %q, and was asked for %q", c.result.Authzid, name)
		}
		return ""
	}
}

func allCounts(_ *contest, _ bool, _ int, m []byte) string { return string(m) }

// cramCounts is RFC 2195: the challenge whole; of the response the digits, and the
// name as it is prepared, since the digest does not cover it.
func cramCounts(_ *contest, fromClient bool, _ int, m []byte) string {
	space := bytes.LastIndexByte(m, ' ')
	if !fromClient || space < 0 || !utf8.Valid(m) {
		return string(m)
	}
	return strings.TrimSuffix(prepared(string(m[:space])), "@"+testRealm) + string(m[space:])
}

var (
	// digestDirective is one element of RFC 2831's lists, with what may stand before it.
	digestDirective = regexp.MustCompile(`^[\s,]*([^\s,="]+)\s*=\s*("(?:[^"\\]|\\[\s\S])*"|[^\s,"]+)\s*(?:,|$)`)
	digestEscape    = regexp.MustCompile(`\\([\s\S])`)
)

// digestCounts is RFC 2831: of the challenge the nonce, since the response covers
// the realm that was chosen and nothing covers the rest; of the response what its
// hash covers; of the last message rspauth. Order, white space, quotes, the case of
// names and unknown directives do not count, and neither do charset and maxbuf.
func digestCounts(c *contest, fromClient bool, i int, m []byte) string {
	covered := []string{"username", "realm", "nonce", "cnonce", "nc", "qop", "digest-uri", "response", "authzid", "cipher"}
	switch {
	case !fromClient && i == 0:
		covered = []string{"nonce"}
	case !fromClient:
		covered = []string{"rspauth"}
	}
	values := map[string]string{}
	rest := string(m)
	for strings.Trim(rest, ", \t\r\n") != "" {
		found := digestDirective.FindStringSubmatch(rest)
		if found == nil {
			return "not a list: " + string(m)
		}
		rest = rest[len(found[0]):]
		name, value := strings.ToLower(found[1]), found[2]
		if strings.HasPrefix(value, `"`) {
			value = digestEscape.ReplaceAllString(value[1:len(value)-1], "$1")
		}
		if !slices.Contains(covered, name) {
			continue
		}
		if _, twice := values[name]; twice {
			return "twice: " + string(m)
		}
		values[name] = value
	}
	if values["qop"] == "" {
		values["qop"] = "auth" // section 2.1.2.1
	}
	if c.kind == verifier.KindDIGESTMD5 { // the stored hash is of the name as it was set
		values["username"] = prepared(values["username"])
	}
	var b strings.Builder
	for _, name := range covered {
		fmt.Fprintf(&b, "%s=%q ", name, values[name])
	}
	return b.String()
}

// ntlmCounts is MS-NLMP: every octet of all messages if the client sent an integrity
// code, which it does if the server told the time, as ours does. If somebody took the
// time out of the challenge on its way, nothing covers the first message; of the
// challenge only the eight octets count; of the answer the user and the NT response,
// but not the domain, which may be left out of the key, the LM response, which nobody
// reads, the workstation, the flags, and where in the message each of them stands.
func ntlmCounts(c *contest, fromClient bool, i int, m []byte) string {
	answer := c.heard[len(c.heard)-1].sent
	switch signed := bytes.Contains(answer, []byte("\x06\x00\x04\x00\x02\x00\x00\x00")); {
	case signed:
		return string(m)
	case fromClient && i == 0:
		return ""
	case !fromClient && len(m) >= 32:
		return string(m[24:32])
	}
	return fmt.Sprintf("user %x, response %x", ntlmBuffer(m, 36), ntlmBuffer(m, 20))
}

// ntlmBuffer is what a length and, four octets on, an offset point to.
func ntlmBuffer(m []byte, at int) []byte {
	if len(m) < at+8 {
		return nil
	}
	length, offset := binary.LittleEndian.Uint16(m[at:]), binary.LittleEndian.Uint32(m[at+4:])
	if uint64(offset)+uint64(length) > uint64(len(m)) {
		return nil
	}
	return m[offset:][:length]
}

// scramExtensions may follow the server's signature (RFC 5802 section 7).
var scramExtensions = regexp.MustCompile(`^(,[A-Za-ln-z]=[^,\x00]+)+$`)

// scramCounts is RFC 5802: every octet, since the signatures cover all messages. Only
// the last one may be longer.
func scramCounts(_ *contest, fromClient bool, i int, m []byte) string {
	if end := bytes.IndexByte(m, ','); !fromClient && i == 1 && end >= 0 && scramExtensions.Match(m[end:]) {
		return string(m[:end])
	}
	return string(m)
}
