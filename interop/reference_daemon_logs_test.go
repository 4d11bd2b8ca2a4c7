//go:build linux

package interop

import (
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"testing"
)

// TestReferenceDaemonLogs: what Postfix says in front of our daemon.
func TestReferenceDaemonLogs(t *testing.T) {
	t.Parallel()
	site := newAuthSite(t, databaseAuth(t, cyrusDatabase(t)), nil)
	for _, tt := range []struct {
		say  []string
		want string
	}{
		{[]string{"C: AUTH LOGIN", "S: 334", "C: " + b64(labUser), "S: 334", "C: " + b64("wrong"), "S: 535 5.7.8"}, "SASL … authentication failed: (reason unavailable), sasl_username=…"},
		{[]string{"C: AUTH GSSAPI", "S: 535 5.7.8"}, "Invalid authentication mechanism"},
	} {
		d, _ := smtpDialog(t, site.lab, inClear)
		d.follow(tt.say)
		onPage(t, tt.want)
		site.find(t, pattern(tt.want))
	}
	d, _ := smtpDialog(t, site.lab, inClear)
	site.daemon.stop(t)
	d.follow([]string{plainWrong, "S: 454 4.7.0"})
	site.find(t, pattern("SASL: Connect to Dovecot auth socket '…' failed: …"))
}

// TestReferenceClientLogs: what Postfix's client says when it cannot log in elsewhere.
func TestReferenceClientLogs(t *testing.T) {
	t.Parallel()
	needCyrusModules(t)
	p := newPostfix(t)
	server := smtpLab(t, cyrusSetup(t, cyrusDatabase(t))).addr
	host, port, _ := net.SplitHostPort(server)
	passwords := func(name, nextHop, password string) string {
		return "texthash:" + p.write(t, "etc/"+name, fmt.Sprintf("%s %s:%s\n", nextHop, labUser, password))
	}
	nextHop := fmt.Sprintf("[%s]:%s", host, port)
	faults := []struct {
		options, status string
		want            []string
	}{
		{"smtp_sasl_mechanism_filter=plain,login", "deferred", []string{"No worthy mechs found", "SASL authentication failed; cannot authenticate to server …: …"}},
		{"smtp_sasl_mechanism_filter=gssapi", "deferred", []string{"SASL authentication failed: server … offered no compatible authentication mechanisms for this type of connection security"}},
		{"smtp_sasl_password_maps=" + passwords("wrong", nextHop, "wrong"), "deferred", []string{"SASL authentication failed; server … said: …"}},
		{"smtp_sasl_password_maps=" + passwords("elsewhere", "["+host+"]", labPassword), "bounced", nil},
		{"smtp_sasl_type=dovecot", "", []string{"unsupported SASL client implementation: …"}},
	}
	var routes strings.Builder
	var transports, recipients []string
	for i, f := range faults {
		fmt.Fprintf(&routes, "fault%d.example fault%d:%s\n", i, i, nextHop)
		transports = append(transports, fmt.Sprintf("fault%d unix - - n - - smtp -o syslog_name=fault%d -o %s", i, i, f.options))
		recipients = append(recipients, fmt.Sprintf("bob@fault%d.example", i))
	}
	p.start(t, []string{
		"myhostname = relay.example", "mynetworks = 127.0.0.0/8", "transport_maps = texthash:" + p.write(t, "etc/transport", routes.String()),
		"smtp_sasl_auth_enable = yes", "smtp_sasl_password_maps = " + passwords("right", nextHop, labPassword),
	}, transports)
	if err := smtp.SendMail(p.addr, nil, "alice@mail.example", recipients, []byte(message)); err != nil {
		t.Fatalf("%v\n%s", err, p.logged())
	}
	for i, f := range faults {
		onPage(t, f.want...)
		for _, message := range f.want {
			p.find(t, fmt.Sprintf("fault%d/smtp.*%s", i, pattern(message)))
		}
		if f.status != "" {
			p.find(t, fmt.Sprintf("fault%d/smtp.*status=%s", i, f.status))
		}
	}
}
