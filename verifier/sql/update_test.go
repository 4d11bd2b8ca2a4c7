package sql

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/breaker"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// scramRecord is SCRAM keys of a password, with as few iterations as may be.
func scramRecord(t testing.TB, kind verifier.Kind, password string) string {
	t.Helper()
	keys, err := mech.SCRAMSecret(kind, password, []byte("0123456789abcdef"), mech.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	text, err := verifier.FormatSCRAM(verifier.Secret{Kind: kind, Value: keys}, verifier.SCRAMRecord)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A table is one user's row, which statements change at once: what a transaction does
// with it the tests against databases show.
type table struct {
	mu     sync.Mutex
	there  bool
	values map[string]any
	fail   func(query string) error
}

func (b *table) columns() []string { return strings.Fields("password scram_sha_256 otp disabled") }

func (b *table) answer(query string, args []any) ([]string, [][]any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(query); err != nil {
			return nil, nil, err
		}
	}
	word, rest, _ := strings.Cut(query, " ")
	switch word {
	case "SELECT":
		if !b.there {
			return b.columns(), nil, nil
		}
		var row []any
		for _, c := range b.columns() {
			row = append(row, b.values[c])
		}
		return b.columns(), [][]any{row}, nil
	case "INSERT":
		_, after, _ := strings.Cut(rest, "realm, ")
		column, _, _ := strings.Cut(after, ")")
		b.there, b.values = true, map[string]any{column: args[2]}
		return nil, [][]any{{}}, nil
	case "UPDATE":
		_, after, _ := strings.Cut(rest, "SET ")
		column, _, _ := strings.Cut(after, " ")
		b.values[column] = args[0]
		return nil, [][]any{{}}, nil
	}
	return nil, nil, nil
}

func newTable(t testing.TB, values map[string]any) (*DB, *table, *fake) {
	t.Helper()
	b := &table{there: values != nil, values: values}
	f := &fake{answer: b.answer}
	db := newDB(t, Options{Insert: testInsert, Update: testUpdate, Kinds: verifier.KindsOf(verifier.KindPassword, verifier.KindSCRAMSHA256, verifier.KindOTP, verifier.KindNTHash)}, f)
	return db, b, f
}

func put(db *DB, t testing.TB, secrets ...verifier.Secret) error {
	return db.Update(t.Context(), alice, func(e verifier.Entry) (verifier.Entry, error) {
		e.Exists, e.Secrets = true, secrets
		return e, nil
	})
}

func password(text string) verifier.Secret {
	return verifier.Secret{Kind: verifier.KindPassword, Value: []byte(text)}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	keys, err := verifier.ParseSCRAM(scram256(t, "x"))
	if err != nil {
		t.Fatal(err)
	}
	otp := verifier.Secret{Kind: verifier.KindOTP, Value: []byte("md5\t0499\tvm3333\t2b2b2ef89c2e8954\t00000000000000000000")}
	const ntHashInHex = "878d8014606cda29677a44efa1353fc7"
	ntHash := verifier.Secret{Kind: verifier.KindNTHash, Value: mech.NTLMSecret("secret")}
	full := func() map[string]any {
		return map[string]any{"password": "old", "scram_sha_256": scram256(t, "old"), "otp": "md5\t0001\ta\tb\tc"}
	}
	for _, c := range []struct {
		name    string
		before  map[string]any
		secrets []verifier.Secret
		want    map[string]any
	}{
		{"new user", nil, []verifier.Secret{otp, password("new")}, map[string]any{"password": "new", "otp": string(otp.Value)}},
		{"an old secret goes", full(), []verifier.Secret{password("new")}, map[string]any{"password": "new", "scram_sha_256": nil, "otp": nil}},
		{"keys in its place", full(), []verifier.Secret{keys}, map[string]any{"password": nil, "scram_sha_256": scram256(t, "x"), "otp": nil}},
		{"a password that looks like a scheme", full(), []verifier.Secret{password("{x}y")}, map[string]any{"password": "{PLAIN}{x}y", "scram_sha_256": nil, "otp": nil}},
		{"a password that looks like a hash", full(), []verifier.Secret{password(bcrypt)}, map[string]any{"password": "{PLAIN}" + bcrypt, "scram_sha_256": nil, "otp": nil}},
		{"a password that looks like a deleted one", full(), []verifier.Secret{password("NULL")}, map[string]any{"password": "{PLAIN}NULL", "scram_sha_256": nil, "otp": nil}},
		{"a user whom Cyrus deleted", map[string]any{"password": "NULL", "scram_sha_256": scram256(t, "old")}, []verifier.Secret{password("new")}, map[string]any{"password": "new", "scram_sha_256": nil}},
		{"keys for a user whom Cyrus deleted", map[string]any{"password": "NULL"}, []verifier.Secret{keys}, map[string]any{"password": nil, "scram_sha_256": scram256(t, "x")}},
		{"a hash is passed on", map[string]any{"password": bcrypt}, []verifier.Secret{{Kind: verifier.KindCheck, Value: []byte(bcrypt)}, otp}, map[string]any{"password": bcrypt, "otp": string(otp.Value)}},
		{"an NT hash in the column of passwords", map[string]any{"password": "{NTLM}" + strings.Repeat("0", 32)}, []verifier.Secret{ntHash}, map[string]any{"password": "{NTLM}" + ntHashInHex}},
		{"nothing left", full(), nil, map[string]any{"password": nil, "scram_sha_256": nil, "otp": nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db, b, _ := newTable(t, c.before)
			if err := put(db, t, c.secrets...); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, b.values); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUpdateRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		secret verifier.Secret
		want   string
	}{
		{"a kind without a column", verifier.Secret{Kind: verifier.KindCRAMMD5, Value: make([]byte, 32)}, "has no column"},
		{"not of the form of its kind", verifier.Secret{Kind: verifier.KindOTP, Value: []byte("x")}, "1 bytes are not"},
		{"empty", password(""), "0 bytes are not"},
		{"NUL", password("a\x00b"), "NUL"},
		{"not UTF-8", password("a\xffb"), "UTF-8"},
		{"a hash that is none", verifier.Secret{Kind: verifier.KindCheck, Value: []byte("canary")}, "6 bytes are not"},
	} {
		db, b, f := newTable(t, map[string]any{"password": "old"})
		err := put(db, t, c.secret)
		if err == nil || errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", c.name, err)
		}
		if b.values["password"] != "old" {
			t.Errorf("%s: %v", c.name, b.values)
		}
		if asked := f.asked(); asked[len(asked)-1] != "ROLLBACK" {
			t.Errorf("%s: %q", c.name, asked)
		}
	}
	db, _, _ := newTable(t, map[string]any{"password": "old"})
	for _, r := range []verifier.Request{{User: ""}, {User: "a\x00"}, {User: "a", Realm: "\xff"}} {
		err := db.Update(t.Context(), r, func(e verifier.Entry) (verifier.Entry, error) { return e, nil })
		if err == nil || errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "nobody can be called") {
			t.Errorf("%q: %v", r, err)
		}
	}
	if err := put(newDB(t, Options{}, &fake{}), t, password("x")); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// TestUpdateRemoves: nothing that is held stays, neither the word that Cyrus deletes by nor
// the keys that it left.
func TestUpdateRemoves(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"old", "NULL"} {
		db, b, _ := newTable(t, map[string]any{"password": password, "scram_sha_256": scram256(t, "old")})
		err := db.Update(t.Context(), verifier.Request{User: "alice"}, func(e verifier.Entry) (verifier.Entry, error) {
			if deleted := password == "NULL"; e.Exists == deleted || deleted && e.Secrets != nil {
				t.Errorf("%s: %d secrets, exists %v", password, len(e.Secrets), e.Exists)
			}
			return verifier.Entry{}, nil
		})
		if diff := cmp.Diff(map[string]any{"password": nil, "scram_sha_256": nil}, b.values); diff != "" || err != nil {
			t.Errorf("%s: %v, (-want +got):\n%s", password, err, diff)
		}
	}
}

