package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestLogWriter: every line comes out, whole and in the order of whoever wrote it, also
// when the reader is slow.
func TestLogWriter(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newLogWriter(&out)
	const writers, lines = 8, 2000
	long := strings.Repeat("x", 200)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range lines {
				fmt.Fprintf(l, "%d %d %s\n", w, i, long)
			}
		})
	}
	all.Wait()
	l.Close()
	var next [writers]int
	for line := range strings.Lines(out.String()) {
		var w, i int
		var rest string
		if n, err := fmt.Sscanf(line, "%d %d %s\n", &w, &i, &rest); n != 3 || err != nil || rest != long || next[w] != i {
			t.Fatalf("line %.40q: %v", line, err)
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("writer %d: %d lines", w, n)
		}
	}
}
