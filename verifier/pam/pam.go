package pam

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// Options configure a Stack. The zero value asks the service of each request, as
// saslauthd does.
type Options struct {
	// Service is the PAM service, a file in /etc/pam.d: 1 to 64 of a to z, 0 to 9, '-'
	// and '_'. "" is Request.Service, "smtp" or "imap", which must be such a name.
	Service string
	// Folder is where the files of services are, in the place of /etc/pam.d; absolute.
	// It is for tests and containers, and wants Linux-PAM 1.4 or later.
	Folder string
	// Parallel is how many children there are at most, one for each check under way.
	// 64 times as many checks wait, and who comes then is told ErrUnavailable. 0 is
	// twice the number of processors, 4 at least; 1,024 is the most.
	Parallel int
	// Timeout bounds a check, waiting for a child included: a child that has not
	// answered by then is killed. 0 is 30 s.
	Timeout time.Duration
	// Program is the path of a program that calls Child first in its main, such as the
	// command saslkit. "" is this program.
	Program string
}

const (
	defaultTimeout = 30 * time.Second
	leastParallel  = 4
	mostParallel   = 1024
	queued         = 64 // checks that wait for each that is under way
	maxName        = 1024
)

// A Stack is a verifier.Verifier that asks PAM. It may be used concurrently. A goroutine
// runs for each child and for each check; Close ends them.
type Stack struct {
	secret.Opaque
	service, folder string
	timeout         time.Duration
	unix            bool // whether pam_unix is asked, as far as we know
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
	if s.powerless() {
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

// check finds what is wrong with the options.
func (o Options) check() error {
	switch {
	case o.Parallel < 0 || o.Parallel > mostParallel:
		return fmt.Errorf("options: parallel %d is not 0 to %d", o.Parallel, mostParallel)
	case o.Timeout < 0:
		return errors.New("options: the timeout is negative (0 is the default)")
	case o.Folder != "" && (!filepath.IsAbs(o.Folder) || len(o.Folder) > maxString || strings.Contains(o.Folder, "\x00")):
		return fmt.Errorf("options: folder %.80q is not an absolute path", o.Folder)
	case o.Program != "" && !filepath.IsAbs(o.Program):
		return fmt.Errorf("options: program %.80q is not an absolute path", o.Program)
	case o.Service != "":
		return hasStack(o.Folder, o.Service)
	}
	return nil
}

// programOf is the program of the children. What Linux calls exe is this one even when
// another has been installed in its place.
func programOf(o Options) (string, error) {
	const exe = "/proc/self/exe"
	if o.Program != "" {
		return o.Program, nil
	}
	if _, err := os.Stat(exe); err == nil {
		return exe, nil
	}
	return os.Executable()
}

// prepare makes a Stack of options that are checked.
func prepare(o Options, program string) *Stack {
	parallel := o.Parallel
	if parallel == 0 {
		parallel = min(max(leastParallel, 2*runtime.GOMAXPROCS(0)), mostParallel)
	}
	s := &Stack{
		service: o.Service, folder: o.Folder, timeout: o.Timeout, unix: o.Service == "" || usesUnix(o.Folder, o.Service),
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

// VerifyPassword implements verifier.Verifier. The package comment lists what PAM says
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
		return verifier.Account{}, fmt.Errorf("pam: service %q: %w", service, err)
	}
	return verifier.Account{}, fmt.Errorf("pam: service %q: %w: %w", service, verifier.ErrUnavailable, err)
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
	errPowerless  = errors.New("not root, and /etc/shadow cannot be read: pam_unix would refuse everybody (run it as root or in group shadow)")
)

// powerless reports whether pam_unix has no way to passwords. In most stacks, Debian's
// common-auth among them, that is a wrong password to everybody.
func (s *Stack) powerless() bool {
	if !s.unix || os.Geteuid() == 0 {
		return false
	}
	f, err := os.Open("/etc/shadow")
	if err == nil {
		f.Close()
	}
	return errors.Is(err, fs.ErrPermission)
}

// ask asks PAM, in a child.
func (s *Stack) ask(ctx context.Context, r verifier.Request, service, password string) (answer, error) {
	if s.powerless() {
		return answer{}, errPowerless
	}
	if err := hasStack(s.folder, service); err != nil {
		return answer{}, err
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
