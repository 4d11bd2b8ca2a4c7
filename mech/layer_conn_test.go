package mech

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/saslkit/saslkit/internal/digestlayer"
)

// A fakeConn is read from one buffer and written to another. Where the first is empty
// the stream ends, or fails.
type fakeConn struct {
	net.Conn
	in, out bytes.Buffer
	most    int   // bytes of a read; 0: no limit
	fault   error // in place of io.EOF
	refuses error // of writes
	reads   int
}

func (c *fakeConn) Read(b []byte) (int, error) {
	c.reads++
	if c.most > 0 {
		b = b[:min(len(b), c.most)]
	}
	n, err := c.in.Read(b)
	if err == io.EOF && c.fault != nil {
		err = c.fault
	}
	return n, err
}

func (c *fakeConn) Write(b []byte) (int, error) {
	if c.refuses != nil {
		return len(b) / 2, c.refuses
	}
	return c.out.Write(b)
}

// layerQOPs are auth-int and every cipher.
func layerQOPs() []digestQOP {
	return Layers{Min: 1, Max: 128, Ciphers: []string{"rc4", "3des", "rc4-56", "des", "rc4-40"}}.digestQOPs()
}

// testLayer is one side's, with keys that depend on nothing. The buffer is that of
// either side.
func testLayer(t testing.TB, q digestQOP, side digestlayer.Side, buffer int) *Layer {
	t.Helper()
	l, err := q.layer([16]byte{1, 2, 3}, side, Layers{MaxBuffer: buffer}, buffer)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// written is what a client puts on the wire for messages.
func written(t testing.TB, q digestQOP, buffer int, messages ...[]byte) []byte {
	t.Helper()
	wire := new(fakeConn)
	conn := testLayer(t, q, digestlayer.Client, buffer).Conn(wire)
	for _, m := range messages {
		if n, err := conn.Write(m); n != len(m) || err != nil {
			t.Fatalf("%d of %d bytes written, %v", n, len(m), err)
		}
	}
	return wire.out.Bytes()
}

// received is what a server reads from a wire until an error.
func received(t testing.TB, q digestQOP, buffer int, wire []byte) ([]byte, error) {
	t.Helper()
	far := &fakeConn{}
	far.in.Write(wire)
	conn := testLayer(t, q, digestlayer.Server, buffer).Conn(far)
	got, err := io.ReadAll(conn)
	return got, err
}

func forEachQOP(t *testing.T, f func(t *testing.T, q digestQOP)) {
	for _, q := range layerQOPs() {
		t.Run(q.name+" "+q.cipherName(), func(t *testing.T) { f(t, q) })
	}
}

// TestLayerCarries: what is written is read, however it is cut on both sides, and no
// packet is longer than the peer takes.
func TestLayerCarries(t *testing.T) {
	t.Parallel()
	forEachQOP(t, func(t *testing.T, q digestQOP) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, buffer := range []int{256, 257, 999, defaultLayerBuffer, maxLayerBuffer} {
			var messages [][]byte
			for _, size := range []int{0, 1, 7, 8, 9, buffer % 1000, 255, 256, 300, min(3*buffer, 70_000)} {
				m := make([]byte, size)
				for i := range m {
					m[i] = byte(rng.Uint32())
				}
				messages = append(messages, m)
			}
			wire := written(t, q, buffer, messages...)
			for rest := wire; len(rest) > 0; {
				n := int(binary.BigEndian.Uint32(rest))
				if n > buffer-lengthSize || n > maxSent {
					t.Fatalf("a packet of %d bytes for a buffer of %d", n, buffer)
				}
				rest = rest[lengthSize+n:]
			}
			for _, most := range []int{1 + buffer/1000, 0} {
				far := &fakeConn{most: most}
				far.in.Write(wire)
				conn := testLayer(t, q, digestlayer.Server, buffer).Conn(far)
				got, err := io.ReadAll(conn)
				if err != nil || !bytes.Equal(got, bytes.Join(messages, nil)) {
					t.Fatalf("buffer %d, reads of %d: %d bytes, %v", buffer, most, len(got), err)
				}
			}
		}
	})
}

