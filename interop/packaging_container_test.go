//go:build linux

package interop

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/internal/unixask/asktest"
	"github.com/saslkit/saslkit/verifier"
	dovecotclient "github.com/saslkit/saslkit/verifier/dovecot"
)

// containing builds the image by its recipe and runs it in $1, a folder to work in, with
// $1/sockets and $1/users as volumes, $2 being its command line after the program. No
// registry is asked: the image that the recipe begins with is made of our Go and a shell,
// and the modules are those in our cache. What runs it is not a runtime of containers but
// what they do: a root that is read-only, a user without a name, no network. Mounts end
// with the name space of this script.
const containing = `
work=$1 options=$2
export TMPDIR=$work/tmp
mkdir "$work"/{tmp,base,source,root} "$work"/base/{bin,tmp,root,usr,usr/local,etc,etc/ssl,etc/ssl/certs}
b() { buildah --root "$work/storage" --runroot "$work/run" --storage-driver overlay "$@"; }

cp "$(command -v busybox)" "$work/base/bin/busybox"
for applet in sh mkdir chmod cp; do ln -s busybox "$work/base/bin/$applet"; done
cp /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
cp -r "$(go env GOROOT)" "$work/base/usr/local/go"
container=$(b from scratch)
b copy -q "$container" "$work/base" /
b config --env PATH=/usr/local/go/bin:/bin --env GOPATH=/go --env GOCACHE=/built --env GOPROXY=file:///modules \
  --env GOTOOLCHAIN=local --env GOFLAGS=-buildvcs=false "$container"
b commit -q "$container" docker.io/library/golang:1.26
b rm "$container"

git ls-files -co --exclude-standard -z | while IFS= read -r -d '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done |
  tar --null -T - -cf - | tar -xf - -C "$work/source"
b build --isolation chroot --pull-never --volume "$(go env GOMODCACHE)/cache/download:/modules:ro" \
  --volume "$(go env GOCACHE):/built" --tag saslkit --file packaging/Containerfile "$work/source"
container=$(b from --pull-never saslkit)
image=$(b mount "$container")
find "$image" -type f | sed "s,^$image,," | sort > "$work/files"
b inspect --format '{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{index .OCIv1.Config.Labels "org.opencontainers.image.licenses"}}' saslkit > "$work/config"

mount --bind "$image" "$work/root"
mount -o remount,bind,ro "$work/root"
mount --bind "$work/sockets" "$work/root/run/saslkit"
mount --bind "$work/users" "$work/root/etc/ssl" # any folder there is will do
exec unshare --net chroot --userspec=12345:54321 --groups= "$work/root" /usr/bin/saslkit serve $options`

// The image holds the command and the authorities of TLS and nothing else. It runs as any
// user with a root that is read-only, and serves on a volume from a volume.
func TestPackagingContainer(t *testing.T) {
	t.Parallel()
	peers.Root(t, "mounts")
	for command, pkg := range map[string]string{"buildah": "buildah", "busybox": "busybox-static", "git": "git", "unshare": "util-linux", "bash": "bash"} {
		peers.Need(t, command, pkg)
	}
	if _, err := os.Stat("/etc/ssl/certs/ca-certificates.crt"); err != nil {
		peers.Missing(t, "authorities (Debian package ca-certificates)")
	}
	work := t.TempDir()
	for _, dir := range []string{"sockets", "users"} {
		if err := os.Mkdir(filepath.Join(work, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sockets := filepath.Join(work, "sockets")
	if err := os.Chmod(sockets, 0o1777); err != nil { // as the image's own folder
		t.Fatal(err)
	}
	users := filepath.Join(work, "users", "users")
	writeFile(t, users, []byte("alice:{PLAIN}secret\n"))
	if err := os.Chmod(users, 0o644); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-euo", "pipefail", "-c", containing, "bash",
		work, "--verifier passwdfile:/etc/ssl/users --realm "+labRealm+" --auth /run/saslkit/auth,mode=0666")
	cmd.Dir, cmd.Env = "..", buildEnv("LC_ALL=C.UTF-8")
	said := new(servedLog)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	socket := filepath.Join(sockets, "auth")
	for {
		select {
		case err := <-ended:
			t.Fatalf("building or running: %v\n%s", err, said.String())
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := os.Stat(socket); err == nil {
			break
		}
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		defer time.AfterFunc(patience, func() { cmd.Process.Kill() }).Stop()
		if err := <-ended; err != nil {
			t.Errorf("saslkit serve: %v\n%s", err, said.String())
		}
	})

	for file, want := range map[string]string{
		"files":  "/etc/ssl/certs/ca-certificates.crt\n/usr/bin/saslkit\n",
		"config": "65532:65532 [/usr/bin/saslkit] MIT",
	} {
		if got, err := os.ReadFile(filepath.Join(work, file)); err != nil || string(got) != want {
			t.Errorf("%s: %q, want %q, %v", file, got, want, err)
		}
	}
	client, err := dovecotclient.New(dovecotclient.Options{Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	r := verifier.Request{User: "alice", Service: "smtp", Remote: netip.MustParseAddrPort("192.0.2.1:1")}
	if account, err := client.VerifyPassword(t.Context(), r, "secret"); err != nil || account.User != "alice@"+labRealm {
		t.Errorf("right password: %+v, %v", account, err)
	}
	if _, err := client.VerifyPassword(t.Context(), r, "wrong"); err == nil {
		t.Error("wrong password: yes")
	}
	asktest.Until(t, "the user is the one that was asked for", func() bool {
		var s syscall.Stat_t
		return syscall.Stat(socket, &s) == nil && s.Uid == 12345 && s.Gid == 54321
	})
	if strings.Contains(said.String(), "level=ERROR") {
		t.Error(said.String())
	}
}
