package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/saslkit/saslkit/mech"
)

// A passwordSource says where a command gets a password from. There is no
// option that takes the password itself: everybody would see it in ps.
type passwordSource struct {
	stdin bool
	file  string
	most  int // bytes of it; 0: maxPassword
}

func (p *passwordSource) register(f *pflag.FlagSet) {
	f.BoolVar(&p.stdin, "password-stdin", false, "read the password from standard input, one line")
	f.StringVar(&p.file, "password-file", "", "read the password from the first line of `FILE`")
}

// maxPassword is the longest password that the library takes, in bytes; maxToken is the
// same for tokens.
const maxPassword, maxToken = 4096, 16 << 10

// takes makes it a source of what a mechanism needs.
func (p *passwordSource) takes(m *mech.Mechanism) {
	if m.Need == mech.NeedToken {
		p.most = maxToken
	}
}

// read returns the password: empty if that is what stands there.
func (p *passwordSource) read(std *stdio, user string) (string, error) {
	switch {
	case p.stdin && p.file != "":
		return "", usage("--password-stdin and --password-file exclude each other")
	case p.stdin:
		return p.firstLine(std.in, "standard input")
	case p.file != "":
		file, err := os.Open(p.file)
		if err != nil {
			return "", untried(fmt.Errorf("password file: %w", err))
		}
		defer file.Close()
		return p.firstLine(file, "the password file")
	}
	if !isTerminal(std.in) {
		return "", errNoTerminal
	}
	return prompt(std, "Password of "+user+": ")
}

var errNoTerminal = usage("no terminal to ask for the password: use --password-stdin or --password-file")

// readNew returns a password that is going to be set: on a terminal it is asked
// for twice.
func (p *passwordSource) readNew(std *stdio, user string) (string, error) {
	if p.stdin || p.file != "" || !isTerminal(std.in) {
		return p.read(std, user)
	}
	return promptTwice(std, "New password of "+user+": ", "Again: ")
}

var errMistyped = errors.New("the two passwords are not the same")

func promptTwice(std *stdio, first, second string) (string, error) {
	password, err := prompt(std, first)
	if err != nil {
		return "", err
	}
	again, err := prompt(std, second)
	if err == nil && again != password {
		return "", &exitError{exitUsage, errMistyped}
	}
	return password, err
}

// firstLine reads a line without its newline. The last line may lack one.
func (p *passwordSource) firstLine(r io.Reader, name string) (string, error) {
	most := cmp.Or(p.most, maxPassword)
	line, err := bufio.NewReader(io.LimitReader(r, int64(most)+2)).ReadString('\n')
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return "", untried(fmt.Errorf("reading the password from %s: %w", name, err))
	case len(line) > most:
		return "", usage("the password on %s has more than %d bytes", name, most)
	}
	return line, nil
}

// prompt asks on the terminal, without echo. An interrupt gives the echo back.
func prompt(std *stdio, question string) (string, error) {
	fd := int(std.in.(*os.File).Fd()) // for which isTerminal holds
	before, err := term.GetState(fd)
	if err != nil {
		return "", untried(fmt.Errorf("terminal: %w", err))
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupted)

	fmt.Fprint(std.err, shown(question))
	type answer struct {
		password []byte
		err      error
	}
	answers := make(chan answer, 1)
	go func() { // ends with the line, or with the program
		password, err := term.ReadPassword(fd)
		answers <- answer{password, err}
	}()
	select {
	case <-interrupted:
		term.Restore(fd, before)
		fmt.Fprintln(std.err)
		return "", untried(errors.New("interrupted"))
	case a := <-answers:
		fmt.Fprintln(std.err)
		if a.err != nil {
			return "", untried(fmt.Errorf("terminal: %w", a.err))
		}
		return string(a.password), nil
	}
}
