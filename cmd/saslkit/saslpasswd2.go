package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/cyrusconf"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
	"github.com/saslkit/saslkit/verifier"
)

// saslpasswd2 as Cyrus SASL has it, but for three things: -d deletes all that the
// user has (Cyrus leaves authPassword behind, so SCRAM goes on letting him in), a
// new password replaces or deletes what was stored of the old one, and a password
// that Cyrus would cut, at 2,048 bytes or at a NUL, is refused.
//
// Names and passwords are stored as they are given. Cyrus does not prepare them
// either, neither here nor at a login.
type saslpasswd2 struct {
	std                          *stdio
	create, pipe, remove, hidden bool // -c, which makes no difference, -p, -d, -n
	version                      bool
	app, path, domain            string
	conf                         *cyrusconf.File
	userName
	password string
	disabled bool // the user was and stays
}

const saslpasswd2Usage = `usage: saslpasswd2 [-v] [-c [-p] [-n]] [-d] [-a appname] [-f sasldb] [-u DOM] userid
	-p		read the password from standard input, without asking
	-c		create the user (a password that is set does so anyway)
	-d		delete the user
	-n		do not store the password itself, only what other mechanisms need
	-f sasldb	the database file
	-a appname	read appname.conf and not saslpasswd.conf
	-u DOM		the realm of a userid without one
	-v		print the version`

// An oldError decides the exit code of an old name.
type oldError struct {
	code int
	text string
}

func (e *oldError) Error() string { return e.text }

var (
	errOldUsage = &oldError{oldFailed, "usage"}
	errBadParam = &oldError{oldBadParam, "invalid parameter supplied"}
)

func runSaslpasswd2(ctx context.Context, std *stdio, args []string) int {
	s := &saslpasswd2{std: std, app: "saslpasswd"}
	err := s.parse(args)
	switch {
	case err == errOldUsage:
		return std.oldUsage(saslpasswd2Usage)
	case err == nil && s.version:
		std.say("%s", version())
		return exitDone
	case err == nil:
		err = s.run(ctx)
	}
	if err == nil {
		return exitDone
	}
	std.say("%v", err)
	var e *oldError
	if errors.As(err, &e) {
		return e.code
	}
	return oldFailed
}

func (s *saslpasswd2) parse(args []string) error {
	operands, err := getopt(args, "vcpndf:a:u:", func(letter byte, value string) {
		switch letter {
		case 'v':
			s.version = true
		case 'c':
			s.create = true
		case 'p':
			s.pipe = true
		case 'n':
			s.hidden = true
		case 'd':
			s.remove = true
		case 'f':
			s.path = value
		case 'a':
			s.app = value
		case 'u':
			s.domain = value
		}
	})
	switch {
	case err != nil:
		s.std.say("%v", err)
		return errOldUsage
	case s.version:
		return nil
	case len(operands) != 1, s.create && s.remove:
		return errOldUsage
	case strings.Contains(s.app, "/"):
		return &oldError{oldFailed, "appname must not hold a slash"}
	}
	return s.split(operands[0])
}

// split cuts at the first '@', whatever stands there.
func (s *saslpasswd2) split(userid string) (err error) {
	user, realm, named := strings.Cut(userid, "@")
	if !named {
		realm = s.domain
	}
	if !named && realm == "" {
		if realm, err = os.Hostname(); err != nil {
			return err
		}
	}
	s.userName = userName{user, realm}
	if user == "" { // Cyrus stores it, but nobody can log in with it
		return errBadParam
	}
	return nil
}

func (s *saslpasswd2) run(ctx context.Context) (err error) {
	if s.conf, err = oldConf(s.app); err != nil {
		return &oldError{oldBadConfig, fmt.Sprintf("error when parsing configuration file: %v", err)}
	}
	if s.path == "" {
		s.path = sasldbPath(s.conf)
	}
	change := func(verifier.Entry) (verifier.Entry, error) { return verifier.Entry{}, nil }
	if !s.remove {
		if s.password, err = s.readPassword(); err != nil {
			return err
		}
		change = s.set
	}
	err = sasldb.Update(ctx, s.path, sasldb.WriteOptions{Create: true}, s.request(), change)
	if err == nil && s.disabled {
		s.std.say("%s stays disabled (saslkit passwd --enable lets him in again)", s.userName)
	}
	return err
}

func sasldbPath(conf *cyrusconf.File) string {
	if path, ok := conf.Value("sasldb_path"); ok {
		return path
	}
	return defaultDB
}

