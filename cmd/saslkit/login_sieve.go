package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/saslkit/saslkit"
)

// A sieveClient speaks ManageSieve (RFC 5804).
type sieveClient struct {
	*wire
	capabilities [][]sieveWord
	greeted      bool
}

// greet reads the capabilities, which a server says by itself.
func (c *sieveClient) greet() error {
	c.greeted = true
	return c.capable()
}

// ask reads them again after STARTTLS, when the server says them once more.
func (c *sieveClient) ask() error {
	if c.greeted {
		c.greeted = false
		return nil
	}
	if err := c.expect(); err != nil {
		return err
	}
	return c.capable()
}

func (c *sieveClient) capable() error {
	c.capabilities = nil
	for range maxReplyLines {
		words, err := c.response()
		if err != nil {
			return err
		}
		c.traceWords(words)
		switch {
		case words[0].isString:
			c.capabilities = append(c.capabilities, words)
		case strings.EqualFold(words[0].text, "OK"):
			return nil
		default:
			return noConnection(fmt.Errorf("the server does not serve: %s", c.trace.clean(sieveText(words))))
		}
	}
	return badServer("the server has more than %d capabilities", maxReplyLines)
}

func (c *sieveClient) startTLS() error {
	has := slices.ContainsFunc(c.capabilities, func(words []sieveWord) bool { return strings.EqualFold(words[0].text, "STARTTLS") })
	if !has {
		return noConnection(errors.New("the server does not offer STARTTLS"))
	}
	if err := c.send("STARTTLS", "STARTTLS"); err != nil {
		return err
	}
	words, err := c.response()
	if err != nil {
		return err
	}
	c.traceWords(words)
	if words[0].isString || !strings.EqualFold(words[0].text, "OK") {
		return noConnection(fmt.Errorf("the server refuses STARTTLS: %s", c.trace.clean(sieveText(words))))
	}
	return nil
}

func (c *sieveClient) offered() []string {
	var lines []string
	for _, words := range c.capabilities {
		if len(words) == 2 {
			lines = append(lines, `"`+words[0].text+`" "`+words[1].text+`"`)
		}
	}
	return saslkit.OfferedSieve(lines)
}

func (c *sieveClient) hint() string { return "" }

func (c *sieveClient) begin(mechanism, initial, shown string) (bool, error) {
	line := "AUTHENTICATE " + sieveString(mechanism)
	if initial == "" {
		return false, c.send(line, line)
	}
	if initial == "=" { // a string can be empty as it is
		initial = ""
	}
	return true, c.send(line+" "+sieveString(initial), line+" "+shown)
}

func (c *sieveClient) respond(encoded, shown string) error {
	return c.send(sieveString(encoded), shown)
}

func (c *sieveClient) cancel() error { return c.send(sieveString("*"), `"*"`) }

func (c *sieveClient) await() (reply, error) {
	words, err := c.response()
	if err != nil {
		return reply{}, err
	}
	if len(words) == 1 && words[0].isString {
		return reply{kind: challenged, text: words[0].text}, nil
	}
	r := reply{text: sieveText(words)}
	data, code := sieveCode(words)
	switch strings.ToUpper(words[0].text) {
	case "OK":
		r.kind = accepted
		if r.hasFinal = code == "SASL"; r.hasFinal {
			r.final, r.text = data, "OK"
		}
	case "NO":
		r.kind = refused
		if code == "TRYLATER" {
			r.kind = unavailable
		}
	case "BYE":
		r.kind = unavailable
	default:
		c.traceWords(words)
		return reply{}, badServer("a line of the server is no answer to AUTHENTICATE")
	}
	if !r.hasFinal {
		c.traceWords(words)
	}
	return r, nil
}

// sieveCode is the code of an answer, such as SASL, and the string in it.
func sieveCode(words []sieveWord) (data, code string) {
	if len(words) < 4 || words[1] != (sieveWord{text: "("}) {
		return "", ""
	}
	if words[3].isString {
		data = words[3].text
	}
	return data, strings.ToUpper(words[2].text)
}

func (c *sieveClient) quit() {
	c.goodbye()
	if c.send("LOGOUT", "LOGOUT") == nil {
		if words, err := c.response(); err == nil {
			c.traceWords(words)
		}
	}
}

// response reads a response, with the literals in it; there is at least one word.
func (c *sieveClient) response() ([]sieveWord, error) {
	text, err := c.readLine()
	for err == nil {
		size, is, fault := literalSize(text)
		if fault == nil && len(text)+size > 2*maxSieveString {
			fault = fmt.Errorf("a response of more than %d bytes", 2*maxSieveString)
		}
		if fault != nil {
			return nil, badServer("%w", fault)
		}
		if !is {
			break
		}
		literal := make([]byte, size)
		if _, err := io.ReadFull(c.lines, literal); err != nil {
			return nil, noConnection(fmt.Errorf("a string of the server does not end: %w", err))
		}
		var rest string
		rest, err = c.readLine()
		text += "\r\n" + string(literal) + rest
	}
	if err != nil {
		return nil, err
	}
	words, err := parseSieve(text)
	if err == nil && words == nil {
		err = errors.New("an empty line")
	}
	if err != nil {
		c.trace.server(text)
		return nil, badServer("a line of the server is not ManageSieve's: %w", err)
	}
	return words, nil
}

func (c *sieveClient) traceWords(words []sieveWord) { c.trace.server(sieveText(words)) }

// sieveText is a response on one line.
func sieveText(words []sieveWord) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.text != ")" && words[i-1].text != "(" {
			b.WriteByte(' ')
		}
		if w.isString {
			b.WriteString(`"` + w.text + `"`)
			continue
		}
		b.WriteString(w.text)
	}
	return b.String()
}
