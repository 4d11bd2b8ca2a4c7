//go:build pam && cgo

package pam

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/msteinert/pam/v2"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
)

// oddModule is the path of a module, which is compiled once.
var oddModule = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "saslkit-pam-")
	if err != nil {
		return "", err
	}
	cleanUp = func() { os.RemoveAll(dir) }
	path := filepath.Join(dir, "pam_odd.so")
	out, err := exec.Command("gcc", "-shared", "-fPIC", "-O1", "-o", path, "testdata/pam_odd.c", "-lpam").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("gcc: %w\n%s", err, out)
	}
	return path, nil
})

// stack writes the file of a service, in which ODD is the odd module, and opens it.
func stack(t testing.TB, o Options, lines ...string) *Stack {
	t.Helper()
	peers.Need(t, "gcc", "gcc")
	module, err := oddModule()
	if err != nil {
		t.Fatal(err)
	}
	o.Service, o.Folder = "smtp", t.TempDir()
	text := strings.ReplaceAll(strings.Join(lines, "\n")+"\n", "ODD", module)
	if err := os.WriteFile(filepath.Join(o.Folder, o.Service), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// tried is what a check comes to: the account or the error.
func tried(t testing.TB, s *Stack, password string) string {
	t.Helper()
	r := verifier.Request{User: "alice", Service: "smtp", Remote: netip.MustParseAddrPort("192.0.2.7:40000")}
	account, err := s.VerifyPassword(t.Context(), r, password)
	if err != nil {
		return strings.TrimPrefix(err.Error(), `pam: service "smtp": `)
	}
	return account.User
}

const died = "verifier: store is unavailable: the child died (which module crashes?)"

// TestModules: what modules do after the right password. With a wrong one they get no
// chance, and the answer is always the same.
func TestModules(t *testing.T) {
	t.Parallel()
	const refused = "verifier: wrong password: pam_authenticate: Authentication failure"
	for what, want := range map[string]string{
		"0":                   "alice",
		"abort":               died,
		"crash":               died,
		"exit":                died,
		"output":              "alice",
		"input":               "alice",
		"second-factor":       "verifier: wrong password: pam_authenticate: Conversation error (a module asked for more than the password)",
		"second-factor-shown": "verifier: wrong password: pam_authenticate: Conversation error (a module asked for more than the password)",
		"ask-again":           "alice",
		"ask-name":            "alice",
		"chatter":             "alice",
		"chatter-on":          "verifier: store is unavailable: pam_authenticate: Conversation error",
		"huge":                "alice",
		"map":                 "mapped",
		"map-badly":           "verifier: store is unavailable: a module made a name of the user that is none",
		"map-long":            "verifier: store is unavailable: the name of the user is too long",
		"from":                "192.0.2.7",
		"delay":               refused,
		"disturb":             "alice",
		"leave-child":         died,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := stack(t, Options{}, "auth required ODD "+what, "account required pam_permit.so")
			for range 2 {
				if got := tried(t, s, "wrong"); got != refused {
					t.Errorf("wrong password: %s", got)
				}
				if got := tried(t, s, "secret"); got != want {
					t.Errorf("right password: %s, want %s", got, want)
				}
			}
		})
	}
}

