package cyrusconf

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/secret"
)

// An Application is what a file of libsasl2 says to the server that reads it, with
// Cyrus's default for whatever the file does not set. Lists are in the order of
// the file, each name once.
type Application struct {
	Name  string         // of the file
	Lines map[string]int // of the keys that are set; see Where

	// PwcheckMethod says who checks passwords, in turn: "auxprop", "saslauthd",
	// "pwcheck", "authdaemond". Names that Cyrus has not, and "alwaystrue", are
	// left out, and are faults. There is no key for the socket of pwcheck, which
	// is [PwcheckPath].
	PwcheckMethod []string
	// MechList are mechanisms in upper case and without -PLUS. Nil if the key is not
	// set, which means all; empty if nobody knows any of the names, which means none.
	MechList []string
	// AuxpropPlugin says where secrets are: "sasldb", "sql", "ldapdb", "slapd".
	// Nil if the key is not set, which means every plugin that is installed.
	AuxpropPlugin []string

	AutoTransition Transition
	// AutoTransitionLife is how long a copy is good that was made so; 0 if the key, which
	// is saslkit's own, is not set.
	AutoTransitionLife time.Duration

	CanonUserPlugin string
	LogLevel        int // 0 none to 7, which may log passwords

	SaslauthdPath   string // of the socket
	AuthdaemondPath string // of the socket

	SasldbPath string

	ReauthTimeout         int // DIGEST-MD5's, in minutes; 0 is off
	ScramSecretGenerate   bool
	ScramIterationCounter int
	OTPMda                string // "md4", "md5" or "sha1", for new secrets

	Keytab string // Kerberos's

	SQL    SQL
	LDAPDB LDAPDB
	NTLM   NTLM
}

// PwcheckPath is the socket of pwcheck unless Cyrus SASL was built for another.
// Debian's library does not know the method.
const PwcheckPath = "/var/pwcheck/pwcheck"

const internalCanon = "INTERNAL"

// A Transition says whether who logs in with a password that another than auxprop
// has checked gets the secrets for other mechanisms.
type Transition uint8

// The values of auto_transition.
const (
	NoTransition Transition = iota
	// FullTransition stores the password as well.
	FullTransition
	// NoPlainTransition stores only secrets from which it cannot be read.
	NoPlainTransition
)

// String returns the word of the file.
func (t Transition) String() string { return [...]string{"no", "yes", "noplain"}[t] }

// SQL are the options of the plugin sql. It prints as REDACTED.
type SQL struct {
	secret.Opaque
	Engine    string // "mysql", "pgsql", "sqlite" or "sqlite3"
	Hostnames []string
	User      string
	Passwd    string
	Database  string // its name, or SQLite's file
	// The statements are templates; Select may have come by its old name,
	// sql_statement.
	Select, Insert, Update string
	UseSSL                 bool

	// What follows is saslkit's own, and zero if the key is not set. Cyrus ignores
	// the keys.

	SSLCA         string // a file of certificates, in place of the system's
	SSLUnverified bool   // with UseSSL, whoever answers is believed
	List, Delete  string // statements: all users, and to remove one
	Kinds         string // words for what users have
	Scheme        string // of passwords without a {SCHEME}
	Fresh         string // a statement: seconds that a server is behind
	MaxLag        int    // how many may be, in seconds
	Replicas      bool   // servers that are only read from may answer
	Timeout       int    // of a question, in seconds
}

// LDAPDB are the options of the plugin ldapdb. It prints as REDACTED.
type LDAPDB struct {
	secret.Opaque
	URI       []string
	ID, PW    string
	Mech      string
	RC        string // a file for libldap
	StartTLS  string // "", "try" or "demand"
	CanonAttr string
}

// NTLM are the options of the plugin ntlm.
type NTLM struct {
	Server []string // to ask instead of auxprop
	V2     bool     // the client's
}

// Application returns what libsasl2 takes the file for, and what is wrong with it.
func (f *File) Application() (Application, Faults) {
	v := newView(f, applicationKeys)
	v.faults = slices.Clone(f.Form)
	v.scan()
	a := Application{
		Name: f.Name, Lines: v.lines,
		PwcheckMethod: v.pwcheckMethod(),
		MechList:      v.mechList(),
		AuxpropPlugin: v.auxpropPlugin(),

		AutoTransition:     v.autoTransition(),
		AutoTransitionLife: v.autoTransitionLife(),

		CanonUserPlugin: v.canonUserPlugin(),
		LogLevel:        v.number("log_level", 0, 7),

		SaslauthdPath:   v.socket("saslauthd_path"),
		AuthdaemondPath: v.path("authdaemond_path"),

		SasldbPath: v.sasldbPath(),

		ReauthTimeout:         v.number("reauth_timeout", 0, 1<<20),
		ScramSecretGenerate:   v.boolean("scram_secret_generate"),
		ScramIterationCounter: v.iterations(),
		OTPMda:                otpMdas[v.oneOf("otp_mda", otpMdas...)],

		Keytab: v.text("keytab"),
		SQL:    v.sql(),
		LDAPDB: v.ldapdb(),
		NTLM:   NTLM{Server: v.commas("ntlm_server"), V2: v.boolean("ntlm_v2")},
	}
	v.boolean("ad_compat")
	v.contradictions(&a)
	return a, v.all()
}

