package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
)

// loginOptions are the options of the command.
type loginOptions struct {
	starttls, tls, insecure, trace bool

	mechanism, authzid string
	password           passwordSource
}

func newLoginCommand(std *stdio) *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login [options] URL USER",
		Short: "Log in to a live server",
		Long: `Logs in to smtp://host:port, smtps://, imap:// or imaps:// and out again.

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
  saslkit login --starttls --mech CRAM-MD5 smtp://mail.example.com alice`,
		Args: arguments("URL", "USER"), ValidArgsFunction: servers,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), std, args[0], args[1]) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.starttls, "starttls", false, "begin TLS with STARTTLS")
	f.BoolVar(&o.tls, "tls", false, "TLS from the start, as smtps:// and imaps:// have it")
	f.BoolVar(&o.insecure, "insecure", false, "accept any certificate, and send passwords in the clear if asked to")
	f.StringVar(&o.mechanism, "mech", "", "use this `MECHANISM`")
	f.StringVar(&o.authzid, "authzid", "", "act as this `USER`")
	f.BoolVar(&o.trace, "trace", false, "print the conversation on standard error, decoded and without secrets")
	o.password.register(f)
	return cmd
}

func (o *loginOptions) run(ctx context.Context, std *stdio, rawURL, user string) error {
	l, err := o.login(std, rawURL, user)
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
	fmt.Fprintf(std.out, "ok mech=%s\n", mechanism)
	std.say("the server says: %s", text)
	return nil
}

// login turns the command line into a login, and asks for the password if the
// mechanism takes one.
func (o *loginOptions) login(std *stdio, rawURL, user string) (*login, error) {
	server, err := parseServer(rawURL)
	if err != nil {
		return nil, err
	}
	if user == "" {
		return nil, usage("login: USER is empty")
	}
	l := &login{
		server:      server,
		tls:         &tls.Config{ServerName: server.host, InsecureSkipVerify: o.insecure},
		policy:      mech.Policy{Clear: mech.NoPlaintext, TLS: mech.AnyMechanism},
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
