package daemon

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSocket(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		text string
		want Socket
	}{
		{"/run/saslkit/auth", Socket{Path: "/run/saslkit/auth"}},
		{"/run//saslkit/../saslkit/auth", Socket{Path: "/run/saslkit/auth"}},
		{"/var/spool/postfix/private/auth,mode=0660,owner=postfix,group=postfix", Socket{Path: "/var/spool/postfix/private/auth", Mode: 0o660, Owner: "postfix", Group: "postfix"}},
		{"/s,group=sasl,mode=666", Socket{Path: "/s", Mode: 0o666, Group: "sasl"}},
		{"/s,mode=0620,owner=1000", Socket{Path: "/s", Mode: 0o620, Owner: "1000"}},
		{"/" + strings.Repeat("x", 106), Socket{Path: "/" + strings.Repeat("x", 106)}},
		{"inet:127.0.0.1:12345", Socket{Address: "127.0.0.1:12345"}},
		{"inet:[::1]:012345", Socket{Address: "[::1]:12345"}},
		{"inet:[0::0]:1", Socket{Address: "[::]:1"}},
		{"inet:mail.example.org:65535", Socket{Address: "mail.example.org:65535"}},
		{"inet:localhost:0", Socket{Address: "localhost:0"}},
		{"systemd:saslkit-auth.socket", Socket{Name: "saslkit-auth.socket"}},
	} {
		got, err := ParseSocket(tt.text)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, -want +got:\n%s", tt.text, err, diff)
		}
		again, err := ParseSocket(got.String())
		if again != got || err != nil {
			t.Errorf("%s: printed and read again: %+v, %v", tt.text, again, err)
		}
	}
}

// TestParseSocketMistakes: every mistake is named, most with the cure.
func TestParseSocketMistakes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                      "the path is missing",
		"auth":                                  "relative",
		"unix:/run/auth":                        "relative",
		"@saslkit":                              "abstract",
		"/run/saslkit/":                         "add the name of the socket",
		"/" + strings.Repeat("x", 107):          "has 108 bytes, and addresses of sockets hold 107",
		"/" + strings.Repeat("x", 99) + "/auth": "the path of its folder has 100 bytes of at most 99",
		"/run/a\nb":                             "control characters",
		"/run/.sasl":                            "choose another",
		"/s,":                                   `option "" has no value`,
		"/s,0660":                               `option "0660" has no value (write mode=0660`,
		"/s,user=al":                            `no option "user" (known: mode, owner, group)`,
		"/s,mode=":                              "mode is empty",
		"/s,mode=0668":                          "not octal",
		"/s,mode=0":                             "not octal digits like 0660",
		"/s,mode=u+rw":                          "not octal",
		"/s,mode=-060":                          "not octal",
		"/s,mode=0770":                          "has x",
		"/s,mode=0640":                          "mode 0640: the group could not connect, which takes w (6 instead of 4)",
		"/s,mode=2660":                          "mean nothing for sockets",
		"/s,mode=0660,mode=0600":                "mode is given twice",
		"/s,owner=":                             "owner is empty",
		"/s,owner=a:b":                          "no name of a user or group",
		"/s,group=" + strings.Repeat("g", 65):   "no name of a user or group",
		"inet:":                                 "not HOST:PORT",
		"inet:12345":                            "not HOST:PORT",
		"inet::12345":                           "the host is missing (127.0.0.1",
		"inet:::1:12345":                        "goes in brackets",
		"inet:localhost:smtp":                   `port "smtp" is not a number`,
		"inet:localhost:65536":                  "not a number from 0 to 65535",
		"inet:a b:1":                            "neither an address nor the name of a host",
		"inet:127.0.0.1:1,mode=0660":            "inet has no options",
		"systemd:":                              "the name is missing",
		"systemd:a:b":                           "no systemd unit",
		"systemd:a,mode=0660":                   "SocketMode=",
	} {
		got, err := ParseSocket(text)
		if err == nil || !strings.HasPrefix(err.Error(), "daemon: socket ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
		if got != (Socket{}) {
			t.Errorf("%.40s: %+v together with an error", text, got)
		}
	}
}

