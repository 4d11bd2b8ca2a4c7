package daemon_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// A daemon that systemd may have started: it opens what root alone may open, gives up
// root, tells that it is ready, and serves until it is told to end.
func ExampleActivated() {
	serve := func(v verifier.Verifier) error {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		systemd, err := daemon.Activated(os.Getenv, os.Unsetenv)
		if err != nil {
			return err
		}
		socket, err := daemon.ParseSocket("/var/spool/postfix/private/auth,mode=0660,owner=postfix,group=postfix")
		if err != nil {
			return err
		}
		listener, err := systemd.Listen(ctx, socket)
		if err != nil {
			return err
		}
		defer listener.Close()
		scraped, err := systemd.Listen(ctx, daemon.Socket{Address: "127.0.0.1:9110"})
		if err != nil {
			return err
		}
		defer scraped.Close()
		if err := systemd.Rest(); err != nil { // a warning would do
			return err
		}
		if err := daemon.DropPrivileges("saslkit", ""); err != nil {
			return err
		}

		metrics := daemon.NewMetrics()
		site := &daemon.Site{
			Auth:  &saslkit.Authenticator{Verifier: v, Observer: metrics.Observe},
			Realm: realm.Policy{Default: "example.org"},
		}
		server := &daemon.Server{Handler: &daemon.Dovecot{Current: daemon.NewCurrent(site)}}
		err = metrics.Gauge("saslkit_connections", "Connections to a socket.", func() float64 { return float64(server.Conns()) }, daemon.Label{Name: "socket", Value: socket.Path})
		if err != nil {
			return err
		}
		counting := make(chan error, 1)
		go func() { counting <- daemon.ServeMetrics(ctx, scraped, metrics) }()
		if err := systemd.Notify(daemon.Ready); err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { systemd.Notify(daemon.Stopping) })
		err = server.Serve(ctx, listener)
		stop()
		return errors.Join(err, <-counting)
	}
	_ = serve
}
