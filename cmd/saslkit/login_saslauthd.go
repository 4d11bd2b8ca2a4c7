package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit/internal/saslauthdwire"
	"github.com/saslkit/saslkit/internal/unixask"
)

// A saslauthdLogin is one question to saslauthd: there is no mechanism, and no channel.
type saslauthdLogin struct {
	path    string
	request saslauthdwire.Request
	trace   *tracer
}

// muxPath is the socket for what stands behind "saslauthd:", which is its path or the
// folder that saslauthd's option -m names.
func muxPath(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return filepath.Join(path, oldMux)
	}
	return path
}

// run asks. No mechanism is named.
func (s *saslauthdLogin) run(ctx context.Context) (mechanism, text string, err error) {
	r := s.request
	// More than saslauthd takes, so that one can see what it makes of that.
	question, err := saslauthdwire.AppendRequest(nil, r, saslauthdwire.MaxField)
	if err != nil {
		return "", "", usage("login: %w", err)
	}
	asker, err := unixask.New(unixask.Options{
		Daemon: "saslauthd", Socket: s.path, Limit: 1, Timeout: patience,
		Cures: unixask.Cures{
			Denied: "only who may enter its folder may ask: is the user in group sasl?",
			Absent: "does saslauthd run, with option -m and this folder?",
			Stale:  "the socket is stale: saslauthd has ended",
		},
	})
	if err != nil {
		return "", "", &exitError{exitUsage, err}
	}
	s.trace.client(fmt.Sprintf("login=%q password=%s service=%q realm=%q", r.Login, hidden, r.Service, r.Realm))
	answer, err := asker.Ask(ctx, question, make([]byte, saslauthdwire.MaxReply+1), func(b []byte) bool {
		_, err := saslauthdwire.ParseReply(b)
		return !errors.Is(err, saslauthdwire.ErrIncomplete)
	})
	if err != nil {
		return "", "", noConnection(err)
	}
	if len(answer) > 2 {
		s.trace.server(string(answer[2:]))
	}
	reply, err := saslauthdwire.ParseReply(answer)
	if err != nil {
		return "", "", badServer("saslauthd says neither yes nor no: %w", err)
	}
	text = s.trace.clean(string(answer[2:]))
	if reply.Verdict != saslauthdwire.Yes {
		return "", "", &loginError{"refused", exitNo, errors.New("saslauthd says: " + text)}
	}
	return "", text, nil
}
