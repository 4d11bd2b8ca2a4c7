package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
)

const testsaslauthdUsage = `usage: testsaslauthd -u username -p password
              [-r realm] [-s servicename]
              [-f socket path] [-R repeatnum]`

const (
	oldSaslauthdDir = "/var/run/saslauthd" // unless Cyrus SASL was built for another
	oldMux          = "mux"
	oldRefused      = 255 // testsaslauthd ends with -1
	oldPatience     = 30 * time.Second
)

// A testsaslauthd is testsaslauthd as Cyrus SASL has it, but for three things: it waits
// for an answer for 30 s and not for ever, a reply that only begins with OK is none, and
// so is one that is longer than saslauthd's may be.
type testsaslauthd struct {
	socket string
	fields [4]string // login, password, service, realm: sent as they are
	tries  int
}

func runTestsaslauthd(ctx context.Context, std *stdio, args []string) int {
	c := testsaslauthd{socket: filepath.Join(oldSaslauthdDir, oldMux), fields: [4]string{2: "imap"}, tries: 1}
	if err := c.parse(args); err != nil {
		if err != errOldUsage {
			std.say("%v", err)
		}
		return std.oldUsage(testsaslauthdUsage)
	}
	code := exitDone
	for i := range c.tries {
		fmt.Fprintf(std.out, "%d: ", i)
		yes, err := c.ask(ctx)
		switch {
		case err != nil:
			fmt.Fprintln(std.err, shown(err.Error()))
			code = oldRefused
		case yes:
			fmt.Fprintln(std.out, `OK "Success."`)
			code = exitDone
		default:
			fmt.Fprintln(std.out, `NO "authentication failed"`)
			code = oldRefused
		}
		if std.out.Flush() != nil || ctx.Err() != nil {
			return oldRefused
		}
	}
	return code
}

func (c *testsaslauthd) parse(args []string) error {
	given := make(map[byte]bool)
	_, err := getopt(args, "p:u:r:s:f:R:", func(letter byte, value string) {
		given[letter] = true
		switch letter {
		case 'u':
			c.fields[0] = value
		case 'p':
			c.fields[1] = value
		case 's':
			c.fields[2] = value
		case 'r':
			c.fields[3] = value
		case 'f':
			c.socket = value
		case 'R':
			c.tries, _ = strconv.Atoi(value) // atoi: what is no number is none
		}
	})
	switch {
	case err != nil:
		return err
	case !given['u'] || !given['p']:
		return errOldUsage
	}
	c.tries = max(c.tries, 1)
	return nil
}

// ask asks the daemon. The errors are in the words of the original.
func (c *testsaslauthd) ask(ctx context.Context) (yes bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, oldPatience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.socket)
	if err != nil {
		return false, fmt.Errorf("connect() : %w", systemError(err))
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	if err := c.write(conn); err != nil {
		return false, err
	}
	return readVerdict(conn)
}

// write sends also what saslauthd refuses: the program is for testing that. It may have
// answered before all was written.
func (c *testsaslauthd) write(conn net.Conn) error {
	var request []byte
	for _, f := range c.fields {
		if len(f) > 0xffff {
			return fmt.Errorf("a field of %d bytes, and the protocol has no more than 65535", len(f))
		}
		request = append(binary.BigEndian.AppendUint16(request, uint16(len(f))), f...)
	}
	if _, err := conn.Write(request); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		return fmt.Errorf("write failed: %w", systemError(err))
	}
	return nil
}

func readVerdict(conn net.Conn) (yes bool, err error) {
	var reply [saslauthdwire.MaxReply]byte
	if _, err := io.ReadFull(conn, reply[:2]); err != nil {
		return false, errors.New("size read failed")
	}
	size := int(binary.BigEndian.Uint16(reply[:]))
	if size < 2 || size > saslauthdwire.MaxText {
		return false, errors.New("bad response from saslauthd")
	}
	if _, err := io.ReadFull(conn, reply[2:2+size]); err != nil {
		return false, errors.New("read failed")
	}
	r, err := saslauthdwire.ParseReply(reply[:2+size])
	if err != nil {
		return false, errors.New("bad response from saslauthd")
	}
	return r.Verdict == saslauthdwire.Yes, nil
}

// systemError is what the system said, without what package net adds.
func systemError(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
