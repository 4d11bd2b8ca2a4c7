package verifier

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/cursor"
	"github.com/saslkit/saslkit/internal/scram"
)

// TestSCRAMKinds: every kind of SCRAM keys has a hash and a name, in one order, and no
// other kind has.
func TestSCRAMKinds(t *testing.T) {
	t.Parallel()
	var want []Kind
	for k := range AllKinds.All() {
		if k.IsSCRAM() {
			want = append(want, k)
		} else if k.SCRAMName() != "" {
			t.Errorf("%v is %s", k, k.SCRAMName())
		}
	}
	if got := SCRAMKinds(); !slices.Equal(got, want) || len(got) != len(scram.All()) {
		t.Errorf("got %v, want %v", got, want)
	}
	for i, k := range want {
		if h := scram.All()[i]; k.scramHash() != h || kindOf(h) != k || k.String() != k.SCRAMName()+" keys" {
			t.Errorf("%v has the hash of %s and the name %s", k, h.Name(), k.SCRAMName())
		}
	}
}

func TestSCRAMKind(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]Kind{
		"SCRAM-SHA-1": KindSCRAMSHA1, "scram-sha-256": KindSCRAMSHA256, "SCRAM-SHA-512-PLUS": KindSCRAMSHA512, "SCRAM-SHA3-512": KindSCRAMSHA3512,
		"SCRAM": 0, "SCRAM-MD5": 0, "": 0, "-PLUS": 0, "CRAM-MD5": 0,
	} {
		if got, ok := SCRAMKind(name); got != want || ok != (want != 0) {
			t.Errorf("%q: %v, %v", name, got, ok)
		}
	}
}

// TestSCRAMDecoys: decoys are of the form that a mechanism computes with.
func TestSCRAMDecoys(t *testing.T) {
	t.Parallel()
	for _, kind := range SCRAMKinds() {
		if _, err := scram.Unpack(kind.scramHash(), Decoy(kind).Value); err != nil {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

const (
	record  = "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="
	dovecot = "{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,D+CSWLOshSulAsxiupA+qs2/fTE="
	kafka   = "salt=QSXCR+Q6sek8bf92,stored_key=6dlGYMOdZcOPutkcNY8U2g7vK9Y=,server_key=D+CSWLOshSulAsxiupA+qs2/fTE=,iterations=4096"
)

// TestSCRAMForms: three texts, blanks or not, are one secret, and it is written as any
// of them.
func TestSCRAMForms(t *testing.T) {
	t.Parallel()
	want, err := ParseSCRAM(record)
	if err != nil || want.Kind != KindSCRAMSHA1 {
		t.Fatal(want.Kind, err)
	}
	for _, text := range []string{dovecot, strings.ReplaceAll(record, "$", " $ ")} {
		if s, err := ParseSCRAM(text); err != nil || s.Kind != want.Kind || string(s.Value) != string(want.Value) {
			t.Errorf("%q: %v, %v", text, s.Kind, err)
		}
	}
	if s, err := ParseKafkaSCRAM(KindSCRAMSHA1, kafka); err != nil || s.Kind != want.Kind || string(s.Value) != string(want.Value) {
		t.Errorf("Kafka's: %v, %v", s.Kind, err)
	}
	for form, text := range map[SCRAMForm]string{SCRAMRecord: record, SCRAMDovecot: dovecot, SCRAMKafka: kafka} {
		if got, err := FormatSCRAM(want, form); err != nil || got != text {
			t.Errorf("written as %q, %v; want %q", got, err, text)
		}
	}
}

func TestSCRAMFormsRefused(t *testing.T) {
	t.Parallel()
	good, err := ParseSCRAM(record)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "pencil", record + "x", kafka, strings.Repeat("x", 1<<20)} {
		s, err := ParseSCRAM(text)
		var syntax *cursor.SyntaxError
		if !errors.As(err, &syntax) || s.Value != nil {
			t.Errorf("%.40q: %v, %v", text, s.Kind, err)
		}
	}
	for name, err := range map[string]error{
		"Kafka's, of another kind":      second(ParseKafkaSCRAM(KindPassword, kafka)),
		"Kafka's, of another hash":      second(ParseKafkaSCRAM(KindSCRAMSHA256, kafka)),
		"Kafka's, that is not":          second(ParseKafkaSCRAM(KindSCRAMSHA1, record)),
		"written, not of SCRAM":         second(FormatSCRAM(Secret{Kind: KindPassword, Value: good.Value}, SCRAMRecord)),
		"written, cut":                  second(FormatSCRAM(Secret{Kind: KindSCRAMSHA1, Value: good.Value[:40]}, SCRAMDovecot)),
		"written, the text is no value": second(FormatSCRAM(Secret{Kind: KindSCRAMSHA1, Value: []byte(record)}, SCRAMRecord)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "6dlG") {
			t.Errorf("%s: the error %v holds the keys", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
