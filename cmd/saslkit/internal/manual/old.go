package manual

import (
	"strings"
	"time"

	"github.com/saslkit/saslkit/cyrusconf"
)

// An oldName is a program of Cyrus SASL for which the command can stand. Its page is
// named for both: Cyrus SASL's own may be installed beside it.
type oldName struct {
	name, summary, synopsis string
	options                 []row
	different               string
	exits                   []row
	files                   []row
	seeAlso                 []string
}

// calledSo says how the command comes to be the old program.
const calledSo = "Called by the name `%s`, as by the symbolic link /usr/lib/saslkit/%s, saslkit(8) is that program: it takes the same options and has the same output and exit codes. This page says what is different."

func (o oldName) page(date time.Time) File {
	name := "saslkit-" + o.name
	p := &page{values: map[string]bool{}}
	for _, word := range valueWord.FindAllString(o.synopsis, -1) {
		p.values[word] = true
	}
	p.head(name, o.summary, date)
	p.section("SYNOPSIS")
	p.fill("`" + o.name + "` " + o.synopsis)
	p.section("DESCRIPTION")
	p.fill(strings.ReplaceAll(calledSo, "%s", o.name))
	p.section("OPTIONS")
	p.rows(o.options)
	p.section(`"WHAT IS DIFFERENT"`)
	p.text(o.different)
	p.section(`"EXIT STATUS"`)
	p.rows(o.exits)
	p.section("FILES")
	p.rows(o.files)
	p.foot(name, o.seeAlso)
	return File{name + "." + section, p.String()}
}

func oldNames() []oldName {
	return []oldName{oldSaslpasswd2(), oldSasldblistusers2(), oldSaslauthd(), oldTestsaslauthd()}
}

// Options that two of them have.
var (
	oldDB      = row{"-f FILE", "The database, in the place of what the configuration says and of " + cyrusconf.DefaultSasldb() + "."}
	oldVersion = row{"-v", "Print the version."}
)

func oldSaslpasswd2() oldName {
	return oldName{
		name: "saslpasswd2", summary: "set passwords, as Cyrus SASL's saslpasswd2",
		synopsis: "[-v] [-c [-p] [-n]] [-d] [-a APP] [-f FILE] [-u REALM] USER",
		options: []row{
			{"-a APP", "Read the options of APP.conf and not those of saslpasswd.conf."},
			{"-c", "Create the user. A password that is set does so anyway."},
			{"-d", "Delete the user."},
			oldDB,
			{"-n", "Do not store the password itself, only what other mechanisms need."},
			{"-p", "Read the password from standard input, without asking."},
			{"-u REALM", "The realm of a USER without one. By default it is the host's name."},
			oldVersion,
		},
		different: `With -d all that the user has is deleted. Cyrus SASL leaves authPassword behind, so that
SCRAM goes on letting him in.

A new password replaces or deletes what was stored of the old one.

A password that Cyrus SASL would cut, at 2,048 bytes or at a NUL, is refused.

The file is replaced by a new one and never changed in place: it is there whole
whenever somebody looks.`,
		exits: []row{
			{"0", "Done."},
			{"1", "It failed, or was called wrongly."},
			{"7", "The name or the password cannot be taken, or the two passwords are not the same."},
			{"100", "The configuration cannot be read."},
		},
		files: []row{
			{cyrusconf.DefaultSasldb(), "The database."},
			{"/etc/sasl2/saslpasswd.conf", "Its configuration, here or in another folder of libsasl2, which SASL_CONF_PATH replaces: sasldb_path, mech_list, scram_secret_generate and scram_iteration_counter count."},
		},
		seeAlso: []string{"saslkit-passwd(8)", "saslkit-sasldblistusers2(8)", "saslpasswd2(8)"},
	}
}

func oldSasldblistusers2() oldName {
	return oldName{
		name: "sasldblistusers2", summary: "list users, as Cyrus SASL's",
		synopsis: "[-v] [[-f] FILE]",
		options:  []row{oldDB, oldVersion},
		different: `A record that is no user's is counted and passed over. Cyrus SASL's program goes on for
ever with it.

Of a damaged file the sound records are listed, and the exit code is 1.`,
		exits: []row{
			{"0", "Done."},
			{"1", "The file could not be read, or not all of it; or the program was called wrongly."},
		},
		files: []row{
			{cyrusconf.DefaultSasldb(), "The database."},
			{"/etc/sasl2/sasldblistusers.conf", "Its configuration, without a 2 in the name, here or in another folder of libsasl2, which SASL_CONF_PATH replaces: sasldb_path counts."},
		},
		seeAlso: []string{"saslkit-users(8)", "saslkit-saslpasswd2(8)", "sasldblistusers2(8)"},
	}
}

