package prefetch

import "testing"

// TestLine: asking changes nothing.
func TestLine(t *testing.T) {
	t.Parallel()
	b := make([]byte, 1<<16)
	for i := range b {
		b[i] = byte(i)
		Line(&b[i])
		if b[i] != byte(i) {
			t.Fatalf("byte %d was changed", i)
		}
	}
}
