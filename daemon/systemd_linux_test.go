package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/saslkit/saslkit/internal/peers"
)

func init() { children["activated"] = activatedChild }

// activatedChild greets one client on each of the sockets in args, and tells what is
// left. LISTEN_PID=self stands for its own number, which a parent cannot know.
func activatedChild(args []string) error {
	getenv := func(name string) string {
		if value := os.Getenv(name); value != "self" {
			return value
		}
		return strconv.Itoa(os.Getpid())
	}
	a, err := Activated(getenv, os.Unsetenv)
	if err != nil {
		return err
	}
	for _, variable := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "NOTIFY_SOCKET"} {
		if value, set := os.LookupEnv(variable); set {
			return fmt.Errorf("%s=%s is left", variable, value)
		}
	}
	var listeners []net.Listener
	for _, text := range args {
		s, err := ParseSocket(text)
		if err != nil {
			return err
		}
		l, err := a.Listen(context.Background(), s)
		if err != nil {
			return err
		}
		listeners = append(listeners, l)
	}
	if err := a.Rest(); err != nil {
		fmt.Println("rest:", err)
	}
	if err := a.Notify(Ready); err != nil {
		return err
	}
	out, err := exec.Command("/bin/sh", "-c", "ls -l /proc/self/fd").Output()
	fmt.Println("sockets of a child:", strings.Count(string(out), "socket:"), err)
	for i, l := range listeners {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprintf(c, "hello from %s\n", args[i])
		c.Close()
		l.Close()
	}
	return nil
}

// hears connects and returns the line that comes.
func hears(t *testing.T, network, address string) string {
	t.Helper()
	c, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(enough))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// TestActivated: sockets that a parent passed are found by path, address and name, no
// grandchild inherits them, and what is left is told.
func TestActivated(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	path := filepath.Join(folder, "auth")
	if err := os.Symlink(folder, filepath.Join(folder, "run")); err != nil {
		t.Fatal(err)
	}
	byPath, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer byPath.Close()
	var files []*os.File
	pass := func(l interface{ File() (*os.File, error) }) {
		f, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		t.Cleanup(func() { f.Close() })
	}
	pass(byPath)
	var tcp []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		pass(l.(*net.TCPListener))
		tcp = append(tcp, l.Addr().String())
	}
	news, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(folder, "notify")})
	if err != nil {
		t.Fatal(err)
	}
	defer news.Close()

	cmd := childCommand(t, "activated", folder+"/run/auth", "inet:"+tcp[0], "systemd:mux")
	cmd.Env = append(cmd.Env, "LISTEN_PID=self", "LISTEN_FDS=4", "LISTEN_FDNAMES=auth:tcp:mux:spare", "NOTIFY_SOCKET="+filepath.Join(folder, "notify"))
	cmd.ExtraFiles = files
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	got := []string{hears(t, "unix", path), hears(t, "tcp", tcp[0]), hears(t, "tcp", tcp[1])}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, &out)
	}
	want := []string{"hello from " + folder + "/run/auth", "hello from inet:" + tcp[0], "hello from systemd:mux"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if want := "systemd:spare (" + tcp[2] + ")"; !strings.Contains(out.String(), want) {
		t.Errorf("%q, want %q", &out, want)
	}
	if want := "sockets of a child: 0 <nil>\n"; !strings.Contains(out.String(), want) {
		t.Errorf("%q, want %q", &out, want)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("a socket of systemd's was removed: %v", err)
	}
	b := make([]byte, 100)
	news.SetDeadline(time.Now().Add(enough))
	if n, err := news.Read(b); err != nil || string(b[:n]) != Ready {
		t.Errorf("news: %q, %v", b[:n], err)
	}
}

// TestActivatedUnfit: a descriptor that no connections come from is an error.
func TestActivatedUnfit(t *testing.T) {
	t.Parallel()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(shortFolder(t), "dgram")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { datagrams.Close() })
	datagramsFile, err := datagrams.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { datagramsFile.Close() })
	for name, tt := range map[string]struct {
		files []*os.File
		want  string
	}{
		"file":      {[]*os.File{file}, "socket systemd:unknown, descriptor 3: it is no socket"},
		"datagrams": {[]*os.File{datagramsFile}, "ListenStream="},
		"none":      {nil, "descriptor 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := childCommand(t, "activated")
			cmd.Env = append(cmd.Env, "LISTEN_PID=self", "LISTEN_FDS=1")
			cmd.ExtraFiles = tt.files
			out, err := cmd.Output()
			if err == nil || !strings.Contains(string(out), tt.want) {
				t.Errorf("%v: %q, want %q", err, out, tt.want)
			}
		})
	}
}

// TestSocketActivate: systemd's own program passes sockets.
func TestSocketActivate(t *testing.T) {
	t.Parallel()
	activate := peers.Need(t, "systemd-socket-activate", "systemd")
	folder := shortFolder(t)
	for name, tt := range map[string]struct {
		args []string // of the program
		ask  string
	}{
		"by path":   {nil, filepath.Join(folder, "by path")},
		"by name":   {[]string{"--fdname=auth"}, "systemd:auth"},
		"by a name": {[]string{"--fdname=saslkit-auth.socket"}, "systemd:saslkit-auth.socket"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(folder, name)
			child := childCommand(t, "activated", tt.ask)
			cmd := exec.CommandContext(t.Context(), activate, append(tt.args, "--listen="+path, "--setenv="+childVariable+"=activated", "--setenv=GORACE=atexit_sleep_ms=0", child.Path, tt.ask)...)
			var out strings.Builder
			cmd.Stdout = &out
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var c net.Conn
			eventually(t, "the program listens", func() bool {
				var err error
				c, err = net.Dial("unix", path)
				return err == nil
			})
			defer c.Close()
			c.SetDeadline(time.Now().Add(enough))
			got, err := bufio.NewReader(c).ReadString('\n')
			if want := "hello from " + tt.ask + "\n"; got != want {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, &out)
			}
		})
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	folder := shortFolder(t)
	for name, address := range map[string]string{
		"path":     filepath.Join(folder, "notify"),
		"abstract": "@saslkit-test-" + filepath.Base(folder),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			news, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address})
			if err != nil {
				t.Fatal(err)
			}
			defer news.Close()
			news.SetDeadline(time.Now().Add(enough))
			environment := variables{"NOTIFY_SOCKET": address}
			a, err := Activated(environment.get, environment.unset)
			if err != nil {
				t.Fatal(err)
			}
			before := monotonicMicroseconds()
			for _, state := range []string{Ready, Reloading(), Stopping} {
				if err := a.Notify(state); err != nil {
					t.Fatal(err)
				}
				b := make([]byte, 100)
				n, err := news.Read(b)
				if err != nil || string(b[:n]) != state {
					t.Errorf("%q, %v; want %q", b[:n], err, state)
				}
			}
			text, ok := strings.CutPrefix(Reloading(), "RELOADING=1\nMONOTONIC_USEC=")
			if at, err := strconv.ParseInt(text, 10, 64); !ok || err != nil || at < before || before == 0 {
				t.Errorf("reloading at %q, %v, after %d", text, err, before)
			}
		})
	}
}

// TestNotifyNobody: nobody there, and an address that is none, are errors.
func TestNotifyNobody(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]error{
		filepath.Join(t.TempDir(), "none"): os.ErrNotExist,
		"vsock:2:1234":                     errors.ErrUnsupported,
	} {
		a := &Activation{notify: address}
		if err := a.Notify(Ready); !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "daemon: NOTIFY_SOCKET") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
