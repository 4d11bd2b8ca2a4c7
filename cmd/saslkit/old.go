package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// The exit codes of Cyrus's tools: result codes of its library without their sign.
const (
	oldFailed    = 1   // SASL_FAIL, and usage
	oldBadParam  = 7   // SASL_BADPARAM
	oldBadConfig = 100 // SASL_CONFIGERR
)

// oldNames are the tools of Cyrus SASL in whose place this program can stand, by a
// symbolic link of that name.
var oldNames = map[string]func(context.Context, *stdio, []string) int{
	"saslpasswd2":      runSaslpasswd2,
	"sasldblistusers2": runSasldblistusers2,
	"saslauthd":        runOldSaslauthd,
	"testsaslauthd":    runTestsaslauthd,
}

// runAs is run, but for a program that was called by one of the old names.
func runAs(ctx context.Context, program string, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	name := strings.TrimSuffix(filepath.Base(program), ".exe")
	old, ok := oldNames[name]
	if !ok {
		return run(ctx, args, stdin, stdout, stderr)
	}
	std := newStdio(name, stdin, stdout, stderr)
	code := old(ctx, std, args)
	if err := std.out.Flush(); err != nil && code == exitDone {
		std.say("standard output: %v", err)
		return oldFailed
	}
	return code
}

// oldUsage says how an old name is called, and returns the exit code for it.
func (s *stdio) oldUsage(text string) int {
	fmt.Fprintf(s.err, "%s: %s\n", s.name, text)
	return oldFailed
}

// getopt reads options as the C library's function of that name does: letters may
// be joined, a value stands in the same word or the next, options and arguments
// come in any order, and "--" ends the options. A letter in known that a ':' follows
// takes a value. It returns the arguments.
func getopt(args []string, known string, option func(letter byte, value string)) (operands []string, err error) {
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			return append(operands, args...), nil
		case len(word) < 2 || word[0] != '-':
			operands = append(operands, word)
			continue
		}
		for i := 1; i < len(word); i++ {
			letter := word[i]
			at := strings.IndexByte(known, letter)
			if at < 0 || letter == ':' {
				return nil, fmt.Errorf("invalid option -- '%c'", letter)
			}
			if !strings.HasPrefix(known[at+1:], ":") {
				option(letter, "")
				continue
			}
			value := word[i+1:]
			if value == "" {
				if len(args) == 0 {
					return nil, fmt.Errorf("option requires an argument -- '%c'", letter)
				}
				value, args = args[0], args[1:]
			}
			option(letter, value)
			break
		}
	}
	return operands, nil
}
