package interop

import (
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// gsaslServer is the server of GNU SASL for one login of a mechanism in which the
// client speaks first and last. It knows one user, whose password it is given; stored keys
// and channel bindings it cannot be given.
func gsaslServer(t testing.TB, mechanism, password string) foreignServer {
	t.Helper()
	cmd := exec.Command(need(t, "gsasl"), "--server", "--quiet", "--mechanism="+mechanism, "--password="+password,
		fmt.Sprintf("--iteration-count=%d", scramIterations))
	in, out := peers.Pipe(t, cmd)
	t.Cleanup(func() {
		in.Close()
		cmd.Wait()
	})
	for range 2 { // the name of the mechanism, and an empty challenge
		out.ReadString('\n')
	}
	return func(response []byte) (challenge []byte, done bool, err error) {
		fmt.Fprintln(in, base64.StdEncoding.EncodeToString(response))
		if len(response) == 0 { // the last one: what follows would be data
			in.Close()
		}
		line, err := out.ReadString('\n')
		if err == io.EOF { // it has ended, and the status says how
			return nil, true, cmd.Wait()
		}
		if err != nil {
			return nil, false, err
		}
		challenge, err = base64.StdEncoding.DecodeString(strings.TrimSpace(line))
		return challenge, false, err
	}
}

// Our client against the server of GNU SASL, which takes its proof as a challenge
// and not as part of success.
func TestGsaslServerSCRAM(t *testing.T) {
	for _, mechanism := range gnuSCRAM {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			for _, password := range []string{labPassword, cyrusUsers[utf8User]} {
				if err := (login{mechanism: mechanism, user: labUser, password: password}).into(t, gsaslServer(t, mechanism, password)); err != nil {
					t.Error(err)
				}
				if err := (login{mechanism: mechanism, user: labUser, password: "wrong"}).into(t, gsaslServer(t, mechanism, password)); err == nil {
					t.Error("logged in with a wrong password")
				}
			}
		})
	}
}

// The keys that GNU SASL makes, with a salt of 12 bytes, let a client in to our
// server.
func TestGsaslRecords(t *testing.T) {
	for _, mechanism := range gnuSCRAM {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			made := runOn(t, "", need(t, "gsasl"), "--mkpasswd", "--mechanism="+mechanism, "--password="+labPassword,
				fmt.Sprintf("--iteration-count=%d", scramIterations))
			keys, err := verifier.ParseSCRAM(strings.TrimSpace(made))
			if err != nil {
				t.Fatal(err)
			}
			users := verifiertest.NewMemory()
			users.Add(verifiertest.User{Name: keysUser, Realm: labRealm}, keys)
			if r, err := loginAs(scramOver(users), mechanism, keysUser, labPassword); err != nil || r.User != keysUser {
				t.Errorf("%+v, %v", r, err)
			}
			wantRefused(t, scramOver(users), mechanism, keysUser, "wrong")
		})
	}
}
