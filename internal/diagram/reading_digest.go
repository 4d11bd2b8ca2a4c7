package main

import (
	"cmp"
	"strings"
)

// digestNames are the names of RFC 2831's grammar, and remarks.
var digestNames = map[string]string{
	"realm":      "realm: part of the hash",
	"nonce":      "nonce: the server's",
	"qop":        "qop-options: no layer",
	"charset":    "charset",
	"algorithm":  "algorithm",
	"username":   "username",
	"cnonce":     "cnonce: the client's",
	"nc":         "nonce-count",
	"digest-uri": "digest-uri: which service",
	"response":   "response: the client's proof",
	"rspauth":    "response-auth: the server's proof",
}

func readDIGESTMD5(fromServer bool, turn int, m string) reading {
	r := reading{title: "digest-response"}
	switch {
	case m == "":
		return acknowledgement(m)
	case strings.HasPrefix(m, "rspauth="):
		r.title = "response-auth"
	case fromServer:
		r.title = "digest-challenge"
	}
	for _, piece := range splitDirectives(m) {
		directive, _, _ := strings.Cut(piece, "=")
		name, note, _ := strings.Cut(digestNames[directive], ": ")
		if directive == "qop" && !fromServer {
			name = "qop"
		}
		r.parts = append(r.parts, part{piece, cmp.Or(name, "directive"), note})
	}
	return r
}

// splitDirectives splits after commas that do not stand between quotes. The messages
// are ours, in which no quote is escaped.
func splitDirectives(m string) []string {
	var pieces []string
	quoted, start := false, 0
	for i := range len(m) {
		switch {
		case m[i] == '"':
			quoted = !quoted
		case m[i] == ',' && !quoted:
			pieces = append(pieces, m[start:i+1])
			start = i + 1
		}
	}
	return append(pieces, m[start:])
}
