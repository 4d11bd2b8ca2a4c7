package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/mech"
)

// serveOptions are those of serve: the site's, and its sockets.
type serveOptions struct {
	siteOptions
	auth, mux, pwcheck []string
	joinRealm          bool
	allowNTLMv1        bool
	metrics            string
	allowRemote        bool
	limit              string
	decoyKey           string
	derivedIterations  int
	hostNames          []string
	user, group        string
}

func newServeCommand(std *stdio) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve --conf FILE | --verifier SPEC... [--auth SOCKET...] [options]",
		Short: "Serve logins to Postfix, Exim and applications of Cyrus SASL",
		Long: `Answers on sockets who may log in: in Dovecot's auth protocol, for Postfix
(smtpd_sasl_type = dovecot) and Exim; in saslauthd's, for everything that is linked
with libsasl2 (pwcheck_method: saslauthd); in pwcheck's.

A SOCKET is a path, behind which ",mode=0660,owner=USER,group=GROUP" may stand, or
inet:HOST:PORT, or systemd:NAME for one that systemd passes. Any of them may have a
policy of its own: ",realm=R", ",mech-list=PLAIN+LOGIN", and with
",security-options=noanonymous+noplaintext" another for the clear.

saslauthd's protocol names login and realm apart. If no realm is served the stores are
asked for the login alone, and with --join-realm for login@realm.

Without --auth, --mux and --pwcheck the sockets that systemd passes are served, all of
them, and their names (FileDescriptorName= in the unit) say what they speak: auth or
auth-NAME, such as auth-postfix, is Dovecot's protocol, mux or mux-NAME saslauthd's,
pwcheck or pwcheck-NAME pwcheck's. Who may connect is then for the unit to say.

Prints "ready" on standard error when all accept, and a line for each login. SIGHUP reads
the configuration again; SIGTERM finishes what is under way, for 5 seconds at most.`,
		Example: `  # for Postfix, from its own configuration (smtpd_sasl_type = dovecot, smtpd_sasl_path = private/auth)
  saslkit serve --conf /etc/postfix/sasl/smtpd.conf --realm example.com \
    --auth /var/spool/postfix/private/auth,mode=0660,owner=postfix,group=postfix
  # in saslauthd's place, over /etc/shadow
  saslkit serve --verifier shadow:/etc/shadow --mux /run/saslauthd
  # with metrics, and less patience with those who guess
  saslkit serve --verifier sasldb:` + defaultDB + ` --realm example.com --auth /run/saslkit/auth \
    --metrics 127.0.0.1:9110 --limit free=5,max=50`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.serve(cmd.Context(), std, cmd.Flags()) },
	}
	f := cmd.Flags()
	o.siteOptions.register(f)
	f.StringArrayVar(&o.auth, "auth", nil, "a `SOCKET` for Dovecot's auth protocol")
	f.StringArrayVar(&o.mux, "mux", nil, "a `DIR` in which the socket mux speaks saslauthd's protocol; who may enter the folder may ask")
	f.StringArrayVar(&o.pwcheck, "pwcheck", nil, "a `DIR` in which the socket pwcheck speaks that protocol")
	f.BoolVar(&o.joinRealm, "join-realm", false, "take login and realm of saslauthd's protocol for one name, login@realm, as saslauthd -r does")
	f.StringVar(&o.metrics, "metrics", "", "serve metrics for Prometheus by HTTP on this `ADDR`, HOST:PORT")
	f.BoolVar(&o.allowRemote, "allow-remote", false, "permit inet: sockets, and --metrics, that other machines reach; none of them has encryption or a password")
	f.BoolVar(&o.allowNTLMv1, "allow-ntlmv1", false, "let clients of NTLM answer by version 1, for the oldest devices, under TLS: who listens has the NT hash within a day")
	f.StringVar(&o.limit, "limit", "", "how guessing is slowed down, a `LIST` of free=10 max=100 delay=8s exempt=NETWORK, or off")
	f.StringVar(&o.decoyKey, "decoy-key", "", "a `FILE` with 16 random bytes or more, the same on all servers, for SCRAM's salts")
	f.IntVar(&o.derivedIterations, "derived-iterations", 0, "the `COUNT` of SCRAM's iterations where only passwords are stored (default 4096)")
	f.StringSliceVar(&o.hostNames, "host-name", nil, "a `NAME` of this server, on which DIGEST-MD5 then insists")
	f.StringVar(&o.user, "user", "", "become this `USER` once the sockets are open")
	f.StringVar(&o.group, "group", "", "become this `GROUP` once the sockets are open (default: the user's)")
	return cmd
}

func (o *serveOptions) serve(ctx context.Context, std *stdio, flags *pflag.FlagSet) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP) // from now on: before, it would end us
	defer signal.Stop(reload)

	r := &running{std: std, metrics: daemon.NewMetrics()}
	var err error
	if r.systemd, err = daemon.Activated(os.Getenv, os.Unsetenv); err != nil {
		return &exitError{exitUsage, err}
	}
	sockets, err := o.sockets()
	if sockets == nil && err == nil {
		sockets, err = o.passedSockets(r.systemd.Names())
	}
	if err != nil {
		return err
	}
	named := socketPolicy{
		realm: o.realm, hasRealm: flags.Changed("realm"),
		security: o.clear, hasSecurity: flags.Changed("security-options"),
	}
	log := newLogWriter(std.err)
	defer log.Close()
	r.builder = &siteBuilder{std: std, options: o, named: named, logger: slog.New(slog.NewTextHandler(log, nil)), observer: r.metrics.Observe}
	if r.builder.guard, err = parseLimit(o.limit); err != nil {
		return err
	}
	if r.builder.decoyKey, err = readKey(o.decoyKey); err != nil {
		return err
	}
	defer r.closeStores()
	if err := r.build(sockets); err != nil {
		return err
	}
	if err := o.checkJoinRealm(r, sockets); err != nil {
		return err
	}
	if err := o.checkNTLMv1(r); err != nil {
		return err
	}
	if err := r.start(ctx, o, sockets); err != nil {
		return err
	}
	return r.run(ctx, stop, reload)
}

