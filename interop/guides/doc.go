// Package guides executes the guides in docs/guides: each is a page for one situation of a
// mail site, and its test does what the page says, on a machine of its own, by reading it
// out of the page.
//
// # Pages
//
// A guide is Markdown. All that it shows as code is in fenced blocks, and each block is one
// of these:
//
//   - sh: commands, run by root in /root one block after the other; each must succeed. The
//     block is one shell script, ended by its first failure.
//   - output: what the block before has printed. The lines are found in this order, each
//     anywhere in a line; … stands for anything.
//   - log: what the journal got since the last block of commands began, in the same
//     notation but in any order, as lines of two programs have none. The test waits for it.
//   - any other language: a file, whose path stands in the first line as a comment,
//     "# /etc/postfix/sasl/smtpd.conf". It replaces what was there; with "(added)" behind
//     the path it is added at the end.
//
// There is no block that is not executed. The machine itself is described in a comment,
// which readers do not see: the Debian packages that the situation begins with, and commands
// that bring it about.
//
//	<!-- machine: postfix sasl2-bin
//	useradd --create-home al
//	-->
//
// A table below the heading "When it does not work" has in each row's first cell what is
// logged or printed, and in the second what to do. A comment below the table does it, one
// for each row in their order, which begins with some words of the first cell. Commands
// bring the trouble about; then all the code in the cell has been printed by them or is in
// the journal, in the notation of logs, and other commands do what the second cell says and
// show that it works again. Where no machine of this kind can be in that trouble, the
// comment says why.
//
//	<!-- row: failed: No such file or directory
//	systemctl stop saslkit-postfix.socket saslkit
//	swaks … || true
//	# cured by
//	systemctl start saslkit-postfix.socket
//	swaks …
//	-->
//	<!-- row unexecuted: SELinux
//	Debian's kernel has it turned off.
//	-->
//
// At <!-- reboot --> the machine boots anew, to show that what was done lasts.
//
// A second comment that begins <!-- machine: is another machine, on which the page goes on, in the same
// network; <!-- machine 1 --> is the first again. All have booted before the page begins.
//
// # Machines
//
// A machine is a Debian 12 with systemd, booted by systemd-nspawn from a file system that
// debootstrap made, with a layer over it that the end of the test throws away. Its network
// is a loopback of its own. What packaging/build makes lies in /root, and apt does not ask
// whether to go on. Among the packages, +go is Go and a clone of saslkit in /root/saslkit,
// +cyrus-gdbm Cyrus SASL as Fedora has it, and +containers podman with such a clone and
// with images in the names of Debian's and Go's, made of the machine and of our Go.
//
// That takes root, Debian's debootstrap and systemd-container, and, for what is not yet
// in the folder SASLKIT_GUIDES, Debian's archive. Without that variable the tests that
// want a machine are skipped.
package guides
