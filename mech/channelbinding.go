package mech

import (
	"crypto"
	_ "crypto/sha256" // the hashes of tls-server-end-point
	_ "crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// The channel-binding types that a TLS channel can have.
const (
	BindingExporter = "tls-exporter"         // RFC 9266
	BindingUnique   = "tls-unique"           // RFC 5929 section 3; not with TLS 1.3
	BindingEndPoint = "tls-server-end-point" // RFC 5929 section 4
	exporterLabel   = "EXPORTER-Channel-Binding"
	exporterBytes   = 32
)

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
	hash, ok := endPointHashes[leaf.SignatureAlgorithm]
	if !ok {
		return nil, false
	}
	h := hash.New()
	h.Write(leaf.Raw)
	return h.Sum(nil), true
}

// endPointHashes are those of the algorithms that crypto/x509 knows. For PSS it
// knows only parameters that name one hash twice.
var endPointHashes = map[x509.SignatureAlgorithm]crypto.Hash{
	x509.MD5WithRSA:       crypto.SHA256,
	x509.SHA1WithRSA:      crypto.SHA256,
	x509.DSAWithSHA1:      crypto.SHA256,
	x509.ECDSAWithSHA1:    crypto.SHA256,
	x509.SHA256WithRSA:    crypto.SHA256,
	x509.DSAWithSHA256:    crypto.SHA256,
	x509.ECDSAWithSHA256:  crypto.SHA256,
	x509.SHA256WithRSAPSS: crypto.SHA256,
	x509.SHA384WithRSA:    crypto.SHA384,
	x509.ECDSAWithSHA384:  crypto.SHA384,
	x509.SHA384WithRSAPSS: crypto.SHA384,
	x509.SHA512WithRSA:    crypto.SHA512,
	x509.ECDSAWithSHA512:  crypto.SHA512,
	x509.SHA512WithRSAPSS: crypto.SHA512,
}
