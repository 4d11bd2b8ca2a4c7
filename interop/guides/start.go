//go:build linux

package guides

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/peers"
)

// Need returns the folder of file systems, or ends the test where no machine is to be had.
func Need(t testing.TB) Roots {
	t.Helper()
	dir := os.Getenv(Variable)
	switch dir {
	case "":
		peers.Missing(t, Variable+", the folder for the file systems of machines")
	case "none":
		t.Skip("no machine boots here: " + Variable + "=none")
	}
	peers.Root(t, "machines")
	peers.Need(t, "debootstrap", "debootstrap")
	peers.Need(t, "systemd-nspawn", "systemd-container")
	return Roots{dir}
}

// Start boots a machine with these packages, which ends with the test. Dir is found here,
// and the layers of the packages are put below those of the hardware.
func Start(t testing.TB, h Hardware, packages ...string) *Machine {
	t.Helper()
	layers, err := Need(t).Layers(t.Context(), packages)
	if err != nil {
		t.Fatal(err)
	}
	h.Layers = append(h.Layers, layers...)
	h.Dir = t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	m, err := Boot(ctx, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}
