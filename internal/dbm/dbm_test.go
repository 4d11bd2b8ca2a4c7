package dbm

import (
	"strings"
	"testing"
)

func TestManyFaults(t *testing.T) {
	var f Faults
	if f.All() != nil {
		t.Error("no faults are some")
	}
	for i := range maxFaults + 5 {
		f.Add(&DamageError{Format: "bdb", Unit: "page", Number: uint32(i), Reason: "here"})
	}
	all := f.All()
	if len(all) != maxFaults+1 || !strings.Contains(all[maxFaults].Reason, "5 more faults") || f.Len() != maxFaults+5 {
		t.Errorf("%d faults of %d, the last %v", len(all), f.Len(), all[len(all)-1])
	}
}
