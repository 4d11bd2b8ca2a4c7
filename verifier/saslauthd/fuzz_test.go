package saslauthd

import (
	"errors"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/verifier"
)

func FuzzConclude(f *testing.F) {
	for _, reply := range []string{"\x00\x02OK", "\x00\x04OKAY", "\x00\x02O", "", "\x00\x12NO Account expired", "\x00\x0aNO s3cret\n"} {
		f.Add([]byte(reply), "s3cret")
	}
	f.Fuzz(func(t *testing.T, reply []byte, password string) {
		err := conclude(reply, password)
		if err == nil {
			if text := string(reply[2:]) + " "; text[:3] != "OK " || len(reply) != 2+int(reply[0])<<8+int(reply[1]) {
				t.Fatalf("%q is a success", reply)
			}
			return
		}
		answers := 0
		for _, is := range []bool{verifier.Refused(err), verifier.Terminal(err), errors.Is(err, verifier.ErrUnavailable)} {
			if is {
				answers++
			}
		}
		if answers != 1 {
			t.Fatalf("%q is %d answers: %v", reply, answers, err)
		}
		if len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x00\r\n\x1b") {
			t.Fatalf("%q is not fit for a log: %q", reply, err)
		}
	})
}
