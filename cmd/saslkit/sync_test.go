package main

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"
)

// A syncBuffer is written to by one goroutine while another looks.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// value waits for a line "key=value" and returns the value.
func (s *syncBuffer) value(t *testing.T, key string) string {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for line := range strings.Lines(s.String()) {
			if value, ok := strings.CutPrefix(line, key+"="); ok && strings.HasSuffix(value, "\n") {
				return strings.TrimSuffix(value, "\n")
			}
		}
	}
	t.Fatalf("no line %s= in %q", key, s.String())
	return ""
}
