package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// A demo is the lab server and the one user it is tried with.
type demo struct {
	std     *stdio
	db      string
	user    sasldb.Record // name, realm and password
	rows    []*mech.Mechanism
	token   string // of the same user
	lab     *labServer
	trusted *authority
	address string
}

func newDemoCommand(std *stdio) *cobra.Command {
	var listen, db string
	cmd := &cobra.Command{
		Use:   "demo [--listen ADDR] [--db FILE]",
		Short: "Try every mechanism with a server of our own, or serve it",
		Long: `Makes a sasldb in a temporary folder, starts a submission server on a loopback
port with a certificate of its own, and logs in once by every mechanism, in the
clear and under TLS; each time a wrong password is tried as well. Exits with 0
only if all is as it should be.

With --listen it prints address=, user=, password=, realm= and token= (a bearer
token of the user, for OAUTHBEARER and XOAUTH2) and serves until it is interrupted, so
that other mail clients can be tried. It permits every mechanism on every channel: the
lab's policy, not one for a site.

With --db the users are those of the file, and the first one with a password is
the one that is printed and tried. OTP, which changes the file, is left out then.`,
		Example: `  # see every mechanism at work
  saslkit demo
  # have a server to try a mail client with
  saslkit demo --listen 127.0.0.1:2525
  # the same with the users of a database
  saslkit demo --listen 127.0.0.1:2525 --db ` + defaultDB,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := net.SplitHostPort(listen); listen != "" && err != nil {
				return usage("demo: --listen: %w", err)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), endings()...)
			defer stop()
			return runDemo(ctx, std, listen, db)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "", "serve on this `ADDR`, HOST:PORT, until interrupted (127.0.0.1:0 for a free port)")
	cmd.Flags().StringVar(&db, "db", "", "use the users of this sasldb `FILE`, which is only read")
	return cmd
}

// endings are the signals that end a demo, so that its folder is removed. Under
// nohup SIGHUP stays ignored.
func endings() []os.Signal {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	return signals
}

func runDemo(ctx context.Context, std *stdio, listen, db string) error {
	d := &demo{std: std, db: db, rows: mech.All(), token: rand.Text()}
	if db == "" {
		folder, err := os.MkdirTemp("", "saslkit-demo-")
		if err != nil {
			return untried(fmt.Errorf("demo: a folder for its files: %w (TMPDIR names another place)", err))
		}
		defer os.RemoveAll(folder)
		d.db = filepath.Join(folder, "sasldb2")
		if err := d.createUser(); err != nil {
			return untried(err)
		}
	} else if err := d.findUser(); err != nil {
		return err
	} else { // nothing is written
		d.rows = slices.DeleteFunc(d.rows, func(m *mech.Mechanism) bool { return m.Stores })
	}
	if err := d.build(listen != ""); err != nil {
		return err
	}
	if listen != "" {
		return d.serve(ctx, listen)
	}
	return d.tryAll(ctx)
}

// createUser makes a database with one user and a random password.
func (d *demo) createUser() error {
	password := rand.Text()
	d.user = sasldb.Record{Authid: "demo", Realm: "saslkit.example", Property: sasldb.PropertyPassword, Value: []byte(password)}
	name := userName{d.user.Authid, d.user.Realm}
	return sasldb.Update(context.Background(), d.db, sasldb.WriteOptions{Create: true}, name.request(), func(e verifier.Entry) (_ verifier.Entry, err error) {
		e.Exists = true
		e.Secrets, err = mech.Secrets(name.user, name.realm, password, verifier.KindPassword, verifier.KindOTP)
		return e, err
	})
}

// findUser takes the first user of the file who can be logged in with by every
// mechanism.
func (d *demo) findUser() error {
	listing, err := sasldb.Read(d.db)
	if err != nil {
		return fileError(err)
	}
	slices.SortFunc(listing.Records, compareRecords)
	for _, r := range listing.Records {
		if r.Property == sasldb.PropertyPassword && r.Authid != "" && len(r.Value) > 0 &&
			isPrintable(r.Authid+r.Realm+string(r.Value)) && !strings.Contains(r.Authid, "@") {
			d.user = r
			return nil
		}
	}
	return untried(fmt.Errorf("demo: no user of %s has a password to log in with", d.db))
}

// build makes the server, but does not listen yet.
func (d *demo) build(logged bool) error {
	store, err := sasldb.Open(d.db)
	if err != nil {
		return fileError(err)
	}
	if d.trusted, err = newAuthority(); err != nil {
		return err
	}
	cert, err := d.trusted.server("localhost", "127.0.0.1", "::1")
	if err != nil {
		return err
	}
	var logger *slog.Logger
	if logged {
		logger = slog.New(slog.NewTextHandler(d.std.err, nil))
	}
	realms := realm.Policy{Default: d.user.Realm, Others: store.Coverage().Realms}
	tokens := verifier.StaticTokens{d.token: realm.Join(d.user.Authid, d.user.Realm)}
	d.lab, err = newLabServer(store, tokens, d.rows, realms, &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    d.trusted.pool(),
	}, logger)
	if err != nil {
		return usage("%w", err)
	}
	return nil
}

