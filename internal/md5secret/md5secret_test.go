package md5secret

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"strings"
	"testing"
)

// TestCRAMMD5 compares with HMAC made in one go.
func TestCRAMMD5(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"", "tanstaaftanstaaf", "ü", strings.Repeat("k", 64), strings.Repeat("k", 65), strings.Repeat("long", 100)} {
		for _, challenge := range []string{"", "<1896.697170952@postoffice.reston.mci.net>", strings.Repeat("c", 200)} {
			whole := hmac.New(md5.New, []byte(password))
			whole.Write([]byte(challenge))
			want := hex.EncodeToString(whole.Sum(nil))
			if got, ok := CRAMMD5Digest(CRAMMD5(password), challenge); got != want || !ok {
				t.Errorf("%q, %q: %s, %v, want %s", password, challenge, got, ok, want)
			}
		}
	}
	// What Dovecot's doveadm pw -s CRAM-MD5 prints for "pass".
	if got := hex.EncodeToString(CRAMMD5("pass")); got != "ff5d74b19e3cb9b2b9f4fcb548fe023aeb44f67f231a5a89714d08b5fec22b78" {
		t.Errorf("states of pass: %s", got)
	}
	for _, n := range []int{0, 31, 33} {
		if _, ok := CRAMMD5Digest(make([]byte, n), "x"); ok {
			t.Errorf("states of %d bytes are taken", n)
		}
	}
}

func TestDIGESTMD5(t *testing.T) {
	t.Parallel()
	// What Dovecot's doveadm pw -s DIGEST-MD5 -u al@r prints for "pass".
	if got := DIGESTMD5("al", "r", "pass"); hex.EncodeToString(got[:]) != "352d1211b7088d37c745b680ab58a601" {
		t.Errorf("%x", got)
	}
}

func TestLatin1(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"": "", "plain": "plain", "ü": "\xfc", "ÿ!": "\xff!"} {
		if got, ok := Latin1(in); got != want || !ok {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{"Ā", "ü€", "\xff"} {
		if got, ok := Latin1(in); got != in || ok {
			t.Errorf("%q: %q, %v", in, got, ok)
		}
	}
}
