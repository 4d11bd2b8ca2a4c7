package sql

import (
	"slices"
	"strconv"
	"strings"
)

// A Dialect is the language of a database: how quotes are read, how a bound parameter
// is written, and how a transaction begins that loses no update.
type Dialect uint8

// The dialects.
const (
	SQLite     Dialect = iota
	PostgreSQL         // and what speaks its language: CockroachDB, YugabyteDB
	MySQL              // and MariaDB, Vitess
)

var dialectNames = [...]string{SQLite: "SQLite", PostgreSQL: "PostgreSQL", MySQL: "MySQL"}

// String returns the name.
func (d Dialect) String() string {
	if int(d) < len(dialectNames) {
		return dialectNames[d]
	}
	return "dialect " + strconv.Itoa(int(d))
}

// placeholder is the n-th bound parameter, from 1.
func (d Dialect) placeholder(n int) string {
	if d == PostgreSQL {
		return "$" + strconv.Itoa(n)
	}
	return "?"
}

// reserved are characters that outside of quotes begin what must not be in a template:
// parameters of its own, and PostgreSQL's dollar quotes.
func (d Dialect) reserved() string {
	switch d {
	case PostgreSQL:
		return "$`"
	case MySQL:
		return "?"
	}
	return "?$:@"
}

// begin are the statements that begin a transaction in which what was read is still so
// when it is committed, or the commit fails.
func (d Dialect) begin() []string {
	switch d {
	case PostgreSQL:
		return []string{"BEGIN ISOLATION LEVEL SERIALIZABLE"}
	case MySQL:
		return []string{"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "START TRANSACTION"}
	}
	return []string{"BEGIN IMMEDIATE"} // one writer at a time
}

// isConflict reports whether the code of an error says that somebody else was at the
// same row, so that the transaction has to run again. It was not committed then.
func (d Dialect) isConflict(code string) bool {
	switch d {
	case PostgreSQL: // serialization_failure, deadlock_detected
		return code == "40001" || code == "40P01"
	case MySQL: // changed since last read, lock wait timeout, deadlock
		return code == "1020" || code == "1205" || code == "1213"
	}
	n, err := strconv.Atoi(code)
	return err == nil && (n&0xff == 5 || n&0xff == 6) // SQLITE_BUSY, SQLITE_LOCKED and their extensions
}

// isDuplicate reports whether the code of an error says that a row is there already:
// somebody else may have added it.
func (d Dialect) isDuplicate(code string) bool {
	switch d {
	case PostgreSQL: // unique_violation
		return code == "23505"
	case MySQL: // duplicate entry
		return code == "1062"
	}
	return false // SQLite has one writer at a time
}

// isUnwritable reports whether the code of an error may say that a bound name has
// characters which the database's own character set has not. Nobody there is called so
// then, if the same is no error for another name.
func (d Dialect) isUnwritable(code string) bool {
	switch d {
	case PostgreSQL: // untranslatable_character
		return code == "22P05"
	case MySQL: // illegal mix of two, three, several collations; cannot convert
		return slices.Contains([]string{"1267", "1270", "1271", "3854"}, code)
	}
	return false
}

// isReadOnly reports whether the code of an error says that the server takes no
// changes, as replicas do not. Another one may.
func (d Dialect) isReadOnly(code string) bool {
	switch d {
	case PostgreSQL: // read_only_sql_transaction
		return code == "25006"
	case MySQL: // --read-only, in read only mode
		return code == "1290" || code == "1836"
	}
	return false
}

// patterns are operators to the right of which a name would be a pattern.
var patterns = []string{"LIKE", "ILIKE", "RLIKE", "REGEXP", "GLOB", "MATCH", "AGAINST", "TO", "~", "~*", "~~", "~~*"}

// isPattern reports whether a statement's text ends in such an operator.
func isPattern(text string) bool {
	fields := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\r(", r) })
	if len(fields) == 0 {
		return false
	}
	last := strings.ToUpper(fields[len(fields)-1])
	return slices.Contains(patterns, last) || strings.HasSuffix(last, "~") || strings.HasSuffix(last, "~*")
}
