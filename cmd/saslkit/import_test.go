package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/sasldb"
)

// What was exported and imported is the same, byte by byte.
func TestExportImport(t *testing.T) {
	t.Parallel()
	samples, err := filepath.Glob(testdata + "*.db")
	if err != nil || len(samples) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	tried := 0
	for _, sample := range samples {
		exported := runCommand(t, "", "export", "-f", sample)
		revealed := runCommand(t, "", "users", "-f", sample, "--json", "--reveal")
		if exported != revealed {
			t.Errorf("%s: users --json --reveal gives %+v, export %+v", sample, revealed, exported)
		}
		listing, err := sasldb.Read(sample)
		if exported.code != 0 || err != nil || twiceTheSame(listing.Records) {
			continue
		}
		tried++
		db := filepath.Join(t.TempDir(), "sasldb2")
		got := runCommand(t, exported.out, "import", "-f", db)
		if want := fmt.Sprintf("%d records imported into %s\n", len(listing.Records), db); got.code != 0 || got.out != want {
			t.Errorf("%s: %+v", sample, got)
			continue
		}
		if diff := cmp.Diff(exported.out, runCommand(t, "", "export", "-f", db).out); diff != "" {
			t.Errorf("%s: -exported +imported:\n%s", sample, diff)
		}
	}
	if tried < 10 {
		t.Errorf("only %d samples were tried", tried)
	}
}

// twiceTheSame is a file with duplicate keys, or values too long for Cyrus.
func twiceTheSame(records []sasldb.Record) bool {
	seen := map[string]bool{}
	for _, r := range records {
		key := r.Authid + "\x00" + r.Realm + "\x00" + r.Property
		if seen[key] || len(r.Value) > sasldb.MaxValue {
			return true
		}
		seen[key] = true
	}
	return false
}

func jsonLine(authid, value string) string {
	return fmt.Sprintf(`{"authid":%q,"realm":"e","property":"userPassword","value_base64":%q}`, authid, base64.StdEncoding.EncodeToString([]byte(value)))
}

