package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/mech"
)

// loginOptions are the options of the command.
type loginOptions struct {
	starttls, tls, insecure, trace bool

	mechanism, authzid, service, realm string

	password passwordSource
}

func newLoginCommand(std *stdio) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login [options] URL USER",
		Short: "Log in to a live server",
		Long: `Logs in to smtp://host:port, smtps://, imap://, imaps://, pop3://, pop3s:// or sieve://
and out again.

With dovecot:PATH or dovecot:inet:HOST:PORT it asks the auth server on that socket, which
is Dovecot or saslkit serve, as Postfix does for a client under TLS, or with --insecure
for one in the clear. With saslauthd:PATH it asks the daemon on that socket or in that
folder about the password; "ok" then has nothing behind it.

Prints "ok mech=..." or "no reason=..." with one of: refused, bad-server (the
server broke the protocol or did not prove itself), unavailable, no-mechanism,
no-connection. The first two exit with 1, the others with 3.

Without --mech it takes the strongest mechanism offered, under TLS one that binds the
login to it. A password is sent in the clear only with --insecure. With OAUTHBEARER and
XOAUTH2, which have to be named, the password is a token; with OTP, which has to be too,
it is the pass phrase.`,
		Example: `  # log in to a submission server, and see what is said
  saslkit login --starttls --trace smtp://mail.example.com:587 alice
  # try one mechanism
  saslkit login --starttls --mech CRAM-MD5 smtp://mail.example.com alice
  # ask the auth server that Postfix asks, as Postfix does
  saslkit login --trace dovecot:/var/spool/postfix/private/auth alice
  # ask saslauthd, as libsasl2 does
  saslkit login --service imap saslauthd:/run/saslauthd alice`,
		Args: arguments("URL", "USER"), ValidArgsFunction: servers,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), std, args[0], args[1]) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.starttls, "starttls", false, "begin TLS with STARTTLS")
	f.BoolVar(&o.tls, "tls", false, "TLS from the start, as smtps:// and imaps:// have it")
	f.BoolVar(&o.insecure, "insecure", false, "accept any certificate, and send passwords in the clear if asked to")
	f.StringVar(&o.mechanism, "mech", "", "use this `MECHANISM`")
	f.StringVar(&o.authzid, "authzid", "", "act as this `USER`")
	f.StringVarP(&o.realm, "realm", "r", "", "with saslauthd:, the `REALM` beside USER")
	f.StringVarP(&o.service, "service", "s", "", "the `SERVICE` to log in to: smtp, imap, pop3, sieve (default: that of the URL, smtp for dovecot: and saslauthd:)")
	f.BoolVar(&o.trace, "trace", false, "print the conversation on standard error, decoded and without secrets")
	o.password.register(f)
	return cmd
}

func (o *loginOptions) run(ctx context.Context, std *stdio, rawURL, user string) error {
	server, err := parseServer(rawURL)
	if err != nil {
		return err
	}
	if user == "" {
		return usage("login: USER is empty")
	}
	server.service = cmp.Or(o.service, server.service)
	var l interface {
		run(context.Context) (mechanism, text string, err error)
	}
	if server.protocol == "saslauthd" {
		l, err = o.saslauthd(std, server, user)
	} else {
		l, err = o.login(std, server, user)
	}
	if err != nil {
		return err
	}
	mechanism, text, err := l.run(ctx)
	var no *loginError
	switch {
	case errors.As(err, &no) && mechanism != "":
		fmt.Fprintf(std.out, "no reason=%s mech=%s\n", no.reason, mechanism)
		return &exitError{no.code, err}
	case errors.As(err, &no):
		fmt.Fprintf(std.out, "no reason=%s\n", no.reason)
		return &exitError{no.code, err}
	case err != nil:
		return err
	}
	if mechanism == "" { // as with saslauthd
		fmt.Fprintln(std.out, "ok")
	} else {
		fmt.Fprintf(std.out, "ok mech=%s\n", mechanism)
	}
	std.say("the server says: %s", text)
	return nil
}

// saslauthd turns the command line into a question to saslauthd.
func (o *loginOptions) saslauthd(std *stdio, server serverAddress, user string) (*saslauthdLogin, error) {
	if o.mechanism != "" || o.authzid != "" || o.starttls || o.tls {
		return nil, usage("login: saslauthd checks passwords and knows neither mechanisms nor TLS nor who acts for whom (dovecot: does)")
	}
	password, err := o.password.read(std, user)
	if err != nil {
		return nil, err
	}
	s := &saslauthdLogin{
		path:    server.path,
		request: saslauthdwire.Request{Login: user, Password: password, Service: server.service, Realm: o.realm},
		trace:   &tracer{},
	}
	if o.trace {
		s.trace.w = std.err
	}
	s.trace.hide(password)
	return s, nil
}

// login turns the command line into a login, and asks for the password if the
// mechanism takes one.
func (o *loginOptions) login(std *stdio, server serverAddress, user string) (*login, error) {
	l := &login{
		server:      server,
		tls:         &tls.Config{ServerName: server.host, InsecureSkipVerify: o.insecure},
		policy:      mech.Policy{Clear: mech.AnyMechanism | mech.NoPlaintext, TLS: mech.AnyMechanism},
		credentials: saslkit.Credentials{Username: user, Authzid: o.authzid},
		trace:       &tracer{},
	}
	if o.insecure {
		l.policy.Clear = mech.AnyMechanism
	}
	if o.trace {
		l.trace.w = std.err
	}
	switch {
	case o.realm != "":
		return nil, usage("login: --realm is for saslauthd: (write user@realm)")
	case server.protocol == "dovecot" && (o.starttls || o.tls):
		return nil, usage("login: dovecot: has no TLS (the server is told that the client has; with --insecure it is not)")
	case o.starttls && (o.tls || server.implicit):
		return nil, usage("login: --starttls and TLS from the start exclude each other")
	case o.starttls:
		l.security = startTLS
	case o.tls || server.implicit:
		l.security = implicitTLS
	}
	rows, err := o.candidates()
	if err != nil {
		return nil, err
	}
	l.mechanisms = mechanismNames(rows)
	for _, m := range rows {
		if m.Need == mech.NeedPassword || m.Need == mech.NeedSecret {
			l.credentials.Password, err = o.password.read(std, user)
			l.trace.hide(l.credentials.Password)
			return l, err
		}
		if m.Need == mech.NeedToken && o.mechanism != "" {
			o.password.takes(m)
			token, err := o.password.read(std, user)
			l.credentials.Token = mech.FixedToken(token)
			l.trace.hide(token)
			return l, err
		}
	}
	return l, nil
}

// candidates are the mechanism asked for or, strongest first, all that tell who
// it is. NTLM must be asked for: whoever sits in between can pass it on. So must OTP:
// its passwords are few, and most users have no pass phrase.
func (o *loginOptions) candidates() ([]*mech.Mechanism, error) {
	if o.mechanism != "" {
		m := mech.ByName(o.mechanism)
		if m == nil {
			return nil, usage("login: no mechanism %q (known: %s)", o.mechanism, strings.Join(mechanismNames(mech.All()), " "))
		}
		return []*mech.Mechanism{m}, nil
	}
	var rows []*mech.Mechanism
	for _, m := range mech.All() {
		if m.Provides&mech.NoAnonymous != 0 && m != mech.NTLM && m != mech.OTP {
			rows = append(rows, m)
		}
	}
	return rows, nil
}
