package redis_test

import (
	"context"
	"log"
	"os"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	"github.com/saslkit/saslkit/verifier/redis"
)

// Several servers that count guesses together. While the database is away each counts
// alone, and no login fails for it.
func Example() {
	key, err := os.ReadFile("/etc/saslkit/throttle.key") // 16 random bytes or more, the same on all servers
	if err != nil {
		log.Fatal(err)
	}
	store, err := redis.New(redis.Options{
		Server: &goredis.UniversalOptions{Addrs: []string{"/run/redis/redis.sock"}},
		Key:    key,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := store.Ping(ctx); err != nil {
		log.Print(err)
	}

	guard, err := verifier.NewThrottle(verifier.ThrottleOptions{
		Store:        store,
		StoreTrouble: func(err error) { log.Print(err) },
	})
	if err != nil {
		log.Fatal(err)
	}
	auth := &saslkit.Authenticator{Verifier: verifier.Static{"alice": "pencil"}, Guard: guard}
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
}
