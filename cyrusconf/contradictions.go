package cyrusconf

import (
	"slices"
	"strings"
)

// contradictions tells of lines that have no effect because of others, or need
// others that are not there.
func (v *view) contradictions(a *Application) {
	v.unusedPaths(a)
	v.unusedPlugins(a)
	v.incomplete(a)
	v.transition(a)
	if a.LogLevel == 7 && v.isSet("log_level") {
		v.warn("log_level", "write 6 or less", "log_level: 7 may write passwords to the log")
	}
	if v.isSet("sql_select") && v.isSet("sql_statement") {
		v.warn("sql_statement", "delete the line", "sql_statement is the old name of sql_select, and has no effect beside it")
	}
}

// unusedPaths tells of sockets that nobody is told to ask.
func (v *view) unusedPaths(a *Application) {
	for _, c := range []struct{ key, method string }{
		{"saslauthd_path", "saslauthd"}, {"authdaemond_path", "authdaemond"},
	} {
		if v.isSet(c.key) && !slices.Contains(a.PwcheckMethod, c.method) {
			v.warn(c.key, "write pwcheck_method: "+c.method+", or delete the line", "%s has no effect: %s", c.key, v.lacks("pwcheck_method", c.method))
		}
	}
}

// lacks says that a list does not have a name.
func (v *view) lacks(key, name string) string {
	if !v.isSet(key) {
		return key + " is not set, and by default not " + name
	}
	return key + " does not name " + name
}

// unusedPlugins tells of options of plugins that auxprop_plugin leaves out. Which
// method checks passwords does not matter: the other mechanisms have their secrets
// from auxprop whoever does.
func (v *view) unusedPlugins(a *Application) {
	for _, p := range []struct{ prefix, plugin string }{
		{"sasldb_", "sasldb"}, {"sql_", "sql"}, {"ldapdb_", "ldapdb"},
	} {
		if !v.isSet("auxprop_plugin") || slices.Contains(a.AuxpropPlugin, p.plugin) || a.CanonUserPlugin == p.plugin {
			continue
		}
		if key := v.first(p.prefix); key != "" {
			v.warn(key, "add "+p.plugin+" to auxprop_plugin, or delete the "+p.prefix+" lines", "%s has no effect: %s", key, v.lacks("auxprop_plugin", p.plugin))
		}
	}
}

// first is the first key in the file with a prefix.
func (v *view) first(prefix string) string {
	for _, s := range v.file.Settings {
		if strings.HasPrefix(s.Key, prefix) && lookup(v.table, s.Key) != nil {
			return s.Key
		}
	}
	return ""
}

// incomplete tells of plugins without what they cannot do without.
func (v *view) incomplete(a *Application) {
	if slices.Contains(a.AuxpropPlugin, "sql") && a.SQL.Select == "" {
		v.refuse("auxprop_plugin", "add sql_select: SELECT ... WHERE ... '%u'", "auxprop_plugin: sql without sql_select does nothing")
	}
	if slices.Contains(a.AuxpropPlugin, "ldapdb") && len(a.LDAPDB.URI) == 0 {
		v.refuse("auxprop_plugin", "add ldapdb_uri", "auxprop_plugin: ldapdb without ldapdb_uri does nothing")
	}
	if a.CanonUserPlugin == "ldapdb" && a.LDAPDB.CanonAttr == "" {
		v.refuse("canon_user_plugin", "add ldapdb_canon_attr", "canon_user_plugin: ldapdb without ldapdb_canon_attr does nothing")
	}
	if insert, update := a.SQL.Insert != "", a.SQL.Update != ""; insert != update {
		set, not := "sql_insert", "sql_update"
		if update {
			set, not = not, set
		}
		v.warn(set, "add "+not+", or delete the line", "%s has no effect without %s", set, not)
	}
}

// transition tells why auto_transition has nothing to do.
func (v *view) transition(a *Application) {
	const name = "auto_transition"
	if a.AutoTransition == NoTransition {
		if v.isSet(name + "_life") {
			v.warn(name+"_life", "add "+name+": noplain, or delete the line", "%s_life has no effect without %s", name, name)
		}
		return
	}
	if !slices.ContainsFunc(a.PwcheckMethod, func(m string) bool { return m != "auxprop" }) {
		v.warn(name, "delete the line", "%s has no effect: it follows a password that another than auxprop has checked", name)
	}
	canWrite := func(plugin string) bool {
		return plugin != "slapd" && (plugin != "sql" || a.SQL.Insert != "" && a.SQL.Update != "")
	}
	if v.isSet("auxprop_plugin") && !slices.ContainsFunc(a.AuxpropPlugin, canWrite) {
		v.warn(name, "add sasldb to auxprop_plugin, or sql_insert and sql_update", "%s has no effect: no plugin of auxprop_plugin can write", name)
	}
}
