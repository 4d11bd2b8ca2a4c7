package saslauthdwire

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// MaxText is the longest text of a reply, in bytes, and MaxReply the longest reply.
// libsasl reads no more than 1,023 bytes of a longer text.
const (
	MaxText  = 1024
	MaxReply = 2 + MaxText
)

// A Verdict is the daemon's answer. The zero Verdict is none.
type Verdict uint8

// The verdicts.
const (
	No  Verdict = 1 + iota // refused
	Yes                    // the password is right
)

// A Reply is what the daemon says.
type Reply struct {
	Verdict Verdict
	Reason  string // why, for logs; any bytes, "" if it does not say
}

var words = [...]string{No: "NO", Yes: "OK"}

// AppendReply appends a reply. A verdict that is none of the two refuses, and a
// reason is cut where the text would be longer than MaxText.
func AppendReply(b []byte, r Reply) []byte {
	text := words[No]
	if r.Verdict == Yes {
		text = words[Yes]
	}
	if r.Reason != "" {
		text += " " + r.Reason[:min(len(r.Reason), MaxText-len(text)-1)]
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

// ParseReply reads a reply. It returns ErrIncomplete when b is the beginning of
// one. Every other error means that the daemon says neither yes nor no: the length
// is out of bounds, the text is another, or something comes behind it. It does not
// quote the text: who knows what a stranger repeats.
func ParseReply(b []byte) (Reply, error) {
	if len(b) < 2 {
		return Reply{}, ErrIncomplete
	}
	size := int(binary.BigEndian.Uint16(b))
	text := b[2:]
	switch {
	case size < len(words[Yes]) || size > MaxText:
		return Reply{}, fmt.Errorf("a reply of %d bytes, not 2 to %d", size, MaxText)
	case len(text) < size:
		return Reply{}, ErrIncomplete
	case len(text) > size:
		return Reply{}, fmt.Errorf("%d bytes behind the reply", len(text)-size)
	}
	for v := No; v <= Yes; v++ {
		if reason, ok := strings.CutPrefix(string(text), words[v]); ok && (reason == "" || reason[0] == ' ') {
			return Reply{v, strings.TrimPrefix(reason, " ")}, nil
		}
	}
	return Reply{}, fmt.Errorf("a reply of %d bytes that is neither OK nor NO", size)
}
