package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/saslkit/saslkit/cyrusconf"
)

// unusedOptions are those that count with Cyrus SASL and have no effect here. Each
// reason is told once.
var unusedOptions = []struct {
	keys    []string
	because string
}{
	{[]string{"keytab", "srvtab", "ad_compat", "service_principal", "ccache_store"}, "Kerberos is not built in"},
	{[]string{"ldapdb_uri", "ldapdb_id", "ldapdb_pw", "ldapdb_mech", "ldapdb_rc", "ldapdb_starttls", "ldapdb_canon_attr"},
		"the plugin ldapdb is not built in; --verifier ldap:FILE asks directories, with the keys of saslauthd.conf"},
	{[]string{"ntlm_server"}, "NTLM needs the password or its NT hash here, and asks no other server"},
	{[]string{"ntlm_v2", "client_mech_list"}, "it is for clients"},
	{[]string{"srp_mda"}, "SRP is not built in"},
	{[]string{"opiekeys"}, "series of one-time passwords are in the stores, not in OPIE's file"},
	{[]string{"plugin_list"}, "there are no plugins to load"},
}

// unused tells of options that are set in vain.
func unused(app *cyrusconf.Application) (all []error) {
	for _, o := range unusedOptions {
		set := slices.DeleteFunc(slices.Clone(o.keys), func(key string) bool { return app.Lines[key] == 0 })
		if len(set) > 0 {
			all = append(all, fmt.Errorf("%s: no effect here: %s (%s)", app.Where(set[0]), strings.Join(set, ", "), o.because))
		}
	}
	if app.ReauthTimeout > longestReauth {
		all = append(all, fmt.Errorf("%s: reauth_timeout: %d minutes is the longest here", app.Where("reauth_timeout"), longestReauth))
	}
	return all
}

const longestReauth = 24 * 60 // minutes, as mech.NewNonces has it

// nonceLife is for how long clients of DIGEST-MD5 may log in again.
func nonceLife(app *cyrusconf.Application) time.Duration {
	return time.Duration(min(app.ReauthTimeout, longestReauth)) * time.Minute
}

// notBuiltIn tells of what decides who somebody is, and so must not be left out.
func notBuiltIn(app *cyrusconf.Application) error {
	if app.CanonUserPlugin == "ldapdb" {
		return usage("%s: canon_user_plugin ldapdb is not built in (with --verifier ldap:FILE, ldap_user_attr says whose account it is)", app.Where("canon_user_plugin"))
	}
	return nil
}
