package saslkit_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// An op is what an edit does.
type op uint8

const (
	opKeep op = iota
	// What is done to a message.
	opDelete
	opReplace
	opInsert
	opAppend
	opXor
	opSwap      // two octets
	opMove      // some octets to somewhere else
	opFields    // two fields change places
	opField     // a field is said twice
	opCase      // a letter changes its case
	opTruncate  // what follows is gone
	opEmpty     // the message is there and empty
	opAbsent    // there is none
	opReflect   // what the other side said last
	opEarlier   // the message of an earlier exchange in its place
	opAnEarlier // some message of an earlier exchange
	// What is done with a message.
	opDrop  // it does not arrive
	opTwice // it arrives twice
	opEnd   // the server's: in its place the protocol reports success

	opEnds
)

var opNames = [opEnds]string{"keep", "delete", "replace", "insert", "append", "xor", "swap octets", "move", "swap fields", "repeat a field", "change case", "truncate", "empty", "absent", "reflect", "of an earlier exchange", "some other of an earlier exchange", "drop", "twice", "report success"}

// An edit is six octets of a script.
type edit struct {
	at   uint8 // number of the message, counted from the client's first
	op   op
	a    uint16 // where
	b, w uint8  // how much or where else; with what
}

const (
	editSize = 6
	maxEdits = 8
)

func editsOf(script []byte) []edit {
	var edits []edit
	for ; len(script) >= editSize && len(edits) < maxEdits; script = script[editSize:] {
		edits = append(edits, edit{script[0], op(script[1]) % opEnds, binary.BigEndian.Uint16(script[2:]), script[4], script[5]})
	}
	return edits
}

func (e edit) String() string {
	return fmt.Sprintf("%s at %d, %d, %q", opNames[e.op], e.a, e.b, e.word())
}

// words are what the grammars are made of, and what is forgotten about them.
var words = []string{
	"\x00", ",", "=", "\"", "\\", " ", "\r\n", "\t", "\u00ad", "\u200b", "\xff", "\xc0\x80", "\u212a", "a", "A", "0", "==", "=\x00", "=2C", "=3D", "=2c",
	"al", "shared", "root", "shared@example.com", "@example.com", "@example.org", "a=shared,", "a=,", "a=al,", "n=al,", "n,,", "y,,", "p=tls-unique,,", "p=tls-exporter,,",
	",x=y", ",m=y", "m=y,", ",e=other-error", ",v=", ",p=", "r=", ",i=1", ",i=01", ",i=2", ",s=", "c=biws", "v=", "e=invalid-proof",
	"authzid=shared,", "authzid=\"\",", ",authzid=\"shared\"", "charset=utf-8,", "nc=00000002,", ",qop=auth-int", ",qop=auth", "realm=\"\",", "realm=\"example.org\",", "maxbuf=99,", "x=\"y\",", ",,", "rspauth=", "cipher=rc4,", "algorithm=md5,", "username=\"shared\",",
	"\x00al\x00", "\x00\x00", "shared\x00al\x00", "shared\x00",
	"hex:", "word:", "init-", "otp-md4 ", "otp-sha1 ", "499 ", "497 ", " ext,x", ":md5 499 ab0001:0123456789abcdef",
}

// word is one of the words, or two octets of the script.
func (e edit) word() []byte {
	if int(e.w) < len(words)*3 {
		return []byte(words[int(e.w)%len(words)])
	}
	return []byte{e.w, e.b}[:1+e.a%2]
}

// apply returns the edited message; m stays as it is.
func (c *contest) apply(e edit, fromClient bool, m []byte) []byte {
	at := int(e.a) % (len(m) + 1)
	end := min(at+int(e.b)%8+1, len(m))
	before, rest := m[:at:at], m[at:]
	switch e.op {
	case opDelete:
		return slices.Concat(before, m[end:])
	case opReplace:
		word := e.word()
		return slices.Concat(before, word, rest[min(len(word), len(rest)):])
	case opInsert:
		return slices.Concat(before, e.word(), rest)
	case opAppend:
		return slices.Concat(m, e.word())
	case opXor, opCase, opSwap:
		return c.octet(e, m)
	case opMove:
		left := slices.Concat(before, m[end:])
		to := int(e.w) % (len(left) + 1)
		return slices.Concat(left[:to:to], m[at:end], left[to:])
	case opFields, opField:
		return fields(e, m)
	case opTruncate:
		return bytes.Clone(m[:at])
	case opEmpty:
		return []byte{}
	case opAbsent:
		return nil
	}
	return c.foreign(e, fromClient, m)
}

// octet changes one octet, or two.
func (c *contest) octet(e edit, m []byte) []byte {
	if len(m) == 0 {
		return m
	}
	changed := bytes.Clone(m)
	at, other := int(e.a)%len(m), int(e.b)%len(m)
	switch e.op {
	case opXor:
		mask := e.w
		if e.b%2 == 0 {
			mask = 1 << (e.w % 8)
		}
		changed[at] ^= mask
	case opCase:
		changed[at] ^= 0x20
	case opSwap:
		changed[at], changed[other] = m[other], m[at]
	}
	return changed
}

// fields swaps or repeats what stands between NULs or, without any, commas.
func fields(e edit, m []byte) []byte {
	separator := []byte{0}
	if !bytes.Contains(m, separator) {
		separator = []byte{','}
	}
	list := bytes.Split(m, separator)
	i, j := int(e.a)%len(list), int(e.b)%len(list)
	if e.op == opFields {
		list[i], list[j] = list[j], list[i]
	} else {
		list = slices.Insert(list, j, list[i])
	}
	return bytes.Join(list, separator)
}

// foreign is another message in the place of m.
func (c *contest) foreign(e edit, fromClient bool, m []byte) []byte {
	earlier, place := c.who.challenges, len(c.heard)-1
	if fromClient {
		earlier, place = c.who.responses, len(c.heard)-1
	}
	switch {
	case e.op == opReflect && fromClient && len(c.heard) > 0:
		return bytes.Clone(c.heard[len(c.heard)-1].got)
	case e.op == opReflect && !fromClient:
		return bytes.Clone(c.heard[len(c.heard)-1].sent)
	case e.op == opEarlier && place < len(earlier):
		return bytes.Clone(earlier[place])
	case e.op == opAnEarlier:
		all := slices.Concat(c.who.challenges, c.who.responses)
		return bytes.Clone(all[int(e.a)%len(all)])
	}
	return m
}
