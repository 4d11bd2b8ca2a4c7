package cyrusconf

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A view is a file as one of its readers takes it: libsasl2 or saslauthd.
type view struct {
	file  *File
	table []key
	last  func(key string) bool // whether the last line for a key counts
	tails bool                  // whether blanks behind a value belong to it
	lines map[string]int
	// garbled are keys whose value is refused as it stands, so that nothing more is
	// said of it.
	garbled map[string]bool
	faults  Faults
}

func newView(f *File, table []key) *view {
	return &view{file: f, table: table, last: func(string) bool { return false }, lines: map[string]int{}, garbled: map[string]bool{}}
}

// warn and refuse tell of a fault in the line that counts for a key.
func (v *view) warn(key, cure, problem string, args ...any) {
	v.tell(Warning, key, cure, problem, args...)
}

func (v *view) refuse(key, cure, problem string, args ...any) {
	v.tell(Refused, key, cure, problem, args...)
}

func (v *view) tell(s Severity, key, cure, problem string, args ...any) {
	if !v.garbled[key] {
		v.add(s, v.lines[key], key, cure, fmt.Sprintf(problem, args...))
	}
}

func (v *view) add(s Severity, line int, key, cure, problem string) {
	v.faults = append(v.faults, Fault{v.file.Name, line, key, problem, textOf(cure), s})
}

// all returns the faults by lines.
func (v *view) all() Faults { return v.faults.sorted() }

// scan finds the line that counts for each key, and what is wrong with any line
// whatever its key means.
func (v *view) scan() {
	seen := map[string]*Setting{}
	for i := range v.file.Settings {
		s := &v.file.Settings[i]
		k := lookup(v.table, s.Key)
		if k == nil {
			v.unknown(s)
			continue
		}
		if first := seen[s.Key]; first != nil {
			v.twice(first, s)
			if !v.last(s.Key) {
				continue
			}
		}
		seen[s.Key] = s
		v.lines[s.Key] = s.Line
	}
	for i := range v.file.Settings {
		if s := &v.file.Settings[i]; v.lines[s.Key] == s.Line {
			v.literal(lookup(v.table, s.Key), s)
		}
	}
	v.exposed()
}

// twice compares a line with an earlier one for the same key.
func (v *view) twice(earlier, s *Setting) {
	if earlier.Value == s.Value {
		return
	}
	counts, not := earlier.Line, s.Line
	if v.last(s.Key) {
		counts, not = not, counts
	}
	v.add(Warning, s.Line, s.Key, fmt.Sprintf("delete line %d, or line %d if that was meant", not, counts),
		fmt.Sprintf("%s is set to something else than in line %d; line %d counts", s.Key, earlier.Line, counts))
}

// unknown says of a key that nobody asks for what it may be.
func (v *view) unknown(s *Setting) {
	names := namesOf(v.table)
	if s.Key == "" {
		v.add(Warning, s.Line, "", "write the key before the colon, or delete the line", "line begins with a colon")
		return
	}
	if s.Key == "authdaemon_path" {
		v.add(Refused, s.Line, s.Key, "write authdaemond_path", "authdaemon_path is what Cyrus's manual has, but the library asks for authdaemond_path")
		return
	}
	if short, ok := strings.CutPrefix(s.Key, "sasl_"); ok && lookup(v.table, short) != nil {
		v.add(Refused, s.Line, s.Key, "write "+short, s.Key+" is what Cyrus imapd's imapd.conf has; here it has no effect")
		return
	}
	if f := foreign(s.Key); f != nil {
		v.add(Warning, s.Line, s.Key, f.cure, s.Key+" is an option "+f.whose+"; here it has no effect")
		return
	}
	if whose, cure, ok := v.neighbour(s.Key); ok {
		v.add(Warning, s.Line, s.Key, cure, s.Key+" is an option of "+whose+"; here it has no effect")
		return
	}
	if name, ok := nearest(s.Key, names); ok {
		v.add(Refused, s.Line, s.Key, "write "+name, s.Key+": unknown key; did you mean "+name+"?")
		return
	}
	v.add(Warning, s.Line, s.Key, "delete the line", s.Key+": unknown key; Cyrus ignores it")
}

// neighbour says whether a key belongs into the other of Cyrus's two files.
func (v *view) neighbour(name string) (whose, cure string, ok bool) {
	toSaslauthd := strings.HasPrefix(name, "ldap_") || strings.HasPrefix(name, "krb5_") || strings.HasPrefix(name, "httpform_")
	switch {
	case lookup(applicationKeys, name) != nil:
		return "the application's file", "move it to that of the application, such as smtpd.conf", true
	case toSaslauthd && lookup(v.table, "ldap_servers") == nil:
		cure := "move it to /etc/saslauthd.conf"
		if strings.HasPrefix(name, "ldap_") {
			cure += "; the keys of auxprop_plugin: ldapdb begin with ldapdb_"
		}
		return "saslauthd's file", cure, true
	}
	return "", "", false
}

