package mech

import (
	"crypto/md5"
	"encoding/hex"

	"github.com/saslkit/saslkit/internal/md5secret"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// The computations of RFC 2831 section 2.1.2.1, and whose forms of them are met.

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

// DIGESTMD5Secret is the secret of kind [verifier.KindDIGESTMD5] for a password: what
// DIGEST-MD5 needs, good for this user in this realm only. All three are taken as they
// are, prepared by the caller as [Secrets] does, and hashed in ISO 8859-1 where that
// suffices (RFC 2831 section 2.1.2.1).
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