var otpMdas = []string{"md4", "md5", "sha1"}

// Where says where the value of a key is from: "smtpd.conf:3", or whose default it
// is.
func (a *Application) Where(key string) string {
	return where(a.Name, a.Lines, applicationKeys, key)
}

func (v *view) autoTransition() Transition {
	const name = "auto_transition"
	if value, _ := v.value(name); value == "noplain" {
		return NoPlainTransition
	} else if strings.EqualFold(value, "noplain") {
		v.refuse(name, "write noplain, in lower case", "%s: %s counts as off", name, quoted(value))
		return NoTransition
	}
	if v.boolean(name) {
		return FullTransition
	}
	return NoTransition
}

func (v *view) autoTransitionLife() time.Duration {
	const name = "auto_transition_life"
	value, set := v.value(name)
	if !set {
		return 0
	}
	life, err := ParseLife(value)
	if err != nil {
		v.refuse(name, "write a number and one of "+lifeUnits+", such as 24h or 30d", "%s: %s is not a time", name, quoted(value))
	}
	return life
}

// lifeUnits are those of ParseLife.
const lifeUnits = "s, m, h, d"

// maxLife is ten years: whoever wants copies for good leaves the other verifier.
const maxLife = 3650 * 24 * time.Hour

// ErrLife: a text is not a time as auto_transition_life has it.
var ErrLife = errors.New("cyrusconf: not a number and one of " + lifeUnits + ", from 1s to 3650d")

// ParseLife reads the value of auto_transition_life: a number without a sign or leading
// zeros, and its unit, as in 24h or 30d. The longest is 3,650 days.
func ParseLife(text string) (time.Duration, error) {
	units := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	if len(text) < 2 || len(text) > 10 || text[0] < '1' || text[0] > '9' {
		return 0, ErrLife
	}
	unit, ok := units[text[len(text)-1]]
	n, err := strconv.ParseUint(text[:len(text)-1], 10, 32)
	if !ok || err != nil || n > uint64(maxLife/unit) {
		return 0, ErrLife
	}
	return time.Duration(n) * unit, nil
}

// canonUserPlugin is a name of which the case matters to Cyrus.
func (v *view) canonUserPlugin() string {
	const name = "canon_user_plugin"
	value, set := v.value(name)
	if set && value != internalCanon && value != "ldapdb" {
		v.refuse(name, "write "+internalCanon+" or ldapdb, in this case, or leave the line out", "%s: no plugin %s; Cyrus refuses every login", name, quoted(value))
	}
	return value
}

// socket is saslauthd's, which is named mux.
func (v *view) socket(name string) string {
	value := v.path(name)
	if !v.isSet(name) || !strings.HasPrefix(value, "/") {
		return value
	}
	const maxSocket = 107 // bytes of sun_path without the NUL
	folder := strings.TrimRight(value, "/")
	switch last := folder[strings.LastIndexByte(folder, '/')+1:]; {
	case len(value) > maxSocket:
		v.refuse(name, "run saslauthd with a shorter -m", "%s: %d bytes, more than %d are no path of a socket", name, len(value), maxSocket)
	case folder != value || last == "saslauthd":
		v.refuse(name, "write "+name+": "+folder+"/mux", "%s: %s is the folder of the socket", name, quoted(value))
	case last != "mux":
		v.warn(name, "write "+name+": "+folder+"/mux if that is the folder", "%s: %s does not end in /mux, as sockets of saslauthd do", name, quoted(value))
	}
	return value
}

func (v *view) sasldbPath() string {
	const name = "sasldb_path"
	if value, set := v.value(name); set {
		if scheme, rest, ok := strings.Cut(value, ":"); ok && !strings.Contains(scheme, "/") {
			v.refuse(name, "write "+name+": "+rest, "%s: the value is a path, not %s and a path", name, quoted(scheme+":"))
			return value
		}
	}
	return v.path(name)
}

// The counts that go without a word: RFC 7677 section 4 asks for 4,096, and beyond
// 65,536 Cyrus's own client breaks off.
const (
	fewIterations  = 4096
	manyIterations = 65536
	maxIterations  = 10_000_000
)

