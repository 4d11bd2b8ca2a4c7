package mech

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// ErrLayer: what arrived is not what the peer sent, whatever the fault was. Nothing
// is read or written any more; the connection is to be closed.
var ErrLayer = errors.New("mech: security layer: what arrived is not what the peer sent")

// Conn puts the layer on a connection, from the next byte of each direction on: RFC
// 4422 section 3.7 says after which message that is. What was read beyond it belongs
// to nobody that was authenticated and must be refused. Conn is called once.
//
// Read and Write may be called concurrently, as with every [net.Conn]. Deadlines are
// those of the connection. A Read that ran into one can be repeated; a Write cannot,
// since a part of the packet may have been sent. The layer does not protect the end
// of the stream: whoever cuts the wire between two packets looks like a peer that
// closed, so that the protocol above has to know where it ends.
//
// Memory: at most one packet that is being received, so MaxPacket and 4 bytes, as far
// as it has arrived, and one of at most 65,540 bytes that is being sent. What is
// longer than that is given back when it has been read.
func (l *Layer) Conn(conn net.Conn) net.Conn {
	c := &layerConn{Conn: conn, layer: l}
	c.in.from, c.in.most = conn, l.MaxPacket
	return c
}

const (
	lengthSize  = 4
	usualBuffer = 4096           // bytes of a buffer to begin with
	keptBuffer  = 65536 + 4      // bytes of a buffer that is kept for later
	maxSent     = keptBuffer - 4 // bytes of a packet that we send
	maxEmpty    = 100            // packets in a row without a message, which keep us busy for nothing
)

type layerConn struct {
	net.Conn
	layer  *Layer
	broken atomic.Bool // a packet was not the peer's

	reading sync.Mutex
	in      packetReader
	message []byte // of the last packet, what has not been read; part of in

	writing  sync.Mutex
	out      []byte
	writeErr error
}

// Read implements [net.Conn].
func (c *layerConn) Read(b []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if len(b) == 0 {
		return 0, nil
	}
	for empty := 0; len(c.message) == 0; empty++ {
		if empty == maxEmpty {
			return 0, c.fault()
		}
		if err := c.receive(); err != nil {
			return 0, err
		}
	}
	n := copy(b, c.message)
	c.message = c.message[n:]
	if len(c.message) == 0 {
		c.in.release()
	}
	return n, nil
}

// receive reads and opens one packet.
func (c *layerConn) receive() error {
	if c.broken.Load() {
		return ErrLayer
	}
	packet, err := c.in.next()
	if err == ErrLayer {
		return c.fault()
	}
	if err != nil {
		return err
	}
	if c.message, err = c.layer.Opener.Open(packet); err != nil {
		c.message = nil
		return c.fault()
	}
	return nil
}

// fault ends both directions.
func (c *layerConn) fault() error {
	c.broken.Store(true)
	return ErrLayer
}

// Write implements [net.Conn]. What does not fit into one packet is sent in several.
func (c *layerConn) Write(b []byte) (n int, err error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	for len(b) > 0 {
		part := b[:min(len(b), c.layer.MaxPlain)]
		if err := c.send(part); err != nil {
			return n, err
		}
		n += len(part)
		b = b[len(part):]
	}
	return n, nil
}

// send seals and writes one packet. After an error nothing can be sent: the peer
// would wait for another sequence number, or for the rest of a packet.
func (c *layerConn) send(message []byte) error {
	switch {
	case c.broken.Load():
		return ErrLayer
	case c.writeErr != nil:
		return c.writeErr
	}
	packet, err := c.layer.Sealer.Seal(append(c.out[:0], make([]byte, lengthSize)...), message)
	if err == nil {
		binary.BigEndian.PutUint32(packet, uint32(len(packet)-lengthSize))
		_, err = c.Conn.Write(packet)
	}
	if c.out = packet; cap(packet) > keptBuffer {
		c.out = nil
	}
	c.writeErr = err
	return err
}

// A packetReader reads packets: four octets of length, big endian, and as many more.
type packetReader struct {
	from io.Reader
	most int    // octets of a packet
	buf  []byte // what was read
	at   int    // as far as it was handed out
}

// next returns a packet without its length, which is good until the next call. The
// length is held against the limit before anything is made of it. Where the stream
// ends within a packet the error is io.ErrUnexpectedEOF. It can be called again after
// an error of the connection.
func (r *packetReader) next() ([]byte, error) {
	for {
		waiting, want := r.buf[r.at:], lengthSize
		if len(waiting) >= lengthSize {
			n := binary.BigEndian.Uint32(waiting)
			if n == 0 || uint64(n) > uint64(r.most) {
				return nil, ErrLayer
			}
			want += int(n)
		}
		if want > lengthSize && len(waiting) >= want {
			r.at += want
			return waiting[lengthSize:want], nil
		}
		if err := r.fill(want); err != nil {
			if err == io.EOF && len(waiting) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// fill reads more of what is to become want octets. The buffer grows with what has
// arrived and not with what was announced.
func (r *packetReader) fill(want int) error {
	r.buf = append(r.buf[:0], r.buf[r.at:]...)
	r.at = 0
	if have := len(r.buf); have == cap(r.buf) {
		size := max(min(2*have, want), usualBuffer)
		r.buf = append(make([]byte, 0, size), r.buf...)
	}
	n, err := r.from.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	switch {
	case n > 0:
		return nil // an error comes again
	case err == nil:
		return io.ErrNoProgress
	}
	return err
}

// release gives a large buffer back when nothing is in it.
func (r *packetReader) release() {
	if r.at == len(r.buf) {
		r.buf, r.at = r.buf[:0], 0
		if cap(r.buf) > keptBuffer {
			r.buf = nil
		}
	}
}
