package follow

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strings"
)

var (
	// ErrTorn: a file was cut short, or its writer has not come to the end.
	ErrTorn = errors.New("the last line has no end: the file was cut short (or add a newline)")
	// ErrEmpty: a file of users has none, as in the moment before it is written anew.
	ErrEmpty = errors.New("no user is in it")
)

// Lines returns the lines of a text file, without their ends, by their numbers. A text
// whose last line has no end is torn.
func Lines(text []byte) (iter.Seq2[int, string], error) {
	if len(text) > 0 && text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("line %d: %w", bytes.Count(text, []byte{'\n'})+1, ErrTorn)
	}
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(string(text)) {
			number++
			if !yield(number, strings.TrimSuffix(line, "\n")) {
				return
			}
		}
	}, nil
}
