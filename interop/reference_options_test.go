//go:build linux

package interop

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
)

// A listing is what one heading of the page of options has, and what it says of each.
type listing map[string]string

func listed(page *pages.Page, headings ...string) listing {
	all := listing{}
	for _, heading := range headings {
		for _, row := range page.Rows(heading) {
			for _, name := range pages.Code(row.Cells[0]) {
				all[name] = strings.Trim(row.Cells[1], "*")
			}
		}
	}
	return all
}

// notOptions are words with a joint in the library, its plugins and saslauthd that are no
// options.
var notOptions = regexp.MustCompile(`^(auth-conf|auth-int|digest-uri|md5-sess|rc4-[0-9]+|utf-8|en-us|` + // DIGEST-MD5
	`forward_secrecy|mutual_auth|pass_credentials|` + // plugin_list's flags
	`sasl_.*_(plug_init|init)|auth_(httpform|rimap)|` + // functions
	`krb5_(get_init_creds_.*|kt_resolve|parse_name|sname_to_principal|verify_init_creds))$`)

// TestReferenceCyrusOptions: the page has every option that Cyrus's library, the plugins
// that are installed and saslauthd ask for.
func TestReferenceCyrusOptions(t *testing.T) {
	t.Parallel()
	page := referencePage(t, "options.md")
	isOption := regexp.MustCompile(`^([a-z][a-z0-9]*([_-][a-z0-9]+)+|keytab|srvtab|opiekeys)$`)
	for _, tt := range []struct {
		heading string
		files   []string
		least   int
	}{
		{"The application's file", cyrusLibrary(t), 20},
		{"saslauthd.conf", []string{need(t, "saslauthd")}, 40},
	} {
		have, found := listed(page, "The application's file", tt.heading), map[string]bool{}
		for _, word := range constants(t, tt.files...) {
			if isOption.MatchString(word) && !notOptions.MatchString(word) {
				found[word] = true
				if have[word] == "" {
					t.Errorf("%s: %s is in %v and not on the page", tt.heading, word, tt.files[0])
				}
			}
		}
		if len(found) < tt.least {
			t.Errorf("%s: only %d options found: %v", tt.heading, len(found), found)
		}
	}
}

var (
	postfixSections = []string{"Postfix's server", "Postfix's client", "Postfix's LMTP client"}
	isAboutSASL     = regexp.MustCompile(`sasl|cyrus|_tls_auth_only|client_auth_rate|sender_login_maps|_mail_auth|dependent_authentication`)
)

// TestReferencePostfixParameters: the page has every parameter of Postfix that is about
// SASL, and none that Postfix has not, but those that it says are gone.
func TestReferencePostfixParameters(t *testing.T) {
	t.Parallel()
	have := listed(referencePage(t, "options.md"), postfixSections...)
	known := map[string]bool{}
	for line := range strings.Lines(output(t, postconf(t), "-d")) {
		name, _, _ := strings.Cut(line, " =")
		known[name] = true
		if isAboutSASL.MatchString(name) && !slices.Contains([]string{"empty_address_local_login_sender_maps_lookup_key", "local_login_sender_maps"}, name) && have[name] == "" {
			t.Errorf("%s is not on the page", name)
		}
	}
	for name, word := range have {
		if gone := word == "gone"; known[name] == gone {
			t.Errorf("%s is %s, and postconf knows it: %v", name, word, known[name])
		}
	}
}

// TestReferencePostfixRestrictions: so are the restrictions.
func TestReferencePostfixRestrictions(t *testing.T) {
	t.Parallel()
	have := listed(referencePage(t, "options.md"), "Postfix's restrictions")
	words := constants(t, postfixPrograms(t)...)
	for name := range have {
		if !slices.Contains(words, name) {
			t.Errorf("Postfix has no %s", name)
		}
	}
	for _, word := range words {
		if regexp.MustCompile(`^(permit|reject|check)_[a-z_]*(sasl|login)[a-z_]*$`).MatchString(word) && have[word] == "" {
			t.Errorf("%s is not on the page", word)
		}
	}
}

// TestReferenceEximOptions: Exim has the options that the page has, but the driver gsasl,
// which Debian's is built without.
func TestReferenceEximOptions(t *testing.T) {
	t.Parallel()
	words := constants(t, eximProgram(t))
	for name := range listed(referencePage(t, "options.md"), "Exim") {
		for word := range strings.SplitSeq(name, " = ") {
			// Linkers keep a word that another ends with in that.
			if word != "gsasl" && !slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(w, word) }) {
				t.Errorf("Exim has no %s", word)
			}
		}
	}
}
