package interop

import (
	"flag"
	"os"
	"testing"
)

// These tests wait for other programs most of the time: more of them run at once
// than there are processors, unless the command line says how many.
func TestMain(m *testing.M) {
	flag.Set("test.parallel", "8")
	flag.Parse()
	os.Exit(m.Run())
}
