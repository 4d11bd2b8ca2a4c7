package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// A passwd is one change, of one user unless it is of all.
type passwd struct {
	std      *stdio
	path     string
	realm    string
	format   newFormat
	password passwordSource

	all, scram, otp, noPlain bool
	except                   []string // of all
	options                  mech.SecretOptions
	remove, disable, enable  bool
	ifNew, ifExists          bool
}

func newPasswdCommand(std *stdio) *cobra.Command {
	p := &passwd{std: std}
	cmd := &cobra.Command{
		Use:   "passwd [-f FILE] [-u REALM] [options] {USER | --all --scram [--except USER]...}",
		Short: "Set a user's password in a sasldb file, delete or disable him",
		Long: `Sets the password of USER, who may be user@realm; without a realm it is the
host's name, as for saslpasswd2. A file that is missing is made.

All kinds of secret that the user has are replaced together, in one commit: no
old password stays valid under another kind. With --scram, or if he has SCRAM
keys already, those of all hashes are stored. With --otp, or if he has one already,
he gets a new series of one-time passwords, of which the password is the pass
phrase; its hash is --otp-hash, or that of the series before. With --no-plain the
password itself is not stored: then CRAM-MD5 and DIGEST-MD5 do not work for him. SCRAM
does, and PLAIN, which Cyrus SASL refuses him.

A disabled user's secrets are kept under names that Cyrus SASL does not read
either. A new password does not enable him.

With --all --scram, SCRAM keys are made of the passwords that the file holds, and nobody
gets a new one: for all users, or those of REALM if -u is given, in one commit. With
--no-plain the keys take the place of the passwords, also for who had keys already. Who
has no password stored, is disabled, or is named by --except stays as he is; standard
error tells how many. A name behind --except that nobody has is an error; that and an
interrupt leave the file as it was. A user takes some 20 ms of one processor.`,
		Example: `  # set a password, which is asked for twice
  saslkit passwd alice@example.com
  # store SCRAM keys in the place of the password
  saslkit passwd --scram --no-plain -u example.com alice
  # make a user from a script
  saslkit passwd --if-new --password-stdin bob@example.com < bob.password
  # lock somebody out and let him in again
  saslkit passwd --disable alice@example.com
  saslkit passwd --enable alice@example.com
  # make SCRAM keys of all passwords, first beside them, then in their place
  saslkit passwd --all --scram
  saslkit passwd --all --scram --no-plain
  # the same, but for who has a device that needs CRAM-MD5
  saslkit passwd --all --scram --no-plain --except alice@example.com`,
		Args: p.arguments, ValidArgsFunction: users,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.contradiction(); err != nil {
				return err
			}
			switch {
			case p.all:
				r, err := p.rekeying(cmd.Flags())
				if err != nil {
					return err
				}
				return changeError(r.run(cmd.Context()))
			case p.remove, p.disable, p.enable:
				return changeError(p.alter(cmd.Context(), args[0]))
			}
			return changeError(p.set(cmd.Context(), args[0]))
		},
	}
	p.register(cmd.Flags())
	return cmd
}

func (p *passwd) register(f *pflag.FlagSet) {
	registerDB(f, &p.path)
	f.StringVarP(&p.realm, "realm", "u", "", "the `REALM` of a name without one (default: the host's name)")
	p.format.register(f)
	f.BoolVar(&p.all, "all", false, "make keys of the passwords of all users, with --scram; -u: of that realm")
	f.StringArrayVar(&p.except, "except", nil, "leave this `USER` out of --all; again for another")
	f.BoolVar(&p.scram, "scram", false, "store SCRAM keys as well")
	f.BoolVar(&p.otp, "otp", false, "store a series of one-time passwords as well (10 to 63 characters)")
	f.StringVar(&p.options.OTPHash, "otp-hash", "", "the `HASH` of the series with --otp, md5 or sha1 (default: that of the one before, or md5)")
	f.IntVar(&p.options.Iterations, "iterations", 0, "`COUNT` of the SCRAM keys, 4096 to 1000000 (default 10000)")
	f.BoolVar(&p.noPlain, "no-plain", false, "do not store the password itself")
	f.BoolVar(&p.remove, "delete", false, "delete the user: every property he has")
	f.BoolVar(&p.disable, "disable", false, "disable the user until --enable")
	f.BoolVar(&p.enable, "enable", false, "enable the user again, with the secrets that he had")
	f.BoolVar(&p.ifNew, "if-new", false, "only if there is no such user yet")
	f.BoolVar(&p.ifExists, "if-exists", false, "only if there is such a user already")
	p.password.register(f)
}

