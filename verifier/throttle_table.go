package verifier

import (
	"sync"
	"time"
)

// A throttleTable holds the records, under hashes of 64 bits with a random seed: half
// of them find a bucket, the others are the tag in it. Two keys that are in use
// share a record with a probability of 1 in 300 million.
//
// It is made like the cache of a processor: a key has room in one bucket only, a line
// of memory tells whether it is there, and the lock of the bucket is in that line.
// There are no pointers for the garbage collector to follow.
//
// When a bucket is full, what does the least harm is forgotten: what has nothing to
// tell, then the oldest that is not being throttled, then the one with the fewest
// failures in the hour. So new keys push out each other and not the record of who is
// being throttled: to get rid of one with 50 failures takes 14 others with as many in
// its bucket, and nobody knows which keys share it.
type throttleTable struct {
	rules   ThrottleRules
	buckets []bucket
}

// bucketSize makes a bucket 512 bytes, of which the first 64 are lock and tags.
const bucketSize = 14

// bucketLoad is how many records a bucket has room for on the average of a full
// table. With twice as many places, 1 record in 800 finds no room that is its own.
const bucketLoad = bucketSize / 2

type bucket struct {
	mu      sync.Mutex
	tags    [bucketSize]uint32 // 0: free
	records [bucketSize]throttleRecord
}

func newThrottleTable(entries int, rules ThrottleRules) *throttleTable {
	return &throttleTable{rules: rules, buckets: make([]bucket, (entries-1)/bucketLoad+1)}
}

// A throttleKey is a hash; 0 is nobody's.
type throttleKey uint64

// lock finds the bucket of a key and locks it.
func (t *throttleTable) lock(k throttleKey) (b *bucket, tag uint32) {
	b = &t.buckets[uint64(uint32(k>>32))*uint64(len(t.buckets))>>32]
	b.mu.Lock()
	return b, max(1, uint32(k))
}

// find returns the place of a key, -1 if there is none.
func (b *bucket) find(tag uint32) int {
	for i, t := range &b.tags {
		if t == tag {
			return i
		}
	}
	return -1
}

// put returns the record of a key, after making one if there is none.
func (b *bucket) put(tag uint32, now int64, rules *ThrottleRules) *throttleRecord {
	i := b.find(tag)
	if i < 0 {
		i = b.room(now, rules)
		b.tags[i], b.records[i] = tag, throttleRecord{}
	}
	return &b.records[i]
}

// room returns a place that is free, or whose record does the least harm when it is
// forgotten.
func (b *bucket) room(now int64, rules *ThrottleRules) int {
	best, bestHarm, bestAge := 0, 0, int64(-1)
	for i, tag := range &b.tags {
		if tag == 0 {
			return i
		}
		c := &b.records[i]
		c.age(now, rules)
		harm := 0
		switch {
		case c.empty(now):
			return i
		case int(c.hourly) >= rules.Free:
			harm = int(c.hourly)
		}
		age := now - max(c.minute, c.hour, c.last)
		if bestAge < 0 || harm < bestHarm || harm == bestHarm && age > bestAge {
			best, bestHarm, bestAge = i, harm, age
		}
	}
	return best
}

// tidy frees the place of a record with nothing to tell.
func (b *bucket) tidy(i int, now int64) {
	if b.records[i].empty(now) {
		b.tags[i] = 0
	}
}

// A throttleHold says what an attempt under way is counted under.
type throttleHold uint8

const (
	holdNothing throttleHold = iota
	holdCounts               // the address and the user
	holdPair
)

// throttleKeys are the keys of one attempt. Without an address there is neither
// that nor a pair.
type throttleKeys struct{ address, user, pair throttleKey }

// admit decides about an attempt that came at a time, and counts it as under way if
// it may begin.
func (t *throttleTable) admit(k *throttleKeys, now, arrived int64) (ThrottleVerdict, throttleHold) {
	if k.pair != 0 && t.vouched(k.pair, now) {
		return ThrottleVerdict{Trusted: true}, holdPair
	}
	if k.address != 0 {
		if v := t.begin(k.address, now, arrived, t.rules.longest(), t.rules.Limit); v.Wait > 0 {
			return v, holdNothing
		}
	}
	if v := t.begin(k.user, now, arrived, t.rules.UserDelay, unlimited); v.Wait > 0 {
		t.end(k.address, now, now)
		return v, holdNothing
	}
	return ThrottleVerdict{}, holdCounts
}

// vouched counts an attempt under its pair if that is trusted.
func (t *throttleTable) vouched(k throttleKey, now int64) bool {
	b, tag := t.lock(k)
	defer b.mu.Unlock()
	i := b.find(tag)
	if i < 0 {
		return false
	}
	c := &b.records[i]
	c.age(now, &t.rules)
	if !c.trusted(now, &t.rules) {
		return false
	}
	c.begin(now, &t.rules)
	return true
}

// begin counts an attempt under a key if it may begin.
func (t *throttleTable) begin(k throttleKey, now, arrived int64, longest time.Duration, limit int) ThrottleVerdict {
	b, tag := t.lock(k)
	defer b.mu.Unlock()
	c := b.put(tag, now, &t.rules)
	c.age(now, &t.rules)
	v := c.verdict(now, arrived, longest, limit, &t.rules)
	if v.Wait == 0 {
		c.begin(now, &t.rules)
	}
	return v
}

// settle ends an attempt that began at a time.
func (t *throttleTable) settle(k *throttleKeys, hold throttleHold, now, began int64, o ThrottleOutcome) {
	if hold == holdCounts {
		t.end(k.address, now, began)
		t.end(k.user, now, began)
	}
	if o == ThrottleFailed {
		t.fail(k.address, now)
		t.fail(k.user, now)
	}
	if k.pair != 0 {
		t.settlePair(k.pair, hold, now, began, o)
	}
}

// end takes back an attempt.
func (t *throttleTable) end(k throttleKey, now, began int64) {
	if k == 0 {
		return
	}
	b, tag := t.lock(k)
	defer b.mu.Unlock()
	if i := b.find(tag); i >= 0 {
		b.records[i].age(now, &t.rules)
		b.records[i].end(began)
		b.tidy(i, now)
	}
}

func (t *throttleTable) fail(k throttleKey, now int64) {
	if k == 0 {
		return
	}
	b, tag := t.lock(k)
	defer b.mu.Unlock()
	c := b.put(tag, now, &t.rules)
	c.age(now, &t.rules)
	c.fail(now, &t.rules)
}

// settlePair ends an attempt of a pair. Success makes a record for it, and nothing
// else does: of who never logged in, the counts of address and user say enough.
func (t *throttleTable) settlePair(k throttleKey, hold throttleHold, now, began int64, o ThrottleOutcome) {
	b, tag := t.lock(k)
	defer b.mu.Unlock()
	if i := b.find(tag); i >= 0 {
		b.records[i].age(now, &t.rules)
		b.tidy(i, now)
	}
	if b.find(tag) < 0 && o != ThrottleSucceeded {
		return
	}
	c := b.put(tag, now, &t.rules)
	c.pair = true
	if hold == holdPair {
		c.end(began)
	}
	switch o {
	case ThrottleSucceeded:
		c.last = max(c.last, began)
	case ThrottleFailed:
		c.fail(now, &t.rules)
	}
}

// forget removes a key's record.
func (t *throttleTable) forget(k throttleKey) {
	if k == 0 {
		return
	}
	b, tag := t.lock(k)
	defer b.mu.Unlock()
	if i := b.find(tag); i >= 0 {
		b.tags[i] = 0
	}
}
