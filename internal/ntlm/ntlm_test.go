package ntlm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/cursor"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMSNLMP are the numbers of MS-NLMP section 4.2: user "User", password "Password",
// domain "Domain", challenges 0123456789abcdef and aaaaaaaaaaaaaaaa.
func TestMSNLMP(t *testing.T) {
	t.Parallel()
	hash, ok := Hash("Password")
	if got := hex.EncodeToString(hash); !ok || got != "a4f49c406510bdcab6824ee7c30fd852" {
		t.Fatalf("section 4.2.2.1.2: hash %s", got)
	}
	challenge, own := Nonce(unhex(t, "0123456789abcdef")), Nonce(unhex(t, "aaaaaaaaaaaaaaaa"))
	key := NewKey(hash, "User", "Domain")
	info := Info(unhex(t, "02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000"))
	response := NewResponse(key, challenge, own, 0, info)
	both, _ := SessionChallenge(challenge, append(own[:], make([]byte, 16)...))
	for _, c := range []struct{ section, got, want string }{
		{"4.2.2.2.1", hex.EncodeToString(ResponseV1(hash, challenge)), "67c43011f30298a2ad35ece64f16331c44bdbed927841f94"},
		{"4.2.3.2.2", hex.EncodeToString(ResponseV1(hash, both)), "7537f803ae367128ca458204bde7caf81e97ed2683267232"},
		{"4.2.4.1.1", hex.EncodeToString(key.value), "0c868a403bfd7a93a3001ef22ef02e3f"},
		{"4.2.4.1.2", hex.EncodeToString(keyed(key.value, response.Proof[:])), "8de40ccadbc14a82f15cb0ad0de95ca3"},
		{"4.2.4.2.1", hex.EncodeToString(LMv2(key, challenge, own)), "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa"},
		{"4.2.4.2.2", hex.EncodeToString(response.Proof[:]), "68cd0ab851e51c96aabc927bebef6a1c"},
	} {
		if c.got != c.want {
			t.Errorf("section %s: %s, want %s", c.section, c.got, c.want)
		}
	}
}

// TestMIC: the code is the HMAC of the three messages under the session key (MS-NLMP
// section 3.1.5.1.2), here computed once more with everything written out.
func TestMIC(t *testing.T) {
	t.Parallel()
	hash, _ := Hash("SecREt01")
	key := NewKey(hash, "user", "DOMAIN")
	response := NewResponse(key, Nonce{1}, Nonce{2}, 3, Info{0, 0, 0, 0}.WithMIC())
	negotiate, challenge := []byte("first"), []byte("second")
	signed := Authenticate{Flags: Unicode, User: "user", NT: response.Append(nil)}.AppendSigned([]byte("before"), key, response.Proof, negotiate, challenge)[len("before"):]
	unsigned := append([]byte(nil), signed...)
	clear(unsigned[72:88])
	want := keyed(keyed(key.value, response.Proof[:]), []byte("firstsecond"), unsigned)
	m, err := ParseAuthenticate(signed)
	if err != nil || m.MIC == nil || string(m.MIC[:]) != string(want) {
		t.Errorf("%+v, %v; want %x", m, err, want)
	}
	if r, err := ParseResponse(m.NT); err != nil || !r.HasMIC() {
		t.Errorf("%v, %v", r.HasMIC(), err)
	}
}

func TestHashOfNothing(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]bool{"": false, "\xe9": false, "a\xff": false, "é": true, "x": true} {
		if _, ok := Hash(password); ok != want {
			t.Errorf("%q: %v", password, ok)
		}
	}
	if hash, _ := Hash(""); !IsEmpty(hash) {
		t.Errorf("the hash of the empty password is %x", hash)
	}
	if hash, _ := Hash("x"); IsEmpty(hash) {
		t.Error("x is empty")
	}
}