// A protocol is what a socket speaks.
type protocol uint8

const (
	dovecotProtocol protocol = iota
	saslauthdProtocol
	pwcheckProtocol
)

// A servedSocket is a socket and what it speaks.
type servedSocket struct {
	protocol protocol
	policy   socketPolicy
	socket   daemon.Socket
}

func (o *serveOptions) handler(p protocol, current *daemon.Current, logger *slog.Logger) daemon.Handler {
	switch p {
	case saslauthdProtocol:
		h := &daemon.Saslauthd{Current: current, Logger: logger}
		if o.joinRealm {
			h.RequestRealm = daemon.JoinRealm
		}
		return h
	case pwcheckProtocol:
		return &daemon.Pwcheck{Current: current, Service: o.service, Logger: logger}
	}
	return &daemon.Dovecot{Current: current, Logger: logger}
}

// checkJoinRealm refuses --join-realm where it would change nothing: where realms are
// served the two are joined anyway, and cut again by those.
func (o *serveOptions) checkJoinRealm(r *running, sockets []servedSocket) error {
	if !o.joinRealm {
		return nil
	}
	asked := false
	for _, s := range sockets {
		if s.protocol != saslauthdProtocol {
			continue
		}
		asked = true
		if realms := r.siteOf(s).built.Realm.Realms(); realms != nil {
			return usage("--join-realm: names are cut at the '@', since realm %s is served (leave --join-realm out, or say --realm '' if the store has whole names)", shown(realms[0]))
		}
	}
	if !asked {
		return usage("--join-realm needs --mux: only saslauthd's protocol names login and realm apart")
	}
	return nil
}

// checkNTLMv1 refuses --allow-ntlmv1 where nobody is offered NTLM, and otherwise warns.
func (o *serveOptions) checkNTLMv1(r *running) error {
	if !o.allowNTLMv1 {
		return nil
	}
	if !slices.ContainsFunc(r.sites, func(s *servedSite) bool { return mech.Listed(s.built.Auth.Mechanisms, mech.NTLM.Name) }) {
		return usage("--allow-ntlmv1: NTLM is offered nowhere (name it in mech_list, or leave --allow-ntlmv1 out)")
	}
	r.std.say("warning: NTLMv1 is allowed: who listens to a login has the NT hash within a day, and logs in with that; it is for TLS alone, and until the last device that needs it is gone")
	return nil
}

// folderMode is that of sockets which a folder guards, as with saslauthd.
const folderMode = 0o666

// sockets reads the options that say where to listen; nil if there are none.
func (o *serveOptions) sockets() ([]servedSocket, error) {
	var all []servedSocket
	add := func(p protocol, text string) error {
		policy, text := cutPolicy(text)
		s, err := daemon.ParseSocket(text)
		if err == nil {
			s.AllowRemote = o.allowRemote
			err = s.Validate()
		}
		if err != nil {
			return &exitError{exitUsage, err}
		}
		if p != dovecotProtocol && s.Mode == 0 {
			s.Mode = folderMode
		}
		all = append(all, servedSocket{p, policy, s})
		return nil
	}
	for _, text := range o.auth {
		if err := add(dovecotProtocol, text); err != nil {
			return nil, err
		}
	}
	for _, text := range o.mux {
		if err := add(saslauthdProtocol, inFolder(text, "mux")); err != nil {
			return nil, err
		}
	}
	for _, text := range o.pwcheck {
		if err := add(pwcheckProtocol, inFolder(text, "pwcheck")); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// passedSockets are those that systemd passed, when no option says where to listen. Their
// names say what they speak.
func (o *serveOptions) passedSockets(names []string) ([]servedSocket, error) {
	if len(names) == 0 {
		return nil, usage("no socket: --auth, --mux or --pwcheck is missing, and systemd passed none")
	}
	var all []servedSocket
	for _, name := range names {
		p, ok := protocolNamed(name)
		if !ok {
			return nil, usage("systemd passed a socket with the name %.255q, which does not say what it speaks (write FileDescriptorName=auth, mux or pwcheck into its unit, or a longer name like auth-postfix)", name)
		}
		all = append(all, servedSocket{protocol: p, socket: daemon.Socket{Name: name, AllowRemote: o.allowRemote}})
	}
	return all, nil
}

// protocolNamed reads the name of a socket that systemd passed: that of a protocol, alone
// or with a hyphen and more behind it.
func protocolNamed(name string) (protocol, bool) {
	kind, _, _ := strings.Cut(name, "-")
	switch kind {
	case "auth":
		return dovecotProtocol, true
	case "mux":
		return saslauthdProtocol, true
	case "pwcheck":
		return pwcheckProtocol, true
	}
	return 0, false
}

// inFolder makes the path of a socket in a folder, keeping what follows a comma.
func inFolder(text, name string) string {
	dir, options, found := strings.Cut(text, ",")
	if strings.HasPrefix(dir, "systemd:") {
		return text
	}
	path := strings.TrimRight(dir, "/") + "/" + name
	if found {
		path += "," + options
	}
	return path
}