// maxOldPassword is what saslpasswd2 reads, in bytes.
const maxOldPassword = 2048

// readPassword reads what comes at once, up to a newline at its end. The writer of
// a pipe need not close it.
func (s *saslpasswd2) readPassword() (string, error) {
	if !s.pipe && isTerminal(s.std.in) {
		password, err := promptTwice(s.std, "Password: ", "Again (for verification): ")
		switch {
		case errors.Is(err, errMistyped):
			return "", &oldError{oldBadParam, "passwords don't match; aborting"}
		case err == nil && password == "":
			return "", errBadParam
		}
		return password, err
	}
	given := make([]byte, maxOldPassword+1)
	n, _ := s.std.in.Read(given) // an error is an empty password
	password := bytes.TrimSuffix(given[:n], []byte("\n"))
	switch {
	case n > maxOldPassword:
		return "", &oldError{oldBadParam, fmt.Sprintf("invalid parameter supplied: password of more than %d bytes", maxOldPassword)}
	case bytes.IndexByte(password, 0) >= 0:
		return "", &oldError{oldBadParam, "invalid parameter supplied: password holds NUL"}
	case len(password) == 0:
		return "", errBadParam
	}
	return string(password), nil
}

// set replaces the secrets. With -n a password that is there stays, as with Cyrus:
// that of the mechanisms may be another one.
func (s *saslpasswd2) set(e verifier.Entry) (verifier.Entry, error) {
	var secrets []verifier.Secret
	if i := slices.IndexFunc(e.Secrets, func(h verifier.Secret) bool { return h.Kind == verifier.KindPassword }); s.hidden && i >= 0 {
		secrets = append(secrets, e.Secrets[i])
	}
	made, err := s.makeSecrets(s.kinds(e))
	if err != nil {
		return e, err
	}
	if e.Secrets = append(secrets, made...); len(made) == 0 {
		return e, nil // with -n and no mechanism that has a secret of its own
	}
	e.Exists, s.disabled = true, e.Disabled
	return e, nil
}

// kinds are those that the configuration asks for, and those that the user has and
// that would otherwise be of the old password or gone.
func (s *saslpasswd2) kinds(e verifier.Entry) (kinds []verifier.Kind) {
	list := s.conf.Words("mech_list")
	if !s.hidden {
		kinds = append(kinds, verifier.KindPassword)
	}
	if len(list) == 0 || mech.Listed(list, "OTP") {
		kinds = append(kinds, verifier.KindOTP)
	}
	if s.conf.Bool("scram_secret_generate") {
		for _, kind := range mech.SCRAMKinds() {
			if len(list) == 0 || slices.ContainsFunc(list, func(name string) bool { k, ok := verifier.SCRAMKind(name); return ok && k == kind }) {
				kinds = append(kinds, kind)
			}
		}
	}
	for _, h := range e.Secrets {
		if (h.Kind == verifier.KindOTP || h.Kind.IsSCRAM()) && !slices.Contains(kinds, h.Kind) {
			kinds = append(kinds, h.Kind)
		}
	}
	return kinds
}

// makeSecrets makes them of the password as it is.
func (s *saslpasswd2) makeSecrets(kinds []verifier.Kind) ([]verifier.Secret, error) {
	iterations, err := s.iterations()
	if err != nil {
		return nil, err
	}
	var secrets []verifier.Secret
	for _, kind := range kinds {
		var value []byte
		switch kind {
		case verifier.KindPassword:
			value = []byte(s.password)
		case verifier.KindOTP:
			if value, err = mech.OTPSecretBy(s.otpHash(), s.password); err != nil {
				return nil, &oldError{oldBadConfig, fmt.Sprintf("error when parsing configuration file: otp_mda: %v", err)}
			}
		default:
			salt := make([]byte, 16)
			rand.Read(salt)
			if value, err = mech.SCRAMSecret(kind, s.password, salt, iterations); err != nil {
				return nil, err
			}
		}
		secrets = append(secrets, verifier.Secret{Kind: kind, Value: value})
	}
	return secrets, nil
}

func (s *saslpasswd2) iterations() (int, error) {
	value, ok := s.conf.Value("scram_iteration_counter")
	if !ok {
		return 4096, nil // Cyrus's default
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		return 0, &oldError{oldBadConfig, "error when parsing configuration file: scram_iteration_counter is not a number"}
	}
	return n, nil
}

// otpHash is that of new series.
func (s *saslpasswd2) otpHash() string {
	if value, ok := s.conf.Value("otp_mda"); ok {
		return value
	}
	return "md5" // Cyrus's default
}