// arguments are USER, or none with --all.
func (p *passwd) arguments(cmd *cobra.Command, args []string) error {
	if p.all && len(args) > 0 {
		return usage("passwd: --all takes no USER")
	}
	if p.all {
		return nil
	}
	return arguments("USER")(cmd, args)
}

// contradiction finds options that do not go together.
func (p *passwd) contradiction() error {
	if p.except != nil && !p.all {
		return usage("passwd: --except needs --all")
	}
	alone := []string{}
	for name, given := range map[string]bool{"--delete": p.remove, "--disable": p.disable, "--enable": p.enable} {
		if given {
			alone = append(alone, name)
		}
	}
	slices.Sort(alone)
	sets := p.scram || p.otp || p.options.OTPHash != "" || p.options.Iterations != 0 || p.noPlain || p.ifNew || p.password != passwordSource{}
	switch {
	case len(alone) > 1:
		return usage("passwd: %s exclude each other", strings.Join(alone, " and "))
	case len(alone) == 1 && sets:
		return usage("passwd: %s sets no password: only --if-exists may stand beside it", alone[0])
	case p.ifNew && p.ifExists:
		return usage("passwd: --if-new and --if-exists exclude each other")
	case p.options.OTPHash != "" && !p.otp && !p.all:
		return usage("passwd: --otp-hash needs --otp")
	case !slices.Contains([]string{"", "md5", "sha1"}, p.options.OTPHash):
		return usage("passwd: --otp-hash %.20q is not md5 or sha1", p.options.OTPHash)
	}
	if err := p.options.Validate(); err != nil {
		return usage("passwd: --iterations %d: %w", p.options.Iterations, err)
	}
	return nil
}

