package mech

import (
	"crypto"
	_ "crypto/sha256" // the hashes of tls-server-end-point
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// The channel-binding types that a TLS channel can have.
const (
	BindingExporter = "tls-exporter"         // RFC 9266
	BindingUnique   = "tls-unique"           // RFC 5929 section 3; not with TLS 1.3
	BindingEndPoint = "tls-server-end-point" // RFC 5929 section 4
	exporterLabel   = "EXPORTER-Channel-Binding"
	exporterBytes   = 32
)

// defaultBindings are the types to bind to, best first: the exporter's data are of
// the session, tls-unique's too but only of TLS 1.2, the end point's of the server's
// certificate.
var defaultBindings = []string{BindingExporter, BindingUnique, BindingEndPoint}

// CanBind reports whether a channel has binding data of one of the types; nil stands
// for those that a TLS channel can have.
func CanBind(binding func(typ string) ([]byte, bool), types []string) bool {
	_, _, ok := firstBinding(binding, types)
	return ok
}

// firstBinding returns the first of the types that the channel has data for.
func firstBinding(binding func(typ string) ([]byte, bool), types []string) (typ string, data []byte, ok bool) {
	if binding == nil {
		return "", nil, false
	}
	if types == nil {
		types = defaultBindings
	}
	for _, typ := range types {
		if data, ok := binding(typ); ok && len(data) > 0 {
			return typ, data, true
		}
	}
	return "", nil, false
}

// TLSBinding returns the source of channel-binding data of a finished TLS
// handshake. The leaf is the server's certificate, whichever side we are; nil if
// unknown. The data belongs to the caller.
func TLSBinding(state tls.ConnectionState, leaf *x509.Certificate) func(typ string) ([]byte, bool) {
	if !state.HandshakeComplete {
		return nil
	}
	return func(typ string) ([]byte, bool) {
		switch typ {
		case BindingExporter:
			// The context is empty, not absent: under TLS 1.2 these differ.
			// crypto/tls refuses without extended master secret.
			data, err := state.ExportKeyingMaterial(exporterLabel, []byte{}, exporterBytes)
			return data, err == nil
		case BindingUnique:
			if state.Version >= tls.VersionTLS13 || len(state.TLSUnique) == 0 {
				return nil, false
			}
			return append([]byte(nil), state.TLSUnique...), true
		case BindingEndPoint:
			return endPoint(leaf)
		}
		return nil, false
	}
}

// endPoint hashes the certificate with the hash of its signature, SHA-256 in
// place of MD5 and SHA-1 (RFC 5929 section 4.1). A signature without a single
// hash, such as Ed25519's, has no such binding.
func endPoint(leaf *x509.Certificate) ([]byte, bool) {
	if leaf == nil {
		return nil, false
	}
	hash := signatureHash(leaf.Raw)
	if hash == 0 {
		return nil, false
	}
	h := hash.New()
	h.Write(leaf.Raw)
	return h.Sum(nil), true
}

// signatureHash reads the hash from the signature algorithm of a certificate in
// DER, since crypto/x509 knows neither SHA-224 nor every spelling of PSS. It
// returns 0 if there is no single one.
func signatureHash(der []byte) crypto.Hash {
	var certificate struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &certificate); err != nil {
		return 0
	}
	hash := hashesOf[certificate.Algorithm.Algorithm.String()]
	if certificate.Algorithm.Algorithm.String() == oidPSS {
		hash = pssHash(certificate.Algorithm.Parameters.FullBytes)
	}
	if hash == crypto.MD5 || hash == crypto.SHA1 {
		return crypto.SHA256
	}
	return hash
}

// pssHash reads RSASSA-PSS-params (RFC 4055 section 3.1), whose two hashes must
// be the same.
func pssHash(der []byte) crypto.Hash {
	params := struct {
		Hash    pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:0"`
		MGF     pkix.AlgorithmIdentifier `asn1:"explicit,optional,tag:1"`
		Salt    int                      `asn1:"explicit,optional,tag:2,default:20"`
		Trailer int                      `asn1:"explicit,optional,tag:3,default:1"`
	}{}
	if _, err := asn1.Unmarshal(der, &params); err != nil {
		return 0
	}
	hash, mask := crypto.SHA1, crypto.SHA1 // the defaults
	if params.Hash.Algorithm != nil {
		hash = hashesOf[params.Hash.Algorithm.String()]
	}
	if params.MGF.Algorithm != nil {
		var inner pkix.AlgorithmIdentifier
		if _, err := asn1.Unmarshal(params.MGF.Parameters.FullBytes, &inner); err != nil {
			return 0
		}
		mask = hashesOf[inner.Algorithm.String()]
	}
	if hash != mask {
		return 0
	}
	return hash
}

const oidPSS = "1.2.840.113549.1.1.10"

// hashesOf maps hash and signature algorithms to the hash.
var hashesOf = map[string]crypto.Hash{
	"1.2.840.113549.1.1.4":   crypto.MD5, // RSA
	"1.2.840.113549.1.1.5":   crypto.SHA1,
	"1.2.840.113549.1.1.14":  crypto.SHA224,
	"1.2.840.113549.1.1.11":  crypto.SHA256,
	"1.2.840.113549.1.1.12":  crypto.SHA384,
	"1.2.840.113549.1.1.13":  crypto.SHA512,
	"1.2.840.10045.4.1":      crypto.SHA1, // ECDSA
	"1.2.840.10045.4.3.1":    crypto.SHA224,
	"1.2.840.10045.4.3.2":    crypto.SHA256,
	"1.2.840.10045.4.3.3":    crypto.SHA384,
	"1.2.840.10045.4.3.4":    crypto.SHA512,
	"1.2.840.10040.4.3":      crypto.SHA1, // DSA
	"2.16.840.1.101.3.4.3.1": crypto.SHA224,
	"2.16.840.1.101.3.4.3.2": crypto.SHA256,
	"1.3.14.3.2.26":          crypto.SHA1, // the hashes themselves
	"2.16.840.1.101.3.4.2.4": crypto.SHA224,
	"2.16.840.1.101.3.4.2.1": crypto.SHA256,
	"2.16.840.1.101.3.4.2.2": crypto.SHA384,
	"2.16.840.1.101.3.4.2.3": crypto.SHA512,
}
