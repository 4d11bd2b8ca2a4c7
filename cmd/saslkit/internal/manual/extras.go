package manual

import "github.com/saslkit/saslkit/cyrusconf"

// An extra is what the page of a command has beside its help.
type extra struct {
	sections           []part
	exits              []row
	environment, files []row
	seeAlso            []string // other pages than saslkit's
}

// A part is a section of a title of its own.
type part struct {
	title, text string
	rows        []row
}

// exits are the exit codes of a command, as far as it has them: the answer is no, it
// could not be tried, the input is damaged.
func exits(no, untried, damaged string) []row {
	all := []row{{"0", "Done."}}
	for _, r := range []row{{"1", no}, {"2", "The command line or the configuration is wrong."}, {"3", untried}, {"4", damaged}} {
		if r.meaning != "" {
			all = append(all, r)
		}
	}
	return all
}

const (
	unreadable = "A file or a server is out of reach."
	damagedDB  = "The database is damaged, or of a format that is not read."
)

var sasldbFile = row{cyrusconf.DefaultSasldb(), "The users and passwords of Cyrus SASL, unless `-f` names another file."}

// siteFiles are those of a configuration.
func siteFiles() []row {
	return []row{
		{"/etc/postfix/sasl/smtpd.conf", "Where Debian's Postfix has the configuration that `--conf smtpd` finds. Elsewhere it is in `/etc/sasl2` or `/usr/lib/sasl2`; what was searched is told if there is none."},
		{cyrusconf.DefaultSasldb(), "The usual database, `sasldb:" + cyrusconf.DefaultSasldb() + "`."},
		{"/run/saslauthd/mux", "The socket of saslauthd, `saslauthd:/run/saslauthd`."},
	}
}

// extras are by the command's name.
func extras() map[string]extra {
	return map[string]extra{
		"saslkit":    rootExtra(),
		"serve":      serveExtra(),
		"completion": {exits: exits("", "", ""), seeAlso: []string{"bash(1)", "zsh(1)", "fish(1)"}},
		"check": {
			exits: exits("The login was refused: the password is wrong, or the user may not log in.", "A store is out of reach.", "A store is damaged."),
			files: siteFiles(), seeAlso: []string{"saslkit-login(8)", "saslkit-mechs(8)", "saslkit-serve(8)"},
		},
		"mechs": {
			exits: exits("", "A store is out of reach.", "A store is damaged."),
			files: siteFiles(), seeAlso: []string{"saslkit-check(8)", "saslkit-serve(8)"},
		},
		"login": {
			exits:   exits("The server refused the login, or did not prove itself.", "There is no connection, no mechanism that could be used, or the server says that it is in trouble.", ""),
			seeAlso: []string{"saslkit-check(8)", "saslkit-demo(8)"},
		},
		"demo": {
			exits:   exits("A mechanism did not do what it should.", "The server could not be started, or the database not be read.", damagedDB),
			files:   []row{{"$TMPDIR/saslkit-*", "What it makes, and removes at the end."}},
			seeAlso: []string{"saslkit-login(8)", "swaks(1)"},
		},
		"passwd": {
			exits: exits("There is no such user; or there is one already, with `--if-new`.", "The file is out of reach, may not be replaced, or is kept by another writer.", damagedDB),
			files: []row{sasldbFile}, seeAlso: []string{"saslkit-users(8)", "saslkit-saslpasswd2(8)", "saslpasswd2(8)"},
		},
		"users": {
			exits: exits("With `--coverage`: SCRAM does not serve all users.", unreadable, "The file is damaged; what is sound was listed. Or it is of a format that is not read."),
			files: []row{sasldbFile}, seeAlso: []string{"saslkit-export(8)", "saslkit-passwd(8)", "saslkit-sasldblistusers2(8)"},
		},
		"verify": {
			exits: exits("", unreadable, "Faults were found, or it is no database."),
			files: []row{sasldbFile}, seeAlso: []string{"saslkit-convert(8)", "db_verify(1)"},
		},
		"convert": {
			exits: exits("", "A file is out of reach, or may not be replaced.", damagedDB), seeAlso: []string{"saslkit-export(8)", "saslkit-import(8)", "saslkit-verify(8)"},
		},
		"export": {
			exits: exits("", unreadable, "The file is damaged; what is sound was printed. Or it is of a format that is not read."),
			files: []row{sasldbFile}, seeAlso: []string{"saslkit-import(8)", "saslkit-users(8)"},
		},
		"import": {
			exits: exits("", "A file is out of reach, or may not be replaced.", "A line of the input is not understood, or the database is damaged. Nothing was written."),
			files: []row{sasldbFile}, seeAlso: []string{"saslkit-export(8)", "saslkit-convert(8)"},
		},
	}
}

