package verifiertest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"

	"github.com/saslkit/saslkit/verifier"
)

// sizes of the values that have one, in bytes.
var sizes = map[verifier.Kind]int{verifier.KindCRAMMD5: 32, verifier.KindDIGESTMD5: 16}

// scramHashes are the kinds that are SCRAM records, with the size of their keys in bytes.
var scramHashes = map[verifier.Kind]struct {
	name string
	size int
}{
	verifier.KindSCRAMSHA1:    {"SCRAM-SHA-1", 20},
	verifier.KindSCRAMSHA224:  {"SCRAM-SHA-224", 28},
	verifier.KindSCRAMSHA256:  {"SCRAM-SHA-256", 32},
	verifier.KindSCRAMSHA384:  {"SCRAM-SHA-384", 48},
	verifier.KindSCRAMSHA512:  {"SCRAM-SHA-512", 64},
	verifier.KindSCRAMSHA3512: {"SCRAM-SHA3-512", 64},
}

var otpForm = regexp.MustCompile("^(?:md4|md5|sha1)\t[0-9]{4}\t[0-9a-z]{1,16}\t[0-9a-f]{16}\t[0-9]{20}$")

// misshapen says what is wrong with the form of a value, "" for nothing.
func misshapen(s verifier.Secret) string {
	if n, ok := sizes[s.Kind]; ok && len(s.Value) != n {
		return fmt.Sprintf("%d bytes, want %d", len(s.Value), n)
	}
	if h, ok := scramHashes[s.Kind]; ok && !isSCRAMRecord(s.Value, h.name, h.size) {
		return "not " + h.name + "$iterations:salt$StoredKey:ServerKey"
	}
	if s.Kind == verifier.KindOTP && !otpForm.Match(s.Value) {
		return "not five fields separated by tabs"
	}
	return ""
}

var scramForm = regexp.MustCompile(`^([A-Z0-9-]+)\$[1-9][0-9]*:([^$:]+)\$([^$:]+):([^$:]+)$`)

func isSCRAMRecord(value []byte, hash string, size int) bool {
	parts := scramForm.FindSubmatch(value)
	if parts == nil || string(parts[1]) != hash {
		return false
	}
	for i, part := range parts[2:] {
		decoded, err := base64.StdEncoding.DecodeString(string(part))
		if err != nil || i > 0 && len(decoded) != size {
			return false
		}
	}
	return true
}

// sample returns the n-th secret of a kind, or false if it is not known how one
// looks. numberOf is its reverse.
func (w author) sample(k verifier.Kind, n uint32) (verifier.Secret, bool) {
	s := verifier.Secret{Kind: k, Account: verifier.Account{User: w.r.User, Realm: w.r.Realm}}
	size, sized := sizes[k]
	hash, hashed := scramHashes[k]
	switch {
	case sized:
		s.Value = numbered(k, size, n)
	case hashed:
		encoded := base64.StdEncoding.EncodeToString
		s.Value = fmt.Appendf(nil, "%s$4096:%s$%s:%s", hash.name,
			encoded([]byte(w.token)), encoded(numbered(k, hash.size, ^n)), encoded(numbered(k, hash.size, n)))
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
	switch _, hashed := scramHashes[s.Kind]; {
	case s.Kind == verifier.KindPassword:
		return parsedNumber(value[bytes.LastIndexByte(value, '-')+1:], 10)
	case s.Kind == verifier.KindOTP:
		fields := bytes.Split(value, []byte{'\t'})
		return parsedNumber(fields[min(3, len(fields)-1)], 16)
	case hashed:
		value, _ = base64.StdEncoding.DecodeString(string(value[bytes.LastIndexByte(value, ':')+1:]))
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
