package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/saslkittest"
	"github.com/saslkit/saslkit/verifier"
)

// A check is one login in process.
type check struct {
	auth      *saslkit.Authenticator
	realms    realm.Policy
	service   string
	mechanism *mech.Mechanism
	user      string
	authzid   string // whom to act as; "" for oneself
	password  string
}

func newCheckCommand(std *stdio) *cobra.Command {
	var o siteOptions
	var mechanism, authzid string
	var password passwordSource
	cmd := &cobra.Command{
		Use:   "check --conf FILE | --verifier SPEC... [options] USER",
		Short: "Try one login in process",
		Long: `Checks a user's password against the verifiers, or with --mech by a whole
exchange of that mechanism, as on a channel under TLS. USER may be user@realm. With
OAUTHBEARER and XOAUTH2 the password is a token, for --tokens.

Prints "ok user=... realm=... mech=...", with " authzid=..." behind it for who acts as
somebody else (--authzid), or "no reason=..." with one of: wrong-password,
unknown-user, no-secret, disabled, expired, not-permitted (exit code 1), unavailable
(exit code 3).`,
		Example: `  # try a password as Postfix would have it tried
  saslkit check --conf /etc/postfix/sasl/smtpd.conf alice
  # try a whole exchange of a mechanism
  saslkit check --verifier sasldb:` + defaultDB + ` --realm example.com --mech SCRAM-SHA-256 alice
  # try saslauthd, and a sasldb for those whom it does not know
  saslkit check --verifier saslauthd:/run/saslauthd --verifier sasldb:` + defaultDB + ` -r example.com alice`,
		Args: arguments("USER"), ValidArgsFunction: users,
		RunE: func(cmd *cobra.Command, args []string) error {
			m, err := checkedMechanism(mechanism)
			if err != nil {
				return err
			}
			open := &opener{std: std}
			defer open.close() // which waits for a copy on its way to a store
			c, err := newCheck(open, cmd.Flags(), &o, m, args[0])
			if err != nil {
				return answerUnavailable(std, err)
			}
			c.authzid = authzid
			password.takes(c.mechanism)
			if c.password, err = password.read(std, args[0]); err != nil {
				return err
			}
			return c.answer(cmd.Context(), std)
		},
	}
	o.register(cmd.Flags())
	cmd.Flags().StringVar(&mechanism, "mech", "", "run a whole exchange of this `MECHANISM`")
	cmd.Flags().StringVar(&authzid, "authzid", "", "act as this `USER`")
	password.register(cmd.Flags())
	return cmd
}

// checkedMechanism is nil for "".
func checkedMechanism(name string) (*mech.Mechanism, error) {
	m := mech.ByName(name)
	if m == nil && name != "" {
		return nil, usage("check: no mechanism %q (known: %s)", name, strings.Join(mechanismNames(mech.All()), " "))
	}
	return m, nil
}

// newCheck opens the stores. Without a mechanism only the verifiers are asked,
// by PLAIN and whatever the policy. A mechanism needs no mech_list to name it;
// if there is one, it decides.
func newCheck(open *opener, f *pflag.FlagSet, o *siteOptions, m *mech.Mechanism, user string) (*check, error) {
	std := open.std
	a, err := o.authenticator(open)
	if err != nil {
		return nil, err
	}
	if len(a.Mechanisms) > 0 {
		if err := validate(a); err != nil {
			return nil, err
		}
	}
	if user == "" {
		return nil, usage("check: USER is empty")
	}
	c := &check{auth: a, service: o.service, mechanism: m, user: user}
	switch {
	case m == nil && a.Tokens != nil && len(stores(a)) == 0:
		c.mechanism = mech.OAUTHBEARER
		a.Mechanisms, a.Policy = []string{mech.OAUTHBEARER.Name}, mech.Policy{TLS: mech.AnyMechanism}
	case m == nil:
		c.mechanism = mech.PLAIN
		a.Mechanisms, a.Policy = []string{mech.PLAIN.Name}, mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism}
	case len(a.Mechanisms) == 0:
		a.Mechanisms = []string{m.Name}
	}
	if _, own, ok := strings.Cut(user, "@"); ok && !f.Changed("realm") {
		c.realms = realm.Policy{Default: own}
		std.say("realm: %s, as in the user's name", own)
	} else if c.realms, err = o.realms(std, f.Changed("realm"), a); err != nil {
		return nil, err
	}
	return c, o.rules(c.realms, a)
}

// answerUnavailable answers for stores that cannot even be opened.
func answerUnavailable(std *stdio, err error) error {
	if code := exitCode(err); code != exitUntried && code != exitDamaged {
		return err
	}
	fmt.Fprintln(std.out, "no reason=unavailable")
	return untried(err)
}

