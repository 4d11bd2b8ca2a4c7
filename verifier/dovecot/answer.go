package dovecot

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// maxRequest is the longest line that is sent, in bytes: half of what Dovecot reads, so
// that every server of the protocol takes it. A name of 1,024 bytes with a password of
// 4,096 fits.
const maxRequest = 8192

// A question is an AUTH request but for its id.
type question struct{ auth dovecotauth.Auth }

func newQuestion(r verifier.Request, password string) (question, error) {
	switch {
	case r.User == "" || strings.Contains(r.User+r.Realm, "\x00"):
		return question{}, fmt.Errorf("user %.200q: %w", realm.Join(r.User, r.Realm), verifier.ErrNoUser)
	case password == "" || strings.Contains(password, "\x00"):
		return question{}, wrong(r, "cannot be one")
	}
	plain := "\x00" + realm.Join(r.User, r.Realm) + "\x00" + password
	q := question{dovecotauth.Auth{
		Mechanism: "PLAIN", Service: r.Service, Params: params(r),
		HasResponse: true, Response: base64.StdEncoding.EncodeToString([]byte(plain)),
	}}
	q.auth.ID = 1<<32 - 1
	if line, err := q.auth.Append(nil); err != nil || len(line) > maxRequest {
		return question{}, wrong(r, "and the name are too long")
	}
	return q, nil
}

// params tell where the client is, which passdb's allow_nets wants to know, and that
// nobody will claim this login; Dovecot 2.3 knows the latter by the socket. Whether a
// password may come in clear text was decided before: secured keeps Dovecot from
// deciding again. For no-penalty see the package comment.
func params(r verifier.Request) dovecotauth.Params {
	p := append(make(dovecotauth.Params, 0, 7), "nologin", "secured", "no-penalty")
	p = appendAddress(p, "lip", "lport", r.Local)
	return appendAddress(p, "rip", "rport", r.Remote)
}

func appendAddress(p dovecotauth.Params, ip, port string, a netip.AddrPort) dovecotauth.Params {
	if a.Addr().IsValid() {
		p = append(p, ip+"="+a.Addr().Unmap().WithZone("").String())
	}
	if a.Port() != 0 {
		p = append(p, port+"="+strconv.Itoa(int(a.Port())))
	}
	return p
}

func (q question) append(dst []byte, id uint32) ([]byte, error) {
	q.auth.ID = id
	return q.auth.Append(dst)
}

// wrong is the refusal of a password.
func wrong(r verifier.Request, why string) error {
	return fmt.Errorf("password of %.200q %s: %w", realm.Join(r.User, r.Realm), why, verifier.ErrWrongPassword)
}

// An answer ends a request.
type answer struct {
	secret.Opaque
	id     uint32
	kind   kind
	params dovecotauth.Params
}

type kind uint8

const (
	accepted kind = iota + 1
	refused
	unfinished
)

// answerIn returns the answer that a message is.
func answerIn(m dovecotauth.Message) (answer, bool) {
	switch m := m.(type) {
	case dovecotauth.OK:
		return answer{id: m.ID, kind: accepted, params: m.Params}, true
	case dovecotauth.Fail:
		return answer{id: m.ID, kind: refused, params: m.Params}, true
	case dovecotauth.Cont:
		return answer{id: m.ID, kind: unfinished}, true
	}
	return answer{}, false
}

var (
	errNoName = errors.New("success without a user name")
	errProxy  = errors.New("success with proxy, which does not say that the password was checked (a passdb without proxy for this service?)")
	errMore   = errors.New("asks for more after all of PLAIN was said")
	errTemp   = errors.New("could not look (its log says why)")
)

// accountOf is what an answer means.
func accountOf(r verifier.Request, a answer) (verifier.Account, error) {
	switch a.kind {
	case accepted:
		return succeeded(r, a.params)
	case refused:
		return verifier.Account{}, failed(r, a.params)
	}
	return verifier.Account{}, errMore
}

func succeeded(r verifier.Request, p dovecotauth.Params) (verifier.Account, error) {
	name, _ := p.Value("user")
	switch {
	case name == "":
		return verifier.Account{}, errNoName
	case p.Has("proxy"): // comes before nologin, as an answer that tells nothing
		return verifier.Account{}, errProxy
	case p.Has("auth_user"):
		// "alice*master" with the password of master, where auth_master_user_separator
		// is set: any user, whether there is one or not. To act for others is for a
		// verifier.Authorizer to allow.
		return verifier.Account{}, wrong(r, "is that of a master user")
	case p.Has("nologin"):
		return verifier.Account{}, fmt.Errorf("user %.200q: nologin: %w", realm.Join(r.User, r.Realm), verifier.ErrDisabled)
	}
	return named(r, name)
}

// named cuts the name that Dovecot says where the realm begins that was asked for. Names
// come back in lower case by default, so case is ignored.
func named(r verifier.Request, name string) (verifier.Account, error) {
	at := strings.LastIndexByte(name, '@')
	if r.Realm == "" || at < 0 || !strings.EqualFold(name[at+1:], r.Realm) {
		return verifier.Account{User: name}, nil
	}
	if at == 0 {
		return verifier.Account{}, errNoName
	}
	return verifier.Account{User: name[:at], Realm: name[at+1:]}, nil
}

func failed(r verifier.Request, p dovecotauth.Params) error {
	code, _ := p.Value("code")
	switch {
	case p.Has("temp"), code == dovecotauth.CodeTempFail:
		return errTemp
	case code == dovecotauth.CodeBadBase64: // says nothing about the password
		return errors.New("did not understand the request: " + code)
	case code == dovecotauth.CodeUserDisabled, code == dovecotauth.CodePassExpired, code == dovecotauth.CodeAuthzFail:
		return wrong(r, "is refused with "+code)
	}
	return wrong(r, "is refused") // without a code that nobody knows, which could be anything
}
