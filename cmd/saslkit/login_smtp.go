package main

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit"
)

// An smtpClient speaks SMTP with AUTH (RFC 4954) and STARTTLS (RFC 3207).
type smtpClient struct {
	*wire
	mechanisms []string
	starttls   bool
}

// maxCommandLine is what a server must take as a command, in bytes with CRLF
// (RFC 5321 section 4.5.3.1.4). A longer initial response waits to be asked for.
const maxCommandLine = 512

func (c *smtpClient) greet() error {
	code, lines, err := c.read()
	if err == nil && code != 220 {
		return noConnection(fmt.Errorf("the server does not serve: %d %s", code, c.trace.clean(strings.Join(lines, " "))))
	}
	return err
}

func (c *smtpClient) ask() error {
	code, lines, err := c.command("EHLO " + c.helloName())
	if err != nil {
		return err
	}
	if code != 250 {
		return noConnection(fmt.Errorf("the server refuses EHLO: %d %s", code, c.trace.clean(strings.Join(lines, " "))))
	}
	extensions := lines[1:]
	c.mechanisms = saslkit.OfferedSMTP(extensions)
	c.starttls = slices.ContainsFunc(extensions, func(line string) bool {
		keyword, _ := cutWord(line)
		return strings.EqualFold(keyword, "STARTTLS")
	})
	return nil
}

// helloName is the address literal of our end (RFC 5321 section 4.1.4): this
// program has no name that a server could look up.
func (c *smtpClient) helloName() string {
	addr, ok := c.conn.LocalAddr().(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case addr.IP.To4() != nil:
		return "[" + addr.IP.String() + "]"
	}
	return "[IPv6:" + addr.IP.String() + "]"
}

func (c *smtpClient) startTLS() error {
	if !c.starttls {
		return noConnection(fmt.Errorf("the server does not offer STARTTLS"))
	}
	code, lines, err := c.command("STARTTLS")
	if err == nil && code != 220 {
		return noConnection(fmt.Errorf("the server refuses STARTTLS: %d %s", code, c.trace.clean(strings.Join(lines, " "))))
	}
	return err
}

func (c *smtpClient) offered() []string { return c.mechanisms }

func (c *smtpClient) hint() string { return "" }

func (c *smtpClient) begin(mechanism, initial, shown string) (bool, error) {
	line := "AUTH " + mechanism
	if initial == "" || len(line)+1+len(initial)+2 > maxCommandLine {
		return false, c.send(line, line)
	}
	return true, c.send(line+" "+initial, line+" "+shown)
}

func (c *smtpClient) await() (reply, error) {
	code, lines, err := c.read()
	if err != nil {
		return reply{}, err
	}
	text := strconv.Itoa(code) + " " + strings.Join(lines, " ")
	switch {
	case code == 334:
		return reply{kind: challenged, word: "334", text: lines[0]}, nil
	case code == 235:
		return reply{kind: accepted, text: text}, nil
	case code/100 == 4:
		return reply{kind: unavailable, text: text}, nil
	case code/100 == 5:
		return reply{kind: refused, text: text}, nil
	}
	return reply{}, badServer("%d is no answer to AUTH", code)
}

func (c *smtpClient) quit() {
	c.goodbye()
	c.command("QUIT")
}

func (c *smtpClient) command(line string) (int, []string, error) {
	if err := c.send(line, line); err != nil {
		return 0, nil, err
	}
	return c.read()
}

// read reads a reply, of one line or of several (RFC 5321 section 4.2.1). There
// is at least one line. A challenge is traced by who decodes it.
func (c *smtpClient) read() (code int, lines []string, err error) {
	for len(lines) < maxReplyLines {
		line, err := c.readLine()
		if err != nil {
			return 0, nil, err
		}
		n, text, last, ok := cutReply(line)
		if !ok || len(lines) > 0 && n != code {
			c.trace.server(line)
			return 0, nil, badServer("a line of the server is no part of an SMTP reply")
		}
		if n != 334 || !last {
			c.trace.server(line)
		}
		code, lines = n, append(lines, text)
		if last {
			return code, lines, nil
		}
	}
	return 0, nil, badServer("a reply of the server has more than %d lines", maxReplyLines)
}

// cutReply reads "250-text", "250 text" or a bare "250".
func cutReply(line string) (code int, text string, last, ok bool) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
		return 0, "", false, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, "", false, false
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return code, "", true, true
	}
	return code, line[4:], line[3] == ' ', true
}
