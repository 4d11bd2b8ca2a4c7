package mech

import (
	"cmp"
	"context"
	"crypto/md5"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/digestlayer"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// DIGEST-MD5, RFC 2831, made historic by RFC 6331. The server offers realms and
// a nonce; the client answers with a hash over both nonces, the service and the
// password; the server proves itself with another (rspauth). The server needs
// the password or MD5(user:realm:password) (KindDIGESTMD5).
//
// A listener can search for the password offline, as with CRAM-MD5. The realm
// is part of the hash: an entry made for another realm than the one offered
// never matches, which is what "no secret in database" usually means.
//
// Security layers (qop=auth-int and auth-conf, digestmd5_layer.go) are negotiated only
// if Layers permits them, and logins with the nonce of an earlier one (subsequent
// authentication, digestmd5_again.go) only if there are Nonces. Not both at once:
// H(A1), of which the keys of a layer are made, depends on password and nonces alone,
// so that a second connection would have the key stream of the first. RFC 2831 does
// not see it, and libsasl2 2.1.28 with reauth_timeout indeed sends the same octets for
// the same text each time.

// DIGESTMD5 proves both sides with hashes, in a realm (RFC 2831, made historic by RFC
// 6331). Servers need the password, or what [DIGESTMD5Secret] makes of it. Who listens can
// search for the password. It can negotiate security layers, see [Layers]. It is offered
// only by name.
var DIGESTMD5 = &Mechanism{
	Name:        "DIGEST-MD5",
	Provides:    NoPlaintext | NoAnonymous | MutualAuth,
	Need:        NeedSecret,
	Secrets:     []verifier.Kind{verifier.KindDIGESTMD5, verifier.KindPassword},
	OnlyIfNamed: true,
	ServerFirst: true,
	MaxResponse: maxDigestResponse - 1,
	strongest:   strongestDigestLayer,
	server:      newDigestMD5Server,
	client:      newDigestMD5Client,
}

type digestMD5Server struct {
	server[digestMD5Server]
	qops    []digestQOP
	offered digestChallenge
	layer   *Layer
}

// Layer implements Layered.
func (s *digestMD5Server) Layer() *Layer { return s.layer }

func newDigestMD5Server(base serverBase) Server {
	s := &digestMD5Server{qops: base.layers().digestQOPs()}
	s.begin(s, base, (*digestMD5Server).awaitStart)
	return s
}

// awaitStart sends the challenge. An empty initial response is as if there were
// none; another one is subsequent authentication (RFC 2831 section 2.2), which
// libsasl2's client tries at its second login to a server whatever the server says.
func (s *digestMD5Server) awaitStart(ctx context.Context, response []byte) ([]byte, state[digestMD5Server], error) {
	if len(response) > 0 {
		return s.again(ctx, response)
	}
	return s.challenge(false)
}

func (s *digestMD5Server) challenge(stale bool) ([]byte, state[digestMD5Server], error) {
	s.offered = digestChallenge{realms: s.Realms(), nonce: s.nonce.next(), utf8: !s.latin1, stale: stale}
	s.offered.offer(s.qops, s.layers())
	return s.offered.encoded().append(make([]byte, 0, 256)), (*digestMD5Server).awaitResponse, nil
}

func (s *digestMD5Server) awaitResponse(ctx context.Context, response []byte) ([]byte, state[digestMD5Server], error) {
	r, err := parseDigestResponse(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	login, err := s.check(ctx, &r, s.notFresh(&r))
	if err != nil {
		return nil, nil, err
	}
	rspauth, err := s.admit(ctx, &r, login)
	if err == nil && login.qop.name == qopAuth {
		s.Nonces.remember(&r)
	}
	return rspauth, nil, err
}

// A digestLogin is what was found about a response that is right.
type digestLogin struct {
	account       verifier.Account
	name, authzid string
	qop           digestQOP
	ha1           [md5.Size]byte
}

// check computes what the response should be and only then says what is wrong, so
// that a nonce, realm or digest-uri that is not ours costs the same as a wrong
// password. The code is of what was found wrong before, "" if nothing was.
func (s *digestMD5Server) check(ctx context.Context, r *digestResponse, code string) (login digestLogin, err error) {
	name, realm, authzid, err := s.names(r)
	if err != nil {
		return login, err
	}
	qop, err := s.chosen(r)
	if err != nil {
		return login, err
	}
	held, lookup := s.LookupSecret(ctx, name, realm, s.kinds(name))
	if !verifier.Answered(lookup) {
		return login, lookup
	}
	ha1, match, err := r.verify(held)
	if err != nil {
		return login, err
	}
	if code = cmp.Or(code, s.notOurs(r, realm)); code != "" {
		return login, refused(code)
	}
	if err := verifier.Conclude(lookup, match); err != nil {
		return login, err
	}
	return digestLogin{held.Account, name, authzid, qop, ha1}, nil
}

// admit lets in who sent a response that is right, and returns our proof.
func (s *digestMD5Server) admit(ctx context.Context, r *digestResponse, l digestLogin) (rspauth []byte, err error) {
	if err := s.finish(ctx, l.account, l.name, l.authzid); err != nil {
		return nil, err
	}
	if s.layer, err = l.qop.layer(l.ha1, digestlayer.Server, s.layers(), r.buffer); err != nil {
		return nil, err
	}
	proof := r.compute(l.ha1, ":")
	return append([]byte("rspauth="), proof[:]...), nil
}

// kinds leaves out the stored hash for a name with '@': it was made for
// the user alone.
func (s *digestMD5Server) kinds(name string) []verifier.Kind {
	if strings.Contains(name, "@") {
		return []verifier.Kind{verifier.KindPassword}
	}
	return s.row.Secrets
}

// names returns the names in UTF-8: the user prepared, the realm as it is.
// Without charset=utf-8 they should be in ISO 8859-1, but curl and libsasl2 send
// UTF-8 all the same, which is hardly ever anything else by chance.
func (s *digestMD5Server) names(r *digestResponse) (name, realm, authzid string, err error) {
	username, realm := r.username, r.realm
	if !utf8.ValidString(username) {
		username = fromLatin1(username)
	}
	if !utf8.ValidString(realm) {
		realm = fromLatin1(realm)
	}
	if len(realm) > s.Limits.name() {
		return "", "", "", &Error{Class: Limit, Code: "too-long"}
	}
	if name, err = s.prepareName(username); err != nil {
		return "", "", "", err
	}
	if authzid, err = s.prepareAuthzid(r.authzid); err != nil {
		return "", "", "", err
	}
	return name, realm, authzid, nil
}

// chosen holds qop and cipher against what was offered. A cipher belongs to
// auth-conf alone. A weaker choice than Layers.Min was not offered.
func (s *digestMD5Server) chosen(r *digestResponse) (digestQOP, error) {
	for _, q := range s.qops {
		if q.name == r.qop && q.cipherName() == r.cipher {
			return q, q.fits(r.buffer)
		}
	}
	return digestQOP{}, malformed("bad-qop", nil)
}

// notFresh returns the code of what in the response does not belong to this
// challenge, or "".
func (s *digestMD5Server) notFresh(r *digestResponse) string {
	switch {
	case !secret.Equal(r.nonce, s.offered.nonce):
		return "bad-nonce"
	case r.nc != firstCount:
		return "replay"
	}
	return ""
}

// notOurs returns the code of what in the response does not belong to this service,
// or "".
func (s *digestMD5Server) notOurs(r *digestResponse, realm string) string {
	switch {
	case realm == "" && len(s.offered.realms) > 0:
		return "bad-credentials" // computed with "", as RFC 2831 section 2.1.2 says
	case realm != "" && !slices.Contains(s.offered.realms, realm):
		return "bad-realm"
	case !s.servesURI(r.uri):
		return "bad-uri"
	}
	return ""
}

// servesURI checks serv-type "/" host [ "/" serv-name ] (RFC 2831 section
// 2.1.2). The host is checked only if the names of this host are known: over
// the Dovecot protocol they are not, and Outlook and some Java clients send an
// address or an alias.
func (s *digestMD5Server) servesURI(uri string) bool {
	service, rest, _ := strings.Cut(uri, "/")
	host, name, named := strings.Cut(rest, "/")
	if !strings.EqualFold(service, s.Service) || host == "" || strings.Contains(name, "/") {
		return false
	}
	return len(s.HostNames) == 0 || s.isHost(host) || named && s.isHost(name)
}

func (s *digestMD5Server) isHost(name string) bool {
	return slices.ContainsFunc(s.HostNames, func(h string) bool { return strings.EqualFold(h, name) })
}
