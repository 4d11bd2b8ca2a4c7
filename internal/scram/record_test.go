package scram

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/cursor"
)

// foreign are the records of others for the password "pencil".
var foreign = []struct {
	by   string
	hash Hash
	text string
}{
	{"Cyrus SASL 2.1.28", SHA1, "SCRAM-SHA-1$4096:1RCpe4m6wYpIdpdKJ9+bMg==$2RrvFMvah/MkAGLOIhEaG6KKl9A=:5t0o1NGnYrROdiWCErBkxN5NYnU="},
	{"Cyrus SASL 2.1.28", SHA224, "SCRAM-SHA-224$4096:KDglxwtj81y00hCUEELK8g==$z0Xp1pCDfAM3wVOkgQDc9cs3YJI4KL8hn+WQ6Q==:HeTwx5nO6T1HGkFaNdFq3YNcJ1LJ66lFZKU/jA=="},
	{"Cyrus SASL 2.1.28", SHA256, "SCRAM-SHA-256$4096:/EHnQ6X4VBqPJZ9o3lhsNw==$0A/45UY/7Ao6MRjumCoAJolMeoMrzo4X5skclFfUPXA=:5Qym0ONfHY/GPRvTpC7QyH3o96VabZCoFlJmxGkYW44="},
	{"Cyrus SASL 2.1.28", SHA384, "SCRAM-SHA-384$4096:IGmew8mc2YSU4Q4UyNQQig==$tAkXHzsbJ8Yryyq85ouAjHd1p+hcKt7i3khy7087A5+DktAusNxEzE5GPrIJzhTu:jtlXRXZw5xDkvif6qgVVLKtnQxu8KQtlYtDGaoT+st8kCwjOGlreYjwFxU4ls5A0"},
	{"Cyrus SASL 2.1.28", SHA512, "SCRAM-SHA-512$4096:7knOEw7OX9phV189i3ESTA==$Dwr0frNv4BvvPghy9Vlgbz4HCuNTYbsP2swAJ2UveGzfuLYl+rAgm5RKHebza8f6eVtoH85cnLyoTC9RJ419Vw==:+hDzuE1L6uyL7/CRxYs0pJupuuU/i0VyIsXp9//bTQohetqeEi/YJZdI/mWy4HanirKbu1I8ncREErP968EVNQ=="},
	{"GNU SASL 2.2.0", SHA1, "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE="},
	{"GNU SASL 2.2.0", SHA256, "{SCRAM-SHA-256}4096,gZbSOt7FAWJQ0Klt,Mjf9nnqA4/Yns8cKGQ4Com2nBC74kWMm6JvyRWbqwwk=,yypSPzKqD/hb0wwRRsE1rok44gG49w5dq+b8EvyVxUI="},
}

// TestForeignRecords: their salt and count give their keys, and what is read is
// written in the same way.
func TestForeignRecords(t *testing.T) {
	t.Parallel()
	for _, c := range foreign {
		r, err := Parse([]byte(c.text))
		if err != nil || r.Hash != c.hash {
			t.Errorf("%s: %v, %v", c.by, r.Hash, err)
			continue
		}
		again := r.Append(nil)
		if strings.HasPrefix(c.text, "{") {
			again = r.AppendDovecot(nil)
		}
		if diff := cmp.Diff(c.text, string(again)); diff != "" {
			t.Errorf("%s, written again, -want +got:\n%s", c.by, diff)
		}
		got, err := New(t.Context(), c.hash, "pencil", r.Salt, r.Iterations)
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Errorf("%s, computed: %v, -want +got:\n%s", c.by, err, diff)
		}
		if again, err := Unpack(c.hash, r.Pack()); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%s, packed: %+v, %v", c.by, again, err)
		}
		if kafka, err := ParseKafka(c.hash, r.AppendKafka(nil)); err != nil || !reflect.DeepEqual(kafka, r) {
			t.Errorf("%s, in Kafka's form: %+v, %v", c.by, kafka, err)
		}
	}
}

