package pam

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/breaker"
	"github.com/saslkit/saslkit/internal/queue"
	"github.com/saslkit/saslkit/internal/secret"
	"github.com/saslkit/saslkit/verifier"
)

// A Stack is a [verifier.Verifier] that asks PAM. It may be used concurrently. A goroutine
// runs for each child and for each check; Close ends them.
type Stack struct {
	secret.Opaque
	service, folder string
	timeout         time.Duration
	pool            *pool
	queue           *queue.Queue
	breaker         breaker.Breaker
	usual           atomic.Int64 // nanoseconds that the last success took
}

var _ verifier.Verifier = (*Stack)(nil)

// New checks the options, that the service has a file, and that pam_unix can do its work
// if it is in there. It starts one child to see that it greets, and ends it: rights that
// the process gives up afterwards are in no child.
func New(o Options) (*Stack, error) {
	s, err := newStack(o)
	if err != nil {
		return nil, fmt.Errorf("pam: %w", err)
	}
	return s, nil
}

var errIsChild = errors.New("this process is a child (main must call pam.Child first)")

func newStack(o Options) (*Stack, error) {
	switch {
	case os.Getenv(childVariable) != "":
		return nil, errIsChild
	case o.Program == "" && !Built:
		return nil, errNotBuilt
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	program, err := programOf(o)
	if err != nil {
		return nil, err
	}
	s := prepare(o, program)
	if o.Service != "" && powerless(o.Folder, o.Service) {
		return nil, errPowerless
	}
	first, err := s.pool.start(time.Now().Add(helloTimeout))
	if err != nil {
		s.pool.close()
		return nil, err
	}
	first.end()
	return s, nil
}

// prepare makes a Stack of options that are checked.
func prepare(o Options, program string) *Stack {
	parallel := o.Parallel
	if parallel == 0 {
		parallel = min(max(leastParallel, 2*runtime.GOMAXPROCS(0)), mostParallel)
	}
	s := &Stack{
		service: o.Service, folder: o.Folder, timeout: o.Timeout,
		pool: newPool(program), queue: queue.New(parallel, int64(queued*parallel)),
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	return s
}

// Faults says what is not as it should be, but no reason to stop.
func (s *Stack) Faults() []error {
	if os.Geteuid() == 0 {
		return nil
	}
	return []error{errors.New("pam: not root: modules that want to be, such as pam_faillock, may refuse everybody")}
}

// String names the service.
func (s *Stack) String() string { return "pam:" + s.service }

// Close ends the children, and the checks under way with ErrUnavailable. Later checks
// give that too.
func (s *Stack) Close() error {
	s.pool.close()
	return nil
}

// VerifyPassword implements [verifier.Verifier]. The package comment lists what PAM says
// and what it means here. Account.User is PAM_USER, which modules may change, and
// Account.Realm that of the request, which PAM does not learn.
//
// When the context ends the caller does not wait any longer, but the check goes on for
// as long as Timeout allows: or who hangs up early would not be counted by pam_faillock.
func (s *Stack) VerifyPassword(ctx context.Context, r verifier.Request, password string) (verifier.Account, error) {
	service := s.service
	if service == "" {
		service = r.Service
	}
	a, err := s.ask(ctx, r, service, password)
	if err == nil {
		err = a.err()
	}
	s.even(ctx, a.took, err)
	switch {
	case err == nil:
		return verifier.Account{User: a.user, Realm: r.Realm}, nil
	case verifier.Answered(err):
		return verifier.Account{}, fmt.Errorf("pam: service %.80q: %w", service, err)
	}
	return verifier.Account{}, fmt.Errorf("pam: service %.80q: %w: %w", service, verifier.ErrUnavailable, err)
}

// longestUsual bounds how long a refusal is kept back.
const longestUsual = time.Second

// even lets a refusal take as long as the last success did: pam_unix computes no hash for
// unknown users and answers in a millisecond. Who only guesses cannot change that time,
// which is of the child alone.
func (s *Stack) even(ctx context.Context, took time.Duration, err error) {
	switch {
	case err == nil:
		s.usual.Store(int64(min(took, longestUsual)))
	case verifier.Refused(err):
		rest := time.NewTimer(time.Duration(s.usual.Load()) - took)
		defer rest.Stop()
		select {
		case <-rest.C:
		case <-ctx.Done():
		}
	}
}

var (
	errNoName     = errors.New("not asked: no module takes such a name")
	errNoPassword = errors.New("not asked: no module takes such a password")
)

// ask asks PAM, in a child.
func (s *Stack) ask(ctx context.Context, r verifier.Request, service, password string) (answer, error) {
	if err := hasStack(s.folder, service); err != nil {
		return answer{}, err
	}
	if powerless(s.folder, service) {
		return answer{}, errPowerless
	}
	switch {
	case !saneName(r.User):
		return answer{}, fmt.Errorf("%w: %w", verifier.ErrNoUser, errNoName)
	case password == "" || len(password) > maxString || strings.Contains(password, "\x00"):
		return answer{}, fmt.Errorf("%w: %w", verifier.ErrWrongPassword, errNoPassword)
	}
	q := request{service: service, folder: s.folder, user: r.User, password: password}
	if client := r.Remote.Addr(); client.IsValid() {
		q.client = client.Unmap().WithZone("").String()
	}
	return s.bounded(ctx, q)
}

// saneName reports whether a name can be one, for PAM and of PAM.
func saneName(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// bounded asks when there is a place for it.
func (s *Stack) bounded(ctx context.Context, q request) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if ctx.Err() != nil {
		return answer{}, ctx.Err()
	}
	settle, err := s.breaker.Ask()
	if err != nil {
		return answer{}, err
	}
	if err := s.queue.Enter(ctx); err != nil {
		settle(errors.Is(err, context.DeadlineExceeded))
		return answer{}, fmt.Errorf("all children are at work: %w", err)
	}
	type outcome struct {
		answer answer
		err    error
	}
	done := make(chan outcome, 1)
	began := s.pool.begin(func() {
		defer s.queue.Leave()
		a, err := s.pool.ask(q, s.timeout)
		settle(errors.Is(err, errSilent))
		done <- outcome{a, err}
	})
	if !began {
		settle(false)
		s.queue.Leave()
		return answer{}, errClosed
	}
	select {
	case o := <-done:
		return o.answer, o.err
	case <-ctx.Done():
		return answer{}, fmt.Errorf("waiting for the answer: %w", ctx.Err())
	}
}

// err is the answer as an error of the contract; nil for a yes.
func (a answer) err() error {
	var is error
	switch a.verdict {
	case accepted:
		if !saneName(a.user) {
			return errors.New("a module made a name of the user that is none")
		}
		return nil
	case unknownUser:
		is = verifier.ErrNoUser
	case wrongPassword:
		is = verifier.ErrWrongPassword
	case disabled:
		is = verifier.ErrDisabled
	case expired:
		is = verifier.ErrExpired
	default:
		return errors.New(a.text)
	}
	return fmt.Errorf("%w: %s", is, a.text)
}
