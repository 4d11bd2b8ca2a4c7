package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/breaker"
	"github.com/saslkit/saslkit/verifier"
)

// idleLife is how long a connection is kept for the next question: servers close theirs
// after some minutes.
const idleLife = time.Minute

var (
	errSilent = errors.New("server is of no use now")
	errEnded  = errors.New("connection ended")
)

// silent marks what is no answer of the server, and what it says to everybody.
func silent(err error) error { return fmt.Errorf("%w: %w", errSilent, err) }

// A pool has the connections to one server for one use.
type pool struct {
	open    func(context.Context) (*conn, error)
	timeout time.Duration // of a question, with all that it waits for
	idle    time.Duration // idleLife but in tests
	slots   chan struct{} // one for each connection in use

	mu     sync.Mutex
	conns  []*conn // idle; the last was used last
	closed bool
}

// ask puts a question on a connection. If that had been idle and turns out to have ended,
// the question is put once more on a new one: a server closes what is idle, and loses all
// when it is restarted.
func (p *pool) ask(ctx context.Context, question func(*conn) error) error {
	return p.within(ctx, p.timeout, question)
}

// within is ask for a question that takes longer.
func (p *pool) within(ctx context.Context, timeout time.Duration, question func(*conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return fmt.Errorf("all connections are in use: %w", ctx.Err())
	}
	if c := p.take(); c != nil {
		if err := p.on(ctx, c, question); !errors.Is(err, errEnded) {
			return err
		}
		p.drop() // the others have probably ended too
	}
	c, err := p.open(ctx)
	if err != nil {
		return err
	}
	return p.on(ctx, c, question)
}

func (p *pool) on(ctx context.Context, c *conn, question func(*conn) error) error {
	defer p.put(c)
	return c.ask(ctx, question)
}

// take returns an idle connection; nil if there is none.
func (p *pool) take() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.conns) == 0 {
		return nil
	}
	last := len(p.conns) - 1
	c := p.conns[last]
	p.conns[last], p.conns = nil, p.conns[:last]
	c.timer.Stop() // if that is too late, expire does not find it
	return c
}

// put keeps a connection for the next question if it is of use.
func (p *pool) put(c *conn) {
	p.mu.Lock()
	keep := !c.broken && !p.closed
	if keep {
		p.conns = append(p.conns, c)
		c.timer = time.AfterFunc(p.idle, func() { p.expire(c) })
	}
	p.mu.Unlock()
	if !keep {
		c.close()
	}
}

// expire closes a connection that is still idle.
func (p *pool) expire(c *conn) {
	p.mu.Lock()
	i := slices.Index(p.conns, c)
	if i >= 0 {
		p.conns = slices.Delete(p.conns, i, i+1)
	}
	p.mu.Unlock()
	if i >= 0 {
		c.close()
	}
}

// drop closes the connections that are idle.
func (p *pool) drop() {
	for c := p.take(); c != nil; c = p.take() {
		c.close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.drop()
}

// A server is one directory server. The service account has connections of its own, so
// that none of its searches is made as a user.
type server struct {
	uri            string
	breaker        breaker.Breaker
	service, users *pool
}

func newServer(o *Options, t target) *server {
	of := func(open func(context.Context) (*conn, error)) *pool {
		return &pool{open: open, timeout: o.Timeout, idle: idleLife, slots: make(chan struct{}, o.Connections)}
	}
	return &server{
		uri:     t.uri,
		users:   of(func(ctx context.Context) (*conn, error) { return open(ctx, &t) }),
		service: of(func(ctx context.Context) (*conn, error) { return openService(ctx, o, &t) }),
	}
}

// openService makes a connection of the service account. A server that refuses it is
// spared as a silent one is, or every login would be one more wrong guess at its password,
// for which directories lock accounts.
func openService(ctx context.Context, o *Options, t *target) (*conn, error) {
	c, err := open(ctx, t)
	if err != nil || o.BindDN == "" && !o.External {
		return c, err
	}
	err = c.ask(ctx, func(l *conn) error {
		if o.External {
			return l.ExternalBind()
		}
		return l.Bind(o.BindDN, o.BindPassword)
	})
	if err != nil {
		c.close()
		return nil, silent(fmt.Errorf("service account: %w", told(err)))
	}
	return c, nil
}

// try asks the server unless it is spared. Only silence is held against it: what it
// answers about one user says nothing of the others.
func (s *server) try(ctx context.Context, login func() error) (err error) {
	done, err := s.breaker.Ask()
	if err != nil {
		return err
	}
	answered := false
	defer func() { done(!answered) }()
	err = login()
	answered = !errors.Is(err, errSilent) || errors.Is(ctx.Err(), context.Canceled)
	return err
}

// each asks the servers in turn until one has an answer. What is ErrUnavailable already is
// trouble of ours, such as too many hashes, and no other server helps.
func each(ctx context.Context, servers []*server, login func(*server) error) error {
	var trouble []error
	for _, s := range servers {
		err := s.try(ctx, func() error { return login(s) })
		if verifier.Answered(err) || errors.Is(err, verifier.ErrUnavailable) {
			return err
		}
		trouble = append(trouble, fmt.Errorf("%s: %w", s.uri, err))
		if ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("%w: %w", verifier.ErrUnavailable, errors.Join(trouble...))
}
