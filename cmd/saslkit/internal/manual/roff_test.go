package manual

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestText: what is typed is bold and can be copied, what stands for a value is italic,
// and no line is taken for a request.
func TestText(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"option":        {"With --no-plain or -f FILE.", "With \\%\\fB\\-\\-no\\-plain\\fR or \\%\\fB\\-f\\fR \\fIFILE\\fR.\n"},
		"hyphen":        {"read-only, single-letter", "read-only, single-letter\n"},
		"no value":      {"TLS and UTF-8", "TLS and UTF-8\n"},
		"page":          {"see saslkit-serve(8), postconf(5)", "see \\%\\fBsaslkit\\-serve\\fR(8), \\%\\fBpostconf\\fR(5)\n"},
		"typed":         {"set `a = 'b'`", "set \\%\\fBa\\ =\\ \\(aqb\\(aq\\fR\n"},
		"back slash":    {`a\b`, "a\\eb\n"},
		"dots":          {"SPEC... and", "SPEC...\\& and\n"},
		"request":       {".SH is text, 'tis too", "\\&.SH is text, 'tis too\n"},
		"paragraphs":    {"one\nline\n\ntwo", "one line\n.PP\ntwo\n"},
		"indented":      {"as:\n\n  .x  'y'\n    z", "as:\n.PP\n.RS 4\n.EX\n\\&.x  \\(aqy\\(aq\n  z\n.EE\n.RE\n"},
		"not in ASCII":  {"10 µs", "10 ?s\n"},
		"nothing there": {"", ""},
	} {
		p := &page{values: map[string]bool{"FILE": true}}
		p.text(tt.text)
		if diff := cmp.Diff(tt.want, p.String()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for epoch, want := range map[string]time.Time{"": {}, "86400": time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)} {
		if got, err := Date(epoch); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v", epoch, got, err)
		}
	}
	if got, err := Date("today"); err == nil || !got.IsZero() {
		t.Errorf("%v, %v", got, err)
	}
}
