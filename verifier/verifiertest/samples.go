package verifiertest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"

	"github.com/saslkit/saslkit/verifier"
)

// sizes of the values that have one, in bytes.
var sizes = map[verifier.Kind]int{verifier.KindCRAMMD5: 32, verifier.KindDIGESTMD5: 16, verifier.KindNTHash: 16}

// keySizes are those of each of the two keys of SCRAM, in bytes.
var keySizes = map[verifier.Kind]int{
	verifier.KindSCRAMSHA1:    20,
	verifier.KindSCRAMSHA224:  28,
	verifier.KindSCRAMSHA256:  32,
	verifier.KindSCRAMSHA384:  48,
	verifier.KindSCRAMSHA512:  64,
	verifier.KindSCRAMSHA3512: 64,
}

var otpForm = regexp.MustCompile("^(?:md4|md5|sha1)\t[0-9]{4}\t[0-9a-z]{1,16}\t[0-9a-f]{16}\t[0-9]{20}$")

// misshapen says what is wrong with the form of a value, "" for nothing.
func misshapen(s verifier.Secret) string {
	if n, ok := sizes[s.Kind]; ok && len(s.Value) != n {
		return fmt.Sprintf("%d bytes, want %d", len(s.Value), n)
	}
	if n, ok := keySizes[s.Kind]; ok && !isSCRAM(s.Value, n) {
		return "not an iteration count, StoredKey, ServerKey and salt"
	}
	if s.Kind == verifier.KindOTP && !otpForm.Match(s.Value) {
		return "not five fields separated by tabs"
	}
	return ""
}

// isSCRAM reports whether a value is a count in four bytes, two keys of a size and
// a salt.
func isSCRAM(value []byte, size int) bool {
	salt := len(value) - 4 - 2*size
	if salt < 1 || salt > 1024 {
		return false
	}
	iterations := binary.BigEndian.Uint32(value)
	return 1 <= iterations && iterations <= 10_000_000
}

// sample returns the n-th secret of a kind, or false if it is not known how one
// looks. numberOf is its reverse.
func (w author) sample(k verifier.Kind, n uint32) (verifier.Secret, bool) {
	s := verifier.Secret{Kind: k, Account: verifier.Account{User: w.r.User, Realm: w.r.Realm}}
	size, sized := sizes[k]
	key, keys := keySizes[k]
	switch {
	case sized:
		s.Value = numbered(k, size, n)
	case keys:
		s.Value = binary.BigEndian.AppendUint32(nil, 4096)
		s.Value = append(append(s.Value, numbered(k, key, ^n)...), numbered(k, key, n)...)
		s.Value = append(s.Value, w.token...)
	case k == verifier.KindOTP:
		s.Value = fmt.Appendf(nil, "md5\t0499\tve0001\t%016x\t%020d", n, 0)
	case k == verifier.KindPassword:
		s.Value = []byte(w.password(n))
	default:
		return verifier.Secret{}, false
	}
	w.hide(string(s.Value))
	return s, true
}

// numbered is a value of the kind that ends with n.
func numbered(k verifier.Kind, size int, n uint32) []byte {
	return binary.BigEndian.AppendUint32(bytes.Repeat([]byte{byte(k)}, size-4), n)
}

func (w author) password(n uint32) string { return fmt.Sprintf("sample-%s-%d", w.token, n) }

func numberOf(s verifier.Secret) uint32 {
	value := s.Value
	switch key, keys := keySizes[s.Kind]; {
	case s.Kind == verifier.KindPassword:
		return parsedNumber(value[bytes.LastIndexByte(value, '-')+1:], 10)
	case s.Kind == verifier.KindOTP:
		fields := bytes.Split(value, []byte{'\t'})
		return parsedNumber(fields[min(3, len(fields)-1)], 16)
	case keys:
		value = value[:min(4+2*key, len(value))]
	}
	if len(value) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(value[len(value)-4:])
}

func parsedNumber(digits []byte, base int) uint32 {
	n, _ := strconv.ParseUint(string(digits), base, 32)
	return uint32(n)
}
