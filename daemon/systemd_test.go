package daemon

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// variables is an environment.
type variables map[string]string

func (v variables) get(name string) string { return v[name] }

func (v variables) unset(name string) error {
	delete(v, name)
	return nil
}

func TestPassedNames(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environment variables
		want        []string
		err         string
	}{
		"no systemd":      {variables{}, nil, ""},
		"not for us":      {variables{"LISTEN_PID": "43", "LISTEN_FDS": "2"}, nil, ""},
		"no pid":          {variables{"LISTEN_FDS": "2"}, nil, ""},
		"none":            {variables{"LISTEN_PID": "42", "LISTEN_FDS": "0"}, nil, ""},
		"without names":   {variables{"LISTEN_PID": "42", "LISTEN_FDS": "2"}, []string{"unknown", "unknown"}, ""},
		"names":           {variables{"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "auth:mux"}, []string{"auth", "mux"}, ""},
		"an empty name":   {variables{"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "auth:"}, []string{"auth", ""}, ""},
		"too few names":   {variables{"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "auth"}, nil, "1 names for 2 sockets"},
		"too many names":  {variables{"LISTEN_PID": "42", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "a:b"}, nil, "2 names for 1 sockets"},
		"pid is no pid":   {variables{"LISTEN_PID": "4x", "LISTEN_FDS": "1"}, nil, "LISTEN_PID"},
		"negative number": {variables{"LISTEN_PID": "42", "LISTEN_FDS": "-1"}, nil, "LISTEN_FDS"},
		"many":            {variables{"LISTEN_PID": "42", "LISTEN_FDS": "1001"}, nil, "at most 1000"},
		"more":            {variables{"LISTEN_PID": "42", "LISTEN_FDS": "99999999999999999999"}, nil, "at most 1000"},
	} {
		got, err := passedNames(42, tt.environment.get)
		if diff := cmp.Diff(tt.want, got); diff != "" && len(got)+len(tt.want) > 0 {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", name, err, tt.err)
		}
	}
}

// TestActivatedWithout: without systemd sockets are opened, and nobody is notified.
func TestActivatedWithout(t *testing.T) {
	t.Parallel()
	environment := variables{"LISTEN_PID": "1", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:b:c", "LISTEN_PIDFDID": "7", "NOTIFY_SOCKET": "", "PATH": "/bin"}
	a, err := Activated(environment.get, environment.unset)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(variables{"PATH": "/bin"}, environment); diff != "" {
		t.Errorf("left in the environment, -want +got:\n%s", diff)
	}
	l, err := a.Listen(t.Context(), Socket{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := a.Listen(t.Context(), Socket{Name: "a"}); err == nil || !strings.Contains(err.Error(), "daemon: socket systemd:a: systemd passed no such socket") {
		t.Error(err)
	}
	if _, err := a.Listen(t.Context(), Socket{Path: "auth"}); err == nil || !strings.Contains(err.Error(), "relative") {
		t.Error(err)
	}
	for _, state := range []string{Ready, Reloading(), Stopping} {
		if err := a.Notify(state); err != nil {
			t.Error(err)
		}
	}
	if err := a.Rest(); err != nil {
		t.Error(err)
	}
}

// TestTake: each socket goes once, to who asks for its name or its address.
func TestTake(t *testing.T) {
	t.Parallel()
	var a Activation
	var addresses []string
	for _, name := range []string{"auth", "auth", "mux", "open"} {
		host := "127.0.0.1:0"
		if name == "open" {
			host = "0.0.0.0:0"
		}
		l, err := net.Listen("tcp4", host)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		a.passed = append(a.passed, passed{name, l})
		addresses = append(addresses, l.Addr().String())
	}
	if diff := cmp.Diff([]string{"auth", "auth", "mux", "open"}, a.Names()); diff != "" {
		t.Errorf("names, -want +got:\n%s", diff)
	}
	take := func(s Socket) string {
		l, err := a.Listen(t.Context(), s)
		if err != nil {
			return err.Error()
		}
		return l.Addr().String()
	}
	for i, tt := range []struct {
		socket Socket
		want   string
	}{
		{Socket{Address: "localhost" + strings.TrimPrefix(addresses[2], "127.0.0.1")}, addresses[2]},
		{Socket{Name: "mux"}, "daemon: socket systemd:mux: systemd passed no such socket (is its unit started, with that FileDescriptorName= ?)"},
		{Socket{Name: "auth"}, addresses[0]},
		{Socket{Address: addresses[1]}, addresses[1]},
		{Socket{Name: "open", AllowRemote: true}, addresses[3]},
	} {
		if i == 4 {
			if got := take(Socket{Name: "open"}); !strings.Contains(got, "not a loopback address") {
				t.Errorf("an open address without permission: %s", got)
			}
			if diff := cmp.Diff([]string{"open"}, a.Names()); diff != "" {
				t.Errorf("names that are left, -want +got:\n%s", diff)
			}
			if err := a.Rest(); err == nil || !strings.Contains(err.Error(), "systemd:open (0.0.0.0:") {
				t.Errorf("what is left: %v", err)
			}
			break
		}
		if got := take(tt.socket); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.socket, got, tt.want)
		}
	}
}

func FuzzPassedNames(f *testing.F) {
	f.Add("42", "2", "auth:mux")
	f.Add("42", "1", "")
	f.Add("", "1001", ":")
	f.Fuzz(func(t *testing.T, pid, count, text string) {
		names, err := passedNames(42, variables{"LISTEN_PID": pid, "LISTEN_FDS": count, "LISTEN_FDNAMES": text}.get)
		switch {
		case err != nil && names != nil:
			t.Fatalf("%q together with %v", names, err)
		case len(names) > maxPassed:
			t.Fatalf("%d sockets", len(names))
		case len(names) > 0 && text != "" && strings.Join(names, ":") != text:
			t.Fatalf("%q of %q", names, text)
		case len(names) > 0 && strings.TrimLeft(count, "0") != strconv.Itoa(len(names)):
			t.Fatalf("%d names for %q", len(names), count)
		}
	})
}
