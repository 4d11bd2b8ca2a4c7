package daemon

import (
	"errors"
	"fmt"
)

// DropPrivileges makes the process, every thread of it, one of a user: with the group,
// "" for the user's own, and the other groups of which the user is a member, such as
// shadow or sasl. Names may be numbers. Sockets and files that root alone may open are
// opened before.
//
// With user "" the process stays who it is. In both cases it gets no rights from programs
// that it runs (no_new_privs), so that set-user-ID helpers of theirs do not work, and
// neither core dumps nor debuggers of its user see its memory.
//
// A process that is not root can only become the user that it is. After an error the
// process may have lost a part of its rights and should end. Linux only; elsewhere the
// error matches [errors.ErrUnsupported], unless there is nothing to do.
func DropPrivileges(user, group string) error {
	if user == "" && group != "" {
		return fmt.Errorf("daemon: privileges: group %q without a user (name the user too)", group)
	}
	if err := dropPrivileges(user, group); err != nil {
		return fmt.Errorf("daemon: privileges: %w", err)
	}
	return nil
}

var (
	errNoGroup   = errors.New("the user has no entry and so no group (name the group too)")
	errRootAgain = errors.New("the process could become root again")
)

// target is the account to become, with its group and groups as they are to be.
func target(user, group string) (account, error) {
	a, err := lookupUser(user)
	if err != nil {
		return account{}, err
	}
	if a.uid == 0 {
		return account{}, fmt.Errorf("user %q is root (name a user without rights)", user)
	}
	switch {
	case group != "":
		if a.gid, err = lookupGroup(group); err != nil {
			return account{}, err
		}
	case !a.hasGroup:
		return account{}, fmt.Errorf("user %q: %w", user, errNoGroup)
	}
	if a.groups == nil {
		a.groups = []int{a.gid}
	}
	return a, nil
}
