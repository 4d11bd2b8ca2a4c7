package verifier

import (
	"math"
	"time"
)

// ThrottleRules are the numbers that a Throttle decides by. A [ThrottleStore] gets
// them with every question, so that they are configured in one place.
type ThrottleRules struct {
	// Free is how many failures in a minute cost an address or a user nothing, and
	// in how many failures an hour an address that a user logged in from remains
	// exempt for him.
	Free int
	// Limit is after how many failures in an hour an address is refused.
	Limit int
	// Steps are the delays of the attempts after the free ones; the last is that of
	// all further ones too, and the longest wait there is. The slice is not changed.
	Steps []time.Duration
	// UserDelay is the longest wait for the sake of a user's failures.
	UserDelay time.Duration
}

// longest is the longest delay.
func (r *ThrottleRules) longest() time.Duration { return r.Steps[len(r.Steps)-1] }

// unlimited is for users: more failures than are counted.
const unlimited = math.MaxInt

// The windows of the rules.
const (
	throttleMinute = int64(time.Minute)
	throttleHour   = int64(time.Hour)
	// throttleTrust is for how long an address is exempt for a user who logged in
	// from it: over night, not over a change of hands of the address.
	throttleTrust = int64(24 * time.Hour)
)

// throttleSteps are Dovecot's.
func throttleSteps() []time.Duration {
	return []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second}
}

// A throttleRecord is what is known of one address, one user, or one pair of both. Its times
// are nanoseconds since the table was made. It is 32 bytes.
//
// Attempts under way count as failures, but apart from them: they are forgotten
// after a minute whatever becomes of them, so that a caller who never says how an
// attempt ended does not count against its address for ever.
type throttleRecord struct {
	minute   int64  // when the minute of failures and underWay began
	hour     int64  // when the hour of hourly began
	last     int64  // the last failure; of a pair, the last success
	failures uint16 // of the minute; from Free on, until a minute passes without one
	hourly   uint16 // failures of the hour
	underWay uint16
	pair     bool
}

// age forgets what is over.
func (c *throttleRecord) age(now int64, rules *ThrottleRules) {
	streak := int(c.failures) >= rules.Free
	if now-c.minute >= throttleMinute {
		c.underWay = 0
		if !streak {
			c.failures = 0
		}
	}
	if streak && now-c.last >= throttleMinute {
		c.failures = 0
	}
	if now-c.hour >= throttleHour {
		c.hourly = 0
	}
}

// empty reports whether there is nothing to remember, after age.
func (c *throttleRecord) empty(now int64) bool {
	return c.failures == 0 && c.hourly == 0 && c.underWay == 0 && !(c.pair && now-c.last < throttleTrust)
}

// trusted reports whether a pair is exempt from what its address and its user did.
func (c *throttleRecord) trusted(now int64, rules *ThrottleRules) bool {
	return now-c.last < throttleTrust && int(c.hourly)+int(c.underWay) < rules.Free
}

// verdict is the answer to an attempt that came at a time, by the failures of its
// address or those of its user, who is not refused: then there is no limit.
func (c *throttleRecord) verdict(now, arrived int64, longest time.Duration, limit int, rules *ThrottleRules) ThrottleVerdict {
	switch {
	case int(c.hourly) >= limit:
		return ThrottleVerdict{Wait: time.Duration(c.hour + throttleHour - now), Refused: true}
	case int(c.hourly)+int(c.underWay) >= limit: // they may all turn out well
		return ThrottleVerdict{Wait: rules.Steps[0], Refused: true}
	}
	return ThrottleVerdict{Wait: c.delay(now, arrived, longest, rules)}
}

// delay says how long from now an attempt must wait that came at a time. The delay is
// between one failure and the next attempt, so who comes later has waited already.
// While others are under way it counts from the arrival, and nobody waits longer than
// the longest delay after it, or many attempts at once would keep each other out.
func (c *throttleRecord) delay(now, arrived int64, longest time.Duration, rules *ThrottleRules) time.Duration {
	over := int(c.failures) + int(c.underWay) - rules.Free
	if over < 0 {
		return 0
	}
	since := c.last
	if c.underWay > 0 {
		since = max(since, arrived)
	}
	step := rules.Steps[min(over, len(rules.Steps)-1)]
	return time.Duration(max(0, min(since+int64(step), arrived+int64(longest))-now))
}

// begin counts an attempt that begins.
func (c *throttleRecord) begin(now int64, rules *ThrottleRules) {
	c.window(now, rules)
	c.underWay = increment(c.underWay)
}

// window begins a minute if none is under way.
func (c *throttleRecord) window(now int64, rules *ThrottleRules) {
	if c.underWay == 0 && (c.failures == 0 || int(c.failures) >= rules.Free) {
		c.minute = now
	}
}

// end takes back an attempt that began at a time, unless that is forgotten.
func (c *throttleRecord) end(began int64) {
	if c.underWay > 0 && began >= c.minute {
		c.underWay--
	}
}

// fail counts a failure, after age.
func (c *throttleRecord) fail(now int64, rules *ThrottleRules) {
	c.window(now, rules)
	if c.hourly == 0 {
		c.hour = now
	}
	c.failures, c.hourly = increment(c.failures), increment(c.hourly)
	if !c.pair {
		c.last = now
	}
}

func increment(n uint16) uint16 { return n + min(1, math.MaxUint16-n) }
