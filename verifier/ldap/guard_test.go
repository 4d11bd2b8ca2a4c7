package ldap

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// element writes one element, with its length in the shortest form.
func element(tag byte, content string) string {
	switch n := len(content); {
	case n < 0x80:
		return string([]byte{tag, byte(n)}) + content
	case n < 0x100:
		return string([]byte{tag, 0x81, byte(n)}) + content
	default:
		return string([]byte{tag, 0x83, byte(n >> 16), byte(n >> 8), byte(n)}) + content
	}
}

// result is a message with a result code.
func result(id, operation, code byte, more string) string {
	return element(0x30, element(2, string([]byte{id}))+element(operation, element(10, string([]byte{code}))+element(4, "")+element(4, "")+more))
}

func nested(depth int) string {
	content := ""
	for range depth {
		content = element(0x30, content)
	}
	return content
}

func TestReadMessage(t *testing.T) {
	t.Parallel()
	bind := result(1, 0x61, 0, "")
	for _, tt := range []struct {
		name, bytes string
		ok          bool
	}{
		{"a result", bind, true},
		{"more behind it", bind + "\x30\xff", true},
		{"Active Directory's lengths", "\x30\x84\x00\x00\x00\x10\x02\x01\x01\x61\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00", true},
		{"nothing", "", false},
		{"half a header", "\x30", false},
		{"half a length", "\x30\x82\x01", false},
		{"half a message", bind[:len(bind)-1], false},
		{"indefinite length", "\x30\x80\x02\x01\x01\x00\x00", false},
		{"a length of nine bytes", "\x30\x89\x00\x00\x00\x00\x00\x00\x00\x00\x01x", false},
		{"a length of 4 GiB", "\x30\x85\x01\x00\x00\x00\x00", false},
		{"the greatest length", "\x30\x88\xff\xff\xff\xff\xff\xff\xff\xff", false},
		{"one byte too many", element(0x30, strings.Repeat("x", maxMessage+1)), false},
		{"no sequence", element(0x04, "x"), false},
		{"a long tag", element(0x3f, "\x81\x01"), false},
		{"an element that is longer than the message", element(0x30, "\x02\x05\x01"), false},
		{"deep", nested(maxDepth), true},
		{"too deep", nested(maxDepth + 1), false},
		{"many", element(0x30, element(0x30, strings.Repeat("\x04\x00", maxElements-2))), true},
		{"too many", element(0x30, element(0x30, strings.Repeat("\x04\x00", maxElements-1))), false},
		{"long controls", element(0x30, element(2, "\x01")+element(0x61, "")+element(0xa0, element(4, strings.Repeat("x", maxControls)))), false},
		{"a result code of nine bytes", element(0x30, element(2, "\x01")+element(0x61, element(10, "\x01\x00\x00\x00\x00\x00\x00\x00\x00")+element(4, "")+element(4, ""))), false},
		{"a result code of none", element(0x30, element(2, "\x01")+element(0x61, element(10, "")+element(4, "")+element(4, ""))), false},
		{"four parts", element(0x30, strings.Repeat("\x04\x00", 4)), false},
	} {
		got, err := readMessage(bufio.NewReader(strings.NewReader(tt.bytes)))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err == nil && !strings.HasPrefix(tt.bytes, string(got)) {
			t.Errorf("%s: read %x", tt.name, got)
		}
	}
}

// What is read is a message for go-ldap too, the whole and nothing more.
func FuzzReadMessage(f *testing.F) {
	f.Add([]byte(result(1, 0x61, 49, "")))
	f.Add([]byte(nested(5)))
	f.Add([]byte("\x30\x84\x00\x00\x00\x10\x02\x01\x01\x61\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		message, err := readMessage(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		if !bytes.HasPrefix(b, message) || len(message) > maxMessage+10 {
			t.Fatalf("%x is read as %x", b, message)
		}
		r := bytes.NewReader(message)
		if _, err := ber.ReadPacket(r); err == nil && r.Len() > 0 {
			t.Errorf("%x: %d bytes are left over", message, r.Len())
		}
		if err := startedTLS(message); err == nil && !bytes.Contains(message, []byte{0x78}) {
			t.Errorf("%x starts TLS", message)
		}
	})
}

func TestStartedTLS(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, message string
		ok            bool
	}{
		{"yes", result(1, 0x78, 0, ""), true},
		{"no", result(1, 0x78, 2, ""), false},
		{"to another request", result(2, 0x78, 0, ""), false},
		{"another answer", result(1, 0x61, 0, ""), false},
		{"an id alone", element(0x30, element(2, "\x01")), false},
		{"nothing", element(0x30, ""), false},
		{"no id", element(0x30, element(4, "x")+element(0x78, "")), false},
		{"no result", element(0x30, element(2, "\x01")+element(0x78, "")), false},
	} {
		err := startedTLS([]byte(tt.message))
		if (err == nil) != tt.ok || errors.Is(err, errSilent) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
