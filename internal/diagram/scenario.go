package main

import (
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// A scenario is a login that is drawn.
type scenario struct {
	name      string // of its files
	title     string
	standard  string
	mechanism string // with which it is recorded
	client    party  // theClient if it has no name
	store     party  // whom the server asks; without a name there is nobody

	credentials saslkit.Credentials // where they differ from the sample's
	again       bool                // the second login with what is known of the first
}

// A party is who has a lifeline.
type party struct{ name, is string }

var (
	theClient = party{"client", "saslkit.NewClient"}
	theServer = party{"server", "saslkit.Peer"}

	checks  = party{"verifier", "verifier.Verifier"}
	secrets = party{"store", "verifier.SecretSource"}
	writes  = party{"store", "verifier.SecretStore"}
	tokens  = party{"token verifier", "verifier.TokenVerifier"}
	channel = party{"TLS", "saslkit.Channel"}
)

// The sample.
const (
	sampleUser     = "alice"
	sampleRealm    = "example.com"
	sampleHost     = "mx.example.com"
	samplePassword = "open sesame"
	sampleToken    = "sample.Zm9yIHRoZSBkaWFncmFtcw"
)

const (
	rfcSCRAM  = "RFC 5802, RFC 7677"
	rfcDigest = "RFC 2831"
)

var scenarios = []scenario{
	{name: "external", title: "EXTERNAL", standard: "RFC 4422 appendix A", mechanism: "EXTERNAL", store: channel},
	{name: "scram-sha-256-plus", title: "SCRAM with channel binding", standard: rfcSCRAM + ", RFC 9266", mechanism: "SCRAM-SHA-256-PLUS", store: secrets},
	{name: "scram-sha-256", title: "SCRAM", standard: rfcSCRAM, mechanism: "SCRAM-SHA-256", store: secrets},
	{name: "scram-wrong-password", title: "SCRAM with a wrong password", standard: rfcSCRAM, mechanism: "SCRAM-SHA-256", store: secrets,
		credentials: saslkit.Credentials{Password: "open barley"}},
	{name: "digest-md5", title: "DIGEST-MD5", standard: rfcDigest, mechanism: "DIGEST-MD5", store: secrets},
	{name: "digest-md5-again", title: "DIGEST-MD5, subsequent authentication", standard: rfcDigest + " section 2.2", mechanism: "DIGEST-MD5", store: secrets, again: true},
	{name: "otp", title: "OTP", standard: "RFC 2444, RFC 2289", mechanism: "OTP", store: writes},
	{name: "cram-md5", title: "CRAM-MD5", standard: "RFC 2195", mechanism: "CRAM-MD5", store: secrets},
	{name: "ntlm", title: "NTLM, version 2", standard: "MS-NLMP, MS-SMTPNTLM", mechanism: "NTLM", store: secrets},
	{name: "oauthbearer", title: "OAUTHBEARER", standard: "RFC 7628", mechanism: "OAUTHBEARER", store: tokens},
	{name: "oauthbearer-refused", title: "OAUTHBEARER with a token that is refused", standard: "RFC 7628 section 3.2.2", mechanism: "OAUTHBEARER", store: tokens,
		credentials: saslkit.Credentials{Token: mech.FixedToken("expired.bGFzdCB3ZWVr")}},
	{name: "xoauth2", title: "XOAUTH2", standard: "Google's and Microsoft's documentation", mechanism: "XOAUTH2", store: tokens},
	{name: "plain", title: "PLAIN", standard: "RFC 4616", mechanism: "PLAIN", store: checks},
	{name: "login", title: "LOGIN", standard: "draft-murchison-sasl-login-00", mechanism: "LOGIN", store: checks},
	{name: "anonymous", title: "ANONYMOUS", standard: "RFC 4505", mechanism: "ANONYMOUS"},
	{name: "apop", title: "APOP, a command of POP3", standard: "RFC 1939 section 7", mechanism: "APOP", client: party{"client", "mech.APOPCommand"}, store: secrets},
}

// pictureOf is the name of the scenario that shows a mechanism. The SCRAM mechanisms
// differ in their hash alone.
func pictureOf(m *mech.Mechanism) string {
	name := m.Name
	if strings.HasPrefix(name, "SCRAM-") {
		name = familySCRAM + strings.TrimPrefix(name, m.WithoutBinding())
	}
	return strings.ToLower(name)
}

const familySCRAM = "SCRAM-SHA-256"

// rowOf is the row of a scenario's mechanism.
func rowOf(mechanism string) *mech.Mechanism {
	if mechanism == mech.APOP.Name { // which is not in the table
		return mech.APOP
	}
	return mech.ByName(mechanism)
}
