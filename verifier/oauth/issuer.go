package oauth

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/saslkit/saslkit/internal/follow"
	"github.com/saslkit/saslkit/verifier"
)

// A keySource has the keys of an issuer.
type keySource interface {
	// keys are those to begin with. Every error matches ErrUnavailable.
	keys(ctx context.Context) (keySet, error)
	// renewed are those that there are now, as far as that may be asked for yet.
	renewed(ctx context.Context) (keySet, error)
	close()
}

// A keyFile is read again when it changes, and in trouble as long as it is damaged.
type keyFile struct{ *follow.File[keySet] }

func openKeyFile(path string) (keyFile, error) {
	f, err := follow.Open(path, maxKeySet, func(text []byte) (keySet, error) {
		keys, err := parseKeys(text)
		if err != nil {
			return nil, fmt.Errorf("oauth: %s: %w", path, err)
		}
		return keys, nil
	})
	return keyFile{f}, err
}

func (f keyFile) keys(ctx context.Context) (keySet, error) {
	keys, err := f.Now(ctx)
	if err != nil {
		return nil, fmt.Errorf("oauth: keys: %w: %w", verifier.ErrUnavailable, err)
	}
	return keys, nil
}

func (f keyFile) renewed(ctx context.Context) (keySet, error) { return f.keys(ctx) }

func (f keyFile) close() {}

const (
	// freshFor is how long keys are used without looking whether they have changed: a
	// key that was withdrawn is believed for so long.
	freshFor = 15 * time.Minute
	// goodFor is how long they are used if nobody says what they are now: a provider may
	// be down over night.
	goodFor = 24 * time.Hour
	// restAfterKeys and restAfterTrouble are how long nobody asks again, whatever ids
	// tokens name.
	restAfterKeys    = time.Minute
	restAfterTrouble = 5 * time.Second
)

// A keyServer is the URL where an issuer publishes its keys. They are asked for when they
// are needed, by one goroutine for all who wait, which ends with close.
type keyServer struct {
	endpoint *endpoint
	now      func() time.Time
	ctx      context.Context
	cancel   context.CancelFunc
	asking   sync.WaitGroup

	mu      sync.Mutex
	current keySet // nil: there were none yet
	at      time.Time
	trouble error // of the last question; nil: it was answered
	rest    time.Time
	done    chan struct{} // closed when the question under way is answered; nil: there is none
}

func newKeyServer(e *endpoint) *keyServer {
	s := &keyServer{endpoint: e, now: time.Now}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *keyServer) keys(ctx context.Context) (keySet, error) {
	s.mu.Lock()
	keys, age := s.current, s.now().Sub(s.at)
	s.mu.Unlock()
	if keys != nil && age < freshFor {
		return keys, nil
	}
	renewed, err := s.renewed(ctx)
	if err != nil && keys != nil && age < goodFor {
		return keys, nil
	}
	return renewed, err
}

func (s *keyServer) renewed(ctx context.Context) (keySet, error) {
	s.mu.Lock()
	if s.done == nil && !s.now().Before(s.rest) && s.ctx.Err() == nil {
		s.done = make(chan struct{})
		s.asking.Go(s.ask)
	}
	done := s.done
	s.mu.Unlock()
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			return nil, fmt.Errorf("oauth: keys: %w: %w", verifier.ErrUnavailable, ctx.Err())
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.trouble != nil:
		return nil, s.trouble
	case s.current == nil: // closed
		return nil, fmt.Errorf("oauth: keys: %w", verifier.ErrUnavailable)
	}
	return s.current, nil
}

// ask gets the keys.
func (s *keyServer) ask() {
	ctx, cancel := context.WithTimeout(s.ctx, longest)
	defer cancel()
	text, err := s.endpoint.ask(ctx, nil, maxKeySet)
	var keys keySet
	if err == nil {
		if keys, err = parseKeys(text); err != nil {
			err = fmt.Errorf("oauth: %s: %w: %w", s.endpoint.url, verifier.ErrUnavailable, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.trouble, s.rest = err, now.Add(restAfterTrouble)
	if err == nil {
		s.current, s.at, s.rest = keys, now, now.Add(restAfterKeys)
	}
	close(s.done)
	s.done = nil
}

func (s *keyServer) close() {
	s.cancel()
	s.asking.Wait()
	s.endpoint.close()
}
