package mech

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/md5secret"
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
// Only qop=auth is offered: no security layer. Subsequent authentication is not
// offered either, so the nonce count is always 1.

// DIGESTMD5 is the DIGEST-MD5 mechanism.
var DIGESTMD5 = &Mechanism{
	Name:        "DIGEST-MD5",
	Provides:    NoPlaintext | NoAnonymous | MutualAuth,
	Need:        NeedSecret,
	Secrets:     []verifier.Kind{verifier.KindDIGESTMD5, verifier.KindPassword},
	OnlyIfNamed: true,
	ServerFirst: true,
	MaxResponse: maxDigestResponse - 1,
	server:      newDigestMD5Server,
	client:      newDigestMD5Client,
}

// A digestOffer is what a server offers beside realms and nonce.
type digestOffer struct {
	latin1  bool // leave charset=utf-8 out
	qops    []string
	ciphers []string
}

type digestMD5Server struct {
	server[digestMD5Server]
	offered digestChallenge
}

func newDigestMD5Server(base serverBase) Server {
	s := new(digestMD5Server)
	s.begin(s, base, (*digestMD5Server).awaitStart)
	return s
}

// awaitStart sends the challenge. An empty initial response is as if there were
// none; one with content would be subsequent authentication (RFC 2831 section
// 2.2), which is not offered.
func (s *digestMD5Server) awaitStart(_ context.Context, response []byte) ([]byte, state[digestMD5Server], error) {
	if len(response) > 0 {
		return nil, nil, malformed("protocol", errors.New("mech: DIGEST-MD5 has no initial response"))
	}
	s.offered = digestChallenge{realms: s.Realms(), nonce: s.nonce.next(), qops: authOnly, utf8: true}
	if s.digest != nil {
		s.offered.qops, s.offered.ciphers, s.offered.utf8 = s.digest.qops, s.digest.ciphers, !s.digest.latin1
	}
	return s.offered.encoded().append(make([]byte, 0, 256)), (*digestMD5Server).awaitResponse, nil
}

