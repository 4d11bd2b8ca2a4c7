package interop

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

const (
	otpContest    = "SASLKIT_TEST_OTP_CONTEST" // the file, for a contender
	otpContenders = 5                          // processes
	otpLogins     = 20                         // in each
)

// TestOTPAmongProcesses: a hundred logins with one password, in several processes that
// share a file and nothing else. One gets in.
func TestOTPAmongProcesses(t *testing.T) {
	t.Parallel()
	if file := os.Getenv(otpContest); file != "" {
		contendOTP(t, file)
		return
	}
	file := filepath.Join(t.TempDir(), "sasldb2")
	err := sasldb.Update(t.Context(), file, sasldb.WriteOptions{Create: true}, verifier.Request{User: labUser, Realm: labRealm}, func(e verifier.Entry) (_ verifier.Entry, err error) {
		e.Exists = true
		e.Secrets, err = mech.Secrets(labUser, labRealm, otpPhrase, verifier.KindPassword, verifier.KindOTP)
		return e, err
	})
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var say []func(string)
	var hear []func() string
	for range otpContenders {
		cmd := exec.Command(program, "-test.run=^TestOTPAmongProcesses$")
		cmd.Env = append(os.Environ(), otpContest+"="+file)
		in, out := peers.Pipe(t, cmd)
		t.Cleanup(func() {
			in.Close()
			cmd.Wait()
		})
		say = append(say, func(line string) { fmt.Fprintln(in, line) })
		hear = append(hear, func() string {
			line, err := out.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			return line
		})
	}
	for _, h := range hear {
		if line := h(); line != "begun\n" {
			t.Fatalf("a contender says %q", line)
		}
	}
	for _, s := range say {
		s("answer")
	}
	in, refused, unavailable := 0, 0, 0
	for _, h := range hear {
		var i, r, u int
		if _, err := fmt.Sscanf(h(), "%d in, %d refused, %d unavailable", &i, &r, &u); err != nil {
			t.Fatal(err)
		}
		in, refused, unavailable = in+i, refused+r, unavailable+u
	}
	if in != 1 || in+refused+unavailable != otpContenders*otpLogins {
		t.Errorf("%d got in, %d were refused, %d unavailable", in, refused, unavailable)
	}
	wantOTPNumber(t, file, 498)
}

// contendOTP is the test in one of the processes.
func contendOTP(t *testing.T, file string) {
	db, err := sasldb.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	auth := &saslkit.Authenticator{Verifier: db, Mechanisms: []string{"OTP"}, Policy: labPolicy}
	var begun []otpBegun
	for range otpLogins {
		b, err := beginOTP(t, auth)
		if err != nil {
			t.Fatal(err)
		}
		begun = append(begun, b)
	}
	fmt.Println("begun")
	bufio.NewReader(os.Stdin).ReadString('\n')
	outcomes := make([]error, len(begun))
	var all sync.WaitGroup
	for i, b := range begun {
		all.Go(func() { outcomes[i] = b.finish(t) })
	}
	all.Wait()
	in, refused, unavailable := 0, 0, 0
	for _, err := range outcomes {
		var e *saslkit.Error
		switch {
		case err == nil:
			in++
		case errors.As(err, &e) && e.Class == mech.BadCredentials:
			refused++
		default:
			unavailable++
		}
	}
	fmt.Printf("%d in, %d refused, %d unavailable\n", in, refused, unavailable)
}
