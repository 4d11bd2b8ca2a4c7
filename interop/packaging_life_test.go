//go:build linux

package interop

import "testing"

// What the steps of a package's life are made of.
const (
	lifeInstall = `dpkg -i /root/saslkit_*.deb >/dev/null 2>&1
`
	lifeStates = `systemctl is-active saslkit.service saslkit-postfix.socket saslkit-auth.socket saslkit-mux.socket | paste -sd ' ' || true
`
	lifeEnabled = `systemctl is-enabled saslkit.service saslkit-postfix.socket saslkit-auth.socket saslkit-mux.socket 2>/dev/null | paste -sd ' ' || true
`
	lifeLogin = `testsaslauthd -u alice -r example.com -p secret
`
	// lifeReady waits for what systemd started when somebody asked: it answers before
	// systemd has heard that it is ready.
	lifeReady = `systemctl start saslkit
`
	lifeSockets = `stat -c '%A %U %G %n' /var/spool/postfix/private/* /run/saslkit/* /run/saslauthd/* 2>/dev/null || true
`
	lifeAllOpen = `srw-rw-rw- root root /var/spool/postfix/private/saslkit
srw-rw---- root root /run/saslkit/auth
srw-rw---- root sasl /run/saslauthd/mux
`
)

// The life of the package on a machine: nothing is started before somebody says so, the
// daemon has its rights and no others, an upgrade keeps what ran running, and the end
// leaves what was there before, and what is not ours.
func testLife(t *testing.T, p *builtPackages) {
	m := packagingMachine(t, p)
	const configure = `echo 'SASLKIT_OPTIONS="--verifier sasldb:/etc/sasldb2 --realm example.com"' > /etc/default/saslkit
`
	do(t, m, []packagingStep{
		{"before", `echo secret | saslpasswd2 -p -c -u example.com alice
echo START=yes >> /etc/default/saslauthd
sed -i 's/^MECHANISMS=.*/MECHANISMS=sasldb/' /etc/default/saslauthd
systemctl daemon-reload
useradd --no-create-home --shell /usr/sbin/nologin postfix
install -d -m 0755 /var/spool/postfix
install -d -m 0700 -o postfix /var/spool/postfix/private
find / -xdev -not -path '/root/*' | sort > /root/before`, ""},
		{"installed", lifeInstall + lifeStates + lifeEnabled + `stat -c '%A %U %G %n' /run/saslkit /run/saslauthd
id -Gn saslkit
systemd-sysusers 2>&1
systemd-analyze verify --man=no saslkit.service saslkit-postfix.socket saslkit-auth.socket saslkit-mux.socket 2>&1`,
			`inactive inactive inactive inactive
disabled disabled disabled disabled
drwxr-xr-x root root /run/saslkit
drwx--x--- root sasl /run/saslauthd
saslkit`},
		{"not configured", `systemctl start saslkit 2>&1 | head -1
systemctl stop saslkit
journalctl -u saslkit -o cat | grep -m 1 '^saslkit: '`,
			`Job for saslkit.service failed because the control process exited with error code.
saslkit: no socket: --auth, --mux or --pwcheck is missing, and systemd passed none`},
		{"configured", configure + `for s in postfix auth mux; do systemctl enable --quiet --now saslkit-$s.socket; done
` + lifeSockets + lifeStates + lifeLogin + lifeReady + lifeStates,
			lifeAllOpen + `inactive active active active
0: OK "Success."
active active active active`},
		{"postfix puts a symlink into the socket's place", `systemctl stop saslkit saslkit-postfix.socket 2>/dev/null
install -m 0600 /dev/null /root/treasure
chmod a+x /root
runuser -u postfix -- perl -e '$s = "/var/spool/postfix/private/saslkit"; for (;;) { last if -S $s } unlink $s; symlink "/root/treasure", $s' &
sleep 1
systemctl start saslkit-postfix.socket
wait
stat -c '%U %n' /root/treasure
systemctl restart saslkit-postfix.socket
` + lifeSockets + lifeReady, "root /root/treasure\n" + lifeAllOpen},
		{"reload", `main=$(systemctl show -p MainPID --value saslkit)
systemctl reload saslkit
while ! journalctl --sync || ! journalctl -u saslkit -o cat | grep -q 'msg=reload result=ok'; do sleep 0.1; done
[ "$main" = "$(systemctl show -p MainPID --value saslkit)" ]`, ""},
		{"killed", `main=$(systemctl show -p MainPID --value saslkit)
kill -KILL $main
` + lifeLogin + lifeSockets, `0: OK "Success."` + "\n" + lifeAllOpen},
		{"broken and mended", `echo 'SASLKIT_OPTIONS="--verifier"' > /etc/default/saslkit
systemctl restart saslkit 2>&1 | head -1
` + lifeStates + configure + lifeLogin + lifeReady + lifeStates,
			`Job for saslkit.service failed because the control process exited with error code.
activating active active active
0: OK "Success."
active active active active`},
		{"upgrade of one that runs", `main=$(systemctl show -p MainPID --value saslkit)
` + lifeInstall + `[ "$main" != "$(systemctl show -p MainPID --value saslkit)" ]
` + lifeStates + lifeEnabled + lifeLogin,
			"active active active active\ndisabled enabled enabled enabled\n0: OK \"Success.\""},
		{"saslauthd takes its place again", `systemctl start saslauthd
stat -c '%A %n' /run/saslauthd/mux
` + lifeStates + lifeLogin, "srwxrwxrwx /run/saslauthd/mux\nactive active active inactive\n0: OK \"Success.\""},
		{"and we ours", `systemctl stop saslkit 2>/dev/null
systemctl start saslkit-mux.socket
systemctl is-active saslauthd || true
` + lifeLogin + lifeSockets, "inactive\n0: OK \"Success.\"\n" + lifeAllOpen},
		{"upgrade of one that is stopped", `systemctl stop saslkit saslkit-mux.socket 2>/dev/null
` + lifeInstall + lifeStates, "inactive active active inactive"},
		{"removal", `dpkg --remove saslkit >/dev/null 2>&1
` + lifeSockets + `systemctl list-units --no-legend 'saslkit*'
find /etc/systemd /run/systemd -name '*saslkit*'
ls /etc/default/saslkit
id -un saslkit`, "/etc/default/saslkit\nsaslkit"},
		{"purge after an installation again", lifeInstall + `dpkg --purge saslkit >/dev/null 2>&1
find / -xdev -not -path '/root/*' | sort | diff /root/before - | grep '^[<>]' | grep -vE ' (/var/(log|cache|lib/(dpkg|systemd))|/etc/(passwd|group|shadow|gshadow)-|/tmp/|/run/)' || true
id -un saslkit`, "saslkit"}, // whose number nobody else shall have
		{"purge with something of somebody else's, and a masked unit", lifeInstall + `systemctl mask --quiet saslkit-auth.socket
install -d -o saslkit -m 0700 /var/lib/saslkit
install -o saslkit -m 0600 /dev/null /var/lib/saslkit/otp.db
dpkg --purge saslkit >/dev/null 2>&1
stat -c '%U %n' /var/lib/saslkit/otp.db`, "saslkit /var/lib/saslkit/otp.db"},
	})
}