// TestLayerNoticesTampering changes every byte of a stream, and cuts, repeats and
// swaps packets: what comes out is what was sent up to there and then an error. RC4
// has no integrity of its own: the MAC it is.
func TestLayerNoticesTampering(t *testing.T) {
	t.Parallel()
	forEachQOP(t, func(t *testing.T, q digestQOP) {
		messages := [][]byte{[]byte("first"), []byte("the second message"), []byte("3"), bytes.Repeat([]byte("4"), 64)}
		sent := bytes.Join(messages, nil)
		wire := written(t, q, 256, messages...)
		var starts []int
		for at := 0; at < len(wire); at += lengthSize + int(binary.BigEndian.Uint32(wire[at:])) {
			starts = append(starts, at)
		}
		refuse := func(what string, wire []byte) {
			t.Helper()
			got, err := received(t, q, 256, wire)
			if !errors.Is(err, ErrLayer) && err != io.ErrUnexpectedEOF || !bytes.HasPrefix(sent, got) || len(got) == len(sent) {
				t.Fatalf("%s: %q came out, %v", what, got, err)
			}
		}
		for at := range wire {
			for _, mask := range []byte{0x01, 0x80, 0xff, 0x10} {
				changed := bytes.Clone(wire)
				changed[at] ^= mask
				refuse(fmt.Sprintf("byte %d ^ %#x", at, mask), changed)
			}
		}
		packet := func(i int) []byte {
			if i+1 < len(starts) {
				return wire[starts[i]:starts[i+1]]
			}
			return wire[starts[i]:]
		}
		refuse("first packet left out", wire[starts[1]:])
		refuse("middle packet left out", append(bytes.Clone(wire[:starts[1]]), wire[starts[2]:]...))
		refuse("packet twice", append(bytes.Clone(packet(0)), wire...))
		refuse("packets swapped", bytes.Join([][]byte{packet(1), packet(0), packet(2), packet(3)}, nil))
		refuse("cut within a packet", wire[:len(wire)-1])
		refuse("empty packet", append(make([]byte, 4), wire...))
		own := &fakeConn{}
		own.in.Write(wire)
		if got, err := io.ReadAll(testLayer(t, q, digestlayer.Client, 256).Conn(own)); err != ErrLayer || len(got) > 0 {
			t.Errorf("sent back to its sender: %q, %v", got, err)
		}
	})
}

// TestLayerEndsAfterFault: nothing is read or written any more.
func TestLayerEndsAfterFault(t *testing.T) {
	t.Parallel()
	wire := written(t, digestQOP{name: qopInt}, 256, []byte("good"), []byte("bad"), []byte("good again"))
	wire[len(wire)/2] ^= 1
	far := new(fakeConn)
	far.in.Write(wire)
	conn := testLayer(t, digestQOP{name: qopInt}, digestlayer.Server, 256).Conn(far)
	if got, err := io.ReadAll(conn); err != ErrLayer || string(got) != "good" {
		t.Fatalf("%q, %v", got, err)
	}
	reads := far.reads
	if n, err := conn.Read(make([]byte, 9)); n != 0 || err != ErrLayer || far.reads != reads {
		t.Errorf("read %d, %v after %d more reads", n, err, far.reads-reads)
	}
	if n, err := conn.Write([]byte("x")); n != 0 || err != ErrLayer || far.out.Len() != 0 {
		t.Errorf("wrote %d, %v: %d bytes", n, err, far.out.Len())
	}
}

