package ntlm

import (
	"cmp"
	"encoding/binary"
	"time"
)

// Info is what a server says of itself: pairs of an identifier (2 bytes), a length (2)
// and a value, and an end marker of two zeros (MS-NLMP section 2.2.2.1). A client
// repeats it in its response.
type Info []byte

// The identifiers that are used here.
const (
	infoEnd         = 0
	infoNBComputer  = 1
	infoNBDomain    = 2
	infoDNSComputer = 3
	infoDNSDomain   = 4
	infoFlags       = 6
	infoTime        = 7
)

// flagMIC, in infoFlags, says that the client's message has an integrity code.
const flagMIC = 0x2

const pairSize = 4 // identifier and length

// pairs calls f for each pair before the end marker. It returns where the marker begins,
// or a reason why there is none.
func (i Info) pairs(f func(id uint16, value []byte)) (end int, reason string) {
	for at := 0; ; {
		if len(i)-at < pairSize {
			return at, "has no end marker"
		}
		id, length := binary.LittleEndian.Uint16(i[at:]), int(binary.LittleEndian.Uint16(i[at+2:]))
		value := i[at+pairSize:]
		switch {
		case length > len(value):
			return at, "has a pair that is longer than it"
		case id == infoEnd && length != 0:
			return at, "has an end marker with a value"
		case id == infoEnd:
			return at, ""
		}
		f(id, value[:length:length])
		at += pairSize + length
	}
}

// check says what is wrong with an info that is not empty; "" for nothing.
func (i Info) check() string {
	if len(i) == 0 {
		return ""
	}
	seen, wrong := map[uint16]bool{}, ""
	end, reason := i.pairs(func(id uint16, value []byte) {
		switch {
		case seen[id]:
			wrong = "has a pair twice"
		case id == infoTime && len(value) != 8, id == infoFlags && len(value) != 4:
			wrong = "has a pair of another length"
		}
		seen[id] = true
	})
	if reason == "" && end+pairSize != len(i) {
		reason = "goes on after its end marker"
	}
	return cmp.Or(reason, wrong)
}

// Timestamp returns the server's time.
func (i Info) Timestamp() (t FileTime, ok bool) {
	i.pairs(func(id uint16, value []byte) {
		if id == infoTime && len(value) == 8 {
			t, ok = FileTime(binary.LittleEndian.Uint64(value)), true
		}
	})
	return t, ok
}

// hasMIC reports whether the flags say that there is an integrity code.
func (i Info) hasMIC() (mic bool) {
	i.pairs(func(id uint16, value []byte) {
		if id == infoFlags && len(value) >= 4 {
			mic = mic || binary.LittleEndian.Uint32(value)&flagMIC != 0
		}
	})
	return mic
}

// WithMIC returns a copy whose flags say that there is an integrity code. The info has
// been checked.
func (i Info) WithMIC() Info {
	with := append(Info(nil), i...)
	found := false
	end, _ := with.pairs(func(id uint16, value []byte) {
		if id == infoFlags && len(value) == 4 {
			value[0] |= flagMIC // it is a part of the copy
			found = true
		}
	})
	if found {
		return with
	}
	return with[:end].append(infoFlags, []byte{flagMIC, 0, 0, 0}).append(infoEnd, nil)
}

func (i Info) append(id uint16, value []byte) Info {
	i = binary.LittleEndian.AppendUint16(i, id)
	i = binary.LittleEndian.AppendUint16(i, uint16(len(value)))
	return append(i, value...)
}

// NewInfo is what a server says of itself: its domain, its short name, its whole name
// and its time.
func NewInfo(domain, computer, host string, now FileTime) Info {
	var i Info
	for _, p := range []struct {
		id   uint16
		name string
	}{{infoNBDomain, domain}, {infoNBComputer, computer}, {infoDNSDomain, domain}, {infoDNSComputer, host}} {
		i = i.append(p.id, appendUTF16(nil, p.name))
	}
	return i.append(infoTime, binary.LittleEndian.AppendUint64(nil, uint64(now))).append(infoEnd, nil)
}

// A FileTime counts tenths of microseconds since 1601.
type FileTime uint64

// unixEpoch is 1970 as a FileTime.
const unixEpoch = 116_444_736_000_000_000

// TimeOf converts a time after 1970.
func TimeOf(t time.Time) FileTime { return FileTime(t.UnixNano()/100 + unixEpoch) }