// What the two functions answer, and what stacks do that are not as they should be.
func TestStacks(t *testing.T) {
	t.Parallel()
	const (
		odd, permit = "auth required ODD", "account required pam_permit.so"
		auth, acct  = "pam_authenticate: ", "pam_acct_mgmt: "
		nobody      = "verifier: store is unavailable: no module asked for the password: everybody would be let in (pam_permit? pam_rootok?)"
		broken      = "verifier: store is unavailable: " + auth + "Permission denied (no module asked for the password: is something wrong with the file of the service?)"
	)
	for name, c := range map[string]struct {
		stack []string
		want  string
	}{
		"permit":                 {[]string{"auth required pam_permit.so", permit}, nobody},
		"su":                     {[]string{"auth sufficient pam_succeed_if.so quiet service = smtp", odd, permit}, nobody},
		"permit, asked":          {[]string{odd, "auth required pam_permit.so", permit}, "alice"},
		"deny":                   {[]string{"auth required pam_deny.so", permit}, "verifier: wrong password: " + auth + "Authentication failure"},
		"deny account":           {[]string{odd, "account required pam_deny.so"}, "verifier: account is disabled: " + acct + "Authentication failure"},
		"unknown user":           {[]string{odd + " 10", permit}, "verifier: no such user: " + auth + "User not known to the underlying authentication module"},
		"too many tries":         {[]string{odd + " 11", permit}, "verifier: wrong password: " + auth + "Have exhausted maximum number of retries for service"},
		"denied after asking":    {[]string{odd + " 6", permit}, "verifier: wrong password: " + auth + "Permission denied"},
		"expired before account": {[]string{odd + " 13", permit}, "verifier: wrong password: " + auth + "User account has expired"},
		"directory is down":      {[]string{odd + " 9", permit}, "verifier: store is unavailable: " + auth + "Authentication service cannot retrieve authentication info"},
		"aborted":                {[]string{odd + " 26", permit}, "verifier: store is unavailable: " + auth + "Critical error - immediate abort"},
		"no code":                {[]string{odd + " 77", permit}, "verifier: wrong password: " + auth + "Permission denied"},
		"account expired":        {[]string{odd, "account required ODD 13"}, "verifier: account or password has expired: " + acct + "User account has expired"},
		"password expired":       {[]string{odd, "account required ODD 12"}, "verifier: account or password has expired: " + acct + "Authentication token is no longer valid; new one required"},
		"account denied":         {[]string{odd, "account required ODD 6"}, "verifier: account is disabled: " + acct + "Permission denied"},
		"account unknown":        {[]string{odd, "account required ODD 10"}, "verifier: account is disabled: " + acct + "User not known to the underlying authentication module"},
		"account in trouble":     {[]string{odd, "account required ODD 4"}, "verifier: store is unavailable: " + acct + "System error"},
		"missing module":         {[]string{"auth required pam_missing.so", permit}, "verifier: store is unavailable: " + auth + "Module is unknown"},
		"two that ask":           {[]string{"auth required ODD", "auth required ODD", permit}, "alice"},
		"empty":                  {nil, broken},
		"half a line":            {[]string{"auth requ", permit}, broken},
		"half a line after one":  {[]string{odd, "auth requ", permit}, "verifier: wrong password: " + auth + "Permission denied"},
		"no such user on system": {[]string{"auth required pam_succeed_if.so quiet uid >= 1000", permit}, "verifier: no such user: " + auth + "User not known to the underlying authentication module"},
		"echo":                   {[]string{"auth optional pam_echo.so hello", odd, permit}, "alice"},
		"exec says yes":          {[]string{"auth required pam_exec.so expose_authtok /bin/true", permit}, "alice"},
		"exec does not look":     {[]string{"auth required pam_exec.so /bin/true", permit}, nobody},
		"exec says no":           {[]string{"auth required pam_exec.so /bin/false", permit}, "verifier: store is unavailable: " + auth + "System error"},
		"exec, with pam_deny": {[]string{"auth [success=1 default=ignore] pam_exec.so /bin/false", "auth requisite pam_deny.so", "auth required pam_permit.so", permit},
			"verifier: wrong password: " + auth + "Authentication failure"},
		"common-auth hides trouble": {[]string{"auth [success=1 default=ignore] ODD 9", "auth requisite pam_deny.so", "auth required pam_permit.so", permit},
			"verifier: wrong password: " + auth + "Authentication failure"},
		"common-auth, mended": {[]string{"auth [success=1 user_unknown=ignore auth_err=ignore default=die] ODD 9", "auth requisite pam_deny.so", "auth required pam_permit.so", permit},
			"verifier: store is unavailable: " + auth + "Authentication service cannot retrieve authentication info"},
		"common-auth, mended, next module": {[]string{"auth [success=2 user_unknown=ignore auth_err=ignore default=die] ODD 10", "auth [success=1 user_unknown=ignore auth_err=ignore default=die] ODD", "auth requisite pam_deny.so", "auth required pam_permit.so", permit}, "alice"},
		"faildelay":                        {[]string{"auth optional pam_faildelay.so delay=3600000000", "auth required pam_deny.so", permit}, "verifier: wrong password: " + auth + "Authentication failure"},
		"nologin":                          {[]string{odd, "account required pam_nologin.so file=/dev/null"}, "verifier: account is disabled: " + acct + "User not known to the underlying authentication module"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := tried(t, stack(t, Options{}, c.stack...), "secret"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// A module that makes another user of the process is not asked again in it.
func TestModuleBecomes(t *testing.T) {
	t.Parallel()
	peers.Root(t, "becoming somebody else")
	for _, what := range []string{"become", "become-half"} {
		s := stack(t, Options{Parallel: 1}, "auth required ODD "+what, "account required pam_permit.so")
		for i := range 3 {
			if got := tried(t, s, "secret"); got != "alice" {
				t.Errorf("%s, time %d: %s", what, i+1, got)
			}
		}
	}
}

// A module that does not come back is killed, however it spends its time.
func TestModuleHangs(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"loop", "stop"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := stack(t, Options{Timeout: 500 * time.Millisecond}, "auth required ODD "+what, "account required pam_permit.so")
			if got := tried(t, s, "secret"); !strings.HasPrefix(got, "verifier: store is unavailable: ") {
				t.Error(got)
			}
			asktest.Until(t, "the child is killed", func() bool { return s.children() == 0 })
		})
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	c := conversation{user: "alice", password: "secret"}
	for i, m := range []struct {
		style        pam.Style
		text, answer string
		ok           bool
	}{
		{pam.TextInfo, "hello", "", true},
		{pam.PromptEchoOn, "login:", "alice", true},
		{pam.PromptEchoOff, "", "secret", true},
		{pam.PromptEchoOff, "", "secret", true},
		{pam.PromptEchoOff, "Password: ", "", false},
		{pam.PromptEchoOn, "Verification code: ", "", false},
		{pam.Style(77), "", "", false},
	} {
		answer, err := c.RespondPAM(m.style, m.text)
		if answer != m.answer || (err == nil) != m.ok {
			t.Errorf("message %d: %q, %v", i, answer, err)
		}
	}
	if !c.more {
		t.Error("more was asked for")
	}
	for range maxMessages {
		c.RespondPAM(pam.ErrorMsg, "no")
	}
	if _, err := c.RespondPAM(pam.ErrorMsg, "no"); err == nil {
		t.Error("messages without end")
	}
}

// No code that PAM does not document is an answer.
func TestCodes(t *testing.T) {
	t.Parallel()
	for code := -1; code < 256; code++ {
		for _, phase := range []string{authenticate, account, "pam_start"} {
			a := judge(phase, pam.Error(code))
			err := a.err()
			switch {
			case err == nil, a.user != "":
				t.Errorf("%s, %d: a yes", phase, code)
			case phase == "pam_start" && verifier.Answered(err), phase == authenticate && verifier.Terminal(err), phase == account && verifier.Refused(err):
				t.Errorf("%s, %d: %v", phase, code, err)
			case code > int(pam.ErrIncomplete) && verifier.Answered(err):
				t.Errorf("%s, %d: %v", phase, code, err)
			}
			if _, err := a.append(nil); err != nil || strings.ContainsFunc(a.text, unprintable) {
				t.Errorf("%s, %d: %q, %v", phase, code, a.text, err)
			}
		}
	}
	if a := judge(authenticate, errors.New("zwölf\n")); a.text != "pam_authenticate: zw?lf?" || a.verdict != unavailable {
		t.Errorf("%+v", a)
	}
}

// A parent that is killed leaves no child behind, even if a module never comes back.
func TestModuleHangsAndParentIsKilled(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"loop", "stop"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := stack(t, Options{}, "auth required ODD "+what, "account required pam_permit.so")
			killParent(t, s.folder, s.service, "alice", "secret")
		})
	}
}
