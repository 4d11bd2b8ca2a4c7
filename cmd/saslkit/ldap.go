package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/saslkit/saslkit/cyrusconf"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/ldap"
	"github.com/saslkit/saslkit/verifier/stored"
)

// A ldapStore is a directory, and what is unwise in the file that names it. If the file
// says how users are listed they are counted again every few minutes, on a goroutine that
// ends with Close.
type ldapStore struct {
	*ldap.Directory
	reads    bool // what entries hold
	faults   []error
	end      context.CancelFunc
	counting sync.WaitGroup
}

// Faults lists warnings.
func (s *ldapStore) Faults() []error { return s.faults }

// openLDAP opens what a file with saslauthd's ldap_ keys names.
func openLDAP(path string) (verifier.Verifier, error) {
	s, err := newLDAPStore(path, stored.Options{})
	switch {
	case err != nil:
		return nil, err
	case !s.reads:
		return &ldapChecker{store: s}, nil
	}
	return s, nil
}

// A ldapChecker is a directory that compares passwords itself and hands no secrets out, so
// that --secrets does not take it.
type ldapChecker struct {
	secret.Opaque
	store *ldapStore
}

func (c *ldapChecker) String() string { return c.store.String() }

// Faults lists warnings.
func (c *ldapChecker) Faults() []error { return c.store.faults }

// Close closes all connections.
func (c *ldapChecker) Close() error { return c.store.Close() }

// VerifyPassword implements verifier.Verifier.
func (c *ldapChecker) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	return c.store.VerifyPassword(ctx, r, password)
}

// newLDAPStore opens a directory. It may be down and come later, unless its users are to
// be counted.
func newLDAPStore(path string, hashes stored.Options) (*ldapStore, error) {
	f, err := cyrusconf.LoadFile(path)
	if err != nil {
		return nil, confError(err)
	}
	conf, faults := f.Saslauthd()
	if err := faults.Err(); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	o, err := ldapOptions(&conf.LDAP)
	if err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", path, err)}
	}
	o.Hashes = hashes
	s := &ldapStore{reads: o.Method == ldap.Attributes}
	if s.Directory, err = ldap.New(o); err != nil {
		return nil, &exitError{exitUsage, fmt.Errorf("%s: %w", path, err)}
	}
	for _, w := range faults.Warnings() {
		s.faults = append(s.faults, w)
	}
	s.faults = append(s.faults, ldapWarnings(path, &conf.LDAP)...)
	ctx, end := context.WithCancel(context.Background())
	s.end = end
	if o.ListFilter == "" {
		return s, nil
	}
	if err := s.Refresh(ctx); err != nil {
		s.Close()
		return nil, untried(err)
	}
	s.counting.Go(func() { countAgain(ctx, s.Refresh) })
	return s, nil
}

// Close closes all connections.
func (s *ldapStore) Close() error {
	s.end()
	s.counting.Wait()
	return s.Directory.Close()
}

// ldapOptions are the options that keys come to.
func ldapOptions(l *cyrusconf.LDAP) (o ldap.Options, err error) {
	o = ldap.Options{
		Servers: l.Servers, StartTLS: l.StartTLS,
		BindDN: l.BindDN, BindPassword: l.Password,
		SearchBase: l.SearchBase, Filter: l.Filter, Scope: ldap.Scope(l.Scope), Deref: ldap.Deref(l.Deref),
		PasswordAttribute: l.PasswordAttr, SCRAMAttribute: l.SCRAMAttr, UserAttribute: l.UserAttr,
		DefaultRealm: l.DefaultRealm, Timeout: l.Timeout, TimeLimit: l.TimeLimit, ListFilter: l.ListFilter,
	}
	switch l.AuthMethod {
	case cyrusconf.AuthFastbind:
		o.Method = ldap.Fastbind
	case cyrusconf.AuthCustom:
		o.Method = ldap.Attributes
	case cyrusconf.AuthCompare:
		o.Method = ldap.Compare
	}
	if l.GroupByFilter {
		o.Group = ldap.Group{Filter: l.GroupFilter, Base: l.GroupSearch, Scope: ldap.Scope(l.GroupScope)}
	} else if l.GroupDN != "" {
		o.Group = ldap.Group{DN: l.GroupDN, Attribute: l.GroupAttr}
	}
	switch {
	case l.Version != 3:
		return o, errors.New("ldap_version: only version 3 is spoken (delete the line)")
	case l.UseSASL && !strings.EqualFold(l.Mech, "EXTERNAL"):
		return o, errors.New("ldap_use_sasl: of SASL's mechanisms only EXTERNAL is spoken to directories (write ldap_mech: EXTERNAL, or ldap_bind_dn and ldap_bind_pw with TLS)")
	case l.UseSASL:
		o.External, o.BindDN, o.BindPassword = true, "", ""
	}
	if o.Kinds, err = ldapKinds(l.Kinds); err != nil {
		return o, err
	}
	o.TLS, err = ldapTLS(l)
	return o, err
}