func TestSocketValidate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		socket Socket
		want   string
	}{
		"zero":          {Socket{}, "the path is missing"},
		"two kinds":     {Socket{Path: "/s", Address: "127.0.0.1:1"}, "more than one"},
		"mode":          {Socket{Path: "/s", Mode: 0o777}, "has x"},
		"bits of type":  {Socket{Path: "/s", Mode: 1<<31 | 0o660}, "mean nothing"},
		"unknown user":  {Socket{Path: "/s", Owner: "nobody-here"}, `no user "nobody-here" (create it`},
		"unknown group": {Socket{Path: "/s", Group: "nobody-here"}, `no group "nobody-here" (create it`},
		"negative":      {Socket{Path: "/s", Owner: "-1"}, `no user "-1"`},
	} {
		if err := tt.socket.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	if runtime.GOOS == "windows" {
		return
	}
	for _, s := range []Socket{{Path: "/s"}, {Path: "/s", Owner: "4242424", Group: "4242424"}, {Path: "/s", Owner: "root"}} {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// TestRemote: only what is a loopback address in every case is not remote.
func TestRemote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"/run/auth":                     false,
		"systemd:auth":                  false,
		"inet:127.0.0.1:1":              false,
		"inet:127.8.9.10:1":             false,
		"inet:[::1]:1":                  false,
		"inet:[::ffff:127.0.0.1]:1":     false,
		"inet:localhost:1":              false,
		"inet:LOCALHOST:1":              false,
		"inet:0.0.0.0:1":                true,
		"inet:[::]:1":                   true,
		"inet:192.0.2.1:1":              true,
		"inet:[::ffff:192.0.2.1]:1":     true,
		"inet:does-not-exist.invalid:1": true,
	} {
		s, err := ParseSocket(text)
		if got := s.Remote(); got != want || err != nil {
			t.Errorf("%s: remote is %v, %v", text, got, err)
		}
	}
}

// TestListenInet: what is not on this machine is listened on only when that is permitted.
func TestListenInet(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"inet:127.0.0.1:0", "inet:localhost:0"} {
		s, _ := ParseSocket(text)
		l, err := Listen(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if a := l.Addr().(*net.TCPAddr).AddrPort(); !a.Addr().IsLoopback() || a.Port() == 0 {
			t.Errorf("%s: listening on %v", text, a)
		}
		again := Socket{Address: l.Addr().String()}
		if _, err := Listen(t.Context(), again); err == nil || !strings.Contains(err.Error(), "another process listens there") {
			t.Errorf("%s twice: %v", text, err)
		}
	}
	open := Socket{Address: "0.0.0.0:0"}
	if _, err := Listen(t.Context(), open); !errors.Is(err, ErrRemote) || !strings.Contains(err.Error(), "is not a loopback address, and whoever") {
		t.Errorf("0.0.0.0 without permission: %v", err)
	}
	open.AllowRemote = true
	l, err := Listen(t.Context(), open)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a := l.Addr().(*net.TCPAddr).AddrPort().Addr(); a != netip.IPv4Unspecified() {
		t.Errorf("0.0.0.0 became %v", a)
	}
	if _, err := Listen(t.Context(), Socket{Name: "auth"}); err == nil || !strings.Contains(err.Error(), "systemd passed no such socket") {
		t.Errorf("a socket of systemd's: %v", err)
	}
}

func TestListenUnsupported(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "windows" {
		t.Skip("unix sockets have modes here")
	}
	if _, err := Listen(t.Context(), Socket{Path: "/s"}); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

func FuzzParseSocket(f *testing.F) {
	for _, seed := range []string{"/run/auth,mode=0660,owner=u,group=g", "inet:[::1]:12345", "inet:localhost:1", "systemd:auth", "@a", "/a/../b", "/s,mode=0777"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSocket(text)
		if err != nil {
			if s != (Socket{}) {
				t.Fatalf("%+v together with %v", s, err)
			}
			return
		}
		again, err := ParseSocket(s.String())
		if err != nil || again != s {
			t.Fatalf("%+v, printed and read again: %+v, %v", s, again, err)
		}
		if s.Path != "" && (len(s.Path) > 107 || s.Path[0] != '/') {
			t.Fatalf("path %q", s.Path)
		}
	})
}
