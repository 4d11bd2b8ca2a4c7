package daemon

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
)

// tokenSite serves two users by their tokens.
func tokenSite() *saslkit.Authenticator {
	return &saslkit.Authenticator{
		Tokens: verifier.StaticTokens{"good": "alice@example.org", "bobs": "bob"},
		Policy: everything,
	}
}

// Why a token is refused is a CONT before FAIL, whether or not the client takes data
// together with success. So Dovecot 2.3.19 does it for every minor version.
func TestDovecotRefusedToken(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, tokenSite())
	if got := announcedBy(t, r.socket); got != "OAUTHBEARER XOAUTH2" {
		t.Errorf("announced are %q", got)
	}
	for _, final := range []string{"", " final-resp-ok"} {
		for _, c := range []struct{ mechanism, message, refusal, answer string }{
			{"OAUTHBEARER", "n,a=alice,\x01auth=Bearer bad\x01\x01", `{"status":"invalid_token"}`, "\x01"},
			{"OAUTHBEARER", "n,a=alice,\x01auth=\x01\x01", `{"status":"invalid_token"}`, "\x01"},
			{"XOAUTH2", "user=alice\x01auth=Bearer bad\x01\x01", `{"status":"401","schemes":"bearer"}`, ""},
			{"XOAUTH2", "user=alice\x01auth=Bearer bad\x01\x01", `{"status":"401","schemes":"bearer"}`, "user=alice\x01auth=Bearer good\x01\x01"},
		} {
			t.Run(c.mechanism+final, func(t *testing.T) {
				t.Parallel()
				client := dialDovecot(t, r.socket)
				client.say("AUTH 1 " + c.mechanism + " service=imap" + final + " resp=" + encoded(c.message))
				refusal, more := strings.CutPrefix(client.line(), "CONT 1 ")
				if !more {
					t.Fatalf("no CONT but %q", refusal)
				}
				if diff := cmp.Diff(c.refusal, string(decodedMessage(t, refusal))); diff != "" {
					t.Error(diff)
				}
				client.ask("CONT 1 "+encoded(c.answer), "FAIL 1 user=alice@example.org")
			})
		}
	}
}

// A good token says who it is; that it is somebody else's is no matter of the token.
func TestDovecotToken(t *testing.T) {
	t.Parallel()
	r := serveAuth(t, tokenSite())
	for _, c := range []struct{ mechanism, message, want string }{
		{"OAUTHBEARER", "n,a=alice,\x01auth=Bearer good\x01\x01", "OK 1 user=alice@example.org"},
		{"OAUTHBEARER", "n,,\x01auth=Bearer good\x01\x01", "OK 1 user=alice@example.org"},
		{"OAUTHBEARER", "n,a=alice@example.org,\x01auth=Bearer good\x01\x01", "OK 1 user=alice@example.org"},
		{"XOAUTH2", "user=bob\x01auth=Bearer bobs\x01\x01", "OK 1 user=bob@example.org"},
		{"XOAUTH2", "user=alice\x01auth=Bearer bobs\x01\x01", "FAIL 1 user=alice@example.org authz code=authz_fail"},
	} {
		client := dialDovecot(t, r.socket)
		client.ask("AUTH 1 "+c.mechanism+" service=imap resp="+encoded(c.message), c.want)
	}
}
