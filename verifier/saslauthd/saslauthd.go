package saslauthd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/internal/unixask"
	"github.com/saslkit/saslkit/verifier"
)

// Options say whom to ask and how. Only Socket must be set.
type Options struct {
	// Socket is the path of the daemon's socket, "/run/saslauthd/mux", of at most
	// 107 bytes on Linux.
	Socket string

	// Limit is how many requests are under way at once; zero means 100. Further
	// ones wait. The daemon itself answers as many as it has processes (its option
	// -n, 5 unless given).
	Limit int

	// Timeout is how long a request may take, its waiting included, where the
	// context does not end before; zero means 30 seconds.
	Timeout time.Duration

	// MaxField is the longest name or password that the daemon takes, in bytes; zero
	// means 256, as in saslauthd 2.1.28, and 1,024 is the most. A longer one is
	// refused without asking.
	MaxField int

	// ClientAddress says whether the daemon is told where the login comes from.
	ClientAddress ClientAddress
}

// ClientAddress says whether a request has a fifth field, the client's address.
type ClientAddress uint8

const (
	// Omit sends four fields, which saslauthd 2.1.28 needs. The daemon of the
	// development tree after it wants a fifth, and otherwise answers nobody.
	Omit ClientAddress = iota
	// Send sends the fifth field, which PAM gets as the remote host. saslauthd
	// 2.1.28 throws it away.
	Send
)

// A Client is a verifier that asks saslauthd. It may be used concurrently. There is
// nothing to close.
type Client struct {
	asker    *unixask.Asker
	maxField int
	form     saslauthdwire.Form
	buffers  sync.Pool // of *[]byte, cleared: they are most of what a login allocates
}

var _ verifier.Verifier = (*Client)(nil)

// New checks the options. It does not look for the daemon. The error says which option is
// out of range.
func New(o Options) (*Client, error) {
	asker, err := unixask.New(unixask.Options{
		Daemon: "saslauthd", Socket: o.Socket, Limit: o.Limit, Timeout: o.Timeout,
		Cures: unixask.Cures{
			Denied: "is the process in group sasl?",
			Absent: "does saslauthd run, with option -m and this folder? in a chroot the socket must be inside it",
			Stale:  "the socket is stale: saslauthd has ended",
		},
	})
	switch {
	case err != nil:
		return nil, err
	case o.MaxField < 0 || o.MaxField > saslauthdwire.MaxField:
		return nil, fmt.Errorf("saslauthd: fields of %d bytes: not 1 to %d", o.MaxField, saslauthdwire.MaxField)
	case o.ClientAddress > Send:
		return nil, fmt.Errorf("saslauthd: no such choice of client address: %d", o.ClientAddress)
	}
	c := &Client{asker: asker, maxField: o.MaxField}
	c.buffers.New = func() any {
		b := make([]byte, max(saslauthdwire.MaxRequest, saslauthdwire.MaxReply+1))
		return &b
	}
	if c.maxField == 0 {
		c.maxField = saslauthdwire.DefaultMaxField
	}
	if o.ClientAddress == Send {
		c.form = saslauthdwire.FiveFields
	}
	return c, nil
}

// String is the verifier as the command line names it, "saslauthd:/run/saslauthd".
func (c *Client) String() string { return "saslauthd:" + c.asker.Place("mux") }

// VerifyPassword implements [verifier.Verifier]. It makes one connection, and sends the
// request in one write. The account is who was asked for. The error matches
// [verifier.ErrNoUser], [verifier.ErrWrongPassword], [verifier.ErrDisabled] or
// [verifier.ErrExpired] as far as the daemon tells them apart, and else
// [verifier.ErrUnavailable].
func (c *Client) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	client := ""
	if c.form == saslauthdwire.FiveFields {
		client = address(r.Remote)
	}
	buf := c.buffers.Get().(*[]byte)
	defer c.buffers.Put(buf)
	defer clear(*buf)
	request, err := saslauthdwire.AppendRequest((*buf)[:0], saslauthdwire.Request{
		Form: c.form, Login: r.User, Password: password, Service: r.Service, Realm: r.Realm, Client: client,
	}, c.maxField)
	if err != nil {
		return verifier.Account{}, notSent(err)
	}
	answer, err := c.asker.Ask(ctx, request, (*buf)[:saslauthdwire.MaxReply+1], whole)
	if err != nil {
		return verifier.Account{}, fmt.Errorf("%w: %w", verifier.ErrUnavailable, err)
	}
	if err := conclude(answer, password); err != nil {
		return verifier.Account{}, err
	}
	return verifier.Account{User: r.User, Realm: r.Realm}, nil
}

// address is "ip;port" as libsasl writes it, "" if it is not known.
func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return fmt.Sprintf("%v;%d", a.Addr().Unmap(), a.Port())
}

// notSent is the answer for what the daemon would not take, or cut. The name of the
// service does not come from whom is logging in.
func notSent(err error) error {
	class := verifier.ErrUnavailable
	var field *saslauthdwire.FieldError
	if errors.As(err, &field) {
		switch field.Field {
		case saslauthdwire.Login, saslauthdwire.Realm:
			class = verifier.ErrNoUser
		case saslauthdwire.Password:
			class = verifier.ErrWrongPassword
		}
	}
	return fmt.Errorf("saslauthd: not asked: %w: %w", err, class)
}

// whole reports whether nothing more is awaited of a reply.
func whole(b []byte) bool {
	_, err := saslauthdwire.ParseReply(b)
	return !errors.Is(err, saslauthdwire.ErrIncomplete)
}
