package mech

// A reply is what the three mail protocols say for a class.
type reply struct {
	smtp     int
	enhanced [3]int
	imapType string // "NO" or "BAD"
	imapCode string // RFC 5530; "" for none
	pop3Code string // RFC 3206; "" for none
}

// replies is the whole of what a peer learns (RFC 4954 section 6, RFC 5530
// section 3, RFC 3206). Texts are those of the classes.
var replies = [...]reply{
	Malformed:            {501, [3]int{5, 5, 2}, "BAD", "", ""},
	Limit:                {500, [3]int{5, 5, 6}, "BAD", "", ""},
	BadCredentials:       {535, [3]int{5, 7, 8}, "NO", "AUTHENTICATIONFAILED", "AUTH"},
	NotPermitted:         {535, [3]int{5, 7, 8}, "NO", "AUTHORIZATIONFAILED", "AUTH"},
	Disabled:             {535, [3]int{5, 7, 8}, "NO", "CONTACTADMIN", "AUTH"},
	Expired:              {535, [3]int{5, 7, 8}, "NO", "EXPIRED", "AUTH"},
	MechanismUnavailable: {504, [3]int{5, 5, 4}, "NO", "", ""},
	TooWeak:              {534, [3]int{5, 7, 9}, "NO", "", ""},
	EncryptionRequired:   {538, [3]int{5, 7, 11}, "NO", "PRIVACYREQUIRED", ""},
	Unavailable:          {454, [3]int{4, 7, 0}, "NO", "UNAVAILABLE", "SYS/TEMP"},
	Cancelled:            {501, [3]int{5, 7, 0}, "BAD", "", ""},
	ServerNotVerified:    {454, [3]int{4, 7, 0}, "NO", "", ""},
	ServerRefused:        {454, [3]int{4, 7, 0}, "NO", "", ""},
}

func (e *Error) reply() reply {
	if e.Class == 0 || int(e.Class) >= len(replies) {
		return replies[Unavailable]
	}
	return replies[e.Class]
}

// SMTP returns reply code, enhanced status code and text (RFC 4954 section 6).
// An expired password that the site can renew may be answered with 432 4.7.12
// instead, which the server then maps itself.
func (e *Error) SMTP() (code int, enhanced [3]int, text string) {
	r := e.reply()
	return r.smtp, r.enhanced, sentence(e.Class)
}

// IMAP returns the type of the tagged response, "NO" or "BAD", the response code
// of RFC 5530 without brackets, possibly empty, and the text.
func (e *Error) IMAP() (typ, code, text string) {
	r := e.reply()
	return r.imapType, r.imapCode, sentence(e.Class)
}

// POP3 returns the response code of RFC 3206 without brackets, possibly empty,
// and the text; the reply is always -ERR.
func (e *Error) POP3() (code, text string) {
	return e.reply().pop3Code, sentence(e.Class)
}

// sentence is the class's text with a capital.
func sentence(c Class) string {
	s := c.String()
	return string(s[0]-'a'+'A') + s[1:]
}
