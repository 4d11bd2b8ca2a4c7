package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/verifier"
)

// maxName is the longest name, in bytes, with which one can log in: the default of
// a server.
const maxName = 255

// A userName says who a command is about.
type userName struct{ user, realm string }

func (n userName) String() string { return realm.Join(n.user, n.realm) }

func (n userName) request() verifier.Request { return verifier.Request{User: n.user, Realm: n.realm} }

// splitName cuts USER as a login name is cut. The realm of a name without one is
// that of the option or, if there is none, the host's name, as for saslpasswd2.
func splitName(name, option string) (userName, error) {
	fallback := option
	if _, own, named := strings.Cut(name, "@"); !named && option == "" {
		host, err := os.Hostname()
		if err != nil {
			return userName{}, untried(fmt.Errorf("the host's name, which is the realm: %w (name one with -u)", err))
		}
		fallback = host
	} else if named && option != "" && own != option {
		return userName{}, usage("USER names a realm, and -u another")
	} else if named {
		fallback = own
	}
	user, realmName, err := realm.Policy{Default: fallback, Others: []string{fallback}}.Split(name)
	switch {
	case errors.Is(err, realm.ErrAmbiguous):
		return userName{}, usage("USER %q: %w (name the realm with -u)", name, err)
	case err != nil:
		return userName{}, usage("USER %q: %w", name, err)
	case user == "":
		return userName{}, usage("USER is empty")
	}
	return userName{user, realmName}, nil
}

// newName is splitName for a name that is going to be stored: it is prepared first,
// as that of a login is, and must be one that can log in.
func newName(name, option string) (userName, error) {
	name, err := storedName("USER", name)
	if err != nil {
		return userName{}, err
	}
	if option, err = storedName("the realm", option); err != nil {
		return userName{}, err
	}
	n, err := splitName(name, option)
	if err == nil && (len(n.user) > maxName || len(n.realm) > maxName) {
		return userName{}, usage("USER: name or realm has more than %d bytes", maxName)
	}
	return n, err
}

func storedName(what, name string) (string, error) {
	if len(name) > 4*maxName {
		return "", usage("%s has more than %d bytes", what, maxName)
	}
	prepared, err := saslprep.Stored(name)
	if err != nil {
		return "", usage("%s cannot be used: %w", what, err)
	}
	return prepared, nil
}

// possibleNames are those under which somebody may be stored who is there already:
// other tools store names as they are typed.
func possibleNames(name, option string) ([]userName, error) {
	typed, err := splitName(name, option)
	if err != nil {
		return nil, err
	}
	names := []userName{typed}
	if prepared, err := newName(name, option); err == nil && prepared != typed {
		names = append(names, prepared)
	}
	return names, nil
}
