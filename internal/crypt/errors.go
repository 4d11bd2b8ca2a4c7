package crypt

import (
	"errors"
	"fmt"
	"strings"
)

// ErrUnusable matches every error of this package: no password can be checked against
// the stored value. That says nothing about the password that was presented.
var ErrUnusable = errors.New("crypt: the stored hash cannot be used")

// A SyntaxError says why a stored value is not what its beginning announces. Like the
// other errors it quotes nothing of it but the name of its scheme.
type SyntaxError struct {
	Scheme string // "sha512crypt", or "" if even that is unclear
	Reason string // "the salt is longer than 16 characters"
}

func (e *SyntaxError) Error() string {
	if e.Scheme == "" {
		return "crypt: " + e.Reason
	}
	return "crypt: " + e.Scheme + ": " + e.Reason
}

// Is makes the error match ErrUnusable.
func (e *SyntaxError) Is(target error) bool { return target == ErrUnusable }

// An UnsupportedError says that a stored value is of a scheme, or has a setting, with
// which nothing is checked here.
type UnsupportedError struct {
	Scheme string // "$gy$", "{OTP}", "yescrypt"; at most 16 bytes of it are from the stored value
	Reason string // with the cure, if there is one
}

func (e *UnsupportedError) Error() string {
	if e.Scheme == "" {
		return "crypt: " + e.Reason
	}
	return "crypt: " + e.Scheme + ": " + e.Reason
}

// Is makes the error match ErrUnusable.
func (e *UnsupportedError) Is(target error) bool { return target == ErrUnusable }

// A CostError says that one check would cost more than is allowed: who can write a
// stored value must not be able to stop the server with it.
type CostError struct {
	Scheme  string
	Setting string // "rounds", "memory in KiB"
	Value   int64
	Limit   int64
}

func (e *CostError) Error() string {
	return fmt.Sprintf("crypt: %s: %s: %d is more than the limit of %d", e.Scheme, e.Setting, e.Value, e.Limit)
}

// Is makes the error match ErrUnusable.
func (e *CostError) Is(target error) bool { return target == ErrUnusable }

// maxQuoted is how much of a name from a stored value an error shows, in bytes.
const maxQuoted = 16

// quoted is a name that a stored value begins with, for an error: up to 16 letters,
// digits and hyphens. A field that was taken for a hash can hold a password, so whatever
// looks otherwise is not shown.
func quoted(open, name, end string) string {
	if name == "" || len(name) > maxQuoted || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
		return ""
	}
	return open + name + end
}