// TestLayerRefusesLengths before anything is made of them, and keeps no more than has
// arrived.
func TestLayerRefusesLengths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		wire   []byte
		buffer int
		want   error
		keeps  int
	}{
		{"zero", []byte{0, 0, 0, 0}, 0, ErrLayer, usualBuffer},
		{"4 GiB", []byte{0xff, 0xff, 0xff, 0xff}, maxLayerBuffer, ErrLayer, usualBuffer},
		{"one over ours", []byte{0, 1, 0, 1}, 65536, ErrLayer, usualBuffer},
		{"ours", []byte{0, 1, 0, 0}, 65536, io.ErrUnexpectedEOF, usualBuffer},
		{"16 MiB that do not come", []byte{0, 0xff, 0xff, 0xff}, maxLayerBuffer, io.ErrUnexpectedEOF, usualBuffer},
		{"16 MiB of which little comes", append([]byte{0, 0xff, 0xff, 0xff}, make([]byte, 9000)...), maxLayerBuffer, io.ErrUnexpectedEOF, 4 * usualBuffer},
		{"half a length", []byte{0, 0}, 0, io.ErrUnexpectedEOF, usualBuffer},
		{"nothing", nil, 0, io.EOF, usualBuffer},
	} {
		far := new(fakeConn)
		far.in.Write(c.wire)
		conn := testLayer(t, digestQOP{name: qopInt}, digestlayer.Server, c.buffer).Conn(far).(*layerConn)
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err != c.want {
			t.Errorf("%s: %d, %v, want %v", c.name, n, err, c.want)
		}
		if cap(conn.in.buf) > c.keeps {
			t.Errorf("%s: %d bytes are kept, want %d at most", c.name, cap(conn.in.buf), c.keeps)
		}
	}
}

