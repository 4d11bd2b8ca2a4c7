package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/saslkit/saslkit/internal/absent"
	"github.com/saslkit/saslkit/internal/workers"
)

// A Handler speaks a protocol. Its methods may be called concurrently.
type Handler interface {
	// ServeConn talks until the connection ends, or should. It does not close c. When
	// the connection should, reading fails with os.ErrDeadlineExceeded and c.Stopping is
	// true: what is under way is then finished. The context ends when there is no time
	// left for that either.
	ServeConn(ctx context.Context, c *Conn)
}

// A Conn is a connection to a Server.
type Conn struct {
	net.Conn

	mu       sync.Mutex
	stopping bool
}

// Peer is who connected, as far as the system tells: on unix sockets of Linux that are
// not closed.
func (c *Conn) Peer() Credentials { return credentialsOf(c.Conn) }

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// Stopping reports whether the server wants the connection to end.
func (c *Conn) Stopping() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopping
}

// Stop makes the connection end as soon as nothing is under way on it.
func (c *Conn) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopping = true
	c.Conn.SetReadDeadline(longAgo)
}

// SetReadDeadline implements [net.Conn]. On a connection that should end reading goes on
// failing.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopping {
		t = longAgo
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements [net.Conn], with a SetReadDeadline of its own.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.Conn.SetWriteDeadline(t); err != nil {
		return err
	}
	return c.SetReadDeadline(t)
}

// readOn lets a connection that should end be read, until the next Stop.
func (c *Conn) readOn(deadline time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetReadDeadline(deadline)
}

// A Server accepts connections for a Handler, from one listener. Its fields are not
// changed while it serves; the zero values of all but Handler are good.
type Server struct {
	// Handler is the protocol; it must be set.
	Handler Handler
	// MaxConns is how many connections there may be at a time; 0 means 20,000. Further
	// ones are closed at once.
	MaxConns int
	// Grace is how long connections may take to finish what is under way when the
	// server stops; 0 means 5 s.
	Grace time.Duration
	// Logger hears of what goes wrong with connections; nil: nobody.
	Logger *slog.Logger

	mu    sync.Mutex
	conns map[*Conn]struct{}
	all   sync.WaitGroup

	workers workers.Pool // for connections

	full, out rarely // when there were too many, or nothing to make one from
}

const (
	defaultMaxConns = 20_000
	defaultGrace    = 5 * time.Second
	// Without descriptors or memory for another connection it is tried again after a
	// pause that doubles.
	firstPause, lastPause = 5 * time.Millisecond, time.Second
)

// Serve accepts connections from l until the context ends, and returns when all have
// ended: at the latest when Grace is over. It closes l. The error is nil unless l failed
// before, or something is not set without which nobody can log in. It is called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if err := s.incomplete(); err != nil {
		l.Close()
		return err
	}
	hard, kill := context.WithCancel(context.WithoutCancel(ctx))
	defer kill()
	defer context.AfterFunc(ctx, func() { l.Close() })()
	err := s.accept(ctx, hard, l)
	l.Close()
	s.Recycle()
	grace := time.AfterFunc(s.grace(), func() {
		kill()
		s.close()
	})
	s.all.Wait()
	grace.Stop()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// incomplete says what is not set.
func (s *Server) incomplete() error {
	if absent.Is(s.Handler) {
		return errors.New("daemon: Server.Handler is not set")
	}
	if h, ok := s.Handler.(interface{ incomplete() error }); ok {
		return h.incomplete()
	}
	return nil
}

func (s *Server) accept(ctx, hard context.Context, l net.Listener) error {
	pause := firstPause
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			pause = firstPause
			s.begin(hard, c)
		case ctx.Err() != nil:
			return nil
		case !scarce(err):
			return fmt.Errorf("daemon: %v: %w", l.Addr(), err)
		default:
			if s.out.now() {
				s.log("daemon: no further connection for now", err)
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return nil
			}
			pause = min(2*pause, lastPause)
		}
	}
}

// scarce reports whether an error will pass.
func scarce(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// begin serves a connection on a goroutine of its own.
func (s *Server) begin(ctx context.Context, nc net.Conn) {
	c := &Conn{Conn: nc}
	if !s.add(c) {
		nc.Close()
		if s.full.now() {
			s.log("daemon: connections are closed at once", fmt.Errorf("there are %d", s.most()))
		}
		return
	}
	s.all.Add(1)
	s.workers.Go(func() {
		defer s.all.Done()
		defer s.remove(c)
		defer nc.Close()
		defer func() {
			if r := recover(); r != nil {
				// The value may hold anything, a password among it.
				s.log("daemon: a connection was given up", fmt.Errorf("panic of type %T", r))
			}
		}()
		s.Handler.ServeConn(ctx, c)
	})
}

func (s *Server) add(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.most() {
		return false
	}
	if s.conns == nil {
		s.conns = make(map[*Conn]struct{})
	}
	s.conns[c] = struct{}{}
	return true
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// Conns is how many connections there are. It may be called at any time, as by
// [Metrics.Gauge].
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Recycle makes every connection end when nothing is under way on it. Clients come back
// and are greeted anew.
func (s *Server) Recycle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Stop()
	}
}

func (s *Server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *Server) most() int {
	if s.MaxConns == 0 {
		return defaultMaxConns
	}
	return s.MaxConns
}

func (s *Server) grace() time.Duration {
	if s.Grace == 0 {
		return defaultGrace
	}
	return s.Grace
}

func (s *Server) log(what string, err error) {
	if s.Logger != nil {
		s.Logger.Warn(what, "reason", err.Error())
	}
}

// rarely keeps what goes on for long from filling the log. It is for one goroutine.
type rarely struct{ last time.Time }

// now reports whether it is to be told: once a minute.
func (r *rarely) now() bool {
	if !r.last.IsZero() && time.Since(r.last) < time.Minute {
		return false
	}
	r.last = time.Now()
	return true
}
