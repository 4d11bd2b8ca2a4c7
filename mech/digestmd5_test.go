package mech

import (
	"context"
	"testing"

	"github.com/saslkit/saslkit/internal/md5secret"
	"github.com/saslkit/saslkit/verifier"
)

// oneUser is a backend with one user and one secret.
type oneUser struct {
	nobody
	name string
	held verifier.Secret
}

func (b oneUser) LookupSecret(ctx context.Context, name, realm string, kinds []verifier.Kind) (verifier.Secret, error) {
	if name != b.name {
		return b.nobody.LookupSecret(ctx, name, realm, kinds)
	}
	b.held.Account = verifier.Account{User: name, Realm: realm}
	return b.held, nil
}

// TestDigestForms: names and passwords beyond ASCII, as real clients hash them. The
// interop tests run those clients; here are their forms, and the one that nobody
// uses.
func TestDigestForms(t *testing.T) {
	const user, password, realm = "jürgen", "schlüssel", "example.com"
	latin := func(s string) string { return latin1OrUTF8(s) }
	for _, c := range []struct {
		who              string
		user, inHash, pw string
		utf8             bool
		stored, plain    bool // accepted with the stored hash, with the password
	}{
		{"RFC 2831 with charset", user, latin(user), latin(password), true, true, true},
		{"RFC 2831 without charset", latin(user), latin(user), latin(password), false, true, true},
		{"libsasl2: UTF-8 without charset", user, latin(user), latin(password), false, true, true},
		{"swaks: all in UTF-8", user, user, password, true, false, true},
		{"curl: all in UTF-8, without charset", user, user, password, false, false, true},
		{"libgsasl: the password in ISO 8859-1", user, user, latin(password), true, false, true},
		{"nobody: the name in ISO 8859-1", user, latin(user), password, true, false, false},
	} {
		t.Run(c.who, func(t *testing.T) {
			for held, want := range map[*verifier.Secret]bool{
				{Kind: verifier.KindPassword, Value: []byte(password)}:                        c.plain,
				{Kind: verifier.KindDIGESTMD5, Value: DIGESTMD5Secret(user, realm, password)}: c.stored,
			} {
				s := DIGESTMD5.NewServer(&ServerConfig{Service: "smtp", nonce: func() string { return "n" }}, oneUser{name: user, held: *held})
				s.Step(t.Context(), nil)
				r := digestResponse{username: c.user, realm: realm, nonce: "n", cnonce: "c", nc: "00000001", qop: "auth", uri: "smtp/h", utf8: c.utf8}
				ha1 := r.ha1(md5secret.DIGESTMD5(c.inHash, realm, c.pw))
				value := r.compute(ha1, "AUTHENTICATE:")
				r.response = string(value[:])
				o := s.Step(t.Context(), r.append(nil))
				if got := o.State == Done; got != want {
					t.Errorf("with %v: %v, want %v", held.Kind, got, want)
				}
				proof := r.compute(ha1, ":")
				if want && string(o.Data) != "rspauth="+string(proof[:]) {
					t.Errorf("with %v: %q is no proof for this client", held.Kind, o.Data)
				}
			}
		})
	}
}
