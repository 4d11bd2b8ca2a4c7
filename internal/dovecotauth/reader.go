package dovecotauth

import (
	"bytes"
	"errors"
	"io"
)

// ErrLineTooLong: a line has more than MaxLine bytes. What was read of it is lost.
var ErrLineTooLong = errors.New("dovecotauth: line: longer than 16384 bytes before its end")

// A Reader reads lines. It holds as much memory as the longest line had, at most
// MaxLine bytes, and little while nothing is left to read. It is not for concurrent
// use.
type Reader struct {
	r      io.Reader
	buffer []byte
	start  int // of what was not returned yet
	end    int
	seen   int // up to here there is no LF
	err    error
}

// NewReader returns a reader of lines.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

const (
	firstBuffer = 2048 // bytes; answers and most requests are shorter
	emptyReads  = 100  // in a row end a reader that makes no progress
)

// Line returns the next line without its LF, valid until the next call. At the end it
// returns io.EOF, within a line io.ErrUnexpectedEOF, and the same error ever after.
func (r *Reader) Line() ([]byte, error) {
	for {
		if i := bytes.IndexByte(r.buffer[r.seen:r.end], '\n'); i >= 0 {
			line := r.buffer[r.start : r.seen+i]
			r.start = r.seen + i + 1
			r.seen = r.start
			return line, nil
		}
		r.seen = r.end
		if r.err == nil {
			r.err = r.fill()
		}
		if r.err != nil && r.seen == r.end {
			return nil, r.failure()
		}
	}
}

// fill reads more, after making room for it.
func (r *Reader) fill() error {
	r.makeRoom()
	if r.end == len(r.buffer) {
		return ErrLineTooLong
	}
	for range emptyReads {
		n, err := r.r.Read(r.buffer[r.end:])
		r.end += n
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// makeRoom moves what is left to the front, and doubles the buffer if that is not
// enough.
func (r *Reader) makeRoom() {
	left := r.buffer[r.start:r.end]
	switch {
	case len(left) == 0 && len(r.buffer) != firstBuffer:
		r.buffer = make([]byte, firstBuffer)
	case len(left) == len(r.buffer) && len(left) < MaxLine:
		larger := make([]byte, min(2*len(r.buffer), MaxLine))
		copy(larger, left)
		r.buffer = larger
	default:
		copy(r.buffer, left)
	}
	r.start, r.end, r.seen = 0, len(left), len(left)
}

func (r *Reader) failure() error {
	if r.err == io.EOF && r.start < r.end {
		r.err = io.ErrUnexpectedEOF
	}
	return r.err
}
