package sql

import (
	"sync"

	"github.com/saslkit/saslkit/verifier/stored"
)

// decoys keep account of what passwords cost that were checked, so that an unknown user
// costs what most users cost. Where costs are many, those that came first are counted.
type decoys struct {
	mu    sync.Mutex
	costs map[string]int
	most  int
	value stored.Value
}

// maxCosts bounds how many different costs are counted.
const maxCosts = 32

// count takes note of a user's value.
func (d *decoys) count(v stored.Value) {
	cost := v.Cost()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.costs == nil {
		d.costs = map[string]int{}
	}
	n, known := d.costs[cost]
	if !known && len(d.costs) >= maxCosts {
		return
	}
	d.costs[cost] = n + 1
	if n+1 > d.most {
		d.most, d.value = n+1, v.Decoy()
	}
}

// commonest returns a value that no password matches.
func (d *decoys) commonest() stored.Value {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.value
}

// begin counts the values of users who have not asked yet.
func (d *decoys) begin(values []stored.Value) {
	for _, v := range values {
		d.count(v)
	}
}
