package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/saslkit/saslkit/daemon"
)

// A running daemon.
type running struct {
	std     *stdio
	builder *siteBuilder
	metrics *daemon.Metrics
	systemd *daemon.Activation

	sites  []*servedSite
	all    sync.WaitGroup
	failed chan error
}

// A servedSite is what the sockets of one policy serve.
type servedSite struct {
	policy  socketPolicy
	current *daemon.Current
	built   *builtSite
	mechs   []string         // that are announced
	servers []*daemon.Server // of connections that outlive a login
}

// build makes the site of each policy that there is.
func (r *running) build(sockets []servedSocket) error {
	for _, s := range sockets {
		if r.siteOf(s) != nil {
			continue
		}
		built, err := r.builder.build(s.policy)
		if err != nil {
			return err
		}
		r.sites = append(r.sites, &servedSite{policy: s.policy, current: daemon.NewCurrent(built.Site), built: built, mechs: built.Announced()})
	}
	return nil
}

func (r *running) siteOf(s servedSocket) *servedSite {
	i := slices.IndexFunc(r.sites, func(site *servedSite) bool { return site.policy == s.policy })
	if i < 0 {
		return nil
	}
	return r.sites[i]
}

func (r *running) closeStores() {
	for _, site := range r.sites {
		site.built.stores.close()
	}
}

// start opens the sockets and serves them until the context ends.
func (r *running) start(ctx context.Context, o *serveOptions, sockets []servedSocket) error {
	var listeners []net.Listener
	closeAll := func() {
		for _, l := range listeners {
			l.Close()
		}
	}
	for _, s := range sockets {
		l, err := r.systemd.Listen(ctx, s.socket)
		if err != nil {
			closeAll()
			return untried(err)
		}
		listeners = append(listeners, l)
	}
	var web net.Listener
	if o.metrics != "" {
		var err error
		if web, err = r.systemd.Listen(ctx, daemon.Socket{Address: o.metrics, AllowRemote: o.allowRemote}); err != nil {
			closeAll()
			return untried(metricsError(o.metrics, err))
		}
		listeners = append(listeners, web)
	}
	if err := r.systemd.Rest(); err != nil {
		r.std.say("warning: %v", err)
	}
	if o.user != "" || o.group != "" {
		if err := daemon.DropPrivileges(o.user, o.group); err != nil {
			closeAll()
			return untried(err)
		}
	}
	r.failed = make(chan error, len(listeners))
	for i, s := range sockets {
		r.serve(ctx, s, listeners[i])
	}
	if web != nil {
		r.all.Go(func() {
			if err := daemon.ServeMetrics(ctx, web, r.metrics); err != nil {
				r.failed <- err
			}
		})
	}
	return nil
}

// metricsError says of metrics what can happen to them, which is not what can happen to
// passwords.
func metricsError(address string, err error) error {
	if errors.Is(err, daemon.ErrRemote) {
		return fmt.Errorf("--metrics: %s is %w, and whoever reaches it reads how many logins there are and how they end (use 127.0.0.1, or say --allow-remote and let a firewall choose who asks)", address, daemon.ErrRemote)
	}
	return fmt.Errorf("--metrics: %w", err)
}

// serve serves one socket.
func (r *running) serve(ctx context.Context, s servedSocket, l net.Listener) {
	site := r.siteOf(s)
	server := &daemon.Server{Handler: r.builder.options.handler(s.protocol, site.current, r.builder.logger), Logger: r.builder.logger}
	if s.protocol == dovecotProtocol {
		site.servers = append(site.servers, server)
	}
	where := s.socket.String()
	if s.socket.Name != "" { // which several may have
		where += " " + l.Addr().String()
	}
	err := r.metrics.Gauge("saslkit_connections", "Connections to a socket.", func() float64 { return float64(server.Conns()) }, daemon.Label{Name: "socket", Value: where})
	if err != nil {
		r.builder.logger.Warn("metrics", "reason", err.Error())
	}
	r.all.Go(func() {
		if err := server.Serve(ctx, l); err != nil {
			r.failed <- err
		}
	})
}

// run answers signals until the context ends or a socket fails.
func (r *running) run(ctx context.Context, stop context.CancelFunc, reload <-chan os.Signal) error {
	fmt.Fprintln(r.std.err, "ready")
	r.tell(daemon.Ready)
	for {
		select {
		case <-reload:
			r.reload()
		case err := <-r.failed:
			stop()
			r.all.Wait()
			return untried(err)
		case <-ctx.Done():
			r.tell(daemon.Stopping)
			r.all.Wait()
			return nil
		}
	}
}

// tell tells systemd, if it wants to know.
func (r *running) tell(state string) {
	if err := r.systemd.Notify(state); err != nil {
		r.builder.logger.Warn("systemd", "reason", err.Error())
	}
}

// reload builds the sites again. If one of them fails the old ones go on.
func (r *running) reload() {
	r.tell(daemon.Reloading())
	defer r.tell(daemon.Ready)
	var next []*builtSite
	for _, site := range r.sites {
		built, err := r.builder.build(site.policy)
		if err != nil {
			for _, b := range next {
				b.stores.close()
			}
			r.builder.logger.Error("reload", "result", "failed", "reason", err.Error())
			return
		}
		next = append(next, built)
	}
	for i, site := range r.sites {
		site.replace(next[i])
	}
	r.builder.logger.Info("reload", "result", "ok")
}

// replace puts another site in the place of the one that is served.
func (s *servedSite) replace(next *builtSite) {
	old := s.built
	s.built = next
	s.current.Set(next.Site)
	old.retire()
	if mechs := next.Announced(); !slices.Equal(mechs, s.mechs) {
		// Clients keep the list that they were greeted with.
		s.mechs = mechs
		for _, server := range s.servers {
			server.Recycle()
		}
	}
}
