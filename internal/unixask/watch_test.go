package unixask

import (
	"net"
	"testing"
	"time"
)

// TestWatch runs on a clock of its own: it looks whom the watch cuts off when, and how
// many timers it has.
func TestWatch(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	now := start
	var timers []time.Time
	w := newWatch(10 * time.Second)
	w.now = func() time.Time { return now }
	w.after = func(d time.Duration, _ func()) { timers = append(timers, now.Add(d)) }
	advance := func(seconds int) {
		t.Helper()
		now = start.Add(time.Duration(seconds) * time.Second)
		for len(timers) > 0 && !timers[0].After(now) {
			timers = timers[1:]
			w.tick()
		}
		if len(timers) > 1 {
			t.Errorf("after %d s there are %d timers", seconds, len(timers))
		}
	}
	one, two, three := new(cable), new(cable), new(cable)
	w.begin(one)
	advance(3)
	w.begin(two)()
	done := w.begin(three)
	advance(9)
	if one.cut {
		t.Error("cut off before its time")
	}
	advance(10)
	if !one.cut || two.cut || three.cut {
		t.Error("after 10 s not the first alone is cut off")
	}
	advance(13)
	if !three.cut || two.cut {
		t.Error("after 13 s not the third is cut off, or who is done")
	}
	done() // after it was cut off
	if len(timers) != 0 || w.under.Len() != 0 {
		t.Errorf("at the end %d timers, %d conversations", len(timers), w.under.Len())
	}
	four := new(cable)
	w.begin(four)
	advance(23)
	if !four.cut {
		t.Error("nobody is watched after a time without conversations")
	}
}

// A cable is a connection that knows whether it was cut.
type cable struct {
	net.Conn
	cut bool
}

func (c *cable) SetDeadline(t time.Time) error {
	c.cut = t.Before(time.Now())
	return nil
}
