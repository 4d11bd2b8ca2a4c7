package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/saslkit/saslkit/sasldb"
)

// The exit codes of all commands.
const (
	exitDone    = 0
	exitNo      = 1 // the answer is no: a login was refused
	exitUsage   = 2 // the command line or the configuration is wrong
	exitUntried = 3 // it could not be tried: a file or server is out of reach
	exitDamaged = 4 // the input is damaged, or of a kind that is not read
)

// An exitError is an error that decides the exit code. Without a cause
// everything has been said already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{exitUsage, fmt.Errorf(format, args...)}
}

func untried(err error) error { return &exitError{exitUntried, err} }

// exitCode is the code for what a command returned. An error that nobody gave a
// code is trouble on the way, not an answer.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &e):
		return e.code
	}
	return exitUntried
}

// changeError gives an error of changing a database file its code. An error that
// has one keeps it.
func changeError(err error) error {
	var e *exitError
	switch {
	case err == nil || errors.As(err, &e):
		return err
	case errors.Is(err, sasldb.ErrNotWritable), errors.Is(err, sasldb.ErrRecord):
		return &exitError{exitUsage, err}
	}
	return fileError(err)
}

// withCure says what helps against a database that is not there.
func withCure(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w (saslkit passwd makes it; -f names another)", err)
	}
	return err
}

// fileError gives an error of reading a database file its code.
func fileError(err error) error {
	if errors.Is(err, sasldb.ErrFormat) || errors.Is(err, sasldb.ErrDamaged) {
		return &exitError{exitDamaged, err}
	}
	return untried(err)
}
