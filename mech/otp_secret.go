package mech

import (
	"crypto/md5"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/saslkit/saslkit/internal/saslprep"
)

// What a server keeps for OTP, in Cyrus's text form: the fields hash, sequence
// number, seed, one-time password in hex, and until when a login holds the series
// (Unix time), separated by tabs.
//
//	md5	0499	vm3333	2b2b2ef89c2e8954	00000000000000000000
//
// The next login must present the password before this one in the series, number
// 498 (RFC 2289 section 7).

// firstOTP is the number of the one-time password that a new series begins at, as
// saslpasswd2 has it: good for 498 logins. Four digits is what the record has room
// for.
const firstOTP = 499

// OTPSecret is the secret of kind KindOTP for a password: a new series of
// one-time passwords, by MD5 and with a seed of its own.
func OTPSecret(password string) []byte {
	seed := newOTPSeed()
	return fmt.Appendf(nil, "md5\t%04d\t%s\t%016x\t%020d", firstOTP, seed, otpMD5(seed, saslprep.Password(password), firstOTP), 0)
}

// newOTPSeed is two letters and four digits from 0001, the form that Cyrus gives
// its seeds. It need not be secret, only another one than before (RFC 2289 section
// 6.0), so that a password which is set again does not start the same series.
func newOTPSeed() string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	var b [8]byte
	rand.Read(b[:])
	n := binary.BigEndian.Uint32(b[:])
	return fmt.Sprintf("%c%c%04d", letters[b[4]%26], letters[b[5]%26], n%9999+1)
}

// otpMD5 is one-time password n of the series that a seed and a pass phrase make:
// RFC 2289 section 6 with appendix A for MD5, as a number of 64 bits.
func otpMD5(seed, phrase string, n int) uint64 {
	otp := foldMD5([]byte(strings.ToLower(seed) + phrase))
	var b [8]byte
	for range n {
		binary.BigEndian.PutUint64(b[:], otp)
		otp = foldMD5(b[:])
	}
	return otp
}

// foldMD5 is MD5 with one half laid on the other.
func foldMD5(b []byte) uint64 {
	sum := md5.Sum(b)
	return binary.BigEndian.Uint64(sum[:8]) ^ binary.BigEndian.Uint64(sum[8:])
}
