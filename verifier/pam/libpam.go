//go:build pam && cgo

package pam

/*
#cgo LDFLAGS: -lpam
#include <security/pam_appl.h>

#ifdef PAM_FAIL_DELAY
static void no_delay(int status, unsigned microseconds, void *data) {}

static int set_no_delay(void *handle) {
	return pam_set_item(handle, PAM_FAIL_DELAY, (const void *)no_delay);
}
#else
static int set_no_delay(void *handle) { return PAM_SUCCESS; }
#endif
*/
import "C"

import (
	"errors"
	"reflect"
	"strings"

	"github.com/msteinert/pam/v2"
)

// Built says whether this program can ask PAM itself.
const Built = true

// check asks PAM. It runs in a child.
func check(q request) answer {
	c := conversation{user: q.user, password: q.password}
	t, err := start(q, &c)
	if err != nil {
		return judge("pam_start", err)
	}
	defer t.End()
	if q.client != "" {
		if err := t.SetItem(pam.Rhost, q.client); err != nil {
			return judge("pam_set_item", err)
		}
	}
	withoutDelay(t)
	if err := t.Authenticate(pam.Silent | pam.DisallowNullAuthtok); err != nil {
		return c.judge(authenticate, err)
	}
	if err := t.AcctMgmt(pam.Silent | pam.DisallowNullAuthtok); err != nil {
		return c.judge(account, err)
	}
	if c.prompt == "" {
		return answer{text: "no module asked for the password: everybody would be let in (pam_permit? pam_rootok?)"}
	}
	user, err := t.GetItem(pam.User)
	if err != nil {
		return judge("pam_get_item", err)
	}
	return answer{verdict: accepted, user: user}
}

func start(q request, c *conversation) (*pam.Transaction, error) {
	if q.folder == "" {
		return pam.Start(q.service, q.user, c)
	}
	return pam.StartConfDir(q.service, q.user, c, q.folder)
}

// withoutDelay keeps libpam from sleeping after a failure, two seconds for pam_unix:
// a verifier.Guard slows guessing down, and without holding a process. The binding has
// no word for this item; if a later one keeps its handle elsewhere, libpam sleeps.
func withoutDelay(t *pam.Transaction) {
	if handle := reflect.ValueOf(t).Elem().FieldByName("handle"); handle.Kind() == reflect.Pointer {
		C.set_no_delay(handle.UnsafePointer())
	}
}

// The two phases of a check.
const (
	authenticate = "pam_authenticate"
	account      = "pam_acct_mgmt"
)

// judge says what a code comes to. What authenticate says is a refusal whatever the
// reason, for nobody knows whether the password was right; what account says is told to
// who knows it.
func judge(phase string, err error) answer {
	a := answer{text: phase + ": " + printable(err.Error())}
	var code pam.Error
	if !errors.As(err, &code) {
		return a
	}
	switch code {
	case pam.ErrUserUnknown, pam.ErrAuth, pam.ErrPermDenied, pam.ErrMaxtries:
		switch {
		case phase == account:
			a.verdict = disabled
		case phase == authenticate && code == pam.ErrUserUnknown:
			a.verdict = unknownUser
		case phase == authenticate:
			a.verdict = wrongPassword
		}
	case pam.ErrNewAuthtokReqd, pam.ErrAcctExpired, pam.ErrCredExpired, pam.ErrAuthtokExpired:
		switch phase {
		case account:
			a.verdict = expired
		case authenticate:
			a.verdict = wrongPassword
		}
	}
	return a
}

// printable is what may stand in an answer of a text that may be in another language.
func printable(text string) string {
	const longest = 200 // bytes
	text = strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), longest)]
}

// A conversation answers a module. There is one password and nobody to ask for more.
type conversation struct {
	user, password string
	prompt         string // that the password answered
	messages       int
	more           bool // something else was asked for
}

// maxMessages bounds the messages of one check. pam_motd's are a handful.
const maxMessages = 100

var errMore = errors.New("nobody is there to be asked")

// RespondPAM implements pam.ConversationHandler. The same question gets the same answer,
// for stacks of two modules that both ask. What is said without asking is passed over.
func (c *conversation) RespondPAM(style pam.Style, text string) (string, error) {
	if c.messages++; c.messages > maxMessages {
		return "", errMore
	}
	const longest = 1024 // bytes of a prompt
	text = text[:min(len(text), longest)]
	switch style {
	case pam.TextInfo, pam.ErrorMsg:
		return "", nil
	case pam.PromptEchoOff:
		if c.prompt == "" {
			c.prompt = "asked: " + text
		}
		if c.prompt == "asked: "+text {
			return c.password, nil
		}
	case pam.PromptEchoOn:
		if strings.EqualFold(strings.TrimSpace(text), "login:") { // libpam's own
			return c.user, nil
		}
	}
	c.more = true
	return "", errMore
}

// judge is that of a conversation, where two things turn out otherwise.
//
// When something else than the password was asked for, the answer is a refusal, whatever
// the module makes of it: trouble would tell that the password, which most stacks ask for
// first, was right. And libpam denies permission for a stack without modules, with a line
// that it cannot read or with a module that returns what is no code: as long as nobody has
// asked for the password that is trouble. Afterwards it looks like pam_access, and the
// system's log tells.
func (c *conversation) judge(phase string, err error) answer {
	a := judge(phase, err)
	switch {
	case phase != authenticate:
	case c.more:
		a.verdict = wrongPassword
		a.text += " (a module asked for more than the password)"
	case c.prompt == "" && errors.Is(err, pam.ErrPermDenied):
		a.verdict = unavailable
		a.text += " (no module asked for the password: is something wrong with the file of the service?)"
	}
	return a
}
