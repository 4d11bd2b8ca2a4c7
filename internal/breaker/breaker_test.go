package breaker

import (
	"testing"
	"testing/synctest"
	"time"
)

// ask makes a request that fails or not, and reports whether it was let through.
func ask(t *testing.T, b *Breaker, failed bool) bool {
	t.Helper()
	done, err := b.Ask()
	if err != nil {
		return false
	}
	done(failed)
	return true
}

func TestOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Breaker
		for range failures {
			if !ask(t, &b, true) {
				t.Fatal("not asked before there were enough failures")
			}
		}
		if ask(t, &b, false) {
			t.Error("asked although it fails")
		}
		time.Sleep(pause)
		if !ask(t, &b, true) {
			t.Error("not tried after the pause")
		}
		if ask(t, &b, false) {
			t.Error("asked although the trial failed")
		}
		time.Sleep(pause)
		for range 2 * failures {
			if !ask(t, &b, false) {
				t.Fatal("not asked although it answers")
			}
		}
	})
}

// TestTrial: one request sees whether the server is back, and no other meanwhile.
func TestTrial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Breaker
		for range failures {
			ask(t, &b, true)
		}
		time.Sleep(pause)
		done, err := b.Ask()
		if err != nil {
			t.Fatal(err)
		}
		if ask(t, &b, false) {
			t.Error("asked beside the trial")
		}
		done(false)
		if !ask(t, &b, false) {
			t.Error("not asked after the trial")
		}
	})
}

// TestNowAndThen: failures that are rare are counted one by one.
func TestNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Breaker
		for range 10 * failures {
			if !ask(t, &b, true) || !ask(t, &b, false) {
				t.Fatal("not asked")
			}
			time.Sleep(window / (failures - 1))
		}
	})
}
