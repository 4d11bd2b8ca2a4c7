package daemon

import (
	"errors"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDropPrivilegesMistakes: these change nothing, whoever runs the tests.
func TestDropPrivilegesMistakes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ user, group, want string }{
		"root":                   {"root", "", "is root (name a user without rights)"},
		"root by number":         {"0", "12345", "is root"},
		"unknown user":           {"nobody-here", "", `no user "nobody-here"`},
		"unknown group":          {"12345", "nobody-here", `no group "nobody-here"`},
		"number without a group": {"4242424", "", "name the group too"},
		"group without a user":   {"", "12345", "without a user"},
		"negative":               {"-1", "", `no user "-1"`},
		"all ones":               {"4294967295", "1", `no user "4294967295"`},
	} {
		err := DropPrivileges(tt.user, tt.group)
		if errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if err == nil || !strings.HasPrefix(err.Error(), "daemon: privileges: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestLookup: users and groups are found by name and by number.
func TestLookup(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Skip(err)
	}
	if _, numeric := number(me.Uid); !numeric {
		t.Skip("users have no numbers here")
	}
	byName, err := lookupUser(me.Username)
	if err != nil {
		t.Fatal(err)
	}
	byNumber, err := lookupUser(me.Uid)
	if err != nil || byNumber.uid != byName.uid || byNumber.gid != byName.gid || !slices.Equal(byNumber.groups, byName.groups) {
		t.Errorf("%+v by name, %+v by number, %v", byName, byNumber, err)
	}
	if strconv.Itoa(byName.uid) != me.Uid || !byName.hasGroup || !slices.Contains(byName.groups, byName.gid) {
		t.Errorf("%+v", byName)
	}
	if gid, err := lookupGroup(me.Gid); err != nil || strconv.Itoa(gid) != me.Gid {
		t.Errorf("group %d, %v", gid, err)
	}
	if group, err := user.LookupGroupId(me.Gid); err == nil {
		if gid, err := lookupGroup(group.Name); err != nil || strconv.Itoa(gid) != me.Gid {
			t.Errorf("group %s: %d, %v", group.Name, gid, err)
		}
	}
	if a, err := lookupUser("4242424"); err != nil || a.uid != 4242424 || a.hasGroup {
		t.Errorf("a number without an entry: %+v, %v", a, err)
	}
}
