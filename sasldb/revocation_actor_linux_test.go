package sasldb

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/saslkit/saslkit/verifier"
)

func init() { children["act"] = act }

// monotonic is a clock that all processes share.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

func historyUser(random *rand.Rand) string { return fmt.Sprintf("user%d", random.IntN(3)) }

// historyPassword is one of few, so that a guess is right often enough.
func historyPassword(random *rand.Rand) string { return fmt.Sprintf("password%d", random.IntN(4)) }

func upTo(random *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(d)))
}

// act is the child that acts at random on the file at a path, see actor.listen.
func act(args []string) {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	which, err2 := strconv.ParseUint(args[2], 10, 64)
	if err := errors.Join(err, err2); err != nil {
		fail("act: %v", err)
	}
	random := rand.New(rand.NewPCG(seed, 2+which))
	var db *DB
	for db == nil { // it may be torn just now
		if db, err = Open(args[0]); err != nil && !errors.Is(err, ErrDamaged) {
			fail("act: %v", err)
		}
	}
	untilTold(func() bool {
		user, password := historyUser(random), historyPassword(random)
		do := randomVerb(random)
		fmt.Printf("%d\t%s\t%s\t%s\n", monotonic(), do, user, password)
		outcome := tryTo(db, do, args[0], user, password)
		fmt.Printf("%d\t%s\n", monotonic(), outcome)
		time.Sleep(upTo(random, 4*time.Millisecond))
		return true
	})
}

func randomVerb(random *rand.Rand) verb {
	switch random.IntN(10) {
	case 0:
		return sets
	case 1:
		return []verb{sets, deletes, disables}[random.IntN(3)]
	}
	return logsIn
}

func tryTo(db *DB, do verb, path, user, password string) (outcome string) {
	r := verifier.Request{User: user, Realm: cyrusRealm}
	if do == logsIn {
		_, err := db.VerifyPassword(context.Background(), r, password)
		switch {
		case err == nil:
			return "ok"
		case errors.Is(err, verifier.ErrUnavailable):
			return "unavailable"
		case errors.Is(err, verifier.ErrNoUser), errors.Is(err, verifier.ErrNoSecret), errors.Is(err, verifier.ErrWrongPassword), errors.Is(err, verifier.ErrDisabled):
			return "refused"
		}
		return err.Error()
	}
	err := Update(context.Background(), path, WriteOptions{Wait: time.Minute}, r, func(e verifier.Entry) (verifier.Entry, error) {
		switch do {
		case sets:
			return verifier.Entry{Exists: true, Secrets: []verifier.Secret{{Kind: verifier.KindPassword, Value: []byte(password)}}}, nil
		case deletes:
			return verifier.Entry{}, nil
		}
		e.Disabled = e.Exists
		return e, nil
	})
	switch {
	case err == nil:
		return "done"
	case errors.Is(err, ErrInPlace):
		return "unsure"
	case errors.Is(err, ErrBusy), errors.Is(err, ErrDamaged):
		return "failed"
	}
	return strings.ReplaceAll(err.Error(), "\t", " ")
}
