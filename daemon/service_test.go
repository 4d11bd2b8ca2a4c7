package daemon

import (
	"strings"
	"testing"
)

func TestServiceName(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]string{
		"": "", "smtp": "smtp", "Cyrus-imapd_2.4": "Cyrus-imapd_2.4", strings.Repeat("s", 64): strings.Repeat("s", 64),
		strings.Repeat("s", 65): "invalid", "../etc": "invalid", "a b": "invalid", "a\x7f": "invalid", "ü": "invalid", "a\n": "invalid", "a\xff": "invalid",
	} {
		if got := serviceName(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