func TestUpdateDisables(t *testing.T) {
	t.Parallel()
	db, b, _ := newTable(t, map[string]any{"password": "old"})
	err := db.Update(t.Context(), alice, func(e verifier.Entry) (verifier.Entry, error) {
		e.Disabled = true
		return e, nil
	})
	if diff := cmp.Diff(map[string]any{"password": "old", "disabled": true}, b.values); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestUpdateTrouble: what fails before the commit was not stored, what fails in it is in
// doubt, and a conflict begins again. No error of a statement with values shows them.
func TestUpdateTrouble(t *testing.T) {
	t.Parallel()
	canary := func(code coded) error { return fmt.Errorf("%w: value canary", code) }
	for _, c := range []struct {
		name  string
		at    string // the statement that fails
		err   error
		times int
		want  error // nil: stored
		doubt bool
		last  string
	}{
		{"begin", "BEGIN", canary("57P03"), 1, verifier.ErrUnavailable, false, "ROLLBACK"},
		{"conflict while reading", "SELECT", canary("40001"), 3, nil, false, "COMMIT"},
		{"refused", "UPDATE", canary("22001"), 1, verifier.ErrUnavailable, false, "ROLLBACK"},
		{"conflict while writing", "UPDATE", canary("40P01"), 2, nil, false, "COMMIT"},
		{"lost while writing", "UPDATE", errors.New("connection lost: canary"), 1, verifier.ErrUnavailable, false, "ROLLBACK"},
		{"conflict at the commit", "COMMIT", canary("40001"), 2, nil, false, "COMMIT"},
		{"lost at the commit", "COMMIT", errors.New("connection lost"), 1, verifier.ErrUnavailable, true, "ROLLBACK"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			db, b, f := newTable(t, map[string]any{"password": "old"})
			times := 0
			b.fail = func(query string) error {
				if strings.HasPrefix(query, c.at) && times < c.times {
					times++
					return c.err
				}
				return nil
			}
			runs := 0
			err := db.Update(t.Context(), alice, func(e verifier.Entry) (verifier.Entry, error) {
				runs++
				e.Secrets = []verifier.Secret{password(fmt.Sprintf("new-%d", runs))}
				return e, nil
			})
			if c.want == nil && err != nil || c.want != nil && !errors.Is(err, c.want) || errors.Is(err, ErrInDoubt) != c.doubt {
				t.Errorf("%v", err)
			}
			if c.at == "UPDATE" && err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("a value is in %v", err)
			}
			if asked := f.asked(); asked[len(asked)-1] != c.last {
				t.Errorf("%q", asked)
			}
			if c.want == nil && b.values["password"] != fmt.Sprintf("new-%d", runs) {
				t.Errorf("after %d runs: %v", runs, b.values)
			}
		})
	}
}

