package main

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// readSCRAM uses the names of RFC 5802 section 7.
func readSCRAM(fromServer bool, turn int, m string) reading {
	switch {
	case fromServer && turn == 0:
		return reading{title: "server-first-message", parts: readAttributes(m, "both")}
	case fromServer:
		return reading{title: "server-final-message", parts: readAttributes(m, "")}
	case turn == 0:
		return reading{title: "client-first-message", parts: readClientFirst(m)}
	case turn == 1:
		return reading{title: "client-final-message", parts: readAttributes(m, "both")}
	}
	return acknowledgement(m)
}

// cutHeader returns the gs2-header, which ends with the second comma, and what follows.
func cutHeader(m string) (header, rest string, ok bool) {
	flag, rest, _ := strings.Cut(m, ",")
	authzid, rest, ok := strings.Cut(rest, ",")
	return flag + "," + authzid + ",", rest, ok
}

func readClientFirst(m string) []part {
	header, bare, ok := cutHeader(m)
	if !ok {
		return []part{{m, "no gs2-header", ""}}
	}
	note := "no binding, no authzid"
	if binding, ok := strings.CutPrefix(strings.TrimRight(header, ","), "p="); ok {
		note = "binds by " + binding
	}
	return append([]part{{header, "gs2-header", note}}, readAttributes(bare, "the client's")...)
}

// readAttributes reads what stands between commas. Whose nonce it is depends on the
// message.
func readAttributes(m, whose string) []part {
	var all []part
	for piece := range strings.SplitAfterSeq(m, ",") {
		p := part{text: piece}
		letter, value, _ := strings.Cut(strings.TrimSuffix(piece, ","), "=")
		switch letter {
		case "n":
			p.name = "username"
		case "r":
			p.name, p.note = "nonce", whose+", new each time"
			if whose == "both" {
				p.note = "of client and server"
			}
		case "s":
			p.name, p.note = "salt", bytesIn(value)+", as stored"
		case "i":
			p.name, p.note = "iteration-count", "as stored"
		case "c":
			p.name, p.note = "channel-binding", bound(value)
		case "p":
			p.name, p.note = "proof", "ClientProof, "+bytesIn(value)
		case "v":
			p.name, p.note = "verifier", "ServerSignature, "+bytesIn(value)
		default:
			p.name = "extension"
		}
		all = append(all, p)
	}
	return all
}

// bound says what the attribute c holds: the gs2-header, and data of the channel.
func bound(value string) string {
	b, err := base64.StdEncoding.DecodeString(value)
	header, data, ok := cutHeader(string(b))
	switch {
	case err != nil || !ok:
		return "no gs2-header"
	case data == "":
		return "gs2-header " + header
	}
	return fmt.Sprintf("header + %d bytes", len(data))
}
