package digestlayer

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"testing"
)

var testHA1 = [md5.Size]byte{0xa2, 0x54, 0x98, 0x53}

// all are no cipher and every cipher.
func all() []*Cipher { return append([]*Cipher{nil}, Ciphers()...) }

func pair(t testing.TB, c *Cipher) (*Sealer, *Opener) {
	t.Helper()
	out, _, err := New(testHA1, c, Client)
	if err != nil {
		t.Fatal(err)
	}
	_, in, err := New(testHA1, c, Server)
	if err != nil {
		t.Fatal(err)
	}
	return out, in
}

func name(c *Cipher) string {
	if c == nil {
		return "auth-int"
	}
	return c.Name
}

func TestByName(t *testing.T) {
	weaker := 1 << 10
	for _, c := range Ciphers() {
		if ByName(c.Name) != c || c.Strength >= weaker {
			t.Errorf("%s: strength %d after %d", c.Name, c.Strength, weaker)
		}
		weaker = c.Strength
	}
	if ByName("") != nil || ByName("RC4") != nil || ByName("aes") != nil {
		t.Error("there are more")
	}
}

// TestSeal: the MAC is what crypto/hmac says, and Room is exact.
func TestSeal(t *testing.T) {
	for _, c := range all() {
		out, in := pair(t, c)
		for n := range 100 {
			message := bytes.Repeat([]byte{byte(n)}, n)
			packet, err := out.Seal([]byte("before"), message)
			if err != nil || !bytes.HasPrefix(packet, []byte("before")) {
				t.Fatalf("%s, %d bytes: %q, %v", name(c), n, packet, err)
			}
			packet = packet[len("before"):]
			if len(packet) > n+Overhead || Room(c, len(packet)) < n || Room(c, len(packet)-1) >= n {
				t.Errorf("%s: a message of %d bytes makes a packet of %d; Room says %d", name(c), n, len(packet), Room(c, len(packet)))
			}
			if c == nil {
				key := signingKey(testHA1, Client)
				h := hmac.New(md5.New, key[:])
				h.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
				h.Write(message)
				if tag := packet[n : n+tagSize]; !bytes.Equal(tag, h.Sum(nil)[:tagSize]) {
					t.Errorf("%d bytes: MAC %x", n, tag)
				}
			}
			if got, err := in.Open(packet); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("%s: %q, %v; want %q", name(c), got, err, message)
			}
		}
	}
}

// TestPadding makes packets whose MAC is right and whose padding is not, as only who
// has the keys can: every one is refused.
func TestPadding(t *testing.T) {
	const message = "12345"
	for _, c := range []*Cipher{ByName("des"), ByName("3des")} {
		for _, pad := range []struct {
			name string
			pad  []byte
			ok   bool
		}{
			{"the least", []byte{1}, true},
			{"none", []byte{}, false},
			{"zero", []byte{0}, false},
			{"whole blocks more", bytes.Repeat([]byte{9}, 9), false},
			{"a wrong first octet", []byte{2, 9, 9, 9, 9, 9, 9, 9, 9}, false},
			{"too long", []byte{255}, false},
			{"one that is of the message", []byte{2}, false},
		} {
			out, in := pair(t, c)
			out.mac.begin(0)
			out.mac.h.Write([]byte(message))
			tag := out.mac.end()
			body := append(append([]byte(message), pad.pad...), tag[:]...)
			if len(body)%8 != 0 {
				body = append(body[:len(body):len(body)], make([]byte, 8-len(body)%8)...)
			}
			out.crypt(body, body)
			packet := append(body, 0, 1, 0, 0, 0, 0)
			got, err := in.Open(packet)
			if pad.ok != (err == nil) || !pad.ok && (err != ErrPacket || got != nil) {
				t.Errorf("%s, %s: %q, %v", c.Name, pad.name, got, err)
			}
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range all() {
		out, _ := pair(t, c)
		good, _ := out.Seal(nil, []byte("hello"))
		for what, packet := range map[string][]byte{
			"nothing":          nil,
			"15 octets":        good[:15],
			"an octet less":    good[:len(good)-1],
			"an octet more":    append(bytes.Clone(good), 0),
			"its first octets": append(bytes.Clone(good[:8]), good[len(good)-trailerSize:]...),
		} {
			_, in := pair(t, c)
			if got, err := in.Open(packet); err != ErrPacket || got != nil {
				t.Errorf("%s, %s: %q, %v", name(c), what, got, err)
			}
			if _, err := in.Open(bytes.Clone(good)); err != ErrPacket {
				t.Errorf("%s: after %s a good one is opened", name(c), what)
			}
		}
	}
}

// TestExhausted: a sequence number is used once.
func TestExhausted(t *testing.T) {
	for _, c := range all() {
		out, in := pair(t, c)
		out.next, in.next = 1<<32-1, 1<<32-1
		p, err := out.Seal(nil, []byte("last"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := in.Open(p); err != nil {
			t.Errorf("%s: the last packet: %v", name(c), err)
		}
		if p, err := out.Seal(nil, []byte("x")); err != ErrExhausted || p != nil {
			t.Errorf("%s: one more is sealed: %v", name(c), err)
		}
		if _, err := in.Open(p); err != ErrPacket {
			t.Errorf("%s: one more is opened: %v", name(c), err)
		}
	}
}

func TestWithParity(t *testing.T) {
	for in, want := range map[string]string{
		"00000000000000": "0101010101010101",
		"ffffffffffffff": "fefefefefefefefe",
		"80000000000001": "8001010101010102",
	} {
		key, _ := hex.DecodeString(in)
		got := withParity(key)
		if hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, want %s", in, got, want)
		}
		for _, b := range got {
			if bits.OnesCount8(b)%2 != 1 {
				t.Errorf("%s: %x is not odd", in, b)
			}
		}
	}
}

// TestPrints: keys do not show.
func TestPrints(t *testing.T) {
	out, in, _ := New(testHA1, ByName("rc4"), Client)
	if s := fmt.Sprintf("%v %+v %#v %v", out, *out, in, *in); s != "REDACTED REDACTED REDACTED REDACTED" {
		t.Error(s)
	}
}

// FuzzOpen: of what nobody sealed nothing comes out, and what was sealed comes out.
func FuzzOpen(f *testing.F) {
	for i, c := range all() {
		out, _ := pair(f, c)
		p, _ := out.Seal(nil, []byte("hello"))
		f.Add(uint8(i), p)
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		c := all()[int(which)%len(all())]
		out, in := pair(t, c)
		sealed, err := out.Seal(nil, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		forged := !bytes.Equal(b, sealed)
		got, err := in.Open(bytes.Clone(b))
		if forged != (err != nil) || forged && (err != ErrPacket || got != nil) {
			t.Fatalf("%s: %x gives %q, %v", name(c), b, got, err)
		}
		out, in = pair(t, c)
		p, err := out.Seal(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := in.Open(p); err != nil || !bytes.Equal(got, b) {
			t.Fatalf("%s: %x comes out as %x, %v", name(c), b, got, err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, c := range all() {
		b.Run(name(c), func(b *testing.B) {
			out, _ := pair(b, c)
			message, packet := make([]byte, 16<<10), []byte(nil)
			b.SetBytes(int64(len(message)))
			b.ReportAllocs()
			for b.Loop() {
				packet, _ = out.Seal(packet[:0], message)
			}
		})
	}
}
