//go:build linux

package guides

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Variable is the environment variable that names the folder of the file systems. It is
// made if it is not there.
const Variable = "SASLKIT_GUIDES"

// always are the packages that every machine has: systemd, and what guides try logins with.
var always = []string{
	"systemd", "systemd-sysv", "dbus", "iproute2", "procps", "ca-certificates", "openssl", "curl",
	"swaks", "libio-socket-ssl-perl", "libnet-ssleay-perl", "libauthen-sasl-perl", "libdigest-hmac-perl",
}

// masked are units that take time and do nothing for a guide.
var masked = []string{
	"console-getty.service", "getty.target", "systemd-logind.service", "e2scrub_all.timer", "apt-daily.timer",
	"apt-daily-upgrade.timer", "dpkg-db-backup.timer", "man-db.timer", "systemd-networkd.service",
}

// Roots is a folder with the file systems that machines begin with: a Debian 12, and
// layers over it with packages that a situation wants.
type Roots struct{ dir string }

// Layers returns the folders that an overlay of these packages is made of, the uppermost
// first, after installing what is not there yet. Other processes may ask for the same.
func (r Roots) Layers(ctx context.Context, packages []string) ([]string, error) {
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lock(filepath.Join(r.dir, "lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	base := filepath.Join(r.dir, "debian12")
	err = once(base, func(dir string) error {
		if err := command(ctx, "debootstrap", "--variant=minbase", "bookworm", dir); err != nil {
			return err
		}
		return command(ctx, "unshare", "--mount", "--uts", "sh", "-euc", installing, "sh", dir, strings.Join(always, " "), strings.Join(masked, " "))
	})
	if err != nil || len(packages) == 0 {
		return []string{base}, err
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(packages)))
	layer := filepath.Join(r.dir, strings.Join(wanted, "+"))
	err = once(layer, func(dir string) error {
		return command(ctx, "unshare", "--mount", "--uts", "sh", "-euc", layering, "sh", base, dir, dir+".work", strings.Join(wanted, " "))
	})
	return []string{layer, base}, err
}

// installing installs $2 in the file system $1 and masks the units $3. Services do not
// start: they do when the machine boots. Mounts end with the name space.
const installing = `
printf '#!/bin/sh\nexit 101\n' > "$1/usr/sbin/policy-rc.d"
chmod 755 "$1/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$1/etc/resolv.conf"
hostname mail.example.com # for the configuration that packages make
echo mail.example.com > "$1/etc/hostname"
echo '127.0.0.1 mail.example.com mail localhost' > "$1/etc/hosts"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
mount -t proc proc "$1/proc"
echo 'APT::Get::Assume-Yes "true";' > "$1/etc/apt/apt.conf.d/yes"
chroot "$1" apt-get update -q
chroot "$1" apt-get install -q --no-install-recommends $2
rm "$1/usr/sbin/policy-rc.d"
for unit in $3; do chroot "$1" systemctl mask "$unit"; done
`

// layering installs $4 over the file system $1, in a layer that becomes $2; $3 is a
// folder to work in.
const layering = `
base=$1 upper=$2 work=$3 wanted=$4
mkdir -p "$upper" "$work/work" "$work/merged"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$upper,workdir=$work/work" "$work/merged"
set -- "$work/merged" "$wanted" ""
` + installing + `
umount "$1/proc" "$1"
rm -r "$work"
`

// once makes a folder under another name and gives it its own when it is whole.
func once(dir string, fill func(dir string) error) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	partial := dir + ".partial"
	for _, old := range []string{partial, partial + ".work"} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	if err := fill(partial); err != nil {
		return err
	}
	return os.Rename(partial, dir)
}

// lock waits for an advisory lock on a file.
func lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// command runs a program; the error has what it printed last.
func command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("guides: %s: %w\n%s", name, err, out[max(0, len(out)-4096):])
	}
	return nil
}
