package daemon

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// metricsConns is how many may ask for metrics at a time, so that they do not take
	// descriptors from logins. Further ones are closed at once.
	metricsConns = 32
	// A request is a few lines; Prometheus asks every 15 to 60 seconds.
	metricsRequest, metricsReply, metricsIdle = 5 * time.Second, 10 * time.Second, 2 * time.Minute
	metricsHeader                             = 16 << 10 // bytes
)

// ServeMetrics serves m at the path /metrics until the context ends. It closes l. The
// error is nil unless l failed before.
func ServeMetrics(ctx context.Context, l net.Listener, m *Metrics) error {
	paths := http.NewServeMux()
	paths.Handle("/metrics", m)
	s := &http.Server{
		Handler:           paths,
		ReadHeaderTimeout: metricsRequest, ReadTimeout: metricsRequest, WriteTimeout: metricsReply, IdleTimeout: metricsIdle,
		MaxHeaderBytes: metricsHeader,
		ErrorLog:       log.New(io.Discard, "", 0), // what clients do wrong is their business
	}
	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	err := s.Serve(&limitedListener{Listener: l, places: make(chan struct{}, metricsConns)})
	s.Close()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("daemon: metrics on %v: %w", l.Addr(), err)
}

// A limitedListener has a number of places for connections.
type limitedListener struct {
	net.Listener
	places chan struct{}
}

// Accept returns a connection for which there is a place.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.places <- struct{}{}:
			return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
		default:
			c.Close()
		}
	}
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close gives the place to the next one.
func (c *limitedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
