package mech

import (
	"bytes"
	"io"
	"net"
)

// A fakeConn is read from one buffer and written to another. Where the first is empty
// the stream ends.
type fakeConn struct {
	net.Conn
	in, out bytes.Buffer
	most    int // bytes of a read; 0: no limit
	fault   error
}

func (c *fakeConn) Read(b []byte) (int, error) {
	if c.most > 0 {
		b = b[:min(len(b), c.most)]
	}
	n, err := c.in.Read(b)
	if err == io.EOF && c.fault != nil {
		err = c.fault
	}
	return n, err
}

func (c *fakeConn) Write(b []byte) (int, error) { return c.out.Write(b) }
