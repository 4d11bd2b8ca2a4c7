//go:build linux

package interop

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
)

// A cyrusFault is a mistake of a site whose Postfix has libsasl2, what a client does, and
// which messages of docs/reference/messages.md come of it.
type cyrusFault struct {
	name    string
	conf    string   // the application's file; DIR is the instance's folder
	options []string // of smtpd
	say     []string // C: and S: lines; none if smtpd ends
	want    []string
}

var (
	plainWrong    = "C: AUTH PLAIN " + b64("\x00"+labUser+"\x00wrong")
	wrongDigest   = " 00000000000000000000000000000000"
	sendAs        = []string{"C: MAIL FROM:<bob@mail.example>", "S: 250", "C: RCPT TO:<a@b.example>", "S: 55"}
	digestMessage = `username="nobody",realm="mail.example",nonce="x",cnonce="y",nc=00000001,qop=auth,digest-uri="smtp/mail.example",response=00000000000000000000000000000000`
)

const (
	overSasldb    = "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: DIR/sasldb2\nmech_list: PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1\n"
	overSaslauthd = "pwcheck_method: saslauthd\nmech_list: PLAIN\nsaslauthd_path: DIR/%s/mux\n"
	overSQL       = "pwcheck_method: auxprop\nauxprop_plugin: sql\nmech_list: PLAIN\n"
)

