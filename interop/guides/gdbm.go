//go:build linux

package guides

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
)

// compilers are the packages that Cyrus SASL is compiled with.
var compilers = []string{"gcc", "libc6-dev", "make", "xz-utils", "libgdbm-dev", "libssl-dev"}

// CyrusGDBM returns a layer with Cyrus SASL as Fedora 35, RHEL 9 and later have it: with
// GDBM, libraries in /usr/lib64, configurations and database in /etc/sasl2. Debian's has
// Berkeley DB, so this is compiled, from the sources that Debian has of the same version
// without Debian's changes. It does not get in the way of Debian's libsasl2-2. At run
// time it wants Debian's libgdbm6.
func (r Roots) CyrusGDBM(ctx context.Context) (string, error) {
	below, err := r.Layers(ctx, compilers)
	if err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(r.dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	layer := filepath.Join(r.dir, "cyrus-gdbm")
	return layer, once(layer, func(dir string) error {
		return command(ctx, "unshare", slices.Concat([]string{"--mount", "sh", "-euc", compiling, "sh"},
			[]string{strings.Join(below, ":"), dir, dir + ".work"})...)
	})
}

// compiling makes the layer $2 in the file system of the layers $1; $3 is a folder to work
// in.
const compiling = `
mkdir -p "$3/upper" "$3/work" "$3/root"
mount -t overlay overlay -o "lowerdir=$1,upperdir=$3/upper,workdir=$3/work" "$3/root"
mount -t proc proc "$3/root/proc"
cp /etc/resolv.conf "$3/root/etc/resolv.conf"
sed 's/^deb /deb-src /' "$3/root/etc/apt/sources.list" > "$3/root/etc/apt/sources.list.d/sources.list"
chroot "$3/root" sh -euc '
cd /tmp
apt-get update -q
apt-get source -q --download-only cyrus-sasl2
mkdir cyrus
tar -xf cyrus-sasl2_*.orig.tar.* -C cyrus --strip-components=1
cd cyrus
./configure --quiet --prefix=/usr --libdir=/usr/lib64 --sysconfdir=/etc \
  --with-plugindir=/usr/lib64/sasl2 --with-configdir=/usr/lib64/sasl2:/etc/sasl2 \
  --with-dblib=gdbm --with-dbpath=/etc/sasl2/sasldb2 --with-saslauthd=/run/saslauthd \
  --enable-auth-sasldb --enable-login --disable-otp --disable-srp --disable-anon --disable-gssapi \
  --without-pam --disable-sample CFLAGS="-O1 -w"
make -s -j2
make -s install DESTDIR=/made
rm -r /made/usr/share /made/usr/include
mkdir -p /made/etc/ld.so.conf.d /made/etc/sasl2
echo /usr/lib64 > /made/etc/ld.so.conf.d/lib64.conf
'
mv "$3/upper/made" "$2"
umount "$3/root/proc" "$3/root"
rm -r "$3"
`
