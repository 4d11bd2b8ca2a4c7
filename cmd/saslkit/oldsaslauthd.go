package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/daemon"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// saslauthd as Cyrus SASL has it, over the files that this program reads itself. What is
// different:
//
//   - It stays in the foreground, for a Go program cannot fork; it says so once, unless
//     -d asked for that. What is logged goes to standard error.
//   - Everybody who may not log in is told the same. The log says why.
//   - One process serves all connections at once: -n only lets more hashes be computed
//     at a time than there are processors, and -l means nothing.
//   - -c remembers in memory, for an hour at most whatever -t says, and not beyond a
//     change of the file. With sasldb there is nothing to remember: it is in memory.
//   - -r changes nothing with sasldb. The original then looks for the user login@realm in
//     that realm, whom saslpasswd2 cannot make, so that nobody with a realm logs in.
//   - -O names the file that is read instead of the system's.
//   - shadow and getpwent read the files, not what nsswitch.conf adds to them.
//   - ldap closes the connection in temporary trouble, where the original says NO, and
//     cuts a login with an '@' and no realm beside it unless -r is given.
type oldSaslauthd struct {
	std           *stdio
	backend       *oldBackend
	file, dir     string
	cache, join   bool // -c, -r
	debug         bool // -d
	verbose       bool // -V, or -d
	version, help bool
	numbers       map[byte]int // -n, -s, -t
}

var oldSaslauthdUsage = `usage: saslauthd -a mechanism [options]
	-a mechanism	one of those that -v prints: sasldb, shadow, getpwent, pam, ldap
	-c		remember who logged in, until the file changes
	-d		log more, and do not say that it stays in the foreground
	-h		print this
	-l		no meaning
	-m dir		the folder of its socket, mux; absolute
	-n number	how many hashes to compute at a time, if more than processors
	-O file		read this file instead of ` + defaultDB + `, /etc/shadow, /etc/passwd,
			or for ldap instead of /etc/saslauthd.conf
	-r		join login and realm, as login@realm
	-s kilobytes	how much to remember
	-t seconds	how long to remember, an hour at most
	-V		log more
	-v		print the version and the mechanisms`

func runOldSaslauthd(ctx context.Context, std *stdio, args []string) int {
	s := &oldSaslauthd{std: std, dir: oldSaslauthdDir, numbers: make(map[byte]int)}
	err := s.parse(args)
	switch {
	case err == errOldUsage, err == nil && s.help:
		std.oldUsage(oldSaslauthdUsage)
		s.sayVersion()
		return exitDone // as the original does
	case err == nil && s.version:
		s.sayVersion()
		return exitDone
	case err == nil:
		err = s.run(ctx)
	}
	if err != nil {
		std.say("%v", err)
		return oldFailed
	}
	return exitDone
}

func (s *oldSaslauthd) sayVersion() {
	fmt.Fprintf(s.std.err, "%s %s\nauthentication mechanisms: %s\n\n", s.std.name, version(), knownBackends())
}

func (s *oldSaslauthd) parse(args []string) (err error) {
	var name string
	_, malformed := getopt(args, "a:cdhO:lm:n:rs:t:vV", func(letter byte, value string) {
		switch letter {
		case 'a':
			name = value
		case 'c':
			s.cache = true
		case 'd':
			s.debug, s.verbose = true, true
		case 'h':
			s.help = true
		case 'm':
			s.dir = value
		case 'O':
			s.file = value
		case 'r':
			s.join = true
		case 'v':
			s.version = true
		case 'V':
			s.verbose = true
		case 'n', 's', 't':
			n, bad := strconv.Atoi(value)
			if bad != nil || n < 0 {
				err = fmt.Errorf("-%c %q is not a number", letter, value)
			}
			s.numbers[letter] = n
		}
	})
	switch {
	case malformed != nil:
		s.std.say("%v", malformed)
		return errOldUsage
	case s.help || s.version:
		return nil
	case err != nil:
		return err
	case name == "":
		s.std.say("no authentication mechanism specified")
		return errOldUsage
	case !filepath.IsAbs(s.dir):
		return errors.New("-m requires an absolute pathname")
	}
	return s.choose(name)
}