// set stores a new password.
func (p *passwd) set(ctx context.Context, given string) error {
	name, err := newName(given, p.realm)
	if err != nil {
		return err
	}
	password, err := p.password.readNew(p.std, name.String())
	if err != nil {
		return err
	}
	if n := utf8.RuneCountInString(password); p.otp && (n < mech.MinOTPPhrase || n > mech.MaxOTPPhrase) {
		return usage("passwd: a pass phrase of OTP has %d to %d characters", mech.MinOTPPhrase, mech.MaxOTPPhrase)
	}
	maker := secretMaker{userName: name, password: password, options: p.options}
	if _, err := maker.make(verifier.KindPassword); err != nil {
		return err // before the file is touched
	}
	var stored verifier.Entry
	options := sasldb.WriteOptions{Create: true, Format: p.format.Format}
	err = sasldb.Update(ctx, p.path, options, name.request(), func(e verifier.Entry) (verifier.Entry, error) {
		switch {
		case p.ifNew && e.Exists:
			return e, no("%s exists already", name)
		case p.ifExists && !e.Exists:
			return e, noSuchUser(name, p.path)
		}
		kinds, err := p.kinds(e)
		if err != nil {
			return e, err
		}
		maker.follow(e, p.options.OTPHash)
		e.Exists = true
		e.Secrets, err = maker.make(kinds...)
		stored = e
		return e, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.std.out, "%s: password set (%s) in %s\n", quoted(name.String()), kindNames(stored.Secrets), quoted(p.path))
	if stored.Disabled {
		p.std.say("%s stays disabled: --enable lets him in again", name)
	}
	return nil
}

// kinds are those that the user gets: what he has, and what the options say.
func (p *passwd) kinds(e verifier.Entry) ([]verifier.Kind, error) {
	var kinds []verifier.Kind
	if !p.noPlain {
		kinds = append(kinds, verifier.KindPassword)
	}
	scram := p.scram
	for _, s := range e.Secrets {
		if s.Kind != verifier.KindPassword {
			kinds = append(kinds, s.Kind)
		}
		scram = scram || s.Kind.IsSCRAM()
	}
	if scram {
		for _, kind := range mech.SCRAMKinds() {
			if !slices.Contains(kinds, kind) {
				kinds = append(kinds, kind)
			}
		}
	}
	if p.otp && !slices.Contains(kinds, verifier.KindOTP) {
		kinds = append(kinds, verifier.KindOTP)
	}
	if len(kinds) == 0 {
		return nil, usage("passwd: with --no-plain alone the user would have no secret at all: add --scram or --otp")
	}
	return kinds, nil
}

func kindNames(secrets []verifier.Secret) string {
	var names []string
	for _, s := range secrets {
		names = append(names, s.Kind.String())
	}
	return strings.Join(names, ", ")
}

// A secretMaker makes the secrets of one password. A change that runs again gets
// the ones made before: SCRAM keys take a while.
type secretMaker struct {
	userName
	password string
	options  mech.SecretOptions
	made     []verifier.Secret
}

// follow has a series of one-time passwords made by the hash that is given, or else by that
// of the one that the user has: his calculator may know no other.
func (m *secretMaker) follow(e verifier.Entry, given string) {
	hash := given
	for _, s := range e.Secrets {
		if s.Kind == verifier.KindOTP && given == "" {
			hash, _, _ = strings.Cut(string(s.Value), "\t")
		}
	}
	o := m.options
	if o.OTPHash = hash; o.Validate() == nil && o != m.options {
		m.options, m.made = o, nil
	}
}

func (m *secretMaker) make(kinds ...verifier.Kind) ([]verifier.Secret, error) {
	same := slices.EqualFunc(m.made, kinds, func(s verifier.Secret, k verifier.Kind) bool { return s.Kind == k })
	if !same || m.made == nil {
		made, err := m.options.Secrets(m.user, m.realm, m.password, kinds...)
		if err != nil {
			return nil, usage("the password cannot be used: %w", err)
		}
		m.made = made
	}
	return m.made, nil
}

// alter deletes, disables or enables somebody.
func (p *passwd) alter(ctx context.Context, given string) error {
	names, err := possibleNames(given, p.realm)
	if err != nil {
		return err
	}
	var name userName
	err = sasldb.Edit(ctx, p.path, sasldb.WriteOptions{}, func(tx *sasldb.Tx) error {
		i := slices.IndexFunc(names, func(n userName) bool { return len(tx.User(n.user, n.realm)) > 0 })
		if i < 0 {
			return noSuchUser(names[0], p.path)
		}
		name = names[i]
		return tx.Update(name.request(), func(e verifier.Entry) (verifier.Entry, error) {
			e.Exists, e.Disabled = !p.remove, p.disable
			return e, nil
		})
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.std.out, "%s: %s %s\n", quoted(name.String()), p.done(), quoted(p.path))
	return nil
}

func (p *passwd) done() string {
	switch {
	case p.remove:
		return "deleted from"
	case p.disable:
		return "disabled in"
	}
	return "enabled in"
}

// no is the answer no.
func no(format string, args ...any) error { return &exitError{exitNo, fmt.Errorf(format, args...)} }

func noSuchUser(n userName, path string) error { return no("%s: no user %s", path, n) }

// A newFormat is the option that says what a new file is.
type newFormat struct{ sasldb.Format }

func (n *newFormat) register(f *pflag.FlagSet) {
	f.Var(n, "format", "the `FORMAT` that a file gets which is missing: bdb or gdbm")
}

// Set implements pflag.Value.
func (n *newFormat) Set(name string) error {
	format, err := sasldb.ParseFormat(name)
	if err == nil && format == sasldb.LMDB {
		return fmt.Errorf("lmdb is made by convert only")
	}
	n.Format = format
	return err
}

// Type implements pflag.Value.
func (*newFormat) Type() string { return "FORMAT" }