// TestLayerMemory: a long packet is received within its length, and given back.
func TestLayerMemory(t *testing.T) {
	t.Parallel()
	l := testLayer(t, digestQOP{name: qopInt}, digestlayer.Client, maxLayerBuffer)
	packet, err := l.Sealer.Seal(make([]byte, lengthSize), make([]byte, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(packet, uint32(len(packet)-lengthSize))
	far := new(fakeConn)
	far.in.Write(packet)
	conn := testLayer(t, digestQOP{name: qopInt}, digestlayer.Server, maxLayerBuffer).Conn(far).(*layerConn)
	if _, err := io.ReadFull(conn, make([]byte, 1<<19)); err != nil || cap(conn.in.buf) > len(packet)+8192 {
		t.Errorf("%v, %d bytes are kept of a packet of %d", err, cap(conn.in.buf), len(packet))
	}
	if _, err := io.ReadFull(conn, make([]byte, 1<<19)); err != nil || conn.in.buf != nil {
		t.Errorf("%v, %d bytes are kept of what was read", err, cap(conn.in.buf))
	}
	if _, err := conn.Write(make([]byte, 1<<20)); err != nil || cap(conn.out) > keptBuffer {
		t.Errorf("%v, %d bytes are kept of what was sent", err, cap(conn.out))
	}
}

// TestLayerEmptyPackets: they are nothing, and not for ever.
func TestLayerEmptyPackets(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]error{1: nil, maxEmpty - 1: nil, maxEmpty + 1: ErrLayer} {
		l := testLayer(t, digestQOP{name: qopInt}, digestlayer.Client, 0)
		far := new(fakeConn)
		for range n {
			p, _ := l.Sealer.Seal(nil, nil)
			far.in.Write(append([]byte{0, 0, 0, byte(len(p))}, p...))
		}
		p, _ := l.Sealer.Seal(nil, []byte("x"))
		far.in.Write(append([]byte{0, 0, 0, byte(len(p))}, p...))
		conn := testLayer(t, digestQOP{name: qopInt}, digestlayer.Server, 0).Conn(far)
		if got, err := conn.Read(make([]byte, 9)); err != want || (got == 1) != (want == nil) {
			t.Errorf("%d empty packets: %d, %v, want %v", n, got, err, want)
		}
	}
}

// TestLayerTrouble: a read that ran into a deadline goes on; a write that failed has
// spoiled the stream.
func TestLayerTrouble(t *testing.T) {
	t.Parallel()
	wire := written(t, digestQOP{name: qopInt}, 0, []byte("hello"))
	far := &fakeConn{fault: os.ErrDeadlineExceeded}
	conn := testLayer(t, digestQOP{name: qopInt}, digestlayer.Server, 0).Conn(far)
	got := make([]byte, 9)
	for i := range wire {
		far.in.Write(wire[i : i+1])
		n, err := conn.Read(got)
		if last := i == len(wire)-1; last != (err == nil) || !last && err != os.ErrDeadlineExceeded || last && string(got[:n]) != "hello" {
			t.Fatalf("byte %d: %q, %v", i, got[:n], err)
		}
	}
	far.refuses = os.ErrDeadlineExceeded
	if n, err := conn.Write([]byte("x")); n != 0 || err != os.ErrDeadlineExceeded {
		t.Errorf("wrote %d, %v", n, err)
	}
	far.refuses = nil
	if n, err := conn.Write([]byte("x")); n != 0 || err != os.ErrDeadlineExceeded || far.out.Len() > 0 {
		t.Errorf("after a write that failed: %d, %v", n, err)
	}
}

// TestLayerBothWays: one goroutine reads while another writes, over a connection with
// deadlines.
func TestLayerBothWays(t *testing.T) {
	t.Parallel()
	forEachQOP(t, func(t *testing.T, q digestQOP) {
		near, far := net.Pipe()
		ends := []net.Conn{testLayer(t, q, digestlayer.Client, 300).Conn(near), testLayer(t, q, digestlayer.Server, 300).Conn(far)}
		text := bytes.Repeat([]byte("0123456789"), 500)
		var wait sync.WaitGroup
		for _, end := range ends {
			end.SetDeadline(time.Now().Add(3 * time.Minute))
			wait.Go(func() {
				if _, err := end.Write(text); err != nil {
					t.Error(err)
				}
			})
			wait.Go(func() {
				got := make([]byte, len(text))
				if _, err := io.ReadFull(end, got); err != nil || !bytes.Equal(got, text) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
			})
		}
		wait.Wait()
		ends[0].SetReadDeadline(time.Now().Add(-time.Second))
		if _, err := ends[0].Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		ends[0].Close()
		if _, err := ends[1].Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after the end: %v", err)
		}
	})
}

// FuzzLayerRead: whatever comes, nothing comes out that was not sent, and memory is
// bounded by what has come.
func FuzzLayerRead(f *testing.F) {
	for i, q := range layerQOPs() {
		f.Add(uint8(i), 3, written(f, q, 300, []byte("hello"), nil, []byte("world")))
	}
	f.Add(uint8(0), 0, []byte{0, 0, 1, 0, 5})
	f.Fuzz(func(t *testing.T, which uint8, most int, wire []byte) {
		q := layerQOPs()[int(which)%6]
		far := &fakeConn{most: max(most, 0)}
		far.in.Write(wire)
		conn := testLayer(t, q, digestlayer.Server, 300).Conn(far).(*layerConn)
		got, err := io.ReadAll(conn)
		good := written(t, q, 300, []byte("hello"), []byte("world"))
		switch {
		case err == nil && len(got) > 0 && !bytes.HasPrefix(wire, good[:len(good)/2]):
			t.Fatalf("%q came out of %x", got, wire)
		case err != nil && err != ErrLayer && err != io.ErrUnexpectedEOF:
			t.Fatalf("error %v", err)
		case !bytes.HasPrefix([]byte("helloworld"), got):
			t.Fatalf("%q came out", got)
		case cap(conn.in.buf) > max(usualBuffer, 304):
			t.Fatalf("%d bytes are kept", cap(conn.in.buf))
		}
	})
}
