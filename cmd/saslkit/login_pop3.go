package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit"
)

// A pop3Client speaks POP3 with CAPA (RFC 2449), STLS (RFC 2595) and AUTH (RFC 5034).
type pop3Client struct {
	*wire
	capabilities []string
}

// maxPOP3Command is the longest command, in bytes with CRLF (RFC 2449 section 4). A longer
// initial response waits to be asked for.
const maxPOP3Command = 255

func (c *pop3Client) greet() error {
	ok, text, err := c.status()
	if err == nil && !ok {
		return noConnection(fmt.Errorf("the server does not serve: %s", c.trace.clean(text)))
	}
	return err
}

// ask asks for the capabilities. A server that does not know the command has none.
func (c *pop3Client) ask() error {
	c.capabilities = nil
	if err := c.send("CAPA", "CAPA"); err != nil {
		return err
	}
	ok, _, err := c.status()
	if err != nil || !ok {
		return err
	}
	for range maxReplyLines {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		c.trace.server(line)
		if line == "." {
			return nil
		}
		c.capabilities = append(c.capabilities, line)
	}
	return badServer("the server has more than %d capabilities", maxReplyLines)
}

func (c *pop3Client) has(capability string) bool {
	return slices.ContainsFunc(c.capabilities, func(line string) bool {
		word, _ := cutWord(line)
		return strings.EqualFold(word, capability)
	})
}

func (c *pop3Client) startTLS() error {
	if !c.has("STLS") {
		return noConnection(errors.New("the server does not offer STLS"))
	}
	if err := c.send("STLS", "STLS"); err != nil {
		return err
	}
	ok, text, err := c.status()
	if err == nil && !ok {
		return noConnection(fmt.Errorf("the server refuses STLS: %s", c.trace.clean(text)))
	}
	return err
}

func (c *pop3Client) offered() []string { return saslkit.OfferedPOP3(c.capabilities) }

func (c *pop3Client) hint() string {
	if len(c.offered()) == 0 && c.has("USER") {
		return " (it takes USER and PASS, which no mechanism of SASL is)"
	}
	return ""
}

func (c *pop3Client) begin(mechanism, initial, shown string) (bool, error) {
	line := "AUTH " + mechanism
	if initial == "" || len(line)+1+len(initial)+2 > maxPOP3Command {
		return false, c.send(line, line)
	}
	return true, c.send(line+" "+initial, line+" "+shown)
}

func (c *pop3Client) await() (reply, error) {
	line, err := c.readLine()
	if err != nil {
		return reply{}, err
	}
	word, text := cutWord(line)
	if word == "+" {
		return reply{kind: challenged, word: "+", text: text}, nil
	}
	c.trace.server(line)
	code, _, _ := strings.Cut(strings.ToUpper(text), "]")
	switch {
	case word == "+OK":
		return reply{kind: accepted, text: line}, nil
	case word == "-ERR" && slices.Contains(temporaryPOP3, code):
		return reply{kind: unavailable, text: line}, nil
	case word == "-ERR":
		return reply{kind: refused, text: line}, nil
	}
	return reply{}, badServer("a line of the server is no answer to AUTH")
}

// temporaryPOP3 are the codes of refusals that will pass (RFC 2449 section 8.1, RFC 3206
// section 4), without the bracket at their end.
var temporaryPOP3 = []string{"[SYS/TEMP", "[IN-USE", "[LOGIN-DELAY"}

func (c *pop3Client) quit() {
	c.goodbye()
	if c.send("QUIT", "QUIT") == nil {
		c.status()
	}
}

// status reads an answer of one line, or the first of several.
func (c *pop3Client) status() (ok bool, text string, err error) {
	line, err := c.readLine()
	if err != nil {
		return false, "", err
	}
	c.trace.server(line)
	switch word, text := cutWord(line); word {
	case "+OK":
		return true, text, nil
	case "-ERR":
		return false, text, nil
	}
	return false, "", badServer("a line of the server is no answer of POP3")
}