func oldSaslauthd() oldName {
	return oldName{
		name: "saslauthd", summary: "check passwords, as Cyrus SASL's saslauthd",
		synopsis: "-a MECHANISM [-cdhlrvV] [-m DIR] [-n NUMBER] [-O FILE] [-s KILOBYTES] [-t SECONDS]",
		options: []row{
			{"-a MECHANISM", "Where passwords are: sasldb, shadow, getpwent, pam or ldap. -v prints those that are built in."},
			{"-c", "Remember in memory who logged in, until the file changes."},
			{"-d", "Log more, and do not say that it stays in the foreground."},
			{"-h", "Print a short form of this page."},
			{"-l", "Taken, and without effect."},
			{"-m DIR", "The folder of its socket, mux, from / on. By default it is /var/run/saslauthd."},
			{"-n NUMBER", "How many hashes to compute at a time, if more than there are processors."},
			{"-O FILE", "Read this file instead of " + cyrusconf.DefaultSasldb() + ", /etc/shadow or /etc/passwd, or with ldap instead of /etc/saslauthd.conf."},
			{"-r", "Join login and realm, as login@realm."},
			{"-s KILOBYTES", "How much to remember."},
			{"-t SECONDS", "How long to remember, an hour at most."},
			{"-V", "Log logins that succeed, too."},
			{"-v", "Print the version and the mechanisms."},
		},
		different: `It stays in the foreground and logs on standard error: under systemd it is
Type=simple, without a PIDFile.

One process serves all connections at once. One client that says nothing does not keep
the others waiting.

Everybody who may not log in is told the same. The log says why.

What -c remembers is good until the file changes, and for an hour at most. With sasldb
there is nothing to remember: it is in memory.

With sasldb, -r changes nothing. Cyrus SASL's daemon then looks for a user whom
saslpasswd2(8) cannot make.

With shadow and getpwent it reads the files, and not what nsswitch.conf adds to them.

With ldap, in temporary trouble, the connection is closed. Cyrus SASL's daemon says NO.`,
		exits: []row{
			{"0", "It was told to end, or printed its version or its options."},
			{"1", "It could not be started."},
		},
		files: []row{
			{"/var/run/saslauthd/mux", "The socket. Who may enter its folder may ask."},
			{"/var/run/saslauthd/saslauthd.pid", "The number of the process."},
			{"/etc/saslauthd.conf", "The directory, with -a ldap."},
		},
		seeAlso: []string{"saslkit-serve(8)", "saslkit-testsaslauthd(8)", "saslauthd(8)"},
	}
}

func oldTestsaslauthd() oldName {
	return oldName{
		name: "testsaslauthd", summary: "ask saslauthd, as Cyrus SASL's program",
		synopsis: "-u USER -p PASSWORD [-r REALM] [-s SERVICE] [-f SOCKET] [-R COUNT]",
		options: []row{
			{"-f SOCKET", "The socket, /var/run/saslauthd/mux by default."},
			{"-p PASSWORD", "The password. Everybody on the machine can see it meanwhile: saslkit-login(8) asks the same without that."},
			{"-R COUNT", "Ask so many times."},
			{"-r REALM", "The realm."},
			{"-s SERVICE", "The service, imap by default."},
			{"-u USER", "The user."},
		},
		different: `It waits 30 seconds for an answer, and not for ever.

An answer that only begins with OK, or that is longer than those of saslauthd can be, is
none.`,
		exits: []row{
			{"0", "The last answer was yes."},
			{"1", "It was called wrongly."},
			{"255", "The last answer was no, or there was none."},
		},
		files:   []row{{"/var/run/saslauthd/mux", "The socket of saslauthd."}},
		seeAlso: []string{"saslkit-check(8)", "saslkit-login(8)", "saslkit-saslauthd(8)", "testsaslauthd(8)"},
	}
}
