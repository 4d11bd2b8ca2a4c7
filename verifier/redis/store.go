package redis

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// Options say where the counts are. They print as REDACTED.
type Options struct {
	secret.Opaque

	// Server is how to reach the database: one address, several of a cluster, or
	// those of Sentinels and a MasterName. An address with a '/' is a Unix socket.
	// Retries and deadlines of calls are set by New, and so are timeouts that are 0,
	// to a second.
	Server *goredis.UniversalOptions
	// Key is the secret with which names are hashed, of 16 bytes or more, the same on
	// all servers that count together.
	Key []byte
	// Prefix begins the names of all keys; "" means "saslkit:".
	Prefix string
}

// A Store is a [verifier.ThrottleStore] in Redis or Valkey. It may be used concurrently.
// It prints as REDACTED.
type Store struct {
	secret.Opaque
	client goredis.UniversalClient
	key    []byte
	prefix string
	now    func() string // "" for the database's clock
}

var _ verifier.ThrottleStore = (*Store)(nil)

const leastKey = 16

// New returns a Store. It does not connect yet; [Store.Ping] does. The error says that an
// address is missing or the key is too short.
func New(o Options) (*Store, error) {
	switch {
	case o.Server == nil || len(o.Server.Addrs) == 0:
		return nil, errors.New("redis: no address is configured (Options.Server.Addrs)")
	case len(o.Key) < leastKey:
		return nil, fmt.Errorf("redis: a key of %d bytes, want %d or more", len(o.Key), leastKey)
	}
	server := *o.Server
	server.ContextTimeoutEnabled = true // or a call would last as long as ReadTimeout says
	server.MaxRetries, server.DialerRetries = -1, 1
	for _, timeout := range []*time.Duration{&server.DialTimeout, &server.ReadTimeout, &server.WriteTimeout} {
		if *timeout == 0 {
			*timeout = time.Second
		}
	}
	if server.MaintNotificationsConfig == nil { // or every new connection would ask for them
		server.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	}
	prefix := o.Prefix
	if prefix == "" {
		prefix = "saslkit:"
	}
	return &Store{
		client: goredis.NewUniversalClient(&server), key: append([]byte(nil), o.Key...),
		prefix: prefix + "{throttle}:", now: func() string { return "" },
	}, nil
}

// Close ends the connections.
func (s *Store) Close() error { return s.client.Close() }

// Ping connects, so that a wrong address or password is known at start.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

//go:embed record.lua
var recordLua string

//go:embed admit.lua
var admitLua string

//go:embed settle.lua
var settleLua string

var (
	admitScript  = goredis.NewScript(recordLua + admitLua)
	settleScript = goredis.NewScript(recordLua + settleLua)
)

// Admit implements [verifier.ThrottleStore].
func (s *Store) Admit(ctx context.Context, a verifier.ThrottleAttempt) (verifier.ThrottleVerdict, error) {
	if len(a.Rules.Steps) == 0 {
		return verifier.ThrottleVerdict{}, errors.New("redis: rules without delays")
	}
	args := []any{
		s.now(), a.Rules.Free, a.Rules.Limit,
		milliseconds(a.Rules.Steps[len(a.Rules.Steps)-1]), milliseconds(a.Rules.UserDelay), milliseconds(a.Waited),
	}
	for _, step := range a.Rules.Steps {
		args = append(args, milliseconds(step))
	}
	answer, err := admitScript.Run(ctx, s.client, s.keys(&a), args...).Int64Slice()
	switch {
	case err != nil:
		return verifier.ThrottleVerdict{}, fmt.Errorf("redis: %w", err)
	case len(answer) != 4 || answer[0] < 0 || answer[0] > time.Hour.Milliseconds():
		return verifier.ThrottleVerdict{}, errors.New("redis: the script gave an answer that is not its own")
	}
	return verifier.ThrottleVerdict{
		Wait:    time.Duration(answer[0]) * time.Millisecond,
		Refused: answer[1] == 1, Trusted: answer[2] == 1, Began: answer[3],
	}, nil
}

// Settle implements [verifier.ThrottleStore].
func (s *Store) Settle(ctx context.Context, a verifier.ThrottleAttempt, v verifier.ThrottleVerdict, o verifier.ThrottleOutcome) error {
	outcome := "void"
	switch o {
	case verifier.ThrottleSucceeded:
		outcome = "succeeded"
	case verifier.ThrottleFailed:
		outcome = "failed"
	}
	trusted := 0
	if v.Trusted {
		trusted = 1
	}
	if err := settleScript.Run(ctx, s.client, s.keys(&a), s.now(), a.Rules.Free, outcome, trusted, v.Began).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// Forget implements [verifier.ThrottleStore].
func (s *Store) Forget(ctx context.Context, a verifier.ThrottleAttempt) error {
	keys := s.keys(&a)
	switch {
	case a.User == "" && a.Address.IsValid():
		keys = keys[1:2]
	case a.User == "":
		return nil
	}
	if err := s.client.Del(ctx, keys...).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

// milliseconds rounds up, so that who waited has waited long enough.
func milliseconds(d time.Duration) int64 {
	return (d + time.Millisecond - 1).Milliseconds()
}

// keys names the records of the user and, if the address is known, of that and of
// the pair.
func (s *Store) keys(a *verifier.ThrottleAttempt) []string {
	user := binary.AppendUvarint(nil, uint64(len(a.User)))
	user = append(append(user, a.User...), a.Realm...)
	if !a.Address.IsValid() {
		return []string{s.name("u", user)}
	}
	address := a.Address.Masked().Addr().AsSlice()
	address = append([]byte{byte(len(address))}, address...)
	return []string{s.name("u", user), s.name("a", address), s.name("p", append(address, user...))}
}

func (s *Store) name(kind string, of []byte) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(kind))
	mac.Write(of)
	return s.prefix + kind + ":" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
