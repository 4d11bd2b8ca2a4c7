package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/cyrusconf"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// loadConf reads what --conf names: a file, or "smtpd" for that application's, from
// where its libsasl2 has it.
func loadConf(std *stdio, name string) (*cyrusconf.File, error) {
	if strings.ContainsAny(name, "/.") {
		f, err := cyrusconf.LoadFile(name)
		return f, confError(err)
	}
	path, err := searchPath(name).Find(name)
	if err != nil {
		return nil, confError(err)
	}
	std.say("configuration: %s", path)
	f, err := cyrusconf.LoadFile(path)
	return f, confError(err)
}

// postfixDir is where Debian's Postfix has main.cf.
const postfixDir = "/etc/postfix"

// searchPath is where the file of an application may be. "smtpd" is Postfix's name,
// which has folders of its own on Debian; elsewhere it has the library's.
func searchPath(app string) cyrusconf.SearchPath {
	p := cyrusconf.LibraryPath()
	if app == "smtpd" {
		p = append(cyrusconf.DebianPostfixPath(postfixDir), p...)
	}
	return p
}

// confError gives an error of a configuration file its code.
func confError(err error) error {
	var system *fs.PathError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &system) && !errors.Is(err, fs.ErrNotExist):
		return untried(err)
	}
	return &exitError{exitUsage, err}
}

// conf sets up a as the file of a Cyrus application says.
func (o *siteOptions) conf(open *opener, a *saslkit.Authenticator) error {
	std := open.std
	f, err := loadConf(std, o.confFile)
	if err != nil {
		return err
	}
	app, faults := f.Application()
	faults = append(faults, app.CheckFiles()...)
	sayAll(std, faults.Warnings())
	if err := faults.Err(); err != nil {
		return &exitError{exitUsage, err}
	}
	sayAll(std, unused(&app))
	if err := notBuiltIn(&app); err != nil {
		return err
	}
	a.NonceLife = nonceLife(&app)
	s := site{opener: open, app: &app}
	if err := s.open(); err != nil {
		return err
	}
	a.Verifier = chained(s.passwords)
	if s.auxprop != nil {
		a.Secrets = s.auxprop
	}
	if a.Mechanisms = app.MechList; a.Mechanisms == nil {
		a.Mechanisms = whatCyrusOffers(a)
		if s.moving {
			a.Mechanisms = servingAll(a, a.Mechanisms)
		}
		std.say("%s has no mech_list; to keep what is offered now, add: mech_list: %s", app.Name, strings.Join(a.Mechanisms, " "))
	}
	return nil
}

// A site is what a configuration file comes to in stores.
type site struct {
	*opener
	app       *cyrusconf.Application
	passwords []verifier.Verifier   // for pwcheck_method, in its order
	stores    []verifier.Verifier   // for auxprop_plugin, in its order
	auxprop   verifier.SecretSource // all of them; nil for none
	moving    bool                  // by auto_transition
}

func (s *site) open() error {
	if err := s.openAuxprop(); err != nil {
		return err
	}
	for _, method := range s.app.PwcheckMethod {
		if err := s.openMethod(method); err != nil {
			return err
		}
	}
	if err := s.openTransition(); err != nil {
		return err
	}
	s.chainAuxprop()
	return nil
}

// openAuxprop opens the stores of secrets, which are asked in turn.
func (s *site) openAuxprop() error {
	for _, plugin := range s.plugins() {
		var v verifier.Verifier
		var err error
		switch plugin {
		case "sasldb":
			v, err = s.openSasldb()
		case "sql":
			v, err = newSQLStore(s.app.Name, s.app.SQL)
		default:
			err = usage("%s: auxprop_plugin %s is not built in (known: sasldb sql)", s.app.Where("auxprop_plugin"), plugin)
		}
		if err != nil {
			return err
		}
		if v != nil {
			s.closed = append(s.closed, v.(io.Closer))
			s.stores = append(s.stores, v)
		}
	}
	s.chainAuxprop()
	return nil
}

func (s *site) chainAuxprop() {
	if v := chained(s.stores); v != nil {
		s.auxprop, _ = verifier.SourceOf(v)
	}
}

// openSasldb opens the sasldb; nil if there is none. With Cyrus one that is missing has
// no users. Here that is an error if passwords are to be checked by it alone, and
// otherwise leaves the site without its secrets, so that what needs them is not offered.
func (s *site) openSasldb() (verifier.Verifier, error) {
	path := s.app.SasldbPath
	_, err := os.Stat(path)
	alone := len(s.plugins()) == 1
	if errors.Is(err, fs.ErrNotExist) && !(alone && slices.Contains(s.app.PwcheckMethod, "auxprop")) {
		so := "it holds no secrets"
		if alone {
			so = "no store holds secrets"
		}
		s.std.say("%s (sasldb_path: %s): there is no such file, so %s", path, s.app.Where("sasldb_path"), so)
		return nil, nil
	}
	return openSasldb(path)
}

// plugins are those of auxprop_plugin. Without it Cyrus asks all that are installed:
// here sasldb, and sql if there is a statement for it.
func (s *site) plugins() []string {
	switch {
	case s.app.AuxpropPlugin != nil:
		return s.app.AuxpropPlugin
	case s.app.SQL.Select != "":
		return []string{"sasldb", "sql"}
	}
	return []string{"sasldb"}
}

func (s *site) openMethod(method string) (err error) {
	var v verifier.Verifier
	switch method {
	case "auxprop":
		v = s.auxprop
	case "saslauthd":
		v, err = openSaslauthd(s.app.SaslauthdPath)
	case "pwcheck":
		v, err = openPwcheck(cyrusconf.PwcheckPath)
	default:
		return usage("%s: pwcheck_method %s is not built in (known: auxprop saslauthd pwcheck)", s.app.Where("pwcheck_method"), method)
	}
	s.passwords = append(s.passwords, v)
	return err
}

// whatCyrusOffers lists what libsasl2 offers where there is no mech_list, CRAM-MD5 and
// DIGEST-MD5 among it, as far as the stores can serve anybody. ANONYMOUS is left out,
// which every server of mail forbids by its policy, and NTLM, whose exchanges can be
// passed on to another server.
func whatCyrusOffers(a *saslkit.Authenticator) []string {
	var names []string
	for _, m := range mech.All() {
		// A name stands for its -PLUS, and Cyrus has no SHA-3.
		if !m.Binds && m != mech.ANONYMOUS && m != mech.NTLM && m != mech.SCRAMSHA3512 {
			names = append(names, m.Name)
		}
	}
	probe := saslkit.Authenticator{
		Verifier: a.Verifier, Secrets: a.Secrets, Tokens: a.Tokens, Mechanisms: names,
		Policy: mech.Policy{Clear: mech.AnyMechanism, TLS: mech.AnyMechanism},
	}
	channel := underTLS()
	channel.External = "somebody"
	offered := probe.Advertised(channel)
	return slices.DeleteFunc(names, func(name string) bool { return !slices.Contains(offered, name) })
}
