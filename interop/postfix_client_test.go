package interop

import (
	"fmt"
	"net"
	"net/smtp"
	"slices"
	"strings"
	"testing"
)

// A delivery is one message that Postfix's SMTP client passes on to a server of
// ours. Each has a domain, a transport and a server of its own.
type delivery struct {
	mechanism string
	wire      wire
	password  string
	lab       *lab
}

func (d delivery) name() string { return "postfix/" + d.mechanism + "/" + string(d.wire) }

// transport names the transport of master.cf, and begins the domain.
func (d delivery) transport() string {
	kind := "right"
	if d.password != labPassword {
		kind = "wrong"
	}
	return strings.ToLower(d.mechanism) + "-" + string(d.wire) + "-" + kind
}

func (d delivery) recipient() string { return "bob@" + d.transport() + ".example" }

// Postfix's SMTP client logs in to our go-smtp server with passwords of a
// texthash map, held to one mechanism by smtp_sasl_mechanism_filter.
func TestPostfixClient(t *testing.T) {
	t.Parallel()
	needCyrusModules(t)
	p := newPostfix(t)
	file := cyrusDatabase(t)
	var deliveries []delivery
	for _, mechanism := range slices.Concat(fourMechanisms, scramMechanisms) {
		for _, w := range []wire{inClear, startTLS} {
			for _, password := range []string{labPassword, "wrong"} {
				deliveries = append(deliveries, delivery{mechanism, w, password, smtpLab(t, cyrusSetup(t, file))})
			}
		}
	}
	p.deliver(t, deliveries)
	for _, d := range deliveries {
		if d.password == labPassword {
			t.Run(d.name(), func(t *testing.T) {
				p.find(t, "to=<"+d.recipient()+">.*status=sent")
				wantResult(t, d.lab.seen(t), d.mechanism, d.wire.secure())
			})
			continue
		}
		t.Run(d.name()+"/wrong password", func(t *testing.T) {
			p.find(t, "to=<"+d.recipient()+">.*status=deferred .*SASL authentication failed.* 535 5.7.8")
			if s := d.lab.seen(t); len(s.results) != 0 {
				t.Errorf("logged in: %+v", s.results)
			}
		})
	}
}

// deliver starts the instance and hands it one message for all.
func (p *postfix) deliver(t *testing.T, deliveries []delivery) {
	t.Helper()
	var routes, passwords strings.Builder
	var transports, recipients []string
	for _, d := range deliveries {
		_, port, _ := net.SplitHostPort(d.lab.addr)
		level := "none"
		if d.wire.secure() {
			level = "encrypt"
		}
		fmt.Fprintf(&routes, "%s.example %s:[127.0.0.1]:%s\n", d.transport(), d.transport(), port)
		fmt.Fprintf(&passwords, "[127.0.0.1]:%s %s:%s\n", port, labUser, d.password)
		transports = append(transports, fmt.Sprintf("%s unix - - n - - smtp -o smtp_sasl_mechanism_filter=%s -o smtp_tls_security_level=%s",
			d.transport(), strings.ToLower(d.mechanism), level))
		recipients = append(recipients, d.recipient())
	}
	p.start(t, []string{
		"myhostname = relay.example", // a server that calls itself the same would be a loop
		"mynetworks = 127.0.0.0/8",
		"transport_maps = texthash:" + p.write(t, "etc/transport", routes.String()),
		"smtp_sasl_auth_enable = yes",
		"smtp_sasl_password_maps = texthash:" + p.write(t, "etc/passwords", passwords.String()),
		"smtp_sasl_security_options = noanonymous",
		"smtp_sasl_tls_security_options = noanonymous",
	}, transports)
	if err := smtp.SendMail(p.addr, nil, "alice@mail.example", recipients, []byte(message)); err != nil {
		t.Fatalf("%v\n%s", err, p.logged())
	}
}
