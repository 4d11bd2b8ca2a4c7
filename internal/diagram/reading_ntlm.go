package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
	"unicode/utf16"

	"github.com/saslkit/saslkit/internal/ntlm"
)

// readNTLM uses the names of MS-NLMP section 2.2. A message that cannot be read has no
// parts.
func readNTLM(fromServer bool, turn int, message string) reading {
	r := reading{binary: true}
	b := []byte(message)
	switch {
	case fromServer:
		r.title = "CHALLENGE_MESSAGE"
		if m, err := ntlm.ParseChallenge(b); err == nil {
			r.parts = append([]part{flags(m.Flags), {m.Target, "TargetName", "the domain"}, {hexed(m.Nonce[:]), "ServerChallenge", "new each time"}}, targetInfo(m.Info)...)
		}
	case turn == 0:
		r.title = "NEGOTIATE_MESSAGE"
		if m, err := ntlm.ParseNegotiate(b); err == nil {
			r.parts = []part{flags(m.Flags)}
		}
	default:
		r.title = "AUTHENTICATE_MESSAGE"
		if m, err := ntlm.ParseAuthenticate(b); err == nil {
			r.parts = authenticate(m)
		}
	}
	return r
}

func flags(f ntlm.Flags) part {
	return part{fmt.Sprintf("%#08x", uint32(f)), "NegotiateFlags", ""}
}

// hexed is the beginning of a value, and how long it is.
func hexed(b []byte) string {
	if len(b) <= 8 {
		return hex.EncodeToString(b)
	}
	return fmt.Sprintf("%x… %d bytes", b[:8], len(b))
}

func authenticate(m ntlm.Authenticate) []part {
	all := []part{
		flags(m.Flags),
		{m.Domain, "DomainName", ""},
		{m.User, "UserName", ""},
		{hexed(m.LM), "LmChallengeResponse", "not used"},
	}
	if response, err := ntlm.ParseResponse(m.NT); err == nil {
		all = append(all, part{hexed(response.Proof[:]), "NTProofStr", "HMAC-MD5"},
			part{hexed(m.NT[len(response.Proof):]), "temp", "time, nonce, TargetInfo"})
	}
	if m.MIC != nil {
		all = append(all, part{hexed(m.MIC[:]), "MIC", "over all three messages"})
	}
	return all
}

// pairNames are those of AV_PAIR (MS-NLMP section 2.2.2.1) that our server sends.
var pairNames = map[uint16]string{1: "MsvAvNbComputerName", 2: "MsvAvNbDomainName", 3: "MsvAvDnsComputerName", 4: "MsvAvDnsDomainName", 7: "MsvAvTimestamp"}

const pairTimestamp = 7

// targetInfo reads the pairs, which ntlm.ParseChallenge has checked: an identifier and
// a length of two bytes each, and a value.
func targetInfo(info ntlm.Info) []part {
	var all []part
	whole := info
	for len(info) >= 4 {
		id, length := binary.LittleEndian.Uint16(info), binary.LittleEndian.Uint16(info[2:])
		value := info[4 : 4+length]
		info = info[4+length:]
		switch {
		case id == pairTimestamp:
			t, _ := whole.Timestamp()
			at := time.Unix(0, int64(t-ntlm.TimeOf(time.Unix(0, 0)))*100).UTC()
			all = append(all, part{at.Format(time.RFC3339), pairNames[id], ""})
		case pairNames[id] != "":
			all = append(all, part{fromUTF16(value), pairNames[id], ""})
		}
	}
	return all
}

func fromUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
