package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/internal/scram"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// Ingredients are what the keys of one user are made of.
type ingredients struct {
	secret.Opaque
	name     userName
	password string          // as it is stored; "": none
	kinds    []verifier.Kind // of the keys to make
	// witness is the first of the keys if the user has them all. It tells whether they are
	// of this password: sasldb takes keys for the user's only if they were written
	// together, so one of them speaks for the others, for a tenth of the work.
	witness []byte
}

func (in ingredients) equal(other ingredients) bool {
	return secret.Equal(in.password, other.password) && secret.Equal(in.witness, other.witness) && slices.Equal(in.kinds, other.kinds)
}

// A making is what was made.
type making struct {
	secret.Opaque
	of   ingredients
	keys []verifier.Secret // nil: those that the user has are good
}

// A deriving is how keys are made: scram.New.
type deriving func(ctx context.Context, h scram.Hash, password string, salt []byte, iterations int) (scram.Record, error)

// saltSize is that of new keys, in bytes.
const saltSize = 16

// make makes them unless there is no need to. The password is prepared as at a login,
// which, other than for a new one, never fails: the keys let in whom it lets in.
func (in ingredients) make(ctx context.Context, derive deriving, iterations int) (making, error) {
	m, password := making{of: in}, saslprep.Password(in.password)
	if in.witness != nil {
		good, err := in.witnessed(ctx, derive, password)
		if good || err != nil {
			return m, err
		}
	}
	for _, kind := range in.kinds {
		salt := make([]byte, saltSize)
		rand.Read(salt)
		keys, err := derive(ctx, hashOf(kind), password, salt, iterations)
		if err != nil {
			return making{}, err
		}
		m.keys = append(m.keys, verifier.Secret{Kind: kind, Value: keys.Pack(), Account: verifier.Account{User: in.name.user, Realm: in.name.realm}})
	}
	return m, nil
}

// witnessed reports whether the keys that are there are of the password.
func (in ingredients) witnessed(ctx context.Context, derive deriving, password string) (bool, error) {
	h := hashOf(in.kinds[0])
	there, err := scram.Unpack(h, in.witness)
	if err != nil {
		return false, err
	}
	keys, err := derive(ctx, h, password, there.Salt, there.Iterations)
	return err == nil && secret.Equal(keys.StoredKey, there.StoredKey), err
}

func hashOf(k verifier.Kind) scram.Hash {
	h, _ := scram.ByName(k.SCRAMName())
	return h
}

// makeMissing makes what is missing, on all processors. It ends early by an interrupt,
// with an error.
func (r *rekeying) makeMissing(ctx context.Context) error {
	caught, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	running, fail := context.WithCancelCause(caught)
	defer fail(nil)
	bar := r.std.progress("making keys", int64(len(r.missing)))
	defer bar.done()

	made := make([]making, len(r.missing))
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for running.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(made) {
					return
				}
				var err error
				if made[i], err = r.missing[i].make(running, r.derive, r.iterations); err != nil {
					fail(err)
				}
				bar.add(1)
			}
		})
	}
	workers.Wait()
	switch err := context.Cause(running); {
	case caught.Err() != nil:
		return untried(fmt.Errorf("%s is as it was: interrupted", r.path))
	case err != nil:
		return untried(fmt.Errorf("%s is as it was: %w", r.path, err))
	}
	for _, m := range made {
		r.made[m.of.name] = m
	}
	return nil
}
