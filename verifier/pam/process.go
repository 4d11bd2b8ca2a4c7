package pam

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// A process is a child, seen from here. Who has taken it from the pool is alone with it.
type process struct {
	cmd      *exec.Cmd
	requests *os.File
	answers  *os.File
	served   int
	retire   *time.Timer   // ends it when it has been idle for long; nil while it serves
	ended    chan struct{} // closed when the process is no more
}

// helloTimeout is for a program to start and greet.
const helloTimeout = 10 * time.Second

var (
	errNotBuilt = errors.New("built without PAM: go build -tags pam, with cgo and libpam0g-dev")
	errNoChild  = errors.New("does its main call pam.Child first?")
)

// startProcess starts a program as a child. It gets two pipes and nothing else of ours:
// /dev/null for the standard streams, to which modules may write, and an environment of
// its own.
func startProcess(program string) (*process, error) {
	inRead, inWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	outRead, outWrite, err := os.Pipe()
	if err != nil {
		inRead.Close()
		inWrite.Close()
		return nil, err
	}
	c := &process{requests: inWrite, answers: outRead, ended: make(chan struct{})}
	c.cmd = &exec.Cmd{
		Path: program,
		Args: []string{filepath.Base(os.Args[0]) + "-pam"}, // which the system's log has too
		// One processor is enough for what is done one at a time.
		Env:         []string{childVariable + "=1", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS=1", "GOTRACEBACK=none"},
		Dir:         "/",
		ExtraFiles:  []*os.File{inRead, outWrite},
		SysProcAttr: ownGroup(),
	}
	err = c.cmd.Start()
	inRead.Close()
	outWrite.Close()
	if err != nil {
		c.closePipes()
		return nil, err
	}
	return c, nil
}

func (c *process) closePipes() {
	c.requests.Close()
	c.answers.Close()
}

// wait returns when the process is no more. Then nobody waits for its answers, even if
// it has left something behind that holds the pipe.
func (c *process) wait() {
	c.cmd.Wait()
	close(c.ended)
	c.closePipes()
}

// end ends the process, at once.
func (c *process) end() {
	c.closePipes()
	c.cmd.Process.Kill()
}

// greet waits for the child's first words.
func (c *process) greet(deadline time.Time) error {
	a, err := c.answer(deadline)
	switch {
	case err != nil:
		return fmt.Errorf("the child %s did not greet: %w (%w)", c.cmd.Path, err, errNoChild)
	case a.user != protocol:
		return fmt.Errorf("the child %s is of another version", c.cmd.Path)
	case a.verdict != accepted:
		return errNotBuilt
	}
	return nil
}

// ask puts a request and waits for the answer. After an error the child is of no use.
func (c *process) ask(q request, deadline time.Time) (answer, error) {
	b, err := q.append(nil)
	if err != nil {
		return answer{}, err
	}
	c.served++
	c.requests.SetWriteDeadline(deadline)
	if _, err := c.requests.Write(b); err != nil {
		return answer{}, c.because(err)
	}
	return c.answer(deadline)
}

func (c *process) answer(deadline time.Time) (answer, error) {
	c.answers.SetReadDeadline(deadline)
	b, err := readFrame(c.answers)
	if err != nil {
		return answer{}, c.because(err)
	}
	return parseAnswer(b)
}

var (
	errSilent = errors.New("no answer in time (which module hangs?)")
	errDied   = errors.New("the child died (which module crashes?)")
)

// because says what an error of a pipe means.
func (c *process) because(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errSilent
	}
	return errDied
}
