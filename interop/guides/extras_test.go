//go:build linux

package guides

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What may be among the packages of a machine and is none.
const (
	withGo         = "+go"         // Go and a clone of saslkit
	withGDBM       = "+cyrus-gdbm" // Cyrus SASL as Fedora has it, see CyrusGDBM
	withContainers = "+containers" // podman, the images that ours is built on, and a clone of saslkit
)

// furnish puts such things into h. It returns the packages, and what is to be done in the
// machine once it runs.
func furnish(t *testing.T, h *Hardware, packages []string) (rest []string, setup string) {
	t.Helper()
	for _, p := range packages {
		switch p {
		case withGo:
			h.Binds = append(h.Binds, goBinds(t)...)
			setup += goSetup
		case withGDBM:
			layer, err := Need(t).CyrusGDBM(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			h.Layers = append(h.Layers, layer)
			rest = append(rest, "libgdbm6")
		case withContainers:
			h.Binds = append(h.Binds, containerBinds(t)...)
			setup += containerSetup
			// Of the two runtimes crun insists on limits that a machine may not raise.
			rest = append(rest, "podman", "buildah", "runc", "containernetworking-plugins", "iptables", "catatonit")
		default:
			rest = append(rest, p)
		}
	}
	return rest, setup
}

// goFolders are those of our Go, of the modules that it fetched, of what it built, and of
// our sources.
func goFolders(t *testing.T) (root, modules, cache, tree string) {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT", "GOMODCACHE", "GOCACHE").Output()
	lines := strings.Split(string(out), "\n")
	tree, absErr := filepath.Abs("../..")
	if err != nil || len(lines) < 3 || absErr != nil {
		t.Fatalf("go env: %v %v: %q", err, absErr, out)
	}
	return lines[0], lines[1], lines[2], tree
}

// goBinds shows our Go, its caches and our sources to a machine.
func goBinds(t *testing.T) []string {
	t.Helper()
	root, modules, cache, tree := goFolders(t)
	return []string{
		"--bind-ro=" + root + ":/usr/local/go",
		"--bind-ro=" + modules + "/cache/download:/var/cache/go-modules",
		"--bind=" + cache + ":/root/.cache/go-build",
		"--bind-ro=" + tree + ":/root/saslkit",
	}
}

// goSetup takes modules from there. The machine has no other network.
const goSetup = `
ln -s /usr/local/go/bin/go /usr/local/bin/go
go env -w GOPROXY=file:///var/cache/go-modules GOSUMDB=off
`

// containerBinds gives a machine what containers in it want: rights, and a file system for
// their layers, which cannot lie on those of the machine itself. What our Go has fetched
// and built is where buildah keeps such things from one build to the next.
func containerBinds(t *testing.T) []string {
	t.Helper()
	root, modules, cache, tree := goFolders(t)
	return []string{
		"--capability=all",
		"--tmpfs=/var/lib/containers:size=4g,mode=700",
		"--bind-ro=" + root + ":/usr/local/go",
		"--bind-ro=" + modules + ":/var/tmp/buildah-cache/go/pkg/mod",
		"--bind=" + cache + ":/var/tmp/buildah-cache/root/.cache/go-build",
		"--bind-ro=" + tree + ":/root/saslkit",
	}
}

// containerSetup makes the images that a registry has: Debian's of the machine itself, so
// that what apt-get is asked for in an image is there already, without an archive to ask
// for more; and Go's of that and our Go. Limits want control groups that a machine may not
// have.
const containerSetup = `
printf '[containers]\npids_limit = 0\n' > /etc/containers/containers.conf
tar c -C / --one-file-system --exclude=./root --exclude='./var/tmp/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/cache/apt/*.bin' --exclude=./etc/apt/sources.list . |
  podman import -q --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' --change 'CMD ["bash"]' - docker.io/library/debian:12-slim
podman build -q -t docker.io/library/golang:1.26 -v /usr/local/go:/mnt:ro -f - . <<'END'
FROM docker.io/library/debian:12-slim
RUN cp -r /mnt/. /usr/local/go
ENV PATH=/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin GOPATH=/go GOPROXY=off GOTOOLCHAIN=local
END
`
