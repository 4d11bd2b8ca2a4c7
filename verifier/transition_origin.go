package verifier

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/saslkit/saslkit/internal/secret"
)

// An Origin says that a user's secrets were copied by a Transition. Its text is kept
// beside them as the value of KindOrigin, five fields separated by tabs:
//
//	v1   source   made   until   mark
//
// The times are in UTC, as 2006-01-02T15:04:05.000000000Z. until is "-" if only the mark
// ends the copy, and mark is "-" if there is none.
type Origin struct {
	Source string    // the Name of the verifier that accepted the password, for people
	Made   time.Time // when that verifier was asked
	Until  time.Time // when the copy is void; zero: when the mark changes
	Mark   string    // 32 hex digits of a hash of TransitionOptions.Mark; "" for none
}

const (
	originVersion = "v1"
	originTime    = "2006-01-02T15:04:05.000000000Z"
	noField       = "-"
	markBytes     = 16
	// maxSource bounds the name of a verifier, in bytes: a chain names all its links.
	maxSource = 256
)

// ErrOrigin: a text is not that of an Origin.
var ErrOrigin = errors.New("verifier: not the origin of a copy, of version " + originVersion)

// ParseOrigin reads the value of a secret of [KindOrigin], of which it looks at 1,024 bytes.
// The error matches [ErrOrigin].
func ParseOrigin(text []byte) (Origin, error) {
	fields := strings.Split(string(text[:min(len(text), 1024)]), "\t")
	if len(fields) != 5 || fields[0] != originVersion {
		return Origin{}, ErrOrigin
	}
	made, err := time.Parse(originTime, fields[2])
	if err != nil {
		return Origin{}, ErrOrigin
	}
	o := Origin{Source: fields[1], Made: made}
	if fields[3] != noField {
		if o.Until, err = time.Parse(originTime, fields[3]); err != nil || o.Until.IsZero() {
			return Origin{}, ErrOrigin
		}
	}
	if fields[4] != noField {
		o.Mark = fields[4]
		if n, err := hex.DecodeString(o.Mark); err != nil || len(n) != markBytes {
			return Origin{}, ErrOrigin
		}
	}
	// Whatever can be written in two ways is refused in the other one.
	if sourceName(o.Source) != o.Source || !bytes.Equal(o.Append(nil), text) {
		return Origin{}, ErrOrigin
	}
	return o, nil
}

// Append appends the text of o.
func (o Origin) Append(b []byte) []byte {
	until, mark := noField, noField
	if !o.Until.IsZero() {
		until = o.Until.UTC().Format(originTime)
	}
	if o.Mark != "" {
		mark = strings.ToLower(o.Mark)
	}
	for i, field := range []string{originVersion, o.Source, o.Made.UTC().Format(originTime), until, mark} {
		if i > 0 {
			b = append(b, '\t')
		}
		b = append(b, field...)
	}
	return b
}

// Over reports whether the time of the copy is over.
func (o Origin) Over(now time.Time) bool { return !o.Until.IsZero() && !now.Before(o.Until) }

// Marked reports whether the copy was made when [TransitionOptions.Mark] returned this.
func (o Origin) Marked(mark string) bool { return secret.Equal(o.Mark, hashMark(mark)) }

// sourceName is a name that fits into the text.
func sourceName(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, name)
	for len(name) > maxSource {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	if name == "" {
		return "?"
	}
	return name
}

// hashMark is what is kept of a mark, which may be made of a stored hash.
func hashMark(mark string) string {
	sum := sha256.Sum256([]byte(mark))
	return hex.EncodeToString(sum[:markBytes])
}

// A voidness is why a copy is not good any more; "" if it is.
type voidness string

const (
	voidForm   voidness = "its origin is not one that this version can read"
	voidChange voidness = "what it was copied from has changed since"
	voidFuture voidness = "it is from the future: a clock was wrong"
	voidAge    voidness = "it is too old"
)

// clockSkew is how far the clocks of two servers with one store may differ.
const clockSkew = 5 * time.Minute

// void says why the copy is not good for somebody whose mark is this one, nil where
// there is none to ask for. life is the longest that a copy lives, counted from when it
// was made; 0 for no end.
func (o Origin) void(now time.Time, life time.Duration, mark *string) voidness {
	switch {
	case mark != nil && !o.Marked(*mark):
		return voidChange
	case now.Before(o.Made.Add(-clockSkew)):
		return voidFuture
	case o.Over(now), life > 0 && !now.Before(o.Made.Add(life)):
		return voidAge
	}
	return ""
}

// originIn returns the origin among secrets; copied is whether there is any.
func originIn(secrets []Secret) (o Origin, copied bool) {
	for _, s := range secrets {
		if s.Kind == KindOrigin {
			o, _ = ParseOrigin(s.Value) // one that is unreadable is older than any
			return o, true
		}
	}
	return Origin{}, false
}
