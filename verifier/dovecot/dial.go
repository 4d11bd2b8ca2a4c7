package dovecot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
)

// A dialing is an attempt to connect, which all who wait for a connection share.
type dialing struct {
	done chan struct{} // closed when conn and err are set
	conn *conn
	err  error
}

// connect returns the open connection, or a new one.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	c.mu.Lock()
	if c.life.Err() != nil {
		c.mu.Unlock()
		return nil, errClosed
	}
	if open := c.conn; open != nil && !open.isOver() {
		c.mu.Unlock()
		return open, nil
	}
	d := c.dialing
	if d == nil {
		d = &dialing{done: make(chan struct{})}
		c.dialing = d
		c.runs.Go(func() { c.dial(d) })
	}
	c.mu.Unlock()
	select {
	case <-d.done:
		return d.conn, d.err
	case <-ctx.Done():
		return nil, over(ctx, "connecting")
	}
}

// dial connects and makes the connection that of the client.
func (c *Client) dial(d *dialing) {
	defer close(d.done)
	open, err := c.open()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing = nil
	if c.life.Err() != nil {
		if err == nil {
			open.net.Close()
		}
		err = errClosed
	}
	if err != nil {
		d.err = err
		return
	}
	c.conn, d.conn = open, open
	c.runs.Go(open.read)
	c.runs.Go(open.write)
}

// open connects and shakes hands.
func (c *Client) open() (*conn, error) {
	ctx, cancel := context.WithTimeout(c.life, c.handshake)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, c.network, c.address)
	if err != nil {
		return nil, dialError(err)
	}
	stop := context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	open, err := shakeHands(nc)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return open, nil
}

// dialError says the cure where there is a usual one.
func dialError(err error) error {
	switch {
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (mode and owner of the unix_listener in Dovecot's service auth?)", err)
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w (does Dovecot run, with a unix_listener of this name?)", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (does Dovecot run?)", err)
	}
	return err
}

var (
	errNoPLAIN = errors.New("does not offer PLAIN (auth_mechanisms?)")
	errSilent  = errors.New("no greeting in time (is it a socket for auth clients?)")
)

// shakeHands speaks first: Dovecot 2.4 waits for the client's version.
func shakeHands(nc net.Conn) (*conn, error) {
	hello, err := dovecotauth.Version{Major: dovecotauth.Major, Minor: dovecotauth.Minor}.Append(nil)
	if err != nil {
		return nil, err
	}
	if hello, err = dovecotauth.CPID(strconv.Itoa(os.Getpid())).Append(hello); err != nil {
		return nil, err
	}
	if _, err := nc.Write(hello); err != nil {
		return nil, err
	}
	lines := dovecotauth.NewReader(nc)
	var g dovecotauth.Greeting
	for done := false; !done; {
		line, err := lines.Line()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil, errSilent
		case err != nil:
			return nil, err
		}
		if done, err = g.Add(line); err != nil {
			return nil, err
		}
	}
	if !slices.ContainsFunc(g.Mechs, func(m dovecotauth.Mech) bool { return strings.EqualFold(m.Name, "PLAIN") }) {
		return nil, errNoPLAIN
	}
	return newConn(nc, lines, g.Version.Minor), nil
}