// TestLockedRow: whoever holds a lock on one user keeps nobody else from logging in.
func TestLockedRow(t *testing.T) {
	t.Parallel()
	b := &table{there: true, values: map[string]any{"password": "old"}}
	b.fail = func(query string) error {
		if strings.HasPrefix(query, "UPDATE") {
			return errHangs
		}
		return nil
	}
	f := &fake{answer: b.answer}
	db := newDB(t, Options{Insert: testInsert, Update: testUpdate, Timeout: 200 * time.Millisecond}, f)
	for range 6 {
		if err := put(db, t, password("new")); !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, ErrInDoubt) {
			t.Error(err)
		}
	}
	for end := time.Now().Add(3 * time.Minute); ; {
		_, err := db.VerifyPassword(t.Context(), alice, "old")
		if err == nil {
			break
		}
		if errors.Is(err, breaker.ErrOpen) || time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// TestDuplicate: a value that has to be unique and is another's is tried a few times.
func TestDuplicate(t *testing.T) {
	t.Parallel()
	db, b, f := newTable(t, nil)
	b.fail = func(query string) error {
		if strings.HasPrefix(query, "INSERT") {
			return coded("23505")
		}
		return nil
	}
	if err := put(db, t, password("new")); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "code 23505") {
		t.Error(err)
	}
	n := 0
	for _, s := range f.asked() {
		if strings.HasPrefix(s, "INSERT") {
			n++
		}
	}
	if n != maxDuplicates {
		t.Errorf("%d attempts", n)
	}
}

