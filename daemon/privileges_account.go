package daemon

import (
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"
)

// An account is a user of the system by numbers.
type account struct {
	uid, gid int
	hasGroup bool  // gid is known: the user has an entry
	groups   []int // all of which the user is a member, gid among them
}

// maxID is the largest number of a user or group; the next one, all ones, means "none".
const maxID = 1<<32 - 2

// lookupUser finds a user by name or number. A number needs no entry anywhere, as is
// usual in containers. A name that is a number is tried as a name first, as chown does.
func lookupUser(name string) (account, error) {
	u, err := user.Lookup(name)
	uid, numeric := number(name)
	if err != nil && numeric {
		u, err = user.LookupId(name)
		if unknown := user.UnknownUserIdError(0); errors.As(err, &unknown) {
			return account{uid: uid}, nil
		}
	}
	if unknown := user.UnknownUserError(""); errors.As(err, &unknown) {
		return account{}, fmt.Errorf("no user %q (create it, or give its number)", name)
	}
	if err != nil {
		return account{}, fmt.Errorf("looking for user %q: %w", name, err)
	}
	a := account{hasGroup: true}
	var ok, gidOK bool
	a.uid, ok = number(u.Uid)
	a.gid, gidOK = number(u.Gid)
	if !ok || !gidOK {
		return account{}, fmt.Errorf("user %q has no numbers on this system", name)
	}
	a.groups, err = groupsOf(u)
	return a, err
}

func groupsOf(u *user.User) ([]int, error) {
	texts, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("looking for the groups of user %q: %w", u.Username, err)
	}
	var all []int
	for _, text := range append(texts, u.Gid) {
		if gid, ok := number(text); ok && !slices.Contains(all, gid) {
			all = append(all, gid)
		}
	}
	slices.Sort(all)
	return all, nil
}

// lookupGroup finds a group likewise.
func lookupGroup(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if gid, numeric := number(name); err != nil && numeric {
		return gid, nil
	}
	if unknown := user.UnknownGroupError(""); errors.As(err, &unknown) {
		return 0, fmt.Errorf("no group %q (create it, or give its number)", name)
	}
	if err != nil {
		return 0, fmt.Errorf("looking for group %q: %w", name, err)
	}
	gid, ok := number(g.Gid)
	if !ok {
		return 0, fmt.Errorf("group %q has no number on this system", name)
	}
	return gid, nil
}

func number(text string) (int, bool) {
	n, err := strconv.ParseInt(text, 10, strconv.IntSize)
	return int(n), err == nil && n >= 0 && n <= maxID
}
