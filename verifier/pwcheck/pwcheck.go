package pwcheck

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/internal/unixask"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

const (
	// maxRequest bytes are the most that the original takes in all: it reads into
	// 1,024 and calls what reaches 1,023 too big.
	maxRequest = 1022
	// maxReply bytes are as many as the original client reads.
	maxReply = 1023
)

// Options say whom to ask. Only Socket must be set.
type Options struct {
	// Socket is the path of the daemon's socket, of at most 107 bytes on Linux.
	Socket string

	// Limit is how many requests are under way at once; zero means 100. Further
	// ones wait.
	Limit int

	// Timeout is how long a request may take, its waiting included, where the
	// context does not end before; zero means 30 seconds.
	Timeout time.Duration
}

// A Client is a verifier that asks a pwcheck daemon. It may be used concurrently.
// There is nothing to close.
type Client struct{ asker *unixask.Asker }

var _ verifier.Verifier = (*Client)(nil)

// New checks the options. It does not look for the daemon. The error says which option is
// out of range.
func New(o Options) (*Client, error) {
	asker, err := unixask.New(unixask.Options{
		Daemon: "pwcheck", Socket: o.Socket, Limit: o.Limit, Timeout: o.Timeout,
		Cures: unixask.Cures{
			Denied: "may the process search its folder?",
			Absent: "does pwcheck run? in a chroot the socket must be inside it",
			Stale:  "the socket is stale: pwcheck has ended",
		},
	})
	if err != nil {
		return nil, err
	}
	return &Client{asker}, nil
}

// String is the verifier as the command line names it, "pwcheck:/var/pwcheck".
func (c *Client) String() string { return "pwcheck:" + c.asker.Place("pwcheck") }

// VerifyPassword implements [verifier.Verifier]. It makes one connection. A name and a
// password that have more than 1,020 bytes together, or hold a NUL, are refused
// without asking. The account is who was asked for. The error matches
// [verifier.ErrNoUser] where the daemon says so in the original's words,
// [verifier.ErrWrongPassword] for every other refusal, and [verifier.ErrUnavailable]
// for all else.
func (c *Client) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	login := realm.Join(r.User, r.Realm)
	if err := check(login, password); err != nil {
		return verifier.Account{}, fmt.Errorf("pwcheck: not asked: %w", err)
	}
	// The original takes a request that reaches it in two parts for whole when the
	// first ends with the NUL behind the name, and then checks what its memory
	// happens to hold: all goes in one write.
	buf := make([]byte, maxReply+1)
	defer clear(buf)
	request := append(append(append(append(buf[:0], login...), 0), password...), 0)
	reply, err := c.asker.Ask(ctx, request, buf, untilEnd)
	if err != nil {
		return verifier.Account{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	if err := conclude(string(reply), password); err != nil {
		return verifier.Account{}, err
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, nil
}

func untilEnd([]byte) bool { return false }

// check refuses what the daemon would misunderstand.
func check(login, password string) error {
	const most = maxRequest - 2 // bytes of both, with a NUL behind each
	switch {
	case login == "":
		return fmt.Errorf("login is empty: %w", verifier.ErrNoUser)
	case strings.IndexByte(login, 0) >= 0:
		return fmt.Errorf("login holds a NUL: %w", verifier.ErrNoUser)
	case len(login) >= most:
		return fmt.Errorf("login of %d bytes is longer than the %d that are taken: %w", len(login), most-1, verifier.ErrNoUser)
	case password == "":
		return fmt.Errorf("password is empty: %w", verifier.ErrWrongPassword)
	case strings.IndexByte(password, 0) >= 0:
		return fmt.Errorf("password holds a NUL: %w", verifier.ErrWrongPassword)
	case len(login)+len(password) > most:
		return fmt.Errorf("password of %d bytes is longer than the %d that are taken with this login: %w", len(password), most-len(login), verifier.ErrWrongPassword)
	}
	return nil
}

// meaning says what a reply of the original stands for, or nil if it is not one.
func meaning(reply string) error {
	switch reply {
	case "Incorrect password":
		return verifier.ErrWrongPassword
	case "Userid not found":
		return verifier.ErrNoUser
	case "Error reading request", "Request too big",
		"O": // an OK that was cut short
		return verifier.ErrUnavailable
	}
	return nil
}

// conclude is the daemon's answer to whether this is the password.
func conclude(reply, password string) error {
	switch {
	case reply == "OK" || strings.HasPrefix(reply, "OK ") && len(reply) <= maxReply:
		return nil
	case reply == "":
		return fmt.Errorf("%w: pwcheck: closed the connection without a reply", verifier.ErrUnavailable)
	case len(reply) > maxReply:
		return fmt.Errorf("%w: pwcheck: the reply is longer than %d bytes", verifier.ErrUnavailable, maxReply)
	case strings.HasPrefix(reply, "OK"):
		return fmt.Errorf("%w: pwcheck: a reply of %d bytes that begins with OK and is another", verifier.ErrUnavailable, len(reply))
	}
	class := meaning(reply)
	if class == nil {
		class = verifier.ErrWrongPassword
		if strings.Contains(reply, password) {
			reply = secret.Redacted
		}
	}
	return fmt.Errorf("pwcheck: it says %.200q: %w", reply, class)
}
