package pam

import (
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

// childVariable in the environment makes a process a child.
const childVariable = "SASLKIT_PAM_CHILD"

// Child makes this process a child if a Stack has started it as one: then it serves and
// does not return. Otherwise it does nothing. Call it first in main, and in TestMain of
// tests that call New.
func Child() {
	if os.Getenv(childVariable) != "" {
		child(greeting(), check)
	}
}

// child is what a child does, to its end.
func child(hello answer, check func(request) answer) {
	os.Unsetenv(childVariable) // programs that modules run are no children
	in, out := inherited()
	hide()
	// Who stops the parent may signal the whole group: what is under way is finished,
	// and then the parent ends. Unlike ignored signals these are not ignored by programs
	// that modules run.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(serve(in, out, hello, check, os.Exit))
}

// greeting says whether this program can ask PAM.
func greeting() answer {
	if !Built {
		return answer{user: protocol}
	}
	return answer{verdict: accepted, user: protocol}
}

// serve greets and answers requests, one after the other and on one thread, for modules may keep
// something there. When nothing more comes, because the parent has ended or has no use
// for this process, it exits at once, even if a module is at work.
func serve(in io.Reader, out io.Writer, hello answer, check func(request) answer, exit func(int)) (code int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if send(out, hello) != nil {
		return 1
	}
	requests := make(chan request)
	go func() {
		defer close(requests) // in tests; exit does not return
		for {
			b, err := readFrame(in)
			if err != nil {
				exit(0)
				return
			}
			q, err := parseRequest(b)
			if err != nil {
				exit(1)
				return
			}
			requests <- q
		}
	}()
	before := identity()
	for q := range requests {
		a := answer{text: "the service has no proper name"}
		if validService(q.service) {
			a = check(q)
		}
		a.changed = a.changed || identity() != before
		if send(out, a) != nil {
			return 1
		}
	}
	return 0
}

// send writes an answer. One that cannot be written, for a module made it so long, is
// replaced.
func send(w io.Writer, a answer) error {
	b, err := a.append(nil)
	if err != nil {
		b, err = answer{changed: a.changed, text: "the name of the user is too long"}.append(nil)
	}
	if err == nil {
		_, err = w.Write(b)
	}
	return err
}

// identity is what a module might change.
func identity() [4]int { return [...]int{os.Getuid(), os.Geteuid(), os.Getgid(), os.Getegid()} }
