package main

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// A reading is a message taken apart.
type reading struct {
	title string // what the standard calls the message
	parts []part
	// binary says that the parts are what the message means; otherwise their texts, one
	// after the other, are the message.
	binary bool
}

// A part is a piece of a message, what the standard calls it, and what it is for.
type part struct{ text, name, note string }

// A speech is a line of the protocol and the message of the mechanism in it.
type speech struct {
	fromServer bool
	line       string
	has        bool // there is a message, maybe an empty one
	message    string
}

// parseSpeech finds the message of a mechanism in a line of SMTP, or of POP3 for APOP,
// where it is the line.
func parseSpeech(e event, mechanism string) (speech, error) {
	s := speech{fromServer: e.who == server, line: e.text}
	text := e.text
	switch {
	case strings.HasPrefix(text, "+OK ready") || strings.HasPrefix(text, "APOP "):
		s.has, s.message = true, text
		return s, nil
	case s.fromServer && !strings.HasPrefix(text, "334"), text == "AUTH "+mechanism:
		return s, nil
	case s.fromServer:
		text = strings.TrimPrefix(strings.TrimPrefix(text, "334"), " ")
	case text == "AUTH "+mechanism+" =":
		text = ""
	default:
		text = strings.TrimPrefix(text, "AUTH "+mechanism+" ")
	}
	message, err := base64.StdEncoding.DecodeString(text)
	s.has, s.message = true, string(message)
	return s, err
}

// A grammar takes the messages of a mechanism apart. The turn counts the messages of
// the same side before this one.
type grammar func(fromServer bool, turn int, message string) reading

// grammarOf returns nil for a mechanism that is not known.
func grammarOf(mechanism string) grammar {
	if strings.HasPrefix(mechanism, "SCRAM-") {
		return readSCRAM
	}
	return map[string]grammar{
		"EXTERNAL": readEXTERNAL, "PLAIN": readPLAIN, "LOGIN": readLOGIN, "ANONYMOUS": readANONYMOUS,
		"CRAM-MD5": readCRAMMD5, "DIGEST-MD5": readDIGESTMD5, "OTP": readOTP, "NTLM": readNTLM,
		"OAUTHBEARER": readToken, "XOAUTH2": readToken, "APOP": readAPOP,
	}[mechanism]
}

// parts gives pieces of a message their names in order: "name: note".
func parts(pieces []string, names ...string) []part {
	all := make([]part, len(pieces))
	for i, p := range pieces {
		name, note, _ := strings.Cut(names[min(i, len(names)-1)], ": ")
		all[i] = part{p, name, note}
	}
	return all
}

// acknowledgement is the empty line that answers what SMTP cannot send with success.
func acknowledgement(m string) reading {
	return reading{title: "acknowledgement", parts: parts([]string{m}, "nothing: 235 has no place for data")}
}

func readEXTERNAL(_ bool, _ int, m string) reading {
	return reading{title: "initial response", parts: parts([]string{m}, "authzid: empty is oneself")}
}

func readPLAIN(_ bool, _ int, m string) reading {
	return reading{title: "message", parts: parts(strings.SplitAfter(m, "\x00"), "authzid: empty is oneself", "authcid: who logs in", "passwd: as it is")}
}

func readLOGIN(fromServer bool, turn int, m string) reading {
	title := "response"
	if fromServer {
		title = "challenge"
	}
	what := [2]string{"user name", "password: as it is"}[min(turn, 1)]
	if fromServer {
		what = "prompt: clients compare it"
	}
	return reading{title: title, parts: parts([]string{m}, what)}
}

func readANONYMOUS(_ bool, _ int, m string) reading {
	return reading{title: "message", parts: parts([]string{m}, "trace: for the log")}
}

func readCRAMMD5(fromServer bool, _ int, m string) reading {
	if fromServer {
		return reading{title: "challenge", parts: parts([]string{m}, "msg-id: new each time")}
	}
	return reading{title: "response", parts: parts(strings.SplitAfter(m, " "), "user name", "digest: HMAC-MD5 of the msg-id")}
}

func readOTP(fromServer bool, turn int, m string) reading {
	switch {
	case fromServer:
		return reading{title: "challenge", parts: parts(strings.SplitAfter(m, " "),
			"algorithm: MD5", "sequence integer", "seed", "extensions: RFC 2243")}
	case turn == 0:
		return reading{title: "initial response", parts: parts(strings.SplitAfter(m, "\x00"), "authzid: empty is oneself", "authcid")}
	}
	return reading{title: "extended response", parts: parts(strings.SplitAfter(m, ":"), "type", "one-time password: 64 bits")}
}

func readAPOP(fromServer bool, _ int, m string) reading {
	if fromServer {
		at := max(strings.IndexByte(m, '<'), 0)
		return reading{title: "greeting", parts: parts([]string{m[:at], m[at:]}, "banner", "timestamp: new each time")}
	}
	return reading{title: "command", parts: parts(strings.SplitAfter(m, " "), "keyword", "name", "digest: MD5(timestamp password)")}
}

// readToken reads the messages of OAUTHBEARER, XOAUTH2 and a refusal of either.
func readToken(fromServer bool, turn int, m string) reading {
	switch {
	case fromServer:
		r := reading{title: "error challenge"}
		for piece := range strings.SplitAfterSeq(m, ",") {
			name, _, _ := strings.Cut(strings.TrimLeft(piece, `{"`), `"`)
			r.parts = append(r.parts, part{piece, name, ""})
		}
		return r
	case turn > 0:
		return reading{title: "dummy response", parts: parts([]string{m}, "kvsep: now the server may fail")}
	}
	r := reading{title: "initial response"}
	for piece := range strings.SplitAfterSeq(m, "\x01") {
		name, _, found := strings.Cut(piece, "=")
		p := part{piece, name, map[string]string{"auth": "the token as it is", "user": "who, or whose mailbox"}[name]}
		switch {
		case piece == "":
			continue
		case piece == "\x01":
			p.name, p.note = "kvsep", "the end"
		case !found || strings.Contains(name, ","):
			p.name, p.note = "gs2-header", "no binding; authzid"
		}
		r.parts = append(r.parts, p)
	}
	return r
}

// bytesIn says how long a part in base64 is.
func bytesIn(encoded string) string {
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "no base64"
	}
	return fmt.Sprintf("%d bytes", len(b))
}
