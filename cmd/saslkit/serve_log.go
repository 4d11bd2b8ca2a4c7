package main

import (
	"io"
	"sync"
	"time"
)

// A logWriter writes lines to w on a goroutine of its own, at most every 10 ms: those
// that came meanwhile go out in one write, so that the log costs a busy daemon little. It
// may be used concurrently.
type logWriter struct {
	w    io.Writer
	mu   sync.Mutex
	more sync.Cond // there are lines, or no more will come
	room sync.Cond // lines have been written
	text []byte
	end  bool
	done chan struct{}
}

// logPause is between two writes. A daemon that is killed takes with it what it would
// have logged in so long.
const logPause = 10 * time.Millisecond

// maxLog is how much may wait to be written, in bytes; whoever has more to say waits.
const maxLog = 1 << 20

func newLogWriter(w io.Writer) *logWriter {
	l := &logWriter{w: w, done: make(chan struct{})}
	l.more.L, l.room.L = &l.mu, &l.mu
	go l.run()
	return l
}

// Write takes lines.
func (l *logWriter) Write(lines []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.text) > maxLog && !l.end {
		l.room.Wait()
	}
	l.text = append(l.text, lines...)
	l.more.Signal()
	return len(lines), nil
}

func (l *logWriter) run() {
	defer close(l.done)
	var text []byte
	for {
		l.mu.Lock()
		for len(l.text) == 0 && !l.end {
			l.more.Wait()
		}
		text, l.text = l.text, text[:0]
		end := l.end
		l.room.Broadcast()
		l.mu.Unlock()
		if len(text) > 0 {
			l.w.Write(text)
			time.Sleep(logPause)
		} else if end {
			return
		}
	}
}

// Close returns when everything has been written.
func (l *logWriter) Close() error {
	l.mu.Lock()
	l.end = true
	l.more.Signal()
	l.mu.Unlock()
	<-l.done
	return nil
}
