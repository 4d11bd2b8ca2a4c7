package sasldb

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/saslkit/saslkit/verifier"
)

// queuedChecks is how many password checks may wait for each processor that derives
// SCRAM keys for one.
const queuedChecks = 64

// checkedBy are the kinds that a password is compared with, the cheapest first.
var checkedBy = func() []verifier.Kind {
	kinds := []verifier.Kind{verifier.KindPassword}
	for _, m := range scramMechanisms {
		kinds = append(kinds, m.kind)
	}
	return kinds
}()

// VerifyPassword implements [verifier.Verifier]: a comparison with userPassword, or for
// who has none with SCRAM keys, which Cyrus SASL does not do. Those are derived from the
// password, as many at a time as there are processors; 64 times as many may wait, within
// their contexts. An unknown user costs what most users cost.
func (db *DB) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	held, err := db.LookupSecret(ctx, r, checkedBy...)
	switch {
	case !verifier.Answered(err):
		return verifier.Account{}, err
	case verifier.Refused(err):
		held = db.decoy()
	}
	match, trouble := db.matches(ctx, held, r, password)
	if trouble != nil {
		return verifier.Account{}, trouble
	}
	if err := verifier.Conclude(err, match); err != nil {
		return verifier.Account{}, err
	}
	return held.Account, nil
}

// decoy is a secret that costs what most secrets cost.
func (db *DB) decoy() verifier.Secret {
	if v := db.current.Load(); v != nil {
		return v.good.decoy
	}
	return verifier.Decoy(verifier.KindPassword)
}

func (db *DB) matches(ctx context.Context, s verifier.Secret, r verifier.Request, password string) (bool, error) {
	if s.Kind == verifier.KindPassword {
		return verifier.MatchPassword(password, s.Value), nil
	}
	if err := db.checks.Enter(ctx); err != nil {
		return false, fmt.Errorf("sasldb: %s: waiting to check a password: %w: %w", db.path, verifier.ErrUnavailable, err)
	}
	defer db.checks.Leave()
	return s.Matches(ctx, r, password)
}

// A cost is what a check of a password costs.
type cost struct {
	kind       verifier.Kind
	iterations uint32
	size       int // of the value, which has the salt
}

// costOf is the cost of a check by a secret.
func costOf(k verifier.Kind, value []byte) cost {
	if !k.IsSCRAM() {
		return cost{kind: k}
	}
	return cost{k, binary.BigEndian.Uint32(value), len(value)}
}

// costs count users by what a check of their passwords costs.
type costs struct {
	of        map[cost]int
	most      int
	commonest verifier.Secret
}

// maxCosts bounds how many different costs are counted, those that come first.
const maxCosts = 64

func (c *costs) count(u *holdings) {
	for _, k := range checkedBy {
		value, held := u.secret(k)
		if !held {
			continue
		}
		of := costOf(k, value)
		n, known := c.of[of]
		if !known && len(c.of) == maxCosts {
			return
		}
		if c.of[of] = n + 1; n+1 > c.most {
			c.most, c.commonest = n+1, verifier.Secret{Kind: k, Value: value}
		}
		return
	}
}

// decoy is a secret of the commonest cost, which nobody's password matches.
func (c *costs) decoy() verifier.Secret {
	d := verifier.Decoy(verifier.KindPassword)
	if c.commonest.Kind.IsSCRAM() {
		// Count and salt of a user, and the keys of nobody, before whose salt of 16 bytes
		// they end.
		nobody := verifier.Decoy(c.commonest.Kind).Value
		d = verifier.Secret{Kind: c.commonest.Kind, Value: bytes.Clone(c.commonest.Value)}
		copy(d.Value[4:], nobody[4:len(nobody)-16])
	}
	return d
}