func TestUpper(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"chris": "CHRIS", "Chris@Example.com": "CHRIS@EXAMPLE.COM", "frédéric": "FRÉDÉRIC", "straße": "STRAßE",
		"ÿ": "Ÿ", "ıſµ": "ıſµ", "γιώργος": "ΓΙΏΡΓΟΣ", "иван": "ИВАН", "ﬁ": "ﬁ", "ŉ": "ŉ", "\U00010428😀": "\U00010428😀", "": "",
	} {
		if got := upper(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

func TestFileTime(t *testing.T) {
	t.Parallel()
	if got := TimeOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); got != 134116992000000000 {
		t.Error(got)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	i := NewInfo("D", "C", "c.d", 7)
	if reason := i.check(); reason != "" {
		t.Error(reason)
	}
	if now, ok := i.Timestamp(); !ok || now != 7 {
		t.Errorf("%d, %v", now, ok)
	}
	with := i.WithMIC()
	if now, ok := with.Timestamp(); !ok || now != 7 || !with.hasMIC() || i.hasMIC() || with.check() != "" {
		t.Errorf("%x, %d, %v", with, now, ok)
	}
	if again := with.WithMIC(); string(again) != string(with) {
		t.Errorf("flags are added to: %x", again)
	}
	other := Info(nil).append(infoFlags, []byte{1, 0, 0, 0}).append(infoEnd, nil)
	if again := other.WithMIC(); string(again) != "\x06\x00\x04\x00\x03\x00\x00\x00\x00\x00\x00\x00" || other[4] != 1 {
		t.Errorf("%x of %x", again, other)
	}
}

// messages are one of each type, with what can go wrong in it.
var messages = []struct {
	name    string
	b       []byte
	buffers []int // positions of security buffers
	names   []int // of those that hold UTF-16
	header  int
	least   int // bytes that a header must have
	parse   func([]byte) (any, error)
	zero    any
}{
	{
		"NEGOTIATE", Negotiate{Flags: Unicode, Domain: []byte("DOMAIN"), Workstation: []byte("PC")}.Append(nil),
		[]int{16, 24}, nil, negotiateNamed, negotiateSize,
		func(b []byte) (any, error) { return ParseNegotiate(b) }, Negotiate{},
	},
	{
		"CHALLENGE", Challenge{Flags: Unicode | HasTargetInfo, Target: "DOMAIN", Nonce: Nonce{1}, Info: NewInfo("D", "C", "c.d", 7)}.Append(nil),
		[]int{12, 40}, []int{12}, challengeInfo, challengeInfo,
		func(b []byte) (any, error) { return ParseChallenge(b) }, Challenge{},
	},
	{
		"AUTHENTICATE", Authenticate{
			Flags: Unicode, Domain: "DOMAIN", User: "user", Workstation: "PC",
			LM: make([]byte, 24), NT: make([]byte, 48), SessionKey: make([]byte, 16), MIC: &[16]byte{5},
		}.Append(nil),
		[]int{12, 20, 28, 36, 44, 52}, []int{28, 36, 44}, authenticateSize, authenticateSize,
		func(b []byte) (any, error) { return ParseAuthenticate(b) }, Authenticate{},
	},
}

// TestMalformed makes messages that are wrong in one place each: cut anywhere in the
// header or the payload, and with every buffer pointing to where it must not.
func TestMalformed(t *testing.T) {
	t.Parallel()
	count := 0
	for _, m := range messages {
		if _, err := m.parse(m.b); err != nil {
			t.Fatalf("%s: %v", m.name, err)
		}
		refuse := func(what string, b []byte) {
			count++
			got, err := m.parse(b)
			var syntax *cursor.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset > len(b) || syntax.Reason == "" {
				t.Errorf("%s, %s: %+v, %v", m.name, what, got, err)
				return
			}
			if diff := cmp.Diff(m.zero, got); diff != "" {
				t.Errorf("%s, %s: %v comes with\n%s", m.name, what, err, diff)
			}
		}
		change := func(at int, with ...byte) []byte {
			b := append([]byte(nil), m.b...)
			copy(b[at:], with)
			return b
		}
		for n := range m.b {
			if n < m.least || n >= m.header {
				refuse(fmt.Sprintf("cut after %d", n), m.b[:n])
			}
		}
		for at := range 12 {
			refuse(fmt.Sprintf("signature or type at %d", at), change(at, m.b[at]^0x20))
		}
		for _, at := range m.buffers {
			for what, b := range map[string][]byte{
				"length of 65535":          change(at, 0xff, 0xff),
				"length of one too many":   change(at, byte(len(m.b)), byte(len(m.b)>>8), 0, 0, 1, 0, 0, 0),
				"offset past the end":      change(at, 2, 0, 2, 0, byte(len(m.b)-1), byte(len(m.b)>>8), 0, 0),
				"offset at the end":        change(at, 1, 0, 1, 0, byte(len(m.b)), byte(len(m.b)>>8), 0, 0),
				"offset of 2^31-1":         change(at+4, 0xff, 0xff, 0xff, 0x7f),
				"offset of 2^31":           change(at+4, 0, 0, 0, 0x80),
				"offset of 2^32-1":         change(at+4, 0xff, 0xff, 0xff, 0xff),
				"sum of 2^32":              change(at, 16, 0, 16, 0, 0xf0, 0xff, 0xff, 0xff),
				"sum a little beyond 2^32": change(at, 0x80, 0, 0x80, 0, 0xf0, 0xff, 0xff, 0xff),
				"offset of nothing":        change(at+4, 0, 0, 0, 0),
				"offset of itself":         change(at+4, byte(at), 0, 0, 0),
				"offset in the header":     change(at+4, byte(m.header-1), 0, 0, 0),
			} {
				refuse(fmt.Sprintf("buffer at %d: %s", at, what), b)
			}
		}
		for _, at := range m.names {
			refuse(fmt.Sprintf("name at %d: odd", at), change(at, m.b[at]-1))
			text := int(m.b[at+4])
			for what, half := range map[string][]byte{"low surrogate": {0, 0xdc}, "high surrogate": {0, 0xd8, 'x', 0}, "swapped": {0, 0xdc, 0, 0xd8}} {
				refuse(fmt.Sprintf("name at %d: %s", at, what), change(text, half...))
			}
			refuse(fmt.Sprintf("name at %d: high surrogate at the end", at), change(text+int(m.b[at])-2, 0, 0xd8))
		}
	}
	if count < 200 {
		t.Errorf("%d messages", count)
	}
}

func TestMalformedInfo(t *testing.T) {
	t.Parallel()
	pair := func(id uint16, n int) Info { return Info(nil).append(id, make([]byte, n)) }
	end := Info{0, 0, 0, 0}
	join := func(parts ...Info) (all Info) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, i := range map[string]Info{
		"one byte":                  {0},
		"three bytes":               {0, 0, 0},
		"no end":                    pair(infoNBDomain, 4),
		"cut in an identifier":      join(pair(infoNBDomain, 4), Info{0}),
		"cut in a length":           join(pair(infoNBDomain, 4), Info{1, 0, 4}),
		"cut in a value":            pair(infoNBDomain, 4)[:7],
		"length of 65535":           {2, 0, 0xff, 0xff, 0, 0, 0, 0},
		"length over the end":       {2, 0, 5, 0, 0, 0, 0, 0},
		"end with a value":          {0, 0, 4, 0, 0, 0, 0, 0},
		"goes on":                   join(end, pair(infoNBDomain, 4), end),
		"two ends":                  join(end, end),
		"time twice":                join(pair(infoTime, 8), pair(infoTime, 8), end),
		"flags twice":               join(pair(infoFlags, 4), pair(infoFlags, 4), end),
		"domain twice":              join(pair(infoNBDomain, 4), pair(infoNBDomain, 2), end),
		"time of seven bytes":       join(pair(infoTime, 7), end),
		"time of nothing":           join(pair(infoTime, 0), end),
		"flags of three bytes":      join(pair(infoFlags, 3), end),
		"flags of five bytes":       join(pair(infoFlags, 5), end),
		"unknown, cut":              {0x34, 0x12, 1, 0},
		"many, and then nothing":    join(pair(1, 2), pair(2, 2), pair(3, 2), pair(4, 2)),
		"a value that ends the end": join(pair(1, 2), Info{0, 0, 1, 0}),
	} {
		c, err := ParseChallenge(Challenge{Flags: Unicode | HasTargetInfo, Info: i}.Append(nil))
		if err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
	for name, i := range map[string]Info{"empty": nil, "only the end": end, "unknown": join(pair(0x1234, 3), end), "all": NewInfo("d", "c", "h", 1).WithMIC()} {
		if c, err := ParseChallenge(Challenge{Flags: Unicode | HasTargetInfo, Info: i}.Append(nil)); err != nil || string(c.Info) != string(i) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestMalformedResponse(t *testing.T) {
	t.Parallel()
	good := NewResponse(NewKey(make([]byte, 16), "u", "d"), Nonce{}, Nonce{}, 1, NewInfo("d", "c", "h", 1)).Append(nil)
	if r, err := ParseResponse(good); err != nil || r.HasMIC() {
		t.Fatal(err)
	}
	for n := range 16 + blobSize {
		if _, err := ParseResponse(good[:n]); err == nil {
			t.Errorf("cut after %d", n)
		}
	}
	for n := 16 + blobSize + 1; n < len(good)-4; n++ {
		if _, err := ParseResponse(good[:n]); err == nil {
			t.Errorf("cut after %d", n)
		}
	}
	for _, at := range []int{16, 17} {
		for _, version := range []byte{0, 2, 0xff} {
			b := append([]byte(nil), good...)
			b[at] = version
			if _, err := ParseResponse(b); err == nil {
				t.Errorf("version %d at %d", version, at)
			}
		}
	}
}

// TestTolerated are messages that real programs send.
func TestTolerated(t *testing.T) {
	t.Parallel()
	whole := Authenticate{Flags: Unicode, User: "u", NT: make([]byte, 24)}.Append(nil)
	for name, change := range map[string]func(b []byte){
		"an empty buffer points nowhere":       func(b []byte) { copy(b[12+4:], "\xff\xff\xff\xff") },
		"an empty buffer points to the header": func(b []byte) { copy(b[44+4:], "\x00\x00\x00\x00") },
		"the room is larger than the value":    func(b []byte) { b[36+2] = 200 },
		"the room is none":                     func(b []byte) { b[36+2] = 0 },
	} {
		b := append([]byte(nil), whole...)
		change(b)
		if m, err := ParseAuthenticate(b); err != nil || m.User != "u" || m.MIC != nil {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for n := negotiateSize; n < negotiateNamed; n++ {
		if _, err := ParseNegotiate(Negotiate{}.Append(nil)[:n]); err != nil {
			t.Errorf("a first message of %d bytes: %v", n, err)
		}
	}
	if m, err := ParseChallenge(Challenge{Flags: Unicode, Nonce: Nonce{9}}.Append(nil)[:challengeSize]); err != nil || m.Nonce != (Nonce{9}) {
		t.Errorf("a challenge without room for info: %+v, %v", m, err)
	}
}
