package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/verifier"
)

// A siteBuilder makes the site that is served, at start and again at each reload.
type siteBuilder struct {
	std      *stdio
	options  *serveOptions
	named    socketPolicy // what the command line says for all sockets
	logger   *slog.Logger
	observer func(saslkit.Event)
	guard    verifier.Guard // keeps its counts over reloads
	decoyKey saslkit.Key
}

// A builtSite is a site and what its stores hold open.
type builtSite struct {
	*daemon.Site
	stores *opener
}

// retirement is how long the stores of a site are kept after a reload, for the logins
// that began with it.
const retirement = time.Minute

// retire lets go of the stores when no login needs them any more.
func (b *builtSite) retire() { time.AfterFunc(retirement, b.stores.close) }

// build opens the stores and checks the configuration, for sockets of that policy.
func (b *siteBuilder) build(p socketPolicy) (*builtSite, error) {
	open := &opener{std: b.std}
	site, err := b.buildWith(open, p)
	if err != nil {
		open.close()
		return nil, err
	}
	return &builtSite{site, open}, nil
}

func (b *siteBuilder) buildWith(open *opener, p socketPolicy) (*daemon.Site, error) {
	p = p.or(b.named)
	o := b.options.siteOptions
	o.realm, o.clear = p.realm, p.security
	a, err := o.authenticator(open)
	if err != nil {
		return nil, err
	}
	if p.mechList != "" {
		a.Mechanisms = splitList(p.mechList)
	}
	a.Logger, a.Observer, a.Guard = b.logger, b.observer, b.guard
	a.DecoyKey, a.DerivedIterations, a.AllowNTLMv1 = b.decoyKey, b.options.derivedIterations, b.options.allowNTLMv1
	if !p.hasSecurity {
		// The list of mechanisms is announced before anybody knows whether the
		// client is under TLS. Postfix and Exim decide that by options of theirs.
		a.Policy.Clear = a.Policy.TLS
	}
	realms, err := o.realms(b.std, p.hasRealm, a)
	if err != nil {
		return nil, err
	}
	if err := o.rules(realms, a); err != nil {
		return nil, err
	}
	if err := validate(a); err != nil {
		return nil, err
	}
	return &daemon.Site{Auth: a, Realm: realms, HostNames: b.options.hostNames}, nil
}

// leastKey and mostKey bound a file with a key, in bytes.
const leastKey, mostKey = 16, 4096

// readKey reads the file of --decoy-key; nil for "".
func readKey(path string) (saslkit.Key, error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, untried(fmt.Errorf("--decoy-key: %w (make it: head -c 32 /dev/urandom > FILE; chmod 600 FILE)", err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, untried(fmt.Errorf("--decoy-key: %w", err))
	}
	// The group may read it: that is how Kubernetes shows a Secret to who is not root.
	if info.Mode().Perm()&0o027 != 0 {
		return nil, usage("--decoy-key: %s can be read by others, or its group can write it (chmod 600 %s, or 440 with a group of its own)", path, path)
	}
	key, err := io.ReadAll(io.LimitReader(f, mostKey+1))
	switch {
	case err != nil:
		return nil, untried(fmt.Errorf("--decoy-key: %w", err))
	case len(bytes.TrimSpace(key)) < leastKey || len(key) > mostKey:
		return nil, usage("--decoy-key: %s has %d bytes, want %d to %d", path, len(key), leastKey, mostKey)
	}
	return key, nil
}
