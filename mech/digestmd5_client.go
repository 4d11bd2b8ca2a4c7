package mech

import (
	"cmp"
	"crypto/md5"
	"errors"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/internal/digestlayer"
	"github.com/saslkit/saslkit/internal/md5secret"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

type digestMD5Client struct {
	client
	sent       digestResponse
	ha1        [md5.Size]byte
	qop        digestQOP
	peerBuffer int // the server's maxbuf
}

func newDigestMD5Client(base client) Client {
	c := &digestMD5Client{client: base}
	c.unproven = true
	c.await = c.awaitChallenge
	return c
}

// Start has no initial response, unless there was a login before whose nonce may do
// again.
func (c *digestMD5Client) Start() ([]byte, error) {
	if err := c.checkCredentials(); err != nil {
		return nil, err
	}
	again, ok := c.Previous.take(c.ClientConfig)
	if !ok {
		return nil, nil
	}
	c.await = c.awaitAgain
	return c.send(again, digestQOP{name: qopAuth}), nil
}

// awaitAgain waits for the server's proof, or for a challenge if it wants a full login
// after all (RFC 2831 section 2.2).
func (c *digestMD5Client) awaitAgain(challenge []byte) ([]byte, clientState, error) {
	if _, err := parseRspauth(challenge); err == nil {
		return c.awaitRspauth(challenge)
	}
	return c.awaitChallenge(challenge)
}

func (c *digestMD5Client) awaitChallenge(challenge []byte) ([]byte, clientState, error) {
	if len(challenge) >= maxDigestChallenge {
		return nil, nil, &Error{Class: Limit, Code: "too-long"}
	}
	offer, err := parseDigestChallenge(challenge)
	if err != nil {
		return nil, nil, malformed("malformed", err)
	}
	qop, err := c.choose(offer)
	if err != nil {
		return nil, nil, err
	}
	r, err := c.respond(offer, qop)
	if err != nil {
		return nil, nil, err
	}
	c.peerBuffer = offer.buffer
	return c.send(r, qop), c.awaitRspauth, nil
}

// choose takes the strongest protection that both sides permit.
func (c *digestMD5Client) choose(offer digestChallenge) (digestQOP, error) {
	for _, q := range c.Layers.digestQOPs() {
		known := slices.Contains(offer.qops, q.name) && (q.cipher == nil || slices.Contains(offer.ciphers, q.cipher.Name))
		if known && q.fits(offer.buffer) == nil {
			return q, nil
		}
	}
	if c.Layers.Min > 0 {
		return digestQOP{}, &Error{Class: TooWeak, Code: "no-layer", Err: errors.New("mech: the server offers no security layer that is strong enough")}
	}
	return digestQOP{}, malformed("bad-qop", nil)
}

// respond fills in everything but the response value.
func (c *digestMD5Client) respond(offer digestChallenge, qop digestQOP) (digestResponse, error) {
	r := digestResponse{
		nonce: offer.nonce, cnonce: c.nonce.next(), nc: firstCount,
		qop: qop.name, cipher: qop.cipherName(),
		uri: c.digestURI(), utf8: offer.utf8,
	}
	if qop.name != qopAuth {
		r.buffer = c.Layers.announced()
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

// send signs a response and remembers what the answer must be.
func (c *digestMD5Client) send(r digestResponse, qop digestQOP) []byte {
	c.sent, c.qop = r, qop
	c.ha1 = r.ha1(r.userHash(verifier.Secret{Kind: verifier.KindPassword, Value: []byte(c.Password)}, 0))
	value := r.compute(c.ha1, "AUTHENTICATE:")
	c.sent.response = string(value[:])
	return c.sent.append(nil)
}

// digestURI names the service that is meant (RFC 2831 section 2.1.2).
func (c *ClientConfig) digestURI() string {
	uri := c.Service + "/" + c.Host
	if c.ServiceName != "" {
		uri += "/" + c.ServiceName
	}
	return uri
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
		return nil, nil, badServer(cmp.Or(err, errWrongProof))
	}
	if c.shown.Layer, err = c.qop.layer(c.ha1, digestlayer.Client, c.Layers, c.peerBuffer); err != nil {
		return nil, nil, err
	}
	c.proven()
	if c.qop.name == qopAuth {
		c.Previous.remember(c.ClientConfig, c.sent)
	}
	return []byte{}, nil, nil
}
