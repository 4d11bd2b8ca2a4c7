package cyrusconf

import (
	"slices"
	"strings"
)

// methods are the names that pwcheck_method has, in a build of everything.
var methods = []string{"auxprop", "saslauthd", "pwcheck", "authdaemond"}

// backends are saslauthd's, for its -a.
var backends = []string{"dce", "getpwent", "httpform", "kerberos4", "kerberos5", "ldap", "pam", "rimap", "shadow", "sia"}

// plugins are those of auxprop that there are; slapd has the last inside.
var plugins = []string{"sasldb", "sql", "ldapdb", "slapd"}

// sqlEngines are those of the plugin sql.
var sqlEngines = []string{"mysql", "pgsql", "sqlite", "sqlite3"}

// pluginMeant are names of databases and the sql_engine that is meant.
var pluginMeant = map[string]string{
	"mysql": "mysql", "mariadb": "mysql",
	"pgsql": "pgsql", "postgres": "pgsql", "postgresql": "pgsql",
	"sqlite": "sqlite", "sqlite2": "sqlite", "sqlite3": "sqlite3",
}

// mechanisms are names that a list can have without a mistake: those of Cyrus's
// builds, and those that are registered and somewhere in use.
var mechanisms = []string{
	"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5",
	"SCRAM-SHA-1", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-384", "SCRAM-SHA-512", "SCRAM-SHA3-512",
	"EXTERNAL", "ANONYMOUS", "GSSAPI", "GSS-SPNEGO", "GS2-KRB5", "GS2-IAKERB", "NTLM", "OTP",
	"OAUTHBEARER", "XOAUTH2", "OPAQUE", "SRP", "SKEY", "SECURID", "PASSDSS-3DES-1",
	"KERBEROS_V4", "KERBEROS_V5", "EAP-AES128", "OPENID20", "SAML20", "ECDSA-NIST256P-CHALLENGE", "NMAS_LOGIN",
}

// once calls add for each name of a list. A name that is there again is a fault.
func (v *view) once(name string, add func(string)) {
	var seen []string
	for _, w := range v.words(name) {
		if strings.Contains(w, ",") {
			continue // words has told
		}
		if isIn(seen, w) {
			v.warn(name, "delete it once", "%s: %s is there twice", name, quoted(w))
			continue
		}
		seen = append(seen, w)
		add(w)
	}
}

