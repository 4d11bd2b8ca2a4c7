package cursor

import (
	"errors"
	"testing"
)

var digit = SetOf(func(b byte) bool { return '0' <= b && b <= '9' })

func TestVerbs(t *testing.T) {
	c := New([]byte("12,r"))
	if got := c.While(digit); got != "12" {
		t.Errorf("While: %q", got)
	}
	if got := c.Peek(); got != ',' {
		t.Errorf("Peek: %q", got)
	}
	c.Expect(',', "no ,")
	if got := c.Take("nothing"); got != 'r' {
		t.Errorf("Take: %q", got)
	}
	if c.More() {
		t.Error("there is more")
	}
	if err := c.Err("message"); err != nil {
		t.Error(err)
	}
}

func TestFirstFailureSticks(t *testing.T) {
	for _, c := range []struct {
		name   string
		in     string
		read   func(*Cursor)
		offset int
		reason string
	}{
		{"wrong byte", "abc", func(c *Cursor) { c.Expect('x', "no x") }, 0, "no x"},
		{"end", "", func(c *Cursor) { c.Take("nothing") }, 0, "nothing"},
		{"trailing bytes", "1x", func(c *Cursor) { c.While(digit) }, 1, "nothing more is allowed here"},
		{"own rule", "1x", func(c *Cursor) { c.Take(""); c.Fail("odd") }, 1, "odd"},
	} {
		cur := New([]byte(c.in))
		c.read(&cur)
		cur.Fail("a later failure")
		if c.reason == "nothing more is allowed here" {
			cur = New([]byte(c.in))
			c.read(&cur)
		}
		var e *SyntaxError
		if err := cur.Err("m"); !errors.As(err, &e) || *e != (SyntaxError{"m", c.offset, c.reason}) {
			t.Errorf("%s: %v, want byte %d: %s", c.name, err, c.offset, c.reason)
		}
		if cur.More() || cur.Peek() != 0 || cur.While(digit) != "" || cur.Take("") != 0 {
			t.Errorf("%s: the cursor goes on after its failure", c.name)
		}
	}
}