func (v *view) iterations() int {
	const name = "scram_iteration_counter"
	n := v.number(name, 1, maxIterations)
	switch {
	case n < fewIterations:
		v.warn(name, fmt.Sprintf("write %d or more", fewIterations), "%s: fewer than RFC 7677 asks for, and some clients refuse that", name)
	case n > manyIterations:
		v.warn(name, fmt.Sprintf("write %d or less", manyIterations), "%s: Cyrus's clients refuse more than %d", name, manyIterations)
	}
	return n
}

func (v *view) sql() SQL {
	s := SQL{
		Engine:    v.sqlEngine(),
		Hostnames: v.commas("sql_hostnames"),
		User:      v.text("sql_user"),
		Passwd:    v.text("sql_passwd"),
		Database:  v.text("sql_database"),
		Select:    v.text("sql_select"),
		Insert:    v.text("sql_insert"),
		Update:    v.text("sql_update"),
		UseSSL:    v.boolean("sql_usessl"),

		SSLCA: v.path("sql_ssl_ca"), SSLUnverified: !v.boolean("sql_ssl_verify"),
		List: v.text("sql_list"), Delete: v.text("sql_delete"),
		Scheme: v.text("sql_scheme"),
		Fresh:  v.text("sql_fresh"), MaxLag: v.number("sql_max_lag", 1, 3600), Replicas: v.boolean("sql_replicas"),
		Timeout: v.number("sql_timeout", 1, 600),
		Kinds:   strings.Join(v.words("sql_kinds"), " "),
	}
	name := "sql_select"
	if s.Select == "" {
		name = "sql_statement"
		s.Select = v.text(name)
	}
	if s.Select != "" && !strings.Contains(s.Select, "%u") {
		v.refuse(name, "compare the column of names with '%u'", "%s: no %%u, so that everybody has the password of the first row", name)
	}
	v.sqlTrust(&s)
	v.sqlBeside(&s)
	return s
}

// sqlBeside tells what Cyrus's plugin sql (2.1.28) does with a file that is harmless
// here, for as long as programs of Cyrus SASL read it too.
func (v *view) sqlBeside(s *SQL) {
	if v.isSet("sql_engine") && (s.Engine == "sqlite" || s.Engine == "sqlite3") {
		v.warn("sql_engine", "let only saslkit ask it", "sql_engine: Cyrus's plugin escapes no quotes for SQLite, so that whoever logs in there as \"' UNION SELECT 1 --\" gets in by the password 1")
	}
	if s.Update != "" && !strings.Contains(s.Update, "%p") {
		v.warn("sql_update", "write %p for the column, or leave saslpasswd2 of Cyrus alone", "sql_update: without %%p Cyrus's saslpasswd2 overwrites the password that it has set with the word NULL, which then is the password")
	}
}

// sqlTrust tells of servers that nobody can be sure of: another's certificate, and
// passwords that were changed since.
func (v *view) sqlTrust(s *SQL) {
	switch {
	case s.UseSSL && s.SSLUnverified:
		v.warn("sql_ssl_verify", "write the CA's certificate to a file and sql_ssl_ca: FILE, and leave this line out", "sql_ssl_verify: whoever is between us and the server may be taken for it")
	case !s.UseSSL && v.isSet("sql_ssl_ca"):
		v.warn("sql_ssl_ca", "add sql_usessl: yes", "sql_ssl_ca has no effect without sql_usessl")
	}
	if s.Replicas && s.Fresh == "" {
		v.refuse("sql_replicas", "add sql_fresh: a statement that returns how many seconds a server is behind", "sql_replicas: how old an answer is nobody knows, and a password that was revoked would still count")
	}
}

func (v *view) sqlEngine() string {
	const name = "sql_engine"
	value := v.text(name)
	for _, e := range sqlEngines {
		if strings.EqualFold(e, value) {
			return e
		}
	}
	cure := "write one of " + strings.Join(sqlEngines, ", ")
	if engine, ok := pluginMeant[strings.ToLower(value)]; ok && engine != "" {
		cure = "write " + name + ": " + engine
	}
	v.refuse(name, cure, "%s: no engine %s", name, quoted(value))
	return value
}

func (v *view) ldapdb() LDAPDB {
	l := LDAPDB{
		URI:       v.words("ldapdb_uri"),
		ID:        v.text("ldapdb_id"),
		PW:        v.text("ldapdb_pw"),
		Mech:      v.text("ldapdb_mech"),
		RC:        v.text("ldapdb_rc"),
		CanonAttr: v.text("ldapdb_canon_attr"),
	}
	if v.isSet("ldapdb_starttls") {
		l.StartTLS = []string{"try", "demand"}[v.oneOf("ldapdb_starttls", "try", "demand")]
	}
	return l
}
