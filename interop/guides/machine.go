//go:build linux

package guides

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Machine is a booted Debian. It is used by one goroutine at a time.
type Machine struct {
	name   string
	shell  int // process id of the script that boots it
	leader int // process id of its init
	ended  <-chan error
	said   *bytes.Buffer // by systemd-nspawn, to be read when it has ended
}

// booting makes the file system of a machine, on memory, in a name space of its own, and
// boots it. $1 is where, $2 the layers, $3 the folder whose files appear in /root, $4 the
// machine's name; options of systemd-nspawn follow. Machines that shared a control group
// would remove each other's services. What boots anew is begun anew.
const booting = `
mount -t tmpfs -o size=2g,mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
printf '127.0.0.1 mail.example.com mail localhost\n::1 localhost\n' > "$1/root/etc/hosts"
echo mail.example.com > "$1/root/etc/hostname"
echo 'nameserver 127.0.0.1' > "$1/root/etc/resolv.conf"
tr -d - < /proc/sys/kernel/random/uuid > "$1/root/etc/machine-id"
[ -z "$3" ] || cp -r "$3"/. "$1/root/root/"
root=$1/root name=$4
shift 4
while :; do
  ended=0
  setpriv --pdeathsig KILL sh -euc '
    for groups in ` + controlGroups + `; do
      [ -e "$groups/cgroup.procs" ] || continue
      mkdir -p "$groups/$1"
      echo $$ > "$groups/$1/cgroup.procs"
    done
    shift
    exec systemd-nspawn "$@"' sh "$name" \
    -q -D "$root" --boot --register=no --keep-unit --hostname=mail.example.com \
    --resolv-conf=off --timezone=off --link-journal=no --machine="$name" "$@" || ended=$?
  [ $ended = 133 ] || exit $ended # the machine boots anew
done
`

// controlGroups are the places of the hierarchy that systemd uses: of version 1, of version
// 2 beside it, and of version 2 alone.
const controlGroups = "/sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup"

// A Hardware is what a machine is booted with.
type Hardware struct {
	Dir    string   // an empty folder, which stays so for everybody else
	Layers []string // as Roots.Layers returns them
	Root   string   // a folder whose files are copied into the machine's /root, or ""
	Binds  []string // further options of systemd-nspawn: --bind-ro=HERE:THERE
	Beside *Machine // in whose network it is, instead of one of its own
}

