package workers

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPool: everything runs at once, however much there is, and goroutines that have
// nothing to do end.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		before := runtime.NumGoroutine()
		for range 3 {
			const many = 1000
			var running, done atomic.Int64
			hold := make(chan struct{})
			for range many {
				p.Go(func() {
					running.Add(1)
					<-hold
					done.Add(1)
				})
			}
			synctest.Wait()
			if n := running.Load(); n != many {
				t.Errorf("%d of %d run at once", n, many)
			}
			close(hold)
			synctest.Wait()
			if n := done.Load(); n != many {
				t.Errorf("%d of %d have run", n, many)
			}
		}
		time.Sleep(2 * idle)
		synctest.Wait()
		if n := runtime.NumGoroutine(); n != before {
			t.Errorf("%d goroutines are left", n-before)
		}
	})
}

// TestReused: one after the other needs one goroutine.
func TestReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		before := runtime.NumGoroutine()
		for range 100 {
			p.Go(func() {})
			synctest.Wait()
		}
		if n := runtime.NumGoroutine() - before; n != 1 {
			t.Errorf("%d goroutines", n)
		}
		time.Sleep(2 * idle)
	})
}

func BenchmarkGo(b *testing.B) {
	deep := func(wg *sync.WaitGroup) {
		var stack [8 << 10]byte // what a login needs
		stack[runtime.NumGoroutine()%len(stack)] = 1
		wg.Done()
	}
	b.Run("new", func(b *testing.B) {
		var wg sync.WaitGroup
		for b.Loop() {
			wg.Add(1)
			go deep(&wg)
			wg.Wait()
		}
	})
	b.Run("pool", func(b *testing.B) {
		var p Pool
		var wg sync.WaitGroup
		for b.Loop() {
			wg.Add(1)
			p.Go(func() { deep(&wg) })
			wg.Wait()
		}
	})
}
