package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/saslkit/saslkit"
)

// An imapClient speaks IMAP4rev1 and rev2 with AUTHENTICATE (RFC 9051 section
// 6.2.2) and SASL-IR (RFC 4959).
type imapClient struct {
	*wire
	tag          string // of the command under way
	commands     int
	capabilities []string // in upper case
}

func (c *imapClient) greet() error {
	line, err := c.readLine()
	if err != nil {
		return err
	}
	c.trace.server(line)
	switch status, rest := cutWord(strings.TrimPrefix(line, "* ")); {
	case !strings.HasPrefix(line, "* "):
		return badServer("the greeting is not IMAP's")
	case strings.EqualFold(status, "OK"):
		return nil
	case strings.EqualFold(status, "PREAUTH"):
		// Somebody in between could say so to keep us from STARTTLS.
		return badServer("the server says that we are logged in already")
	default:
		return noConnection(fmt.Errorf("the server does not serve: %s", c.trace.clean(rest)))
	}
}

func (c *imapClient) ask() error {
	c.capabilities = nil
	status, text, err := c.command("CAPABILITY")
	if err == nil && status != "OK" {
		return noConnection(fmt.Errorf("the server refuses CAPABILITY: %s", c.trace.clean(text)))
	}
	return err
}

func (c *imapClient) startTLS() error {
	if !slices.Contains(c.capabilities, "STARTTLS") {
		return noConnection(fmt.Errorf("the server does not offer STARTTLS"))
	}
	status, text, err := c.command("STARTTLS")
	if err == nil && status != "OK" {
		return noConnection(fmt.Errorf("the server refuses STARTTLS: %s", c.trace.clean(text)))
	}
	return err
}

func (c *imapClient) offered() []string { return saslkit.OfferedIMAP(c.capabilities) }

func (c *imapClient) hint() string {
	if slices.Contains(c.capabilities, "LOGINDISABLED") {
		return " (LOGINDISABLED: it permits logins under TLS only)"
	}
	return ""
}

func (c *imapClient) begin(mechanism, initial, shown string) (bool, error) {
	line := "AUTHENTICATE " + mechanism
	takes := slices.Contains(c.capabilities, "SASL-IR") || slices.Contains(c.capabilities, "IMAP4REV2")
	if initial == "" || !takes {
		return false, c.sendTagged(line, line)
	}
	return true, c.sendTagged(line+" "+initial, line+" "+shown)
}

func (c *imapClient) await() (reply, error) {
	for range maxReplyLines {
		line, err := c.readLine()
		if err != nil {
			return reply{}, err
		}
		if challenge, ok := strings.CutPrefix(line, "+"); ok {
			return reply{kind: challenged, word: "+", text: strings.TrimPrefix(challenge, " ")}, nil
		}
		c.trace.server(line)
		status, text, done, err := c.take(line)
		if err != nil {
			return reply{}, err
		}
		if done {
			return imapReply(status, text), nil
		}
	}
	return reply{}, badServer("the server sends more than %d lines that answer nothing", maxReplyLines)
}

// imapReply tells a refusal from trouble that will pass (RFC 5530 section 3).
func imapReply(status, text string) reply {
	code, _ := cutWord(strings.ToUpper(text))
	switch {
	case status == "OK":
		return reply{kind: accepted, text: status + " " + text}
	case code == "[UNAVAILABLE]", code == "[INUSE]", code == "[SERVERBUG]":
		return reply{kind: unavailable, text: status + " " + text}
	}
	return reply{kind: refused, text: status + " " + text}
}

func (c *imapClient) quit() {
	c.goodbye()
	c.command("LOGOUT")
}

// command sends a command and reads to its tagged answer.
func (c *imapClient) command(line string) (status, text string, err error) {
	if err := c.sendTagged(line, line); err != nil {
		return "", "", err
	}
	for range maxReplyLines {
		answer, err := c.readLine()
		if err != nil {
			return "", "", err
		}
		c.trace.server(answer)
		status, text, done, err := c.take(answer)
		if err != nil || done {
			return status, text, err
		}
	}
	return "", "", badServer("the server sends more than %d lines that answer nothing", maxReplyLines)
}

func (c *imapClient) sendTagged(line, shown string) error {
	c.commands++
	c.tag = fmt.Sprintf("A%d", c.commands)
	return c.send(c.tag+" "+line, c.tag+" "+shown)
}

// take reads a line that is not a challenge: untagged, of which capabilities
// are noted, or the tagged answer.
func (c *imapClient) take(line string) (status, text string, done bool, err error) {
	tag, rest := cutWord(line)
	word, text := cutWord(rest)
	word = strings.ToUpper(word)
	switch {
	case tag == "*" && word == "CAPABILITY":
		c.capabilities = strings.Fields(strings.ToUpper(text))
		return "", "", false, nil
	case tag == "*":
		return "", "", false, nil
	case tag != c.tag, word != "OK" && word != "NO" && word != "BAD":
		return "", "", false, badServer("a line of the server is no answer to a command of ours")
	}
	return word, text, true, nil
}

func cutWord(s string) (word, rest string) {
	word, rest, _ = strings.Cut(s, " ")
	return word, rest
}
