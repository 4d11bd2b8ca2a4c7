package verifier_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/verifier"
)

const (
	originMark = "00112233445566778899aabbccddeeff"
	someOrigin = "v1\tsaslauthd:/run/saslauthd/mux\t2026-11-22T10:00:00.000000001Z\t2026-11-23T10:00:00.000000001Z\t" + originMark
)

var originTexts = []struct {
	name, text string
	want       verifier.Origin // zero: refused
}{
	{"all fields", someOrigin, verifier.Origin{
		Source: "saslauthd:/run/saslauthd/mux", Mark: originMark,
		Made: time.Date(2026, 11, 22, 10, 0, 0, 1, time.UTC), Until: time.Date(2026, 11, 23, 10, 0, 0, 1, time.UTC),
	}},
	{"no end, no mark", "v1\tchain of a, b\t2026-11-22T10:00:00.000000000Z\t-\t-", verifier.Origin{
		Source: "chain of a, b", Made: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
	}},
	{"empty", "", verifier.Origin{}},
	{"another version", "v2" + someOrigin[2:], verifier.Origin{}},
	{"no source", strings.Replace(someOrigin, "saslauthd:/run/saslauthd/mux", "", 1), verifier.Origin{}},
	{"long source", strings.Replace(someOrigin, "saslauthd:/run", strings.Repeat("x", 300), 1), verifier.Origin{}},
	{"long text", strings.Repeat("x", 1<<20), verifier.Origin{}},
	{"control character", strings.Replace(someOrigin, "saslauthd:", "saslauthd\x1b", 1), verifier.Origin{}},
	{"not UTF-8", strings.Replace(someOrigin, "saslauthd:", "saslauthd\xff", 1), verifier.Origin{}},
	{"four fields", strings.TrimSuffix(someOrigin, "\t"+originMark), verifier.Origin{}},
	{"six fields", someOrigin + "\t-", verifier.Origin{}},
	{"a line end", someOrigin + "\n", verifier.Origin{}},
	{"seconds alone", strings.ReplaceAll(someOrigin, ".000000001Z", "Z"), verifier.Origin{}},
	{"another zone", strings.ReplaceAll(someOrigin, "Z", "+01:00"), verifier.Origin{}},
	{"no such day", strings.Replace(someOrigin, "2026-11-23", "2026-11-31", 1), verifier.Origin{}},
	{"until the year 1", strings.Replace(someOrigin, "2026-11-23T10:00:00.000000001", "0001-01-01T00:00:00.000000000", 1), verifier.Origin{}},
	{"mark in upper case", strings.ToUpper(someOrigin), verifier.Origin{}},
	{"short mark", strings.TrimSuffix(someOrigin, "ff"), verifier.Origin{}},
	{"no hex", strings.TrimSuffix(someOrigin, "ff") + "gg", verifier.Origin{}},
}

func TestParseOrigin(t *testing.T) {
	t.Parallel()
	for _, c := range originTexts {
		o, err := verifier.ParseOrigin([]byte(c.text))
		if refused := (c.want == verifier.Origin{}); refused != errors.Is(err, verifier.ErrOrigin) {
			t.Errorf("%s: error %v", c.name, err)
		}
		if diff := cmp.Diff(c.want, o); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
		if err == nil && string(o.Append(nil)) != c.text {
			t.Errorf("%s: prints as %q", c.name, o.Append(nil))
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	for _, c := range originTexts {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := verifier.ParseOrigin(text)
		if err != nil {
			if (o != verifier.Origin{}) {
				t.Fatalf("%v with %+v", err, o)
			}
			return
		}
		if printed := o.Append(nil); !bytes.Equal(printed, text) {
			t.Fatalf("%q prints as %q", text, printed)
		}
		if o.Source == "" || o.Made.Year() > 9999 {
			t.Fatalf("%+v", o)
		}
	})
}