// TestBlanks: RFC 3112 section 2 lets blanks stand in three places.
func TestBlanks(t *testing.T) {
	t.Parallel()
	want := foreign[0].text
	r, err := Parse([]byte("  " + strings.ReplaceAll(want, "$", "  $ ") + " "))
	if err != nil || string(r.Append(nil)) != want {
		t.Errorf("%s, %v", r.Append(nil), err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good, dovecot := foreign[0].text, foreign[5].text
	for name, record := range map[string]string{
		"empty":                "",
		"another hash":         strings.Replace(good, "SHA-1", "SHA-256", 1),
		"unknown hash":         strings.Replace(good, "SHA-1", "SHA-999", 1),
		"-PLUS":                strings.Replace(good, "SHA-1", "SHA-1-PLUS", 1),
		"lower case":           strings.ToLower(good),
		"blank after the name": strings.Replace(good, "SCRAM", "SCRAM ", 1),
		"blank after ':'":      strings.Replace(good, ":", ": ", 1),
		"tab around '$'":       strings.Replace(good, "$", "\t$", 1),
		"no count":             strings.Replace(good, "4096", "", 1),
		"count 0":              strings.Replace(good, "4096", "0", 1),
		"leading zero":         strings.Replace(good, "4096", "04096", 1),
		"negative count":       strings.Replace(good, "4096", "-1", 1),
		"too many":             strings.Replace(good, "4096", "10000001", 1),
		"beyond 64 bits":       strings.Replace(good, "4096", "99999999999999999999", 1),
		"no salt":              strings.Replace(good, "1RCpe4m6wYpIdpdKJ9+bMg==", "", 1),
		"newline in the salt":  strings.Replace(good, "1RCp", "1R\nCp", 1),
		"newline at the end":   good + "\n",
		"bits in padding":      strings.Replace(good, "bMg==", "bMh==", 1),
		"no padding":           strings.Replace(good, "bMg==", "bMg", 1),
		"URL alphabet":         strings.Replace(good, "9+bMg", "9-bMg", 1),
		"short StoredKey":      strings.Replace(good, "2RrvFMvah/Mk", "2RrvFMva", 1),
		"long ServerKey":       strings.Replace(good, "5t0o", "5t0o5t0o", 1),
		"no ServerKey":         good[:strings.LastIndexByte(good, ':')],
		"something after it":   good + " x",
		"long salt":            strings.Replace(good, "1RCp", strings.Repeat("1RCp", 350), 1),
		"very long":            good + strings.Repeat("=", 1<<20),
		"Dovecot's, open":      strings.Replace(dovecot, "}", "", 1),
		"Dovecot's, a blank":   strings.Replace(dovecot, "}", "} ", 1),
		"Dovecot's, semicolon": strings.Replace(dovecot, ",", ";", 1),
		"Dovecot's, longer":    dovecot + ",",
	} {
		r, err := Parse([]byte(record))
		var syntax *cursor.SyntaxError
		if !errors.As(err, &syntax) || !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	salt := make([]byte, 16)
	for name, f := range map[string]func() (Record, error){
		"no salt":       func() (Record, error) { return New(t.Context(), SHA1, "x", nil, 1) },
		"long salt":     func() (Record, error) { return New(t.Context(), SHA1, "x", make([]byte, MaxSalt+1), 1) },
		"no iterations": func() (Record, error) { return New(t.Context(), SHA1, "x", salt, 0) },
		"many":          func() (Record, error) { return New(t.Context(), SHA1, "x", salt, MaxIterations+1) },
		"packed, cut":   func() (Record, error) { return Unpack(SHA1, make([]byte, 44)) },
		"packed, long":  func() (Record, error) { return Unpack(SHA1, append([]byte{0, 0, 0, 1}, make([]byte, 40+MaxSalt+1)...)) },
		"packed, 0":     func() (Record, error) { return Unpack(SHA1, make([]byte, 60)) },
		"packed, many":  func() (Record, error) { return Unpack(SHA1, append([]byte{0, 0x98, 0x96, 0x81}, make([]byte, 56)...)) },
		"Kafka's, long": func() (Record, error) { return ParseKafka(SHA1, make([]byte, maxRecord+1)) },
	} {
		if r, err := f(); err == nil || !reflect.DeepEqual(r, Record{}) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestLongestRecord: what may be made can be read.
func TestLongestRecord(t *testing.T) {
	t.Parallel()
	r := Record{Hash: SHA512, Iterations: MaxIterations, Salt: make([]byte, MaxSalt), StoredKey: make([]byte, 64), ServerKey: make([]byte, 64)}
	for _, form := range [][]byte{r.Append(nil), r.AppendDovecot(nil)} {
		if again, err := Parse(form); err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%d bytes: %v", len(form), err)
		}
	}
	if again, err := ParseKafka(SHA512, r.AppendKafka(nil)); err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("Kafka's: %v", err)
	}
}

// FuzzUnpack: what is taken apart and packed again is the same.
func FuzzUnpack(f *testing.F) {
	for _, c := range foreign {
		if r, err := Parse([]byte(c.text)); err == nil {
			f.Add(uint8(c.hash), r.Pack())
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		h := Hash(which % uint8(hashEnd))
		r, err := Unpack(h, b)
		if err != nil {
			if !reflect.DeepEqual(r, Record{}) {
				t.Fatalf("%+v with %v", r, err)
			}
			return
		}
		if !bytes.Equal(r.Pack(), b) || len(r.StoredKey) != h.Size() || len(r.ServerKey) != h.Size() || len(r.Salt) == 0 {
			t.Fatalf("%x is %+v", b, r)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, c := range foreign {
		f.Add([]byte(c.text))
		if r, err := Parse([]byte(c.text)); err == nil {
			f.Add(r.AppendKafka(nil))
		}
	}
	f.Add([]byte(" SCRAM-SHA-256 $ 1:AA== $ AA==:AA== "))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, form := range []struct {
			name  string
			parse func([]byte) (Record, error)
			print func(Record, []byte) []byte
			exact bool // of each record there is one text
		}{
			{"RFC 5803", Parse, Record.Append, len(b) > 0 && b[0] == 'S' && !bytes.Contains(b, []byte(" "))},
			{"Dovecot", Parse, Record.AppendDovecot, len(b) > 0 && b[0] == '{'},
			{"Kafka", func(b []byte) (Record, error) { return ParseKafka(SHA256, b) }, Record.AppendKafka, true},
		} {
			r, err := form.parse(b)
			if err != nil {
				var syntax *cursor.SyntaxError
				if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(b) || !reflect.DeepEqual(r, Record{}) {
					t.Fatalf("%s: %+v with %#v", form.name, r, err)
				}
				continue
			}
			printed := form.print(r, nil)
			if form.exact && !bytes.Equal(printed, b) {
				t.Fatalf("%s: %q is written as %q", form.name, b, printed)
			}
			if again, err := form.parse(printed); err != nil || !reflect.DeepEqual(again, r) {
				t.Fatalf("%s: %q prints as %q, which is %+v, %v", form.name, b, printed, again, err)
			}
		}
	})
}