func rootExtra() extra {
	return extra{
		sections: []part{{
			title: "STORES",
			text: `Where credentials are is told to saslkit-check(8), saslkit-mechs(8) and saslkit-serve(8)
by ` + "`--verifier`" + `, as kind:location. If there are several, each is asked in turn until one
says yes. With ` + "`--secrets`" + ` another one serves the mechanisms that need a stored secret, as
a sasldb can beside saslauthd. Or all of it stands in a file of Cyrus SASL, which ` + "`--conf`" + `
names.`,
			rows: storeRows(),
		}},
		exits: []row{
			{"0", "Done."},
			{"1", "The answer is no: a login was refused."},
			{"2", "The command line or the configuration is wrong."},
			{"3", "It could not be tried: a file or a server is out of reach."},
			{"4", "The input is damaged, or of a kind that is not read."},
		},
		environment: []row{
			{"NO_COLOR", "Nothing is coloured, with or without it."},
			{"TMPDIR", "Where saslkit-demo(8) makes its folder."},
			{"SSL_CERT_FILE, SSL_CERT_DIR", "The certificates of authorities that saslkit-login(8) and the stores trust, in the place of the system's."},
			{"SASL_CONF_PATH", "Under an old name: the folders in which its configuration is searched."},
		},
		files: []row{
			{cyrusconf.DefaultSasldb(), "The users and passwords of Cyrus SASL."},
			{"/etc/default/saslkit, /etc/sysconfig/saslkit", "The options of the service, in packages for Debian and for rpm."},
			{"/usr/share/doc/saslkit", "Guides, and what is said of each store and mechanism."},
			{"/usr/lib/saslkit", "The command under its old names."},
		},
		seeAlso: []string{
			"saslkit-serve(8)", "saslkit-check(8)", "saslkit-login(8)", "saslkit-saslauthd(8)", "saslkit-saslpasswd2(8)",
			"saslkit-sasldblistusers2(8)", "saslkit-testsaslauthd(8)", "postconf(5)", "saslauthd(8)", "saslpasswd2(8)",
		},
	}
}

// storeRows are the kinds of SPEC.
func storeRows() []row {
	return []row{
		{"`sasldb:FILE`", "A sasldb2 of Cyrus SASL, in the formats of Berkeley DB, GDBM or LMDB. It serves every mechanism, for users whose password it holds."},
		{"`shadow:FILE`", "/etc/shadow. It checks passwords, with the dates of accounts as pam_unix has them."},
		{"`passwdfile:FILE`", "A file of htpasswd, or a passwd-file of Dovecot. It checks passwords, and holds what its {SCHEME}s say."},
		{"`saslauthd:DIR`", "The daemon saslauthd whose socket is mux in this folder. It checks passwords."},
		{"`pwcheck:DIR`", "The daemon pwcheck whose socket is in this folder. It checks passwords."},
		{"`dovecot:SOCKET`", "Dovecot's auth process, on a socket for auth clients. It checks passwords."},
		{"`sql:FILE`", "A database, PostgreSQL, MySQL or SQLite, described in this file by Cyrus SASL's sql_ options. It serves what its columns hold."},
		{"`pam:SERVICE`", "PAM, where the command was built with it. It checks passwords."},
		{"`ldap:FILE`", "A directory, described in this file as in saslauthd.conf. It checks passwords, and serves what its attributes hold if they may be read."},
	}
}

func serveExtra() extra {
	return extra{
		sections: []part{
			{
				title: "SIGNALS",
				rows: []row{
					{"SIGHUP", "The configuration is read again. If it makes no sense, the old one stays in force and the log says why. Stores that are files are followed without that."},
					{"SIGTERM, SIGINT", "What is under way is finished, for 5 seconds at most; sockets are removed, but for those of systemd."},
				},
			},
			{
				title: `"THE LOG"`,
				text: `Each login is a line on standard error, which systemd puts into its journal:

  time=... level=INFO msg=login result=fail user=alice realm=example.com mech=PLAIN service=smtp tls=true remote=192.0.2.7 reason="bad-credentials: ..."

Who asks over saslauthd's protocol or pwcheck's tells neither mechanism nor channel: its
line has protocol=saslauthd in the place of mech= and tls=.

What the client is told is the same for an unknown user and for a wrong password; the
reason in the log is not. No password is ever logged.`,
			},
		},
		exits: []row{
			{"0", "It was told to end, and nothing was left to do."},
			{"2", "The command line or the configuration is wrong, or a socket that systemd passed has a name that says no protocol."},
			{"3", "A socket could not be opened, or a store is out of reach."},
			{"4", "A store is damaged."},
		},
		environment: []row{
			{"LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES", "The sockets that systemd passes, as sd_listen_fds(3) has them."},
			{"NOTIFY_SOCKET", "Where systemd is told that the daemon is ready, reads its configuration again, or ends: `Type=notify` or `Type=notify-reload`."},
		},
		files: append(siteFiles(),
			row{"/etc/default/saslkit, /etc/sysconfig/saslkit", "The options of saslkit.service, in packages for Debian and for rpm."},
			row{"/var/spool/postfix/private/saslkit", "The socket of saslkit-postfix.socket: `smtpd_sasl_type = dovecot` and `smtpd_sasl_path = private/saslkit` in main.cf."}),
		seeAlso: []string{"saslkit-check(8)", "saslkit-mechs(8)", "saslkit-saslauthd(8)", "postconf(5)", "systemd.socket(5)"},
	}
}
