package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/dovecotauth"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
)

// claim ends a request and reports whether that was for the caller to do: one request
// has one end.
func (x *dovecotConn) claim(r *dovecotRequest) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.requests[r.id] != r {
		return false
	}
	x.remove(r)
	return true
}

// succeed says who has logged in: whom the client acts as, which is the one name that
// Postfix and Exim know.
func (x *dovecotConn) succeed(r *dovecotRequest, data []byte) {
	result, ok := r.peer.Result()
	self := result.Name()
	user := self
	if result.Authzid != "" && result.Authzid != result.User {
		user = result.Authzid
	}
	if !ok || !sayable(user) || !sayable(self) {
		if ok {
			x.warn(fmt.Sprintf("daemon: logged in as %.200q, which cannot be said to clients (no control characters)", user))
		}
		x.fail(r, &saslkit.Error{Class: mech.Unavailable, Code: "unsayable-name"})
		return
	}
	params := dovecotauth.Params{"user=" + user}
	if user != self && r.minor > 0 {
		// As Dovecot says it of a master user, with and without a separator.
		params = append(params, "original_user="+self, "auth_user="+self)
	}
	if r.final && data != nil {
		params = append(params, "resp="+dovecotauth.Encode(data))
	}
	if x.claim(r) {
		r.close()
		x.say(dovecotauth.OK{ID: r.id, Params: params})
		x.rest()
	}
}

// fail ends a request without success.
func (x *dovecotConn) fail(r *dovecotRequest, e *saslkit.Error) {
	if x.claim(r) {
		x.refuse(r, e)
		x.rest()
	}
}

// refuse says no, or that there is trouble. To clients of minor version 0, Postfix and
// Exim, every FAIL is a wrong password: trouble is told by hanging up, which gives 454.
// A reason is never said: Postfix shows it to strangers.
func (x *dovecotConn) refuse(r *dovecotRequest, e *saslkit.Error) {
	r.close()
	trouble := e.Class == mech.Unavailable || errors.Is(e.Err, context.Canceled) // it was not the client who cancelled
	if trouble && r.minor == 0 {
		x.hangUp()
		return
	}
	var params dovecotauth.Params
	if name := r.named(); sayable(name) {
		params = append(params, "user="+name)
	}
	switch {
	case trouble:
		params = append(params, "temp", "code="+dovecotauth.CodeTempFail)
	case e.Class == mech.NotPermitted:
		params = append(params, "authz", "code="+dovecotauth.CodeAuthzFail)
	case e.Class == mech.Disabled:
		params = append(params, "code="+dovecotauth.CodeUserDisabled)
	case e.Class == mech.Expired:
		params = append(params, "code="+dovecotauth.CodePassExpired)
	}
	x.say(dovecotauth.Fail{ID: r.id, Params: params})
}

// named is the name that the client gave, "" if it is not known.
func (r *dovecotRequest) named() string {
	if r.exchange == nil {
		return ""
	}
	user, in := r.exchange.Named()
	if user == "" {
		return ""
	}
	return realm.Join(user, in)
}

// sayable reports whether a name can be said: Postfix and Exim do not undo escapes.
func sayable(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f })
}