// serve is demo --listen.
func (d *demo) serve(ctx context.Context, listen string) error {
	l, err := net.Listen("tcp", listen)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return untried(fmt.Errorf("demo: %w (ports below 1024 need root)", err))
	case errors.Is(err, syscall.EADDRINUSE):
		return untried(fmt.Errorf("demo: %w (choose another port; 0 is a free one)", err))
	case err != nil:
		return untried(fmt.Errorf("demo: %w", err))
	}
	d.std.say("the lab's policy: every mechanism of this build, also in the clear, and NTLMv1 (AllowNTLMv1): %s", strings.Join(d.lab.auth.Mechanisms, " "))
	d.std.say("users from %s; mail is accepted after login and thrown away; ends with Ctrl-C", d.db)
	fmt.Fprintf(d.std.out, "address=%s\nuser=%s\npassword=%s\nrealm=%s\ntoken=%s\n", l.Addr(), d.user.Authid, d.user.Value, d.user.Realm, d.token)
	if err := d.std.out.Flush(); err != nil {
		l.Close()
		return untried(err)
	}
	return d.lab.serve(ctx, l)
}

// tryAll is demo alone: it serves, logs in by everything and prints the table.
func (d *demo) tryAll(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return untried(err)
	}
	d.address = l.Addr().String()
	serving, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- d.lab.serve(serving, l) }()
	failed, err := d.table(ctx)
	end()
	if serveErr := <-served; err == nil {
		err = serveErr
	}
	switch {
	case ctx.Err() != nil:
		return untried(errors.New("demo: interrupted"))
	case err != nil:
		return err
	case failed > 0:
		return &exitError{exitNo, fmt.Errorf("demo: %d logins are not as they should be", failed)}
	}
	return nil
}

// table tries and prints row by row.
func (d *demo) table(ctx context.Context) (failed int, err error) {
	fmt.Fprintf(d.std.out, rowFormat, "MECHANISM", "CHANNEL", "RESULT", "DETAIL")
	for _, channel := range []security{inTheClear, startTLS} {
		offered, err := d.offered(ctx, channel)
		if err != nil {
			return failed, untried(err)
		}
		for _, m := range d.rows {
			if (m.Need == mech.NeedExternal || m.Binds) && channel == inTheClear {
				continue
			}
			word, detail := "ok", ""
			if detail, err = d.try(ctx, channel, m, offered); err != nil {
				failed++
				word, detail = "FAIL", err.Error()
			}
			if ctx.Err() != nil {
				return failed, ctx.Err()
			}
			fmt.Fprintf(d.std.out, rowFormat, m.Name, channelNames[channel], word, shown(detail))
			if err := d.std.out.Flush(); err != nil {
				return failed, untried(err)
			}
		}
	}
	return failed, nil
}

const rowFormat = "%-20s  %-7s  %-6s  %s\n"

var channelNames = [...]string{inTheClear: "clear", startTLS: "tls"}

// try logs in, and then with a wrong password if the mechanism takes one.
func (d *demo) try(ctx context.Context, channel security, m *mech.Mechanism, offered []string) (detail string, err error) {
	if !slices.Contains(offered, m.Name) {
		return "", errors.New("not advertised")
	}
	l, err := d.login(channel, m)
	if err != nil {
		return "", err
	}
	_, text, err := l.run(ctx)
	if err != nil || m.Need != mech.NeedPassword && m.Need != mech.NeedSecret && m.Need != mech.NeedToken {
		return text, err
	}
	l.credentials.Password += "x"
	l.credentials.Token = mech.FixedToken(d.token + "x")
	_, wrong, err := l.run(ctx)
	var no *loginError
	switch {
	case err == nil:
		return "", errors.New("let in with wrong credentials")
	case !errors.As(err, &no) || no.reason != "refused":
		return "", fmt.Errorf("wrong credentials: %w", err)
	}
	if m.Need == mech.NeedToken {
		return text + "; wrong token refused: " + wrong, nil
	}
	return text + "; wrong password refused: " + wrong, nil
}

func (d *demo) offered(ctx context.Context, channel security) ([]string, error) {
	l, err := d.login(channel, nil)
	if err != nil {
		return nil, err
	}
	p, w, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer w.conn.Close()
	return p.offered(), nil
}

// login is what our client needs for one row. Under TLS it has a certificate,
// with which EXTERNAL is offered.
func (d *demo) login(channel security, m *mech.Mechanism) (*login, error) {
	host, port, err := net.SplitHostPort(d.address)
	if err != nil {
		return nil, err
	}
	l := &login{
		server:      serverAddress{protocol: "smtp", service: "smtp", host: host, port: port},
		security:    channel,
		policy:      mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism},
		credentials: saslkit.Credentials{Username: d.user.Authid, Password: string(d.user.Value), Realm: d.user.Realm, Token: mech.FixedToken(d.token)},
		trace:       &tracer{},
	}
	if m != nil {
		l.mechanisms = []string{m.Name}
	}
	if channel == inTheClear {
		return l, nil
	}
	cert, err := d.trusted.client(d.user.Authid)
	if err != nil {
		return nil, err
	}
	l.external = d.user.Authid
	l.tls = &tls.Config{ServerName: host, RootCAs: d.trusted.pool(), Certificates: []tls.Certificate{cert}}
	return l, nil
}
