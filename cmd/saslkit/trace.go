package main

import (
	"encoding/base64"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/saslkit/saslkit/internal/ntlm"
	"github.com/saslkit/saslkit/verifier"
)

// hidden stands where a secret was.
const hidden = "<hidden>"

// A tracer prints a conversation with its messages decoded and its secrets
// hidden.
//
// What a mechanism's messages hold, redactResponse and redactChallenge know.
// Besides, what we sent as a secret is hidden wherever the server repeats it:
// some answer a command that they do not understand with the command, cut short or
// spread over several lines.
type tracer struct {
	w       io.Writer       // nil: hide, but print nothing
	secrets []string        // the longest first: one may be part of another
	pieces  map[string]bool // of their base64, of pieceSize bytes each
}

// pieceSize is how much of a secret's base64 is never shown, in bytes. Words of that
// length are hardly ever in it by chance.
const pieceSize = 6

// hide hides a secret from now on, as it stands and in base64.
func (t *tracer) hide(secret string) {
	if secret == "" {
		return
	}
	encoded := base64.RawStdEncoding.EncodeToString([]byte(secret))
	t.secrets = append(t.secrets, secret, encoded)
	slices.SortFunc(t.secrets, func(a, b string) int { return len(b) - len(a) })
	if t.pieces == nil {
		t.pieces = make(map[string]bool)
	}
	for i := range max(0, len(encoded)-pieceSize+1) {
		t.pieces[encoded[i:i+pieceSize]] = true
	}
}

// response returns what may be shown of a message of ours. The message is
// hidden from now on if it holds a secret.
func (t *tracer) response(mechanism string, number int, message []byte) string {
	text := redactResponse(mechanism, number, message)
	if strings.Contains(text, hidden) {
		t.hide(string(message))
	}
	return text
}

// challenge shows a message of the server's, with the word before it that its
// protocol has.
func (t *tracer) challenge(word, mechanism string, message []byte) {
	if word != "" {
		word += " "
	}
	t.print("S: " + word + t.clean(redactChallenge(mechanism, message)))
}

// clean is text of the server's, fit to be shown.
func (t *tracer) clean(text string) string {
	for _, s := range t.secrets {
		text = strings.ReplaceAll(text, s, hidden)
	}
	return shown(t.withoutPieces(text))
}

func (t *tracer) withoutPieces(text string) string {
	var b strings.Builder
	end := 0 // of what is hidden
	for i := range len(text) {
		if i+pieceSize <= len(text) && t.pieces[text[i:i+pieceSize]] {
			if i >= end {
				b.WriteString(hidden)
			}
			end = i + pieceSize
		}
		if i >= end {
			b.WriteByte(text[i])
		}
	}
	return b.String()
}

func (t *tracer) client(line string) { t.print("C: " + shown(line)) }

func (t *tracer) server(line string) { t.print("S: " + t.clean(line)) }

func (t *tracer) note(format string, args ...any) {
	t.print("-- " + shown(fmt.Sprintf(format, args...)))
}

func (t *tracer) print(line string) {
	if t.w != nil {
		fmt.Fprintln(t.w, line)
	}
}

// redactResponse returns what may be shown of a client's message, the first one
// being number 0. Of a mechanism that is not known here nothing may.
func redactResponse(mechanism string, number int, response []byte) string {
	text := string(response)
	if isSCRAM(mechanism) {
		return redactSCRAM(number, text)
	}
	switch mechanism {
	case "EXTERNAL", "ANONYMOUS":
		return quotedMessage(text)
	case "PLAIN":
		if i := strings.LastIndexByte(text, 0); i >= 0 {
			return quotedMessage(text[:i+1] + hidden)
		}
	case "LOGIN":
		if number == 0 {
			return quotedMessage(text)
		}
	case "CRAM-MD5":
		if i := strings.LastIndexByte(text, ' '); i >= 0 {
			return quotedMessage(text[:i+1] + hidden)
		}
	case "DIGEST-MD5":
		return quotedMessage(digestProof.ReplaceAllString(text, "${1}"+hidden))
	case "OTP":
		if number == 0 {
			return quotedMessage(text)
		}
		if form, _, ok := strings.Cut(text, ":"); ok {
			return quotedMessage(form + ":" + hidden)
		}
	case "NTLM":
		return describeNTLM(response)
	case "OAUTHBEARER", "XOAUTH2":
		return quotedMessage(bearerToken.ReplaceAllString(text, "${1}"+hidden))
	}
	return hidden
}

// redactChallenge is the same for a server's message.
func redactChallenge(mechanism string, challenge []byte) string {
	if isSCRAM(mechanism) {
		return quotedMessage(scramProof.ReplaceAllString(string(challenge), "${1}"+hidden))
	}
	switch mechanism {
	case "LOGIN", "CRAM-MD5", "PLAIN", "EXTERNAL", "ANONYMOUS", "OAUTHBEARER", "XOAUTH2", "OTP":
		return quotedMessage(string(challenge))
	case "DIGEST-MD5":
		return quotedMessage(digestProof.ReplaceAllString(string(challenge), "${1}"+hidden))
	case "NTLM":
		return describeNTLM(challenge)
	}
	return hidden
}

// describeNTLM names what a message of NTLM is and the names in it. The rest is not for
// people.
func describeNTLM(message []byte) string {
	if _, err := ntlm.ParseNegotiate(message); err == nil {
		return "NTLM type 1"
	}
	if m, err := ntlm.ParseChallenge(message); err == nil {
		return "NTLM type 2, target " + quotedMessage(m.Target)
	}
	if m, err := ntlm.ParseAuthenticate(message); err == nil {
		return "NTLM type 3, user " + quotedMessage(m.User) + ", domain " + quotedMessage(m.Domain) + ", " + hidden
	}
	return hidden
}

// digestProof is the value of response= and rspauth= (RFC 2831 section 2.1.2
// and 2.1.3).
var digestProof = regexp.MustCompile(`((?:response|rspauth)\s*=\s*)("[^"]*"?|[^,\s]*)`)

// bearerToken is the value of auth= (RFC 7628 section 3.1).
var bearerToken = regexp.MustCompile(`((?:^|\x01)auth=)[^\x01]+`)

func isSCRAM(mechanism string) bool {
	_, ok := verifier.SCRAMKind(mechanism)
	return ok
}

// redactSCRAM hides the client's proof, at the end of its second message: who has
// it and the other messages can search for the password.
func redactSCRAM(number int, message string) string {
	if number == 0 || message == "" {
		return quotedMessage(message)
	}
	if i := strings.LastIndex(message, ",p="); i >= 0 {
		return quotedMessage(message[:i+len(",p=")] + hidden)
	}
	return hidden
}

// scramProof is the value of v= in the server's last message, and of p= should a
// server repeat ours (RFC 5802 section 5.1).
var scramProof = regexp.MustCompile(`((?:^|,)[pv]=)[^,]*`)

func quotedMessage(text string) string { return `"` + shown(text) + `"` }