// TestReadBack: a column that cuts what is written off is no place for it.
func TestReadBack(t *testing.T) {
	t.Parallel()
	b := &table{there: true, values: map[string]any{"password": "old"}}
	f := &fake{answer: func(query string, args []any) ([]string, [][]any, error) {
		if strings.HasPrefix(query, "UPDATE") {
			args[0] = args[0].(string)[:3]
		}
		return b.answer(query, args)
	}}
	db := newDB(t, Options{Insert: testInsert, Update: testUpdate}, f)
	err := put(db, t, password("canary"))
	if err == nil || !strings.Contains(err.Error(), "does not hold what was written") || strings.Contains(err.Error(), "canary") {
		t.Error(err)
	}
	if asked := f.asked(); asked[len(asked)-1] != "ROLLBACK" {
		t.Errorf("%q", asked)
	}
}

// TestUpdateOfMany: a statement that forgets who is meant changes nobody.
func TestUpdateOfMany(t *testing.T) {
	t.Parallel()
	b := &table{there: true, values: map[string]any{"password": "old"}}
	f := &fake{answer: func(query string, args []any) ([]string, [][]any, error) {
		columns, values, err := b.answer(query, args)
		if strings.HasPrefix(query, "UPDATE") {
			values = append(values, values...)
		}
		return columns, values, err
	}}
	db := newDB(t, Options{Insert: testInsert, Update: testUpdate}, f)
	if err := put(db, t, password("new")); err == nil || !strings.Contains(err.Error(), "changes 2 rows") {
		t.Error(err)
	}
	if asked := f.asked(); asked[len(asked)-1] != "ROLLBACK" {
		t.Errorf("%q", asked)
	}
}

// FuzzPassword: a password that is stored reads back as itself, whatever scheme passwords
// without one are of, and is never read as a hash or as keys.
func FuzzPassword(f *testing.F) {
	for _, p := range []string{"secret", "NULL", "{PLAIN}x", "{SSHA}x", bcrypt, "SCRAM-SHA-256$x", "{", "{}", "$", "$1$", "{PLAIN.HEX}00", " x ", "abJnggxhB/yWI"} {
		f.Add(p, false)
		f.Add(p, true)
	}
	f.Fuzz(func(t *testing.T, text string, hashed bool) {
		scheme := map[bool]string{false: "PLAIN", true: "CRYPT"}[hashed]
		c := secretColumn("password")
		written, err := c.write(password(text), scheme)
		if err != nil {
			if written != "" || text != "" && len(text) < 4096 {
				t.Fatalf("%q: %q, %v", text, written, err)
			}
			return
		}
		h := holding{column: c, text: written}
		h.read(scheme)
		s, ok := h.secret(verifier.KindPassword)
		if !ok || string(s.Value) != text || h.kinds() != verifier.KindsOf(verifier.KindPassword) {
			t.Fatalf("%q is stored as %q", text, written)
		}
	})
}

// TestNTHashColumn: a column of NT hashes is read and written without a scheme.
func TestNTHashColumn(t *testing.T) {
	t.Parallel()
	c := secretColumn("NT_Hash")
	want := verifier.Secret{Kind: verifier.KindNTHash, Value: mech.NTLMSecret("secret")}
	text, err := c.write(want, "")
	if err != nil || text != "878d8014606cda29677a44efa1353fc7" {
		t.Fatalf("%q, %v", text, err)
	}
	h := holding{column: c, text: text}
	h.read("")
	if got, ok := h.secret(verifier.KindNTHash); !ok || string(got.Value) != string(want.Value) {
		t.Errorf("%x, %v", got.Value, ok)
	}
}