// choose takes a back end by its name, in any case as the original does.
func (s *oldSaslauthd) choose(name string) error {
	for i, b := range oldBackends {
		if strings.EqualFold(b.name, name) {
			s.backend = &oldBackends[i]
			if s.file == "" {
				s.file = b.file
			}
			return nil
		}
	}
	return fmt.Errorf("unknown authentication mechanism: %s (built in: %s)", name, knownBackends())
}

func (s *oldSaslauthd) run(ctx context.Context) error {
	site, err := s.site()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // which the original ignores; files are followed
	defer signal.Stop(hangups)
	if err := os.Mkdir(s.dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("can not mkdir: %w (does the folder above it exist?)", err)
	}
	mux := filepath.Join(s.dir, oldMux)
	l, err := daemon.Listen(ctx, daemon.Socket{Path: mux, Mode: 0o666})
	if err != nil {
		return err
	}
	defer l.Close()
	removePID, err := writePID(filepath.Join(s.dir, "saslauthd.pid"))
	if err != nil {
		return err
	}
	defer removePID()
	if !s.debug {
		s.std.say("it stays in the foreground (with systemd: Type=simple and no PIDFile; -d does not say this)")
	}
	if s.verbose {
		s.std.say("listening on socket: %s", mux)
	}
	server := daemon.Server{Handler: s.handler(site)}
	return server.Serve(ctx, l)
}

// handler joins login and realm where the original's back end would look at both.
func (s *oldSaslauthd) handler(site *daemon.Site) daemon.Handler {
	h := &daemon.Saslauthd{Current: daemon.NewCurrent(site)}
	if s.join || s.backend.realms {
		h.RequestRealm = daemon.JoinRealm
	}
	return h
}

// site has no realms: which there are is for the back end to know.
func (s *oldSaslauthd) site() (*daemon.Site, error) {
	v, err := s.backend.open(s)
	if err != nil {
		return nil, err
	}
	return &daemon.Site{
		Auth: &saslkit.Authenticator{
			Verifier: v,
			Limits:   mech.Limits{Name: 256 + len("@") + 256}, // two fields
			Observer: s.observe,
		},
		Realm: realm.Policy{Rule: realm.CyrusLastAt},
	}, nil
}

// unbracketed are words of strangers between brackets, which theirs must not end.
var unbracketed = strings.NewReplacer("[", `\x5b`, "]", `\x5d`)

// observe logs as the original does, so that what reads its log reads this.
func (s *oldSaslauthd) observe(e saslkit.Event) {
	user, in := e.User, e.Realm
	if s.backend.realms && in == "" {
		user, in = cutLast(user)
	}
	about := fmt.Sprintf("[user=%s] [service=%s] [realm=%s] [mech=%s]", unbracketed.Replace(user), e.Service, unbracketed.Replace(in), s.backend.name)
	if e.Remote.IsValid() {
		about += fmt.Sprintf(" [remote=%v]", e.Remote.Addr())
	}
	switch {
	case e.Err != nil:
		s.std.say("auth failure: %s [reason=%s]", about, unbracketed.Replace(e.Err.Detail()))
	case s.verbose:
		s.std.say("auth success: %s", about)
	}
}

// cached is v behind a Cache if -c asks for one. The mark is of v's file.
func (s *oldSaslauthd) cached(v verifier.Verifier, mark func(context.Context, verifier.Request) (string, error)) verifier.Verifier {
	if !s.cache {
		return v
	}
	const usual = 8 * time.Hour
	life, given := time.Duration(s.numbers['t'])*time.Second, s.numbers['t'] > 0
	if !given {
		life = usual
	}
	if given && life > time.Hour {
		s.std.say("-t %d: remembered for an hour, the longest there is", s.numbers['t'])
	}
	const entry = 300 // bytes, about
	return verifier.Cache(v, verifier.CacheOptions{Life: life, Entries: min(s.numbers['s'], 1<<20) * 1024 / entry, Mark: mark})
}

// parallel is how many hashes are computed at a time; 0 for as many as processors.
func (s *oldSaslauthd) parallel() int {
	const most = 1024
	if n := min(s.numbers['n'], most); n > runtime.GOMAXPROCS(0) {
		return n
	}
	return 0
}

// writePID writes a file as the original does, in the place of one that is there.
func writePID(path string) (remove func(), err error) {
	os.Remove(path)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(f, os.Getpid())
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(path)
		return nil, err
	}
	return func() { os.Remove(path) }, nil
}