// ldapKinds reads ldap_kinds.
func ldapKinds(words []string) (all verifier.Kinds, err error) {
	for _, word := range words {
		k, scram := verifier.SCRAMKind(word)
		switch {
		case scram:
			all |= verifier.KindsOf(k, verifier.KindCheck)
		case strings.EqualFold(word, "password"):
			all |= verifier.KindsOf(verifier.KindPassword)
		case strings.EqualFold(word, "check"):
			all |= verifier.KindsOf(verifier.KindCheck)
		default:
			return 0, fmt.Errorf("ldap_kinds: no kind %.40q (known: password check scram-sha-1 scram-sha-256 scram-sha-512 …)", word)
		}
	}
	return all, nil
}

// ldapTLS trusts the system's authorities, or those that the file names and no others.
func ldapTLS(l *cyrusconf.LDAP) (*tls.Config, error) {
	c := &tls.Config{InsecureSkipVerify: l.TLSCheckPeer == cyrusconf.CheckNo} // a warning tells
	var files []string
	if l.CACertFile != "" {
		files = append(files, l.CACertFile)
	}
	if l.CACertDir != "" {
		names, err := os.ReadDir(l.CACertDir)
		if err != nil {
			return nil, fmt.Errorf("ldap_tls_cacert_dir: %w", err)
		}
		for _, n := range names {
			files = append(files, filepath.Join(l.CACertDir, n.Name()))
		}
	}
	for _, name := range files {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("certificates of authorities: %w", err)
		}
		if c.RootCAs == nil {
			c.RootCAs = x509.NewCertPool()
		}
		if !c.RootCAs.AppendCertsFromPEM(text) && name == l.CACertFile {
			return nil, fmt.Errorf("ldap_tls_cacert_file: %s holds no certificate", name)
		}
	}
	if l.Cert == "" && l.Key == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(l.Cert, l.Key)
	if err != nil {
		return nil, fmt.Errorf("ldap_tls_cert, ldap_tls_key: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// ldapWarnings tells what is unwise, or different here.
func ldapWarnings(path string, l *cyrusconf.LDAP) (all []error) {
	warn := func(text string) { all = append(all, fmt.Errorf("%s: %s", path, text)) }
	if l.Ciphers != "" {
		warn("ldap_tls_ciphers has no effect here: TLS is 1.2 or 1.3, with the ciphers of Go")
	}
	if l.Referrals {
		warn("ldap_referrals: referrals are not followed here; who is elsewhere gets a temporary failure (name that server in ldap_servers)")
	}
	for _, uri := range l.Servers {
		if u, err := url.Parse(uri); err == nil && u.Scheme == "ldap" && !l.StartTLS && !isHere(u.Hostname()) {
			warn("passwords go to " + uri + " in the clear (write ldaps://, or ldap_start_tls: yes)")
		}
	}
	return all
}

// isHere reports whether passwords that go to a host stay on this one.
func isHere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// An oldLDAP is a directory that is asked as saslauthd asks it. Names come joined,
// login@realm. With -r that is the login; without, it is what stands before the last '@',
// where libsasl2 cuts it. So a login with an '@' of its own and no realm beside it, as
// Exim sends, is cut too, which it is not by the original.
type oldLDAP struct {
	*ldapStore
	whole bool
}

// VerifyPassword implements verifier.Verifier.
func (o oldLDAP) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	login, realm := cutLast(r.User)
	if r.Realm = realm; !o.whole {
		r.User = login
	}
	return o.ldapStore.VerifyPassword(ctx, r, password)
}

func openOldLDAP(s *oldSaslauthd) (verifier.Verifier, error) {
	store, err := newLDAPStore(s.file, stored.Options{Parallel: s.parallel()})
	if err != nil {
		return nil, err
	}
	sayAll(s.std, store.Faults())
	return s.cached(oldLDAP{store, s.join}, nil), nil
}
