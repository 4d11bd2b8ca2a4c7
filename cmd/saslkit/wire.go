package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/saslkit/saslkit/internal/dovecotauth"
)

// A wire carries the lines of a mail protocol. What the server sends is bounded
// in length, in lines and in time before anybody looks at it.
type wire struct {
	conn     net.Conn
	lines    *bufio.Reader
	trace    *tracer
	patience time.Duration // for one answer
}

const (
	// maxReplyLine is the longest line from a server, in bytes with its end: Dovecot's
	// limit, which is more than 12,288 of base64 (RFC 4954 section 4).
	maxReplyLine = dovecotauth.MaxLine
	// maxReplyLines is the most lines of one answer; the longest real answer to
	// EHLO has about 20.
	maxReplyLines = 200
	// patience is how long one answer may take, to its last line, and how long
	// connecting and the handshake of TLS.
	patience = 30 * time.Second
	// goodbyePatience is the same for the answer to a goodbye.
	goodbyePatience = 2 * time.Second
)

// carry lets w read and write on conn. What was read before from another is
// forgotten.
func (w *wire) carry(conn net.Conn) {
	w.conn, w.lines = conn, bufio.NewReaderSize(conn, maxReplyLine)
}

// expect starts the clock for the next answer, of however many lines.
func (w *wire) expect() error {
	if err := w.conn.SetDeadline(time.Now().Add(w.patience)); err != nil {
		return noConnection(err)
	}
	return nil
}

// readLine returns a line without its CRLF. The text is the caller's.
func (w *wire) readLine() (string, error) {
	line, err := w.lines.ReadSlice('\n')
	var timeout net.Error
	switch {
	case err == nil:
		return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
	case errors.Is(err, bufio.ErrBufferFull):
		return "", badServer("a line of the server is longer than %d bytes", maxReplyLine)
	case errors.Is(err, io.EOF):
		return "", noConnection(errors.New("the server closed the connection"))
	case errors.As(err, &timeout) && timeout.Timeout():
		return "", noConnection(fmt.Errorf("no whole answer from the server within %s", w.patience))
	}
	return "", noConnection(err)
}

// send writes a line. It is traced as shown, which is the line unless the line
// holds a secret.
func (w *wire) send(line, shown string) error {
	w.trace.client(shown)
	return w.write(line + "\r\n")
}

// write writes text with its end of line, without a trace.
func (w *wire) write(text string) error {
	if err := w.expect(); err != nil {
		return err
	}
	if _, err := io.WriteString(w.conn, text); err != nil {
		return noConnection(err)
	}
	return nil
}

// respond and cancel are the same in most protocols.
func (w *wire) respond(encoded, shown string) error { return w.send(encoded, shown) }

func (w *wire) cancel() error { return w.send("*", "*") }

// secure begins TLS. What came in the clear after the server's agreement was
// put there by somebody who wants it taken for an answer under TLS
// (CVE-2011-0411).
func (w *wire) secure(ctx context.Context, config *tls.Config) error {
	if n := w.lines.Buffered(); n > 0 {
		return badServer("%d bytes in the clear follow the server's answer to STARTTLS", n)
	}
	conn := tls.Client(w.conn, config)
	if err := w.expect(); err != nil {
		return err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		var unverified *tls.CertificateVerificationError
		if errors.As(err, &unverified) {
			return noConnection(fmt.Errorf("TLS: %w (--insecure accepts any certificate)", err))
		}
		return noConnection(fmt.Errorf("TLS: %w", err))
	}
	w.carry(conn)
	state := conn.ConnectionState()
	w.trace.note("%s, %s", tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite))
	return nil
}

// goodbye bounds what follows, for which nobody wants to wait.
func (w *wire) goodbye() { w.patience = min(w.patience, goodbyePatience) }