// What the service may do is less than what its user may, and suffices for what it is
// there for: PAM's processes, hashes that take memory, files that it writes.
func testRights(t *testing.T, p *builtPackages) {
	m := packagingMachine(t, p)
	do(t, m, []packagingStep{
		{"before", lifeInstall + `useradd al
echo al:secret | chpasswd
printf 'auth required pam_unix.so\naccount required pam_unix.so\n' > /etc/pam.d/imap
echo 'carol:{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$c2FsdHNhbHQ$EyZ8NJsh8LtGPZNrn/hRaV+hDFZgLXKHpu15H5XDRqw' > /etc/mail.users
echo secret | saslpasswd2 -p -c -u example.com alice
install -d /etc/systemd/system/saslkit.service.d
printf '[Service]\nSupplementaryGroups=shadow\n' > /etc/systemd/system/saslkit.service.d/shadow.conf
systemctl daemon-reload
echo 'SASLKIT_OPTIONS="--verifier sasldb:/etc/sasldb2 --verifier passwdfile:/etc/mail.users --verifier pam:imap --realm example.com"' > /etc/default/saslkit
systemctl enable --quiet --now saslkit-mux.socket
systemctl start saslkit`, ""},
		{"is its user's", `main=$(systemctl show -p MainPID --value saslkit)
[ "$(awk '/^Uid:/{print $2,$3,$4,$5}' /proc/$main/status)" = "$(id -u saslkit) $(id -u saslkit) $(id -u saslkit) $(id -u saslkit)" ]
for g in $(sed -n 's/^Groups://p' /proc/$main/status); do getent group $g | cut -d: -f1; done | sort | paste -sd ' '
grep -E '^(CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/$main/status | tr -s '\t ' ' '
grep 'core file' /proc/$main/limits | tr -s ' ' | sed 's/ $//'
systemctl show -p MemoryMax saslkit`,
			`sasl saslkit shadow
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapBnd: 0000000000000000
NoNewPrivs: 1
Seccomp: 2
Max core file size 0 0 bytes
MemoryMax=1073741824`},
		{"sees nothing that it needs not", `main=$(systemctl show -p MainPID --value saslkit)
its() { nsenter --target $main --mount --wd=/ -- setpriv --reuid=saslkit --regid=saslkit --groups=saslkit "$@" 2>&1 | sed 's/.*: //'; }
its touch /etc/x; its touch /var/lib/x; its ls /root; its ls /home; its touch /var/lib/saslkit/x; its ls -A /tmp; its ls -d /proc/1`,
			`Read-only file system
Read-only file system
Permission denied
Permission denied
No such file or directory`},
		{"logins", `for login in alice:secret alice:wrong al:secret al:wrong carol:secret carol:wrong nobody-here:x; do
  printf '%s ' $login
  testsaslauthd -s imap -u ${login%:*} -p ${login#*:} || true
done`, `alice:secret 0: OK "Success."
alice:wrong 0: NO "authentication failed"
al:secret 0: OK "Success."
al:wrong 0: NO "authentication failed"
carol:secret 0: OK "Success."
carol:wrong 0: NO "authentication failed"
nobody-here:x 0: NO "authentication failed"`},
	})
}