var cyrusFaults = []cyrusFault{
	{"wrong password", overSasldb, nil, []string{plainWrong, "S: 535 5.7.8"}, []string{"Password verification failed", "authentication failure"}},
	{"wrong password by LOGIN", overSasldb, nil, []string{"C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6", "C: " + b64(labUser), "S: 334 UGFzc3dvcmQ6", "C: " + b64("wrong"), "S: 535 5.7.8"}, []string{"authentication failure"}},
	{"wrong password by CRAM-MD5", overSasldb, nil, []string{"C: AUTH CRAM-MD5", "S: 334", "C: " + b64(labUser+wrongDigest), "S: 535 5.7.8"}, []string{"incorrect digest response", "authentication failure"}},
	{"nobody", overSasldb, nil, []string{"C: AUTH PLAIN " + b64("\x00nobody\x00x"), "S: 535 5.7.8"}, []string{"Password verification failed", "authentication failure"}},
	{"nobody by CRAM-MD5", overSasldb, nil, []string{"C: AUTH CRAM-MD5", "S: 334", "C: " + b64("nobody"+wrongDigest), "S: 535 5.7.8"}, []string{"authentication failure"}},
	{"nobody by SCRAM", overSasldb, nil, []string{"C: AUTH SCRAM-SHA-1 " + b64("n,,n=nobody,r=abcdefghijkl"), "S: 535"}, []string{"unable to canonify user and get auxprops", "authentication failure"}},
	{"another nonce", overSasldb, nil, []string{"C: AUTH DIGEST-MD5", "S: 334", "C: " + b64(digestMessage), "S: 535"}, []string{"nonce changed: authentication aborted"}},
	{"malformed", overSasldb, nil, []string{"C: AUTH PLAIN " + b64("\x00a\x00b\x00c"), "S: 535 5.7.8"}, []string{"Got more data than we were expecting in the PLAIN plugin", "bad protocol / cancel"}},
	{"given up", overSasldb, nil, []string{"C: AUTH LOGIN", "S: 334", "C: *", "S: 501 5.7.0"}, []string{"SASL … authentication aborted"}},
	{"not offered", overSasldb, nil, []string{"C: AUTH GSSAPI", "S: 535 5.7.8"}, []string{"Couldn't find mech …", "no mechanism available"}},
	{"no socket", fmt.Sprintf(overSaslauthd, "nowhere"), nil, []string{plainWrong, "S: 454 4.7.0"}, []string{"cannot connect to saslauthd server: …", "generic failure", "Password verification failed"}},
	{"a folder of root's", fmt.Sprintf(overSaslauthd, "closed"), nil, []string{plainWrong, "S: 454 4.7.0"}, []string{"cannot connect to saslauthd server: …", "generic failure"}},
	{"a socket that is left over", fmt.Sprintf(overSaslauthd, "stale"), nil, []string{plainWrong, "S: 454 4.7.0"}, []string{"cannot connect to saslauthd server: …", "generic failure"}},
	{"a daemon that says nothing", fmt.Sprintf(overSaslauthd, "silent"), nil, []string{plainWrong, "S: 454 4.7.0"}, []string{"size read failed", "generic failure"}},
	{"a daemon that refuses", fmt.Sprintf(overSaslauthd, "refusing"), nil, []string{plainWrong, "S: 535 5.7.8"}, []string{"authentication failure"}},
	{"a database of root's", strings.Replace(overSasldb, "DIR/", "DIR/closed/", 1), nil, []string{plainWrong, "S: 454 4.7.0"}, []string{"unable to open Berkeley db …: …", "generic failure"}},
	{"a database that is none", strings.Replace(overSasldb, "DIR/sasldb2", "DIR/text", 1), nil, []string{plainWrong, "S: 454 4.7.0"}, []string{"unable to open Berkeley db …: …"}},
	{"no database", strings.Replace(overSasldb, "DIR/sasldb2", "DIR/nowhere", 1), nil, []string{plainWrong, "S: 535 5.7.8"}, []string{"authentication failure"}},
	{"no such method", "pwcheck_method: pam\nmech_list: PLAIN", nil, []string{plainWrong, "S: 535 5.7.8"}, []string{"unknown password verifier(s) …", "no mechanism available"}},
	{"no such plugin", "pwcheck_method: auxprop\nauxprop_plugin: mysql\nmech_list: PLAIN", nil, []string{plainWrong, "S: 535 5.7.8"}, []string{"unknown password verifier(s) …", "no mechanism available"}},
	{"no statement", overSQL, nil, []string{plainWrong, "S: 535 5.7.8"}, []string{"unknown password verifier(s) …"}},
	{"no server", overSQL + "sql_engine: pgsql\nsql_hostnames: 127.0.0.1:1\nsql_select: SELECT '%u'", nil, []string{plainWrong, "S: 454 4.7.0"}, []string{"sql plugin couldn't connect to any host", "generic failure"}},
	{"plaintext in the clear", overSasldb, []string{"smtpd_sasl_security_options=noanonymous,noplaintext"}, []string{plainWrong, "S: 535 5.7.8"}, []string{"encryption needed to use mechanism"}},
	{"before STARTTLS", overSasldb, []string{"smtpd_tls_auth_only=yes"}, []string{plainWrong, "S: 503 5.5.1 Error: authentication not enabled"}, nil},
	{"too often", overSasldb, []string{"smtpd_client_auth_rate_limit=1", "smtpd_client_event_limit_exceptions="}, []string{plainWrong, "S: 535", plainWrong, "S: 450 4.7.1 Error: too many AUTH commands from"}, []string{"AUTH command rate limit exceeded: … from … for service …"}},
	{"another's address", overSasldb, []string{"smtpd_sender_restrictions=reject_sender_login_mismatch"}, append([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235 2.7.0 Authentication successful"}, sendAs...), []string{"Sender address rejected: not owned by user …"}},
	{"an owner's address", overSasldb, []string{"smtpd_sender_restrictions=reject_sender_login_mismatch"}, sendAs, []string{"Sender address rejected: not logged in"}},
	{"no relaying", overSasldb, []string{"smtpd_relay_restrictions=reject_unauth_destination"}, append([]string{"C: AUTH PLAIN " + goodPLAIN, "S: 235"}, sendAs...), []string{"…: Relay access denied"}},
	{"no mechanism", overSasldb[:strings.Index(overSasldb, "mech_list")] + "mech_list: FOO", nil, nil, []string{"Internal Error -4 in …", "xsasl_cyrus_server_get_mechanism_list: …", "no SASL authentication mechanisms"}},
	{"a broken line", "pwcheck_method : auxprop", nil, nil, []string{"SASL per-process initialization failed: …", "error when parsing configuration file"}},
	{"no daemon", "", []string{"smtpd_sasl_type=dovecot", "smtpd_sasl_path=private/nothing"}, nil, []string{"SASL: Connect to Dovecot auth socket '…' failed: …", "no SASL authentication mechanisms"}},
	{"no such type", "", []string{"smtpd_sasl_type=saslkit"}, nil, []string{"unsupported SASL server implementation: …"}},
	{"no such property", overSasldb, []string{"smtpd_sasl_security_options=noplain"}, nil, []string{`unknown SASL security options value "…" in "…"`, "bad per-session SASL security properties", "SASL per-connection initialization failed"}},
}

// onPage fails for messages that the page has not.
func onPage(t *testing.T, messages ...string) {
	t.Helper()
	for _, program := range []string{"Cyrus SASL", "Postfix", "client"} {
		have := quotedOf(t, program)
		for i := len(messages) - 1; i >= 0; i-- {
			if have[messages[i]] > 0 {
				messages = append(messages[:i:i], messages[i+1:]...)
			}
		}
	}
	if len(messages) > 0 {
		t.Errorf("not on the page: %q", messages)
	}
}

// pattern matches a message of the page in a log.
func pattern(message string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(message), "…", ".*")
}

// cyrusSite is a Postfix with a port for each fault.
func cyrusSite(t *testing.T) (p *postfix, ports []string) {
	t.Helper()
	needCyrusModules(t)
	needCyrusPlugin(t)
	p = newPostfix(t)
	database, err := os.ReadFile(cyrusDatabase(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sasldb2", "closed/sasldb2"} {
		p.write(t, name, string(database))
		p.give(t, name)
	}
	p.write(t, "text", "no database\n")
	p.give(t, "text")
	if err := os.Chmod(filepath.Join(p.dir, "closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	muxes(t, p)
	var services []string
	for i, f := range cyrusFaults {
		name := fmt.Sprintf("fault%d", i)
		p.write(t, "etc/sasl/"+name+".conf", strings.ReplaceAll(f.conf, "DIR", p.dir)+"\n")
		ports = append(ports, net.JoinHostPort("127.0.0.1", freePort(t)))
		options := append([]string{"syslog_name=" + name, "smtpd_sasl_path=" + name}, f.options...)
		services = append(services, fmt.Sprintf("%s inet n - n - - smtpd -o %s", ports[i], strings.Join(options, " -o ")))
	}
	p.start(t, []string{
		"myhostname = mail.example", "mynetworks = 192.0.2.1/32", "smtpd_relay_restrictions = permit_sasl_authenticated, reject",
		"smtpd_sasl_auth_enable = yes", "smtpd_sasl_local_domain = " + labRealm, "cyrus_sasl_config_path = " + filepath.Join(p.dir, "etc/sasl"),
		"smtpd_sender_login_maps = texthash:" + p.write(t, "etc/owners", "bob@mail.example bob@mail.example\n"),
	}, services)
	return p, ports
}

// muxes are sockets of daemons that are gone, say nothing, or refuse.
func muxes(t *testing.T, p *postfix) {
	t.Helper()
	no := saslauthdwire.AppendReply(nil, saslauthdwire.Reply{Verdict: saslauthdwire.No})
	for name, reply := range map[string][]byte{"stale": nil, "silent": nil, "refusing": no} {
		path := filepath.Join(p.dir, name, "mux")
		p.write(t, name+"/folder", "")
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		if name == "stale" {
			ln.SetUnlinkOnClose(false)
			ln.Close()
			continue
		}
		t.Cleanup(func() { ln.Close() })
		go answerAll(ln, reply)
	}
}

// answerAll reads something and answers, until the listener is closed.
func answerAll(ln net.Listener, reply []byte) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		c.Read(make([]byte, 1024))
		c.Write(reply)
		c.Close()
	}
}

// TestReferenceCyrusLogs: mistakes of a site with Postfix and Cyrus SASL are told in the
// words of the page.
func TestReferenceCyrusLogs(t *testing.T) {
	t.Parallel()
	p, ports := cyrusSite(t)
	for i, f := range cyrusFaults {
		t.Run(f.name, func(t *testing.T) {
			if onPage(t, f.want...); f.say == nil {
				conn, err := net.Dial("tcp", ports[i])
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
			} else {
				d, _ := smtpDialog(t, &lab{addr: ports[i]}, inClear)
				d.follow(f.say)
			}
			for _, message := range f.want {
				p.find(t, fmt.Sprintf(`fault%d/smtpd.*%s`, i, pattern(message)))
			}
		})
	}
}