// awaitResponse computes what the response should be and only then says what is
// wrong, so that a nonce, realm or digest-uri that is not ours costs the same as
// a wrong password.
func (s *digestMD5Server) awaitResponse(ctx context.Context, response []byte) ([]byte, state[digestMD5Server], error) {
	r, err := parseDigestResponse(response)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	name, realm, authzid, err := s.names(&r)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkQOP(&r); err != nil {
		return nil, nil, err
	}
	held, lookup := s.LookupSecret(ctx, name, realm, s.kinds(name))
	if !verifier.Answered(lookup) {
		return nil, nil, lookup
	}
	ha1, match, err := r.verify(held)
	if err != nil {
		return nil, nil, err
	}
	if code := s.notOurs(&r, realm); code != "" {
		return nil, nil, refused(code)
	}
	if err := verifier.Conclude(lookup, match); err != nil {
		return nil, nil, err
	}
	if err := s.finish(ctx, held.Account, name, authzid); err != nil {
		return nil, nil, err
	}
	rspauth := r.compute(ha1, ":")
	return append([]byte("rspauth="), rspauth[:]...), nil, nil
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

// checkQOP holds qop and cipher against what was offered. A cipher belongs to
// auth-conf alone.
func (s *digestMD5Server) checkQOP(r *digestResponse) error {
	confidential := r.qop == "auth-conf"
	switch {
	case !slices.Contains(s.offered.qops, r.qop),
		confidential != (r.cipher != ""),
		confidential && !slices.Contains(s.offered.ciphers, r.cipher):
		return malformed("bad-qop", nil)
	}
	return nil
}

// notOurs returns the code of what in the response does not belong to this
// challenge and this service, or "".
func (s *digestMD5Server) notOurs(r *digestResponse, realm string) string {
	switch {
	case !secret.Equal(r.nonce, s.offered.nonce):
		return "bad-nonce"
	case r.nc != "00000001":
		return "replay"
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

// verify compares the response with what the holder of the secret would send,
// and returns H(A1).
//
// There are several such values. RFC 2831 section 2.1.2.1 hashes names and
// passwords in ISO 8859-1 where that suffices, as libsasl2's client and the JDK
// do. curl and Perl's Authen::SASL (swaks) hash both in UTF-8, and libgsasl
// (msmtp, gsasl) the names in UTF-8 and the password in ISO 8859-1. Cyrus's server
// takes the first two. All are computed before a failure, also where they are the
// same, so that all failures cost the same.
func (r *digestResponse) verify(held verifier.Secret) (ha1 [md5.Size]byte, match bool, err error) {
	if held.Kind == verifier.KindDIGESTMD5 && len(held.Value) != md5.Size {
		return ha1, false, &verifier.ContractError{Rule: "a DIGEST-MD5 hash is 16 bytes"}
	}
	for form := range hashForms {
		ha1 = r.ha1(r.userHash(held, form))
		want := r.compute(ha1, "AUTHENTICATE:")
		if secret.Equal(r.response, want[:]) {
			return ha1, true, nil
		}
	}
	return ha1, false, nil
}

// hashForms is the number of forms of MD5(user:realm:password).
const hashForms = 3

// userHash is one form of the stored hash; form 0 is the RFC's. What was stored as
// a hash has only that.
func (r *digestResponse) userHash(held verifier.Secret, form int) [md5.Size]byte {
	password := string(held.Value)
	switch {
	case held.Kind == verifier.KindDIGESTMD5:
		return [md5.Size]byte(held.Value)
	case form == 0:
		return md5secret.DIGESTMD5(latin1OrUTF8(r.username), latin1OrUTF8(r.realm), latin1OrUTF8(password))
	case form == 1:
		return md5secret.DIGESTMD5(r.username, r.realm, password)
	}
	return md5secret.DIGESTMD5(r.username, r.realm, latin1OrUTF8(password))
}

// DIGESTMD5Secret is the secret of kind KindDIGESTMD5 for a password: what
// DIGEST-MD5 needs, good for this user in this realm only.
func DIGESTMD5Secret(user, realm, password string) []byte {
	sum := md5secret.DIGESTMD5(latin1OrUTF8(user), latin1OrUTF8(realm), latin1OrUTF8(password))
	return sum[:]
}

// latin1OrUTF8 encodes in ISO 8859-1 what fits, RFC 2831 section 2.1.2.1. What is
// no UTF-8 is in ISO 8859-1 already.
func latin1OrUTF8(s string) string {
	encoded, _ := md5secret.Latin1(s)
	return encoded
}

func (r *digestResponse) ha1(userHash [md5.Size]byte) [md5.Size]byte {
	var space [192]byte
	b := append(append(space[:0], userHash[:]...), ':')
	b = append(append(b, r.nonce...), ':')
	b = append(b, r.cnonce...)
	if r.authzid != "" {
		b = append(append(b, ':'), r.authzid...)
	}
	return md5.Sum(b)
}

// compute returns the response value in hex for A2 beginning with prefix:
// "AUTHENTICATE:" for the client's, ":" for the server's (RFC 2831 section
// 2.1.2.1 and 2.1.3).
func (r *digestResponse) compute(ha1 [md5.Size]byte, prefix string) (value [2 * md5.Size]byte) {
	var space [256]byte
	a2 := append(append(space[:0], prefix...), r.uri...)
	if r.qop != "auth" {
		a2 = append(a2, ":00000000000000000000000000000000"...)
	}
	ha2 := md5.Sum(a2)
	kd := hex.AppendEncode(space[:0], ha1[:])
	for _, part := range [...]string{r.nonce, r.nc, r.cnonce, r.qop} {
		kd = append(append(kd, ':'), part...)
	}
	kd = hex.AppendEncode(append(kd, ':'), ha2[:])
	sum := md5.Sum(kd)
	hex.Encode(value[:], sum[:])
	return value
}

type digestMD5Client struct {
	client
	sent digestResponse
	ha1  [md5.Size]byte
}

func newDigestMD5Client(base client) Client {
	c := &digestMD5Client{client: base}
	c.unproven = true
	c.await = c.awaitChallenge
	return c
}

func (c *digestMD5Client) Start() ([]byte, error) { return nil, c.checkCredentials() }

func (c *digestMD5Client) awaitChallenge(challenge []byte) ([]byte, clientState, error) {
	if len(challenge) >= maxDigestChallenge {
		return nil, nil, &Error{Class: Limit, Code: "too-long"}
	}
	offer, err := parseDigestChallenge(challenge)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	if c.sent, err = c.respond(offer); err != nil {
		return nil, nil, err
	}
	c.ha1 = c.sent.ha1(c.sent.userHash(verifier.Secret{Kind: verifier.KindPassword, Value: []byte(c.Password)}, 0))
	value := c.sent.compute(c.ha1, "AUTHENTICATE:")
	c.sent.response = string(value[:])
	return c.sent.append(nil), c.awaitRspauth, nil
}

// respond fills in everything but the response value.
func (c *digestMD5Client) respond(offer digestChallenge) (digestResponse, error) {
	r := digestResponse{
		nonce: offer.nonce, cnonce: c.nonce.next(), nc: "00000001", qop: c.qop,
		uri: c.Service + "/" + c.Host, utf8: offer.utf8,
	}
	if r.qop == "" {
		r.qop = "auth"
	}
	if c.ServiceName != "" {
		r.uri += "/" + c.ServiceName
	}
	if !slices.Contains(offer.qops, r.qop) {
		return digestResponse{}, malformed("bad-qop", nil)
	}
	realm, err := c.chooseRealm(offer)
	if err != nil {
		return digestResponse{}, err
	}
	if c.Authzid != c.Username {
		r.authzid = c.Authzid
	}
	r.username, r.realm = c.Username, realm
	if !offer.utf8 {
		user, ok := md5secret.Latin1(c.Username)
		if !ok {
			return digestResponse{}, malformed("prep", errors.New("mech: the server has no UTF-8 and the user name does not fit ISO 8859-1"))
		}
		r.username = user // the realm is in the server's own bytes already
	}
	return r, nil
}

// chooseRealm takes the configured realm, else the part after the user name's
// '@' if that was offered, else the first one offered.
func (c *digestMD5Client) chooseRealm(offer digestChallenge) (string, error) {
	if c.Realm != "" {
		if wanted := offer.encode(c.Realm); slices.Contains(offer.realms, wanted) {
			return wanted, nil
		}
		return "", malformed("bad-realm", errors.New("mech: the configured realm was not offered"))
	}
	if len(offer.realms) == 0 {
		return "", nil
	}
	if _, own, ok := strings.Cut(c.Username, "@"); ok && slices.Contains(offer.realms, own) {
		return own, nil
	}
	return offer.realms[0], nil
}

// awaitRspauth verifies the server's proof. Anything else in its place is an
// impostor's.
func (c *digestMD5Client) awaitRspauth(challenge []byte) ([]byte, clientState, error) {
	got, err := parseRspauth(challenge)
	want := c.sent.compute(c.ha1, ":")
	if err != nil || !secret.Equal(got, want[:]) {
		return nil, nil, &Error{Class: ServerNotVerified, Code: "bad-server", Err: err}
	}
	c.proven()
	return []byte{}, nil, nil
}