// answer prints the one line of the result, and the detail beside it.
func (c *check) answer(ctx context.Context, std *stdio) error {
	result, err := c.login(ctx)
	if err == nil {
		fmt.Fprintf(std.out, "ok user=%s realm=%s mech=%s%s\n", field(result.User), field(result.Realm), result.Mechanism, actingAs(result))
		return nil
	}
	failure := mech.AsError(err)
	detail := fmt.Errorf("check: %s: %s", failure.Class, failure.Detail())
	fmt.Fprintf(std.out, "no reason=%s\n", reasonOf(failure))
	if errors.Is(failure, verifier.ErrNoUser) {
		c.sayRealms(std)
	}
	if failure.Class == mech.Unavailable {
		return untried(detail)
	}
	return &exitError{exitNo, detail}
}

// sayRealms tells in which realms a user whom nobody knows was not looked for. A wrong
// realm is what makes most users unknown.
func (c *check) sayRealms(std *stdio) {
	user, r, err := c.realms.Split(c.user)
	others := slices.DeleteFunc(realmsOf(c.auth), func(held string) bool { return held == r })
	if err != nil || len(others) == 0 {
		return
	}
	const most = 8 // of a store with a realm for each customer
	shown, more := others[:min(len(others), most)], ""
	if len(others) > most {
		more = fmt.Sprintf(" and %d more", len(others)-most)
	}
	std.say("realm: looked for %s; the store has users of %s%s (name one with -r)", quoted(realm.Join(user, r)), quotedAll(shown), more)
}

func quotedAll(names []string) string {
	var all []string
	for _, name := range names {
		all = append(all, quoted(name))
	}
	return strings.Join(all, ", ")
}

func (c *check) login(ctx context.Context) (saslkit.Result, error) {
	needs := c.mechanism.Need == mech.NeedPassword || c.mechanism.Need == mech.NeedSecret
	if needs && c.password == "" {
		return saslkit.Result{}, fmt.Errorf("%w: it is empty", verifier.ErrWrongPassword)
	}
	credentials := saslkit.Credentials{Username: c.user, Password: c.password, Authzid: c.authzid}
	if c.mechanism.Need == mech.NeedToken {
		if c.password == "" {
			return saslkit.Result{}, fmt.Errorf("%w: it is empty", verifier.ErrToken)
		}
		credentials.Token = mech.FixedToken(c.password)
	}
	if needs && !slices.Contains(c.auth.Advertised(underTLS()), c.mechanism.Name) {
		if err := c.unserved(ctx); err != nil {
			return saslkit.Result{}, err
		}
	}
	return saslkittest.Client{
		Mechanism:   c.mechanism.Name,
		Credentials: credentials,
		Channel:     underTLS(),
		Service:     c.service,
		Realm:       c.realms,
	}.Login(c.auth)
}

// unserved says what a mechanism that cannot be offered comes to for this user:
// there may be no such user, or no secret. It returns nil if something else,
// the policy, speaks against the mechanism.
func (c *check) unserved(ctx context.Context) error {
	if c.auth.Policy.Missing(c.mechanism, true) != 0 || !mech.Listed(c.auth.Mechanisms, c.mechanism.Name) {
		return nil
	}
	user, r, err := c.realms.Split(c.user)
	if err != nil {
		return fmt.Errorf("%w: %w", verifier.ErrNoUser, err)
	}
	for _, v := range stores(c.auth) {
		source, ok := verifier.SourceOf(v)
		if !ok {
			continue
		}
		_, err = source.LookupSecret(ctx, verifier.Request{User: user, Realm: r, Service: c.service, Mechanism: c.mechanism.Name}, c.mechanism.Secrets...)
		if !errors.Is(err, verifier.ErrNoUser) {
			break
		}
	}
	if err == nil {
		return verifier.ErrNoSecret
	}
	return err
}

// reasonOf finds the word for a failure. What the policy, the mech_list or a
// limit keeps from being tried at all is not permitted.
func reasonOf(failure *saslkit.Error) string {
	switch {
	case failure.Class == mech.Unavailable:
		return "unavailable"
	case errors.Is(failure, verifier.ErrNoUser):
		return "unknown-user"
	case errors.Is(failure, verifier.ErrNoSecret):
		return "no-secret"
	}
	switch failure.Class {
	case mech.BadCredentials:
		return "wrong-password"
	case mech.Disabled:
		return "disabled"
	case mech.Expired:
		return "expired"
	}
	return "not-permitted"
}
