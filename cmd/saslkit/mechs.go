package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit"
)

// A jsonDecision is a line of mechs --json.
type jsonDecision struct {
	Channel   string `json:"channel"` // "clear" or "tls"
	Mechanism string `json:"mechanism"`
	Offered   bool   `json:"offered"`
	Reason    string `json:"reason"`
}

func newMechsCommand(std *stdio) *cobra.Command {
	var o siteOptions
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "mechs --conf FILE | --verifier SPEC... [options]",
		Short: "Say which mechanisms a configuration offers, and why",
		Long: `Prints for the channel in the clear and for the one under TLS every mechanism,
yes or no, and the fact that decides. A configuration that contradicts itself
is told on standard error, with exit code 2.`,
		Example: `  # see what Postfix's configuration comes to
  saslkit mechs --conf /etc/postfix/sasl/smtpd.conf
  # see what a sasldb beside saslauthd would make possible
  saslkit mechs --verifier saslauthd:/run/saslauthd --secrets sasldb:` + defaultDB,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := o.authenticator(&opener{std: std})
			if err != nil {
				return err
			}
			realms, err := o.realms(std, cmd.Flags().Changed("realm"), a)
			if err != nil {
				return err
			}
			if err := o.rules(realms, a); err != nil {
				return err
			}
			if err := validate(a); err != nil {
				return err
			}
			return writeDecisions(std, a, asJSON)
		},
	}
	o.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each line")
	return cmd
}

func writeDecisions(std *stdio, a *saslkit.Authenticator, asJSON bool) error {
	encoder := json.NewEncoder(std.out)
	for _, ch := range []struct {
		name    string
		channel saslkit.Channel
	}{
		{"clear", saslkit.Channel{}},
		{"tls", underTLS()},
	} {
		for _, d := range a.Decisions(ch.channel) {
			if asJSON {
				if err := encoder.Encode(jsonDecision{ch.name, d.Mechanism, d.Offered, d.Reason}); err != nil {
					return err
				}
				continue
			}
			word := "no"
			if d.Offered {
				word = "yes"
			}
			fmt.Fprintf(std.out, "%-5s  %-20s  %-3s  %s\n", ch.name, d.Mechanism, word, shown(d.Reason))
		}
	}
	return nil
}

// underTLS is a channel that nobody listens to and that has something to bind
// to, but no certificate of the client's.
func underTLS() saslkit.Channel {
	return saslkit.Channel{Secure: true, Binding: func(string) ([]byte, bool) { return make([]byte, 32), true }}
}
