package interop

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier/verifiertest"
)

// Sessions at the same time, and the logins of each: by chance of one of these users, by
// one of the mechanisms, with the right password or that of somebody else.
const (
	parallelSessions = 50
	parallelLogins   = 4
	parallelUsers    = 7
)

func parallelUser(n int) string     { return fmt.Sprintf("user%d", n) }
func parallelPassword(n int) string { return fmt.Sprintf("password-%d", n) }

// atOnce are the exchanges under way at a time: Postfix waits for the daemon for no more
// than 10 s, which a slow machine needs for the keys of fifty.
const atOnce = 10

// Fifty sessions, so fifty processes of Postfix, each with a connection to the daemon:
// every answer is that to its own question.
func TestDaemonPostfixParallel(t *testing.T) {
	t.Parallel()
	users := new(verifiertest.Memory)
	for n := range parallelUsers {
		users.Add(verifiertest.User{Name: parallelUser(n), Realm: labRealm, Password: parallelPassword(n)})
	}
	site := newAuthSite(t, &saslkit.Authenticator{Verifier: users, Mechanisms: nineMechanisms, Policy: labPolicy}, nil)
	var (
		mu   sync.Mutex
		want = make(map[string]int) // what Postfix is to log, and how often
		all  sync.WaitGroup
		turn = make(chan struct{}, atOnce)
	)
	for range parallelSessions {
		all.Go(func() {
			for range parallelLogins {
				user, other := rand.IntN(parallelUsers), rand.IntN(2*parallelUsers)
				if other >= parallelUsers {
					other = user // one half of them is right
				}
				m := nineMechanisms[rand.IntN(len(nineMechanisms))]
				err := parallelLogin(site.lab, turn, m, parallelUser(user), parallelPassword(other))
				var refusal *smtp.SMTPError
				switch {
				case user != other && (!errors.As(err, &refusal) || refusal.Code != 535):
					t.Errorf("%s with the password of somebody else: %v", m, err)
				case user == other && err != nil:
					t.Errorf("%s with the right password: %v", m, err)
				case user == other:
					mu.Lock()
					want["sasl_method="+m+", sasl_username="+parallelUser(user)+"@"+labRealm]++
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	right := 0
	for _, n := range want {
		right += n
	}
	t.Logf("%d of %d logins were right", right, parallelSessions*parallelLogins)
	site.wantLogged(t, want)
}

// parallelLogin logs in and begins a message, so that Postfix logs who it was.
func parallelLogin(l *lab, turn chan struct{}, mechanism, user, password string) error {
	c, err := smtp.Dial(l.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.CommandTimeout = patience
	if err := c.Hello("client.example"); err != nil {
		return err
	}
	_, offered := c.Extension("AUTH")
	x, err := saslkit.NewClient(saslkit.ClientConfig{
		Credentials: saslkit.Credentials{Username: user, Password: password},
		Offered:     strings.Fields(offered), Mechanisms: []string{mechanism}, Policy: labPolicy, Service: "smtp", Host: "localhost",
	})
	if err != nil {
		return err
	}
	turn <- struct{}{}
	err = c.Auth(x)
	<-turn
	if err != nil {
		return err
	}
	if err := x.Finish(); err != nil {
		return err
	}
	if err := c.Mail("alice@mail.example", nil); err != nil {
		return err
	}
	if err := c.Rcpt("bob@mail.example", nil); err != nil {
		return err
	}
	return c.Quit()
}

var loggedLogin = regexp.MustCompile(`sasl_method=\S+, sasl_username=\S+`)

// wantLogged waits until Postfix has logged as many logins, and compares them.
func (s *authSite) wantLogged(t *testing.T, want map[string]int) {
	t.Helper()
	var got map[string]int
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		got = make(map[string]int)
		for line := range strings.Lines(s.logged()) {
			if strings.Contains(line, ": client=") {
				got[loggedLogin.FindString(line)]++
			}
		}
		if maps.Equal(want, got) {
			return
		}
	}
	t.Errorf("logged by Postfix (-want +got):\n%s", cmp.Diff(want, got))
}
