package workers

import (
	"bytes"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestPool: everything runs at once, however much there is, and goroutines that have
// nothing to do end: what is left then is a deadlock to synctest.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
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
	})
}

// TestReused: one after the other needs one goroutine.
func TestReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Pool
		names := map[string]bool{}
		for range 100 {
			p.Go(func() { names[goroutine()] = true })
			synctest.Wait()
		}
		if len(names) != 1 {
			t.Errorf("%d goroutines", len(names))
		}
		time.Sleep(2 * idle)
	})
}

// goroutine returns what a trace calls the one that asks.
func goroutine() string {
	trace := make([]byte, 64)
	name, _, _ := bytes.Cut(trace[:runtime.Stack(trace, false)], []byte(" ["))
	return string(name)
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
