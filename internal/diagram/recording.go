package main

import (
	"fmt"
	"slices"
	"strings"
)

// A recording is what happened in a login, in order. Its text form has a line for each
// event, "who: text".
type recording []event

// An event is a line that one side sent, a question of the server to its store or the
// answer, or what a login came to.
type event struct {
	who  string
	text string // lines of a question or an end are separated by "; "
}

// Whose event it is.
const (
	client     = "client"      // a line of the protocol
	server     = "server"      // a line of the protocol
	asks       = "asks"        // the server its store
	answers    = "answers"     // the store
	serverEnds = "server ends" // what it takes the client for
	clientEnds = "client ends" // what it takes the server for
)

var everybody = []string{client, server, asks, answers, serverEnds, clientEnds}

func (r recording) append(b []byte) []byte {
	for _, e := range r {
		b = append(append(b, e.who...), ':')
		if e.text != "" {
			b = append(append(b, ' '), e.text...)
		}
		b = append(b, '\n')
	}
	return b
}

// parseRecording reads what append writes, and nothing else.
func parseRecording(text []byte) (recording, error) {
	var r recording
	for i, line := range strings.SplitAfter(string(text), "\n") {
		if line == "" && i > 0 {
			break // behind the last one
		}
		line, whole := strings.CutSuffix(line, "\n")
		who, rest, found := strings.Cut(line, ":")
		text, spaced := strings.CutPrefix(rest, " ")
		if !whole || !found || spaced != (text != "") || !slices.Contains(everybody, who) {
			return nil, fmt.Errorf("diagram: recording: line %d: expected who, a colon, and a space and a text or the end of the line", i+1)
		}
		r = append(r, event{who, text})
	}
	return r, nil
}

// lines are those of a question, an answer or an end.
func (e event) lines() []string { return strings.Split(e.text, "; ") }