// literal tells of quotes, comments and tails, which belong to a value although
// they do not look it.
func (v *view) literal(k *key, s *Setting) {
	severity := Refused
	if k.kind == aText || k.kind == aPassword {
		severity = Warning // they may be meant
	}
	tell := func(severity Severity, cure, problem string) {
		v.add(severity, s.Line, s.Key, cure, s.Key+": "+problem)
		v.garbled[s.Key] = v.garbled[s.Key] || severity == Refused
	}
	if n := len(s.Value); n > 1 && (s.Value[0] == '"' || s.Value[0] == '\'') && s.Value[n-1] == s.Value[0] {
		tell(severity, "delete them", "the quotes are a part of the value")
	}
	if hasComment(s.Value) {
		if k.kind == aBoolean || k.kind == aNumber {
			severity = Warning // only the beginning is looked at
		}
		tell(severity, "put the comment on a line of its own", "'#' begins no comment behind a value, of which it is a part")
	}
	switch {
	case !v.tails || s.Tail == "":
	case strings.Contains(s.Tail, "\r"):
		tell(Refused, "save the file with line ends of Unix", "line ends with CR LF, of which the CR is a part of the value")
	default:
		tell(Warning, "delete them", "the blanks behind the value are a part of it")
	}
}

// hasComment reports whether a value holds what looks like a comment.
func hasComment(value string) bool {
	i := strings.IndexByte(value, '#')
	return i > 0 && strings.IndexByte(blanks, value[i-1]) >= 0
}

// exposed tells of a password in a file that everybody may read.
func (v *view) exposed() {
	const others = 0o004
	if v.file.Mode&others == 0 {
		return
	}
	for _, s := range v.file.Settings {
		if k := lookup(v.table, s.Key); k != nil && k.kind == aPassword {
			v.add(Warning, s.Line, s.Key, "chmod o-r, and give the file to the group of the application",
				fmt.Sprintf("every user may read the file (mode %#o), which holds %s", v.file.Mode.Perm(), s.Key))
			return
		}
	}
}

// value returns what a key is set to, or its default.
func (v *view) value(name string) (value string, set bool) {
	for i := range v.file.Settings {
		if s := &v.file.Settings[i]; s.Key == name && s.Line == v.lines[name] {
			if v.tails {
				return s.Value + s.Tail, true
			}
			return s.Value, true
		}
	}
	return lookup(v.table, name).value, false
}

func (v *view) isSet(name string) bool { return v.lines[name] > 0 }

func (v *view) text(name string) string {
	value, _ := v.value(name)
	return value
}

// words are the names of a list. Names with a comma between them are one to Cyrus.
func (v *view) words(name string) []string {
	value, _ := v.value(name)
	list := fields(value)
	if strings.Contains(value, ",") {
		apart := strings.Join(strings.FieldsFunc(value, func(r rune) bool { return r == ',' || strings.ContainsRune(blanks, r) }), " ")
		v.refuse(name, "write "+name+": "+apart, "%s: names are separated by blanks, not commas; Cyrus takes %s for one name", name, quoted(value))
	}
	return list
}

// commas are the names of a list that has commas, around which blanks may stand.
func (v *view) commas(name string) []string {
	var list []string
	for part := range strings.SplitSeq(v.text(name), ",") {
		part = strings.Trim(part, blanks)
		if strings.ContainsAny(part, blanks) {
			v.refuse(name, "write "+name+": "+strings.Join(fields(v.text(name)), ","), "%s: names are separated by commas, not blanks", name)
		}
		if part != "" {
			list = append(list, part)
		}
	}
	return list
}

// boolean is on or off as Cyrus has it, which looks at no more than the beginning.
func (v *view) boolean(name string) bool {
	value, set := v.value(name)
	if set && !isOn(value) && !isOff(value) {
		v.refuse(name, "write yes, in lower case, or no", "%s: %s counts as off", name, quoted(value))
	}
	return isOn(value)
}

// isOff reports whether a value that is not on was meant to be off.
func isOff(value string) bool {
	value = strings.ToLower(value)
	return strings.HasPrefix(value, "off") || value != "" && strings.IndexByte("0nf", value[0]) >= 0
}

// number is a decimal one that may stand before a comment; else the default.
func (v *view) number(name string, low, high int) int {
	value, set := v.value(name)
	if hasComment(value) {
		value = fields(value)[0]
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if set && (err != nil || int(n) < low || int(n) > high) {
		v.refuse(name, fmt.Sprintf("write a number from %d to %d", low, high), "%s: %s is not one of its numbers", name, quoted(value))
		value = lookup(v.table, name).value
		n, _ = strconv.ParseInt(value, 10, 32)
	}
	return int(n)
}

// path is that of a file or socket.
func (v *view) path(name string) string {
	value, set := v.value(name)
	if set && !strings.HasPrefix(value, "/") {
		v.refuse(name, "write the whole path, from /", "%s: %s is no absolute path; where it leads depends on the folder in which the program runs", name, quoted(value))
	}
	return value
}

// oneOf is the place of a value in a list, whatever its case; that of the default
// if it is not in the list.
func (v *view) oneOf(name string, list ...string) int {
	value, set := v.value(name)
	place := func(value string) int {
		return slices.IndexFunc(list, func(s string) bool { return strings.EqualFold(s, value) })
	}
	i := place(value)
	if i < 0 && set {
		v.refuse(name, "write one of "+strings.Join(list, ", "), "%s: %s is not one of its words", name, quoted(value))
		i = place(lookup(v.table, name).value)
	}
	return max(i, 0)
}

// where says in which line a key is set, or where its default is from.
func where(name string, lines map[string]int, table []key, key string) string {
	if line := lines[key]; line > 0 {
		return fmt.Sprintf("%s:%d", name, line)
	}
	if k := lookup(table, key); k != nil && k.from != "" {
		return "default of " + k.from
	}
	return "default of Cyrus SASL"
}
