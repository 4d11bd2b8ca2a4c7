package saslkit_test

import (
	"net/smtp"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// FuzzSMTPAuth answers a server that says arbitrary things: each byte of the plan is
// the length of a challenge, and 0 is success. The adapter never ends an exchange
// silently, and a server that knows no password never proves itself.
func FuzzSMTPAuth(f *testing.F) {
	f.Add("DIGEST-MD5", []byte{64, 0}, []byte(`realm="r",nonce="abc",qop="auth",charset=utf-8,algorithm=md5-sess`))
	f.Add("SCRAM-SHA-256", []byte{24, 5, 0}, []byte("r=abcdef,s=AAAA,i=4096v=AAAA"))
	f.Add("LOGIN", []byte{1, 1, 1, 0}, []byte("xyz"))
	f.Add("EXTERNAL", []byte{1, 0, 0}, []byte("x"))
	f.Add("CRAM-MD5", []byte{0}, []byte{})
	f.Fuzz(func(t *testing.T, offered string, plan, said []byte) {
		if len(plan) > 20 {
			return
		}
		auth := saslkit.SMTPAuth(saslkit.ClientConfig{
			Credentials: saslkit.Credentials{Username: "al", Password: "pw"},
			Mechanisms:  []string{offered}, Policy: anything, Channel: saslkit.Channel{External: "al"},
		})
		name, _, err := auth.Start(&smtp.ServerInfo{Name: "mail.example", TLS: true, Auth: []string{offered}})
		if err != nil {
			return
		}
		over := false
		for _, length := range plan {
			n := min(int(length), len(said))
			response, err := auth.Next(said[:n], length != 0)
			switch {
			case over && err == nil:
				t.Fatalf("%s: goes on after the end", name)
			case length != 0 && (response == nil) == (err == nil):
				t.Fatalf("%s: %q and %v", name, response, err)
			case length == 0 && response != nil:
				t.Fatalf("%s: %q after a success", name, response)
			case length == 0 && err == nil && mech.ByName(name).Provides&mech.MutualAuth != 0:
				t.Fatalf("%s: a server without the password is believed", name)
			}
			over = over || length == 0 || err != nil
			said = said[n:]
		}
	})
}