// Boot starts a machine. Close ends it; if this process ends before, so does the machine.
func Boot(ctx context.Context, h Hardware) (*Machine, error) {
	name := fmt.Sprintf("guide-%d-%d", os.Getpid(), time.Now().UnixNano())
	args := []string{"--mount", "sh", "-euc", booting, "sh", h.Dir, strings.Join(h.Layers, ":"), h.Root, name, "--private-network"}
	if h.Beside != nil {
		args[len(args)-1] = fmt.Sprintf("--network-namespace-path=/proc/%d/ns/net", h.Beside.leader)
	}
	cmd := exec.Command("unshare", append(args, h.Binds...)...)
	m := &Machine{name: name, said: new(bytes.Buffer)}
	cmd.Stdout, cmd.Stderr = m.said, m.said
	cmd.Env = []string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=dumb", "SYSTEMD_COLORS=0",
		"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", // control groups are those of Debian 12, whatever we have here
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan error, 1)
	m.ended = ended
	go func() {
		runtime.LockOSThread() // whose end would be the parent's death to the kernel
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			ended <- cmd.Wait()
			close(ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	m.shell = cmd.Process.Pid
	if err := m.await(ctx); err != nil {
		cmd.Process.Kill()
		m.Close()
		return nil, fmt.Errorf("guides: the machine does not boot: %w\n%s", err, m.said)
	}
	return m, nil
}

// await finds the machine's init and waits until it has started all that it starts.
func (m *Machine) await(ctx context.Context) error {
	for {
		if m.leader == 0 {
			m.leader = initOf(m.shell)
		}
		if m.leader != 0 {
			// Asked too early it never answers.
			asked, cancel := context.WithTimeout(ctx, 5*time.Second)
			state, _ := m.Run(asked, "systemctl is-system-running")
			cancel()
			switch strings.TrimSpace(state) {
			case "running":
				return nil
			case "degraded":
				failed, _ := m.Run(ctx, "systemctl --failed --no-legend --plain; systemctl status --state=failed --no-pager")
				return errors.New(failed)
			}
		}
		select {
		case err := <-m.ended:
			return fmt.Errorf("systemd-nspawn ended: %v", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Reboot has the machine end its services in order and boot anew, with the files it has.
func (m *Machine) Reboot(ctx context.Context) error {
	if out, err := m.Run(ctx, "systemctl reboot"); err != nil {
		return fmt.Errorf("guides: systemctl reboot: %w: %s", err, out)
	}
	for initOf(m.shell) == m.leader {
		select {
		case err := <-m.ended:
			return fmt.Errorf("guides: the machine ended instead of booting anew: %v", err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	m.leader = 0
	return m.await(ctx)
}

// initOf is the process which is number 1 in its machine, among the descendants of a
// process, or 0.
func initOf(process int) int {
	children, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(process), "task", strconv.Itoa(process), "children"))
	for field := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		status, _ := os.ReadFile(filepath.Join("/proc", field, "status"))
		if _, numbers, ok := strings.Cut(string(status), "\nNSpid:"); ok {
			numbers, _, _ = strings.Cut(numbers, "\n")
			if ids := strings.Fields(numbers); len(ids) == 2 && ids[1] == "1" {
				return pid
			}
		}
		if found := initOf(pid); found != 0 {
			return found
		}
	}
	return 0
}

// Run has root run a shell script in the machine, in /root, until its first failure.
// It returns what was printed, to standard output and error.
func (m *Machine) Run(ctx context.Context, script string) (string, error) {
	return m.pipe(ctx, nil, script)
}

func (m *Machine) pipe(ctx context.Context, in io.Reader, script string) (string, error) {
	cmd := exec.CommandContext(ctx, "nsenter", "--target", strconv.Itoa(m.leader), "--mount", "--uts", "--ipc", "--net", "--pid",
		"--", "/bin/sh", "-euc", "cd /root\n"+script)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "TERM=dumb"}
	cmd.Stdin = in
	cmd.WaitDelay = 5 * time.Second // for what keeps our pipe open
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return string(out), err
}

// Write makes a file in the machine, and its folder; what the file had is gone.
func (m *Machine) Write(ctx context.Context, path, text string) error {
	return m.file(ctx, path, text, ">")
}

// Add writes at the end of a file in the machine, which is made if it is not there.
func (m *Machine) Add(ctx context.Context, path, text string) error {
	return m.file(ctx, path, text, ">>")
}

func (m *Machine) file(ctx context.Context, path, text, how string) error {
	quoted := "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	if out, err := m.pipe(ctx, strings.NewReader(text), "mkdir -p \"$(dirname "+quoted+")\" && cat "+how+quoted); err != nil {
		return fmt.Errorf("guides: %s: %w: %s", path, err, out)
	}
	return nil
}

// Cursor is where the journal ends now.
func (m *Machine) Cursor(ctx context.Context) (string, error) {
	out, err := m.Run(ctx, "journalctl --sync; journalctl -n 0 --show-cursor")
	_, cursor, ok := strings.Cut(out, "-- cursor: ")
	if err != nil || !ok {
		return "", fmt.Errorf("guides: journal: %v: %q", err, out)
	}
	return strings.TrimSpace(cursor), nil
}

// Journal is what was logged since then.
func (m *Machine) Journal(ctx context.Context, cursor string) (string, error) {
	return m.Run(ctx, "journalctl --sync; journalctl -q --no-pager -o short --after-cursor='"+cursor+"'")
}

// Close ends the machine, as pulling its plug would.
func (m *Machine) Close() {
	if m.leader != 0 {
		syscall.Kill(m.leader, syscall.SIGKILL)
	}
	<-m.ended
	for groups := range strings.FieldsSeq(controlGroups) {
		removeGroup(filepath.Join(groups, m.name))
	}
}

// removeGroup removes a control group and those below it. Its processes are dead, and may
// not be gone yet.
func removeGroup(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeGroup(filepath.Join(dir, e.Name()))
		}
	}
	for range 100 {
		if !errors.Is(syscall.Rmdir(dir), syscall.EBUSY) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