func TestImport(t *testing.T) {
	t.Parallel()
	db, dir := mailDB(t), t.TempDir()
	file := filepath.Join(dir, "records.json")
	text := jsonLine("al", "one") + "\r\n\n" + // an empty line is none
		` { "value_base64" : "Yg==" , "property":"user\u0050assword","realm":"e","authid_base64":"avZyZw==" } ` + "\n" +
		jsonLine("al", "one") + "\n" +
		`{"authid":"\"\\\/\b\f\n\r\t\ud83d\ude00\u00e9é","realm":"","property":"p","value_base64":""}` + "\n" +
		`{"authid":"bob","realm":"mail.example","property":"userPassword","value_base64":"bmV3"}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	commandCase{args: []string{"import", "-f", db, file}, out: "4 records imported into " + db + "\n"}.check(t)
	want := `{"authid":"\"\\/\b\f\n\r\t😀éé","realm":"","property":"p","value_base64":""}` + "\n" +
		jsonLine("al", "one") + "\n" +
		`{"authid_base64":"avZyZw==","realm":"e","property":"userPassword","value_base64":"Yg=="}` + "\n" +
		`{"authid":"alice","realm":"mail.example","property":"userPassword","value_base64":"d29uZGVybGFuZA=="}` + "\n" +
		`{"authid":"bob","realm":"mail.example","property":"userPassword","value_base64":"bmV3"}` + "\n" +
		`{"authid":"carol","realm":"mail.example","property":"cmusaslsecretOTP","value_base64":"bWQ1IDQ5OQ=="}` + "\n"
	if diff := cmp.Diff(want, runCommand(t, "", "export", "-f", db).out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	gdbm := filepath.Join(dir, "gdbm")
	commandCase{stdin: text, args: []string{"import", "-f", gdbm, "--format", "gdbm"}, out: "4 records imported into " + gdbm + "\n"}.check(t)
	if listing, err := sasldb.Read(gdbm); err != nil || listing.Format != sasldb.GDBM || len(listing.Records) != 4 {
		t.Errorf("%v: %d records, %v", listing.Format, len(listing.Records), err)
	}
}

// badLines are lines that are refused, and why.
var badLines = map[string]struct{ line, reason string }{
	"no JSON":             {"al@e\tuserPassword", "expected '{'"},
	"empty object":        {"{}", `expected '"'`},
	"array":               {"[]", "expected '{'"},
	"cut short":           {`{"authid":"al","realm":"e"`, "expected ',' or '}'"},
	"two objects":         {jsonLine("al", "x") + jsonLine("bo", "y"), "nothing more is allowed here"},
	"comma at the end":    {strings.Replace(jsonLine("al", "x"), "}", ",}", 1), `expected '"'`},
	"unknown member":      {strings.Replace(jsonLine("al", "x"), "{", `{"uid":"1",`, 1), "expected the name of a member"},
	"another case":        {strings.Replace(jsonLine("al", "x"), "authid", "Authid", 1), "expected the name of a member"},
	"member twice":        {strings.Replace(jsonLine("al", "x"), "{", `{"authid":"bo",`, 1), "authid stands there twice"},
	"both forms":          {strings.Replace(jsonLine("al", "x"), "{", `{"authid_base64":"Ym8=",`, 1), "authid and authid_base64 exclude each other"},
	"no authid":           {strings.Replace(jsonLine("al", "x"), `"authid":"al",`, "", 1), "authid is missing"},
	"no realm":            {strings.Replace(jsonLine("al", "x"), `"realm":"e",`, "", 1), "realm is missing"},
	"no property":         {strings.Replace(jsonLine("al", "x"), `"property":"userPassword",`, "", 1), "property is missing"},
	"no value":            {`{"authid":"al","realm":"e","property":"userPassword"}`, "value_base64 is missing"},
	"null":                {strings.Replace(jsonLine("al", "x"), `"al"`, "null", 1), `expected '"'`},
	"number":              {strings.Replace(jsonLine("al", "x"), `"al"`, "1", 1), `expected '"'`},
	"bad base64":          {strings.Replace(jsonLine("al", "x"), "eA==", "eA=", 1), "value_base64 is not base64"},
	"bits in padding":     {strings.Replace(jsonLine("al", "x"), "eA==", "eB==", 1), "value_base64 is not base64"},
	"newline in base64":   {strings.Replace(jsonLine("al", "x"), "eA==", `eA\n==`, 1), "value_base64 is not base64"},
	"bad base64 in name":  {strings.Replace(jsonLine("al", "x"), `"authid":"al"`, `"authid_base64":"?"`, 1), "authid_base64 is not base64"},
	"NUL in name":         {strings.Replace(jsonLine("al", "x"), "al", `a\u0000l`, 1), "authid holds NUL"},
	"NUL in base64 name":  {strings.Replace(jsonLine("al", "x"), `"authid":"al"`, `"authid_base64":"AA=="`, 1), "authid_base64 holds NUL"},
	"control character":   {strings.Replace(jsonLine("al", "x"), "al", "a\x01l", 1), `expected '"' or an escape`},
	"not UTF-8":           {strings.Replace(jsonLine("al", "x"), "al", "j\xf6rg", 1), "not UTF-8"},
	"unknown escape":      {strings.Replace(jsonLine("al", "x"), "al", `a\x6c`, 1), "no such escape"},
	"high half only":      {strings.Replace(jsonLine("al", "x"), "al", `a\ud83d`, 1), "half of a surrogate pair"},
	"low half only":       {strings.Replace(jsonLine("al", "x"), "al", `a\ude00\ud83d`, 1), "half of a surrogate pair"},
	"short escape":        {strings.Replace(jsonLine("al", "x"), "al", `a\u12`, 1), "expected four hex digits"},
	"blank between lines": {" ", "expected '{'"},
	"long line":           {jsonLine(strings.Repeat("x", 1<<20), "x"), "more than 1048576 bytes"},
	"another value":       {jsonLine("first", "y"), "another value for the record of line 1"},
	"long value":          {jsonLine("al", strings.Repeat("x", sasldb.MaxValue+1)), ""},
	"open string":         {`{"authid":"al`, `expected '"' or an escape`},
	"escape at the end":   {`{"authid":"al\`, "the escape ends"},
}

// Nothing is written for a line that is not understood, and it is told which.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range badLines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := mailDB(t)
			commandCase{stdin: jsonLine("first", "x") + "\n" + c.line + "\n", args: []string{"import", "-f", db}, code: 4,
				err: []string{"line 2: ", c.reason, "nothing was imported"}}.check(t)
			if got := runCommand(t, "", "users", "-f", db).out; got != usersOfMailDB {
				t.Errorf("the file holds %q", got)
			}
		})
	}
	db := mailDB(t)
	checkAll(t, []commandCase{
		{name: "two files", args: []string{"import", "-f", db, "a", "b"}, code: 2, err: []string{"no more arguments than FROM"}},
		{name: "no such file", args: []string{"import", "-f", db, "/nonexistent"}, code: 3, err: []string{"no such file"}},
		{name: "folder", args: []string{"import", "-f", db, t.TempDir()}, code: 3, err: []string{"is a directory"}},
		{name: "v1 without a file", args: []string{"import", "-f", db, "--v1"}, code: 2, err: []string{"FROM is missing"}},
		{name: "into no database", stdin: jsonLine("al", "x"), args: []string{"import", "-f", testdata + "bad-magic.db"}, code: 4, err: []string{"unknown format"}},
	})
}

// An error must not quote the line, which holds a password.
func TestImportKeepsSecrets(t *testing.T) {
	t.Parallel()
	line := jsonLine("al", "sesame")
	canary := base64.StdEncoding.EncodeToString([]byte("sesame"))
	for i := range len(line) {
		got := runCommand(t, line[:i]+"!"+line[i:], "import", "-f", filepath.Join(t.TempDir(), "db"))
		if strings.Contains(got.stderr, canary) || strings.Contains(got.stderr, "sesame") {
			t.Errorf("at %d: %s", i, got.stderr)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(jsonLine("al", "x")))
	for _, c := range badLines {
		if len(c.line) < 1000 {
			f.Add([]byte(c.line))
		}
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line)
		if err != nil {
			if diff := cmp.Diff(sasldb.Record{}, r, cmp.AllowUnexported(sasldb.Record{})); diff != "" {
				t.Fatalf("error %v comes with %s", err, diff)
			}
			return
		}
		// encoding/json takes it too, and finds the same.
		var j jsonRecord
		if err := json.Unmarshal(line, &j); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if j.Authid != nil && *j.Authid != r.Authid || j.Realm != nil && *j.Realm != r.Realm || j.Property != nil && *j.Property != r.Property {
			t.Fatalf("%q: %q, %q, %q", line, r.Authid, r.Realm, r.Property)
		}
		printed, err := json.Marshal(newJSONRecord(r, true))
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseRecord(printed)
		if err != nil || again.Authid != r.Authid || again.Realm != r.Realm || again.Property != r.Property || !bytes.Equal(again.Value, r.Value) {
			t.Fatalf("%q is printed as %q, which is another record: %v", line, printed, err)
		}
	})
}

func BenchmarkImport(b *testing.B) {
	var text bytes.Buffer
	for i := range 100_000 {
		fmt.Fprintln(&text, jsonLine(fmt.Sprintf("user%07d", i), "password"))
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if records, err := readExport(&stdio{}, bytes.NewReader(text.Bytes()), "", -1); err != nil || len(records) != 100_000 {
			b.Fatal(len(records), err)
		}
	}
}

// A database of Cyrus SASL 1.5, made with its keys and values.
func TestImportV1(t *testing.T) {
	t.Parallel()
	salt := strings.Repeat("s", 16) + "\x00"
	states, hash, plain := strings.Repeat("c", 32), strings.Repeat("d", 16), salt+strings.Repeat("m", 16)
	v1 := func(authid, mechanism, value string) sasldb.Record {
		return sasldb.Record{Authid: authid, Realm: "mail.example", Property: mechanism, Value: []byte(value)}
	}
	old := createDB(t,
		v1("", "PLAIN", ""), v1("", "CRAM-MD5", ""),
		v1("al", "PLAIN", plain), v1("al", "CRAM-MD5", states), v1("al", "DIGEST-MD5", hash),
		v1("bo", "PLAIN-APOP", salt+"builder"),
		v1("short", "PLAIN-APOP", salt),
	)
	db := filepath.Join(t.TempDir(), "sasldb2")
	commandCase{args: []string{"import", "-f", db, "--v1", old}, out: "4 records imported into " + db + "\n", err: []string{"1 records of PLAIN-APOP are left out"}}.check(t)
	wantHeld(t, db, map[string][]string{
		"al@mail.example": {"cmusaslsecretCRAM-MD5", "cmusaslsecretDIGEST-MD5", "cmusaslsecretPLAIN"},
		"bo@mail.example": {"userPassword=builder"},
	})
	listing, err := sasldb.Read(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range listing.Records {
		want := map[string]string{"cmusaslsecretCRAM-MD5": states, "cmusaslsecretDIGEST-MD5": hash, "cmusaslsecretPLAIN": plain, "userPassword": "builder"}[r.Property]
		if string(r.Value) != want {
			t.Errorf("%s is %q, want %q", r.Property, r.Value, want)
		}
	}
	checkAll(t, []commandCase{
		{name: "version 2", args: []string{"import", "-f", db, "--v1", mailDB(t)}, code: 2, err: []string{"of version 2 already"}},
		{name: "damaged", args: []string{"import", "-f", db, "--v1", testdata + "bad-item-offset.db"}, code: 4, err: []string{"nothing was imported"}},
		{name: "foreign records only", args: []string{"import", "-f", filepath.Join(t.TempDir(), "x"), "--v1", testdata + "bad-magic.db"}, code: 4, err: []string{"unknown format"}},
	})
}
