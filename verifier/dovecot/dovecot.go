package dovecot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// Options configure a Client. Only Socket must be set.
type Options struct {
	// Socket is where Dovecot listens for auth clients: the path of a unix socket,
	// such as "/run/dovecot/auth-client", also as "unix:PATH", or "inet:HOST:PORT".
	Socket string
	// Limit is how many requests may be in flight; others wait for one to end. 0 is
	// 100.
	Limit int
	// Timeout bounds a check, waiting for others and connecting included, whose
	// context has no deadline. 0 is 30 s.
	Timeout time.Duration
}

const (
	defaultLimit   = 100
	defaultTimeout = 30 * time.Second
	// handshakeTimeout is for connecting and the greeting, which needs no look-up.
	handshakeTimeout = 10 * time.Second
)

// A Client is a [verifier.Verifier] that asks Dovecot. All callers share one connection,
// which is opened by the first check, kept, and opened again when Dovecot has closed it.
// While it is open two goroutines run; they end with it. A Client may be used
// concurrently.
type Client struct {
	secret.Opaque
	socket           string
	network, address string
	timeout          time.Duration // of a check
	handshake        time.Duration // of connecting; handshakeTimeout but in tests
	slots            chan struct{} // one for each request in flight

	life context.Context // of the client; ends with Close
	end  context.CancelFunc
	runs sync.WaitGroup // goroutines

	mu      sync.Mutex
	conn    *conn // nil: none
	dialing *dialing
}

var _ verifier.Verifier = (*Client)(nil)

// New checks the options. It does not connect: Dovecot may start later. The error says
// which option is out of range.
func New(o Options) (*Client, error) {
	network, address, err := parseSocket(o.Socket)
	if err != nil {
		return nil, err
	}
	if o.Limit < 0 || o.Timeout < 0 {
		return nil, errors.New("dovecot: options: a limit is negative (0 is the default)")
	}
	c := &Client{socket: o.Socket, network: network, address: address, timeout: o.Timeout, handshake: handshakeTimeout}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	limit := o.Limit
	if limit == 0 {
		limit = defaultLimit
	}
	c.slots = make(chan struct{}, limit)
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

func parseSocket(socket string) (network, address string, err error) {
	if address, ok := strings.CutPrefix(socket, "inet:"); ok {
		host, port, err := net.SplitHostPort(address)
		if err != nil || host == "" || port == "" {
			return "", "", fmt.Errorf("dovecot: options: socket %q is not inet:HOST:PORT", socket)
		}
		return "tcp", address, nil
	}
	path := strings.TrimPrefix(socket, "unix:")
	if path == "" || strings.Contains(path, "\x00") {
		return "", "", fmt.Errorf("dovecot: options: socket %q is not a path", socket)
	}
	return "unix", path, nil
}

// String names the socket.
func (c *Client) String() string { return "dovecot:" + c.socket }

// Close closes the connection and waits for the goroutines. Checks that are under way,
// and later ones, end with ErrUnavailable.
func (c *Client) Close() error {
	c.mu.Lock()
	c.end()
	open := c.conn
	c.mu.Unlock()
	if open != nil {
		open.fail(errClosed)
	}
	c.runs.Wait()
	return nil
}

var errClosed = errors.New("client is closed")

// VerifyPassword implements [verifier.Verifier]. It asks for user@realm, or for the user
// where there is no realm, and says what the package comment lists. Account.User is the
// name that Dovecot says: cut, if it ends in the realm that was asked for, and whole
// with an empty Realm otherwise. Names and passwords that cannot be asked for, because
// of a NUL or of a request over 8,192 bytes, are refused without asking.
func (c *Client) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	ask, err := newQuestion(r, password)
	if err != nil {
		return verifier.Account{}, c.because(err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	a, err := c.ask(ctx, ask)
	if err != nil {
		return verifier.Account{}, c.because(err)
	}
	account, err := accountOf(r, a)
	if err != nil {
		return verifier.Account{}, c.because(err)
	}
	return account, nil
}

// because makes an error one of the contract's, and says who it comes from.
func (c *Client) because(err error) error {
	if verifier.Answered(err) {
		return fmt.Errorf("dovecot: %s: %w", c.socket, err)
	}
	return fmt.Errorf("dovecot: %s: %w: %w", c.socket, verifier.ErrUnavailable, err)
}

// ask puts a question and waits for the answer.
//
// If the connection had been idle and ends before it has brought anything since, Dovecot
// was restarted, or closed it, and the question is put once more on a new one. That is
// safe: no answer can have been given, a check changes nothing, and if the first copy
// was read after all, the same password counts twice as a guess.
func (c *Client) ask(ctx context.Context, q question) (answer, error) {
	if ctx.Err() != nil {
		return answer{}, over(ctx, "before Dovecot was asked")
	}
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return answer{}, over(ctx, "all requests in flight are waiting for an answer")
	case <-c.life.Done():
		return answer{}, errClosed
	}
	for again := true; ; again = false {
		open, err := c.connect(ctx)
		if err != nil {
			return answer{}, err
		}
		a, err := open.ask(ctx, q)
		if !again || !errors.Is(err, errWasIdle) {
			return a, err
		}
	}
}

// over says which context error ended what.
func over(ctx context.Context, what string) error {
	return fmt.Errorf("%s: %w", what, ctx.Err())
}
