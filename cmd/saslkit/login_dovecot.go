package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/dovecotauth"
)

// A dovecotClient asks a server of Dovecot's auth protocol as Postfix does: Dovecot itself
// or saslkit serve. It makes one request.
type dovecotClient struct {
	*wire
	service string
	secured bool // the login is said to come over TLS
	mechs   []string
}

// dovecotID is the number of the request.
const dovecotID = 1

// greet speaks first: Dovecot 2.4 says nothing before it knows the client's version.
func (c *dovecotClient) greet() error {
	if err := c.say(dovecotauth.Version{Major: dovecotauth.Major, Minor: dovecotauth.Minor}, ""); err != nil {
		return err
	}
	if err := c.say(dovecotauth.CPID(strconv.Itoa(os.Getpid())), ""); err != nil {
		return err
	}
	var g dovecotauth.Greeting
	for done := false; !done; {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		c.traceLine(line)
		switch done, err = g.Add([]byte(line)); {
		case errors.Is(err, dovecotauth.ErrNoMech), errors.Is(err, dovecotauth.ErrVersion):
			return noConnection(err)
		case err != nil:
			return badServer("%w", err)
		}
	}
	for _, m := range g.Mechs {
		c.mechs = append(c.mechs, strings.ToUpper(m.Name))
	}
	return nil
}

// ask has nothing to ask: the greeting has said it.
func (c *dovecotClient) ask() error { return nil }

func (c *dovecotClient) startTLS() error {
	return noConnection(errors.New("the protocol has no STARTTLS"))
}

func (c *dovecotClient) offered() []string { return append([]string{}, c.mechs...) }

func (c *dovecotClient) hint() string { return "" }

func (c *dovecotClient) begin(mechanism, initial, shown string) (bool, error) {
	a := dovecotauth.Auth{
		ID: dovecotID, Mechanism: mechanism, Service: c.service, Params: dovecotauth.Params{"nologin"},
		HasResponse: initial != "", Response: initial,
	}
	if c.secured {
		a.Params = append(a.Params, "secured")
	}
	text := fmt.Sprintf("AUTH %d %s service=%s %s", dovecotID, mechanism, c.service, strings.Join(a.Params, " "))
	if a.HasResponse {
		text += " resp=" + shown
	}
	return a.HasResponse, c.say(a, text)
}

func (c *dovecotClient) respond(encoded, shown string) error {
	return c.say(dovecotauth.Cont{ID: dovecotID, Data: encoded}, fmt.Sprintf("CONT %d %s", dovecotID, shown))
}

// cancel leaves nothing to wait for: the server forgets the request.
func (c *dovecotClient) cancel() error {
	if err := c.say(dovecotauth.Cancel{ID: dovecotID}, ""); err != nil {
		return err
	}
	return errCancelled
}

var errCancelled = errors.New("cancelled")

// say sends a message, traced as shown or, if that is empty, as it is.
func (c *dovecotClient) say(m dovecotauth.Message, shown string) error {
	line, err := m.Append(nil)
	if err != nil {
		return &loginError{"no-mechanism", exitUntried, err}
	}
	if shown == "" {
		shown = strings.ReplaceAll(strings.TrimSuffix(string(line), "\n"), "\t", " ")
	}
	c.trace.client(shown)
	return c.write(string(line))
}

func (c *dovecotClient) await() (reply, error) {
	for range maxReplyLines {
		line, err := c.readLine()
		if err != nil {
			return reply{}, err
		}
		m, err := dovecotauth.ParseServer([]byte(line))
		if err != nil {
			c.traceLine(line)
			return reply{}, badServer("%w", err)
		}
		if r, id, ok := dovecotReply(m); ok {
			if r.kind != challenged {
				c.traceLine(line)
			}
			if id != dovecotID {
				return reply{}, badServer("an answer to request %d, and this one is %d", id, dovecotID)
			}
			return r, nil
		}
		c.traceLine(line)
	}
	return reply{}, badServer("the server sends more than %d lines that answer nothing", maxReplyLines)
}

// dovecotReply is what a message means to an exchange; not ok is nothing.
func dovecotReply(m dovecotauth.Message) (r reply, id uint32, ok bool) {
	switch m := m.(type) {
	case dovecotauth.Cont:
		return reply{kind: challenged, word: fmt.Sprintf("CONT %d", m.ID), text: m.Data}, m.ID, true
	case dovecotauth.OK:
		r := reply{kind: accepted, text: "OK" + publicParams(m.Params)}
		if user, _ := m.Params.Value("user"); user == "" {
			// Postfix and Exim take it for a failure, and so do we.
			r = reply{kind: refused, text: r.text + " (without a user name, which is no success)"}
		}
		return r, m.ID, true
	case dovecotauth.Fail:
		r := reply{kind: refused, text: "FAIL" + publicParams(m.Params)}
		if code, _ := m.Params.Value("code"); m.Params.Has("temp") || code == dovecotauth.CodeTempFail {
			r.kind = unavailable
		}
		return r, m.ID, true
	}
	return reply{}, 0, false
}

// publicNames are the parameters of an answer that can be shown. Others may be passwords
// of further servers.
var publicNames = []string{"user", "original_user", "auth_user", "code", "reason", "temp", "authz", "user_disabled", "pass_expired", "nologin", "proxy", "nodelay"}

// publicParams shows parameters.
func publicParams(params dovecotauth.Params) string {
	var b strings.Builder
	for _, p := range params {
		name, _, hasValue := strings.Cut(p, "=")
		if hasValue && !slices.Contains(publicNames, name) {
			p = name + "=" + hidden
		}
		b.WriteString(" " + p)
	}
	return b.String()
}

// traceLine shows a line of the server that is no challenge.
func (c *dovecotClient) traceLine(line string) {
	word, rest, _ := strings.Cut(line, "\t")
	switch m, _ := dovecotauth.ParseServer([]byte(line)); m := m.(type) {
	case dovecotauth.Cookie:
		line = word + " " + hidden
	case dovecotauth.OK:
		line = fmt.Sprintf("%s %d%s", word, m.ID, publicParams(m.Params))
	case dovecotauth.Fail:
		line = fmt.Sprintf("%s %d%s", word, m.ID, publicParams(m.Params))
	default:
		line = word + " " + strings.ReplaceAll(rest, "\t", " ")
	}
	c.trace.server(strings.TrimRight(line, " "))
}

// quit has nobody to say goodbye to.
func (c *dovecotClient) quit() {}