func isIn(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

func (v *view) pwcheckMethod() []string {
	var list []string
	v.once("pwcheck_method", func(w string) {
		if lower := strings.ToLower(w); slices.Contains(methods, lower) {
			list = append(list, lower)
		} else {
			v.noMethod(lower, quoted(w))
		}
	})
	return list
}

// noMethod tells of a name that pwcheck_method cannot have. Cyrus skips it, and if
// no other name is left it answers every login with "no mechanism available".
func (v *view) noMethod(w, shown string) {
	const name = "pwcheck_method"
	switch {
	case w == "alwaystrue":
		v.refuse(name, "write saslauthd or auxprop", "%s: alwaystrue lets everybody in with any password", name)
	case w == "auxprop-hashed":
		v.refuse(name, "write auxprop, and store the passwords as they are or SCRAM's keys", "%s: auxprop-hashed was removed from Cyrus SASL in 2.1.28; older builds took any password", name)
	case w == "sasldb", w == "sasldb2":
		v.refuse(name, "write pwcheck_method: auxprop and auxprop_plugin: sasldb", "%s: sasldb is a plugin of auxprop", name)
	case w == "sql", w == "ldapdb", pluginMeant[w] != "":
		v.refuse(name, "write pwcheck_method: auxprop and "+pluginCure(w), "%s: %s is nothing that checks passwords; auxprop does, with what a database holds", name, shown)
	case slices.Contains(backends, w):
		v.refuse(name, "write pwcheck_method: saslauthd, and run saslauthd -a "+w, "%s: %s is a back end of saslauthd", name, w)
	case w == "dovecot":
		v.refuse(name, "set smtpd_sasl_type = dovecot in Postfix's main.cf instead of using this file", "%s: dovecot is no part of Cyrus SASL", name)
	default:
		cure := "write one of " + strings.Join(methods, ", ")
		if meant, ok := nearest(w, methods); ok {
			cure = "write " + meant
		}
		v.refuse(name, cure, "%s: no method %s", name, shown)
	}
}

// pluginCure is the line for auxprop_plugin.
func pluginCure(w string) string {
	if engine := pluginMeant[w]; engine != "" {
		return "auxprop_plugin: sql with sql_engine: " + engine
	}
	return "auxprop_plugin: " + w
}

func (v *view) auxpropPlugin() []string {
	const name = "auxprop_plugin"
	var list []string
	v.once(name, func(w string) {
		shown := quoted(w)
		w = strings.ToLower(w)
		switch {
		case slices.Contains(plugins, w):
			list = append(list, w)
		case pluginMeant[w] != "":
			v.refuse(name, "write "+pluginCure(w), "%s: %s is a database of the plugin sql", name, shown)
		case w == "sasldb2" || w == "db" || w == "bdb" || w == "berkeley" || w == "gdbm" || w == "ndbm" || w == "lmdb":
			v.refuse(name, "write "+name+": sasldb; the format is the file's", "%s: %s is a form of the plugin sasldb's file", name, shown)
		case w == "ldap":
			v.refuse(name, "write "+name+": ldapdb, or pwcheck_method: saslauthd and run saslauthd -a ldap", "%s: the plugin for LDAP is named ldapdb", name)
		case isIn(methods, w) || isIn(backends, w):
			v.refuse(name, "write pwcheck_method: saslauthd or another, and leave this line out", "%s: %s checks passwords and holds no secrets", name, shown)
		default:
			cure := "write one of " + strings.Join(plugins, ", ")
			if meant, ok := nearest(w, plugins); ok {
				cure = "write " + meant
			}
			v.refuse(name, cure, "%s: no plugin %s", name, shown)
		}
	})
	return list
}

// mechList tells of names that Cyrus drops without a word. If none is left it
// offers nothing.
func (v *view) mechList() []string {
	const name = "mech_list"
	if !v.isSet(name) {
		return nil
	}
	list := []string{}
	var odd []string
	all := fields(v.text(name))
	v.once(name, func(w string) {
		upper := strings.ToUpper(w)
		plain, plus := strings.CutSuffix(upper, "-PLUS")
		if !isIn(mechanisms, plain) {
			odd = append(odd, w)
			return
		}
		if plus {
			v.plus(w, plain, w == all[len(all)-1])
		}
		if !slices.Contains(list, plain) {
			list = append(list, plain)
		}
	})
	for _, w := range odd {
		cure, severity := "delete it", Warning
		if len(list) == 0 {
			severity = Refused
		}
		if meant, ok := nearestMechanism(w); ok {
			cure = "write " + meant
		}
		v.tell(severity, name, cure, "%s: no mechanism %s; Cyrus drops it", name, quoted(w))
	}
	return list
}

// plus tells of a name with -PLUS. Whether Cyrus knows it depends on its place: the
// library compares "-PLUS" with all that is left of the list (2.1.28).
func (v *view) plus(w, plain string, last bool) {
	const name = "mech_list"
	cure := "write " + plain + ", which offers both where there is a channel to bind to"
	if last {
		v.warn(name, cure, "%s: %s stands for %s, with and without binding", name, w, plain)
		return
	}
	v.refuse(name, cure, "%s: Cyrus drops %s unless it is the last name", name, w)
}

// nearestMechanism is the one with the same letters, or nearly.
func nearestMechanism(w string) (string, bool) {
	bare := func(s string) string { return strings.NewReplacer("-", "", "_", "").Replace(strings.ToUpper(s)) }
	for _, m := range mechanisms {
		if bare(m) == bare(w) {
			return m, true
		}
	}
	switch bare(w) {
	case "PLAINTEXT", "CLEARTEXT", "CLEAR":
		return "PLAIN", true
	case "SCRAM":
		return "SCRAM-SHA-256", true
	case "KERBEROS", "KRB5":
		return "GSSAPI", true
	}
	return nearest(strings.ToUpper(w), mechanisms)
}
