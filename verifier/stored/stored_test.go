package stored

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

var alice = verifier.Request{User: "alice", Realm: "mail.example"}

// scram are the keys of "secret", in the forms of RFC 5803 and Dovecot.
func scramOf(t testing.TB, kind verifier.Kind, form verifier.SCRAMForm) string {
	t.Helper()
	value, err := mech.SCRAMSecret(kind, "secret", []byte("saltsaltsalt1234"), mech.MinIterations)
	if err != nil {
		t.Fatal(err)
	}
	text, err := verifier.FormatSCRAM(verifier.Secret{Kind: kind, Value: value}, form)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// forms hold "secret", as Dovecot's doveadm pw and Apache's htpasswd write it.
func forms(t testing.TB) map[string]verifier.Kind {
	return map[string]verifier.Kind{
		"{PLAIN}secret":                                             verifier.KindPassword,
		"{plain}secret":                                             verifier.KindPassword,
		"{CLEAR}secret":                                             verifier.KindPassword,
		"{CLEARTEXT}secret":                                         verifier.KindPassword,
		"{PLAIN.HEX}736563726574":                                   verifier.KindPassword,
		"{PLAIN.b64}c2VjcmV0":                                       verifier.KindPassword,
		"{CLEAR.BASE64}c2VjcmV0":                                    verifier.KindPassword,
		"{CRAM-MD5}" + cramOfIt:                                     verifier.KindCRAMMD5,
		"{HMAC-MD5}" + cramOfIt:                                     verifier.KindCRAMMD5,
		"{DIGEST-MD5}" + digestOfIt:                                 verifier.KindDIGESTMD5,
		"{NTLM}878D8014606CDA29677A44EFA1353FC7":                    verifier.KindNTHash,
		"{ntlm.b64}h42AFGBs2ilnekTvoTU/xw==":                        verifier.KindNTHash,
		"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=":                         verifier.KindCheck,
		"{CRYPT}$1$aXnO0yVj$pBzW6Ixz0zU6pAsmzd1uf/":                 verifier.KindCheck,
		scramOf(t, verifier.KindSCRAMSHA256, verifier.SCRAMRecord):  verifier.KindSCRAMSHA256,
		scramOf(t, verifier.KindSCRAMSHA256, verifier.SCRAMDovecot): verifier.KindSCRAMSHA256,
		scramOf(t, verifier.KindSCRAMSHA1, verifier.SCRAMDovecot):   verifier.KindSCRAMSHA1,
		scramOf(t, verifier.KindSCRAMSHA512, verifier.SCRAMRecord):  verifier.KindSCRAMSHA512,
	}
}

// What doveadm pw -p secret -u alice@mail.example prints with -s CRAM-MD5 and
// -s DIGEST-MD5.
const (
	cramOfIt   = "cd3ba7deaad6e5ca23448ba42e379747a9e0f7f1fbc00c8a81bbaac395731b56"
	digestOfIt = "97e46a6ec5177b28e880bdde51328e2b"
)

func TestForms(t *testing.T) {
	t.Parallel()
	c := NewChecker(Options{})
	for text, kind := range forms(t) {
		name := text[:min(14, len(text))]
		v, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for password, want := range map[string]bool{"secret": true, "Secret": false, "secre": false, "secretx": false, "": false} {
			if got, err := c.Matches(t.Context(), v, alice, password); got != want || err != nil {
				t.Errorf("%s: password %q: %v, %v", name, password, got, err)
			}
			if got, err := c.Matches(t.Context(), v.Decoy(), alice, password); got || err != nil {
				t.Errorf("%s: decoy: %v, %v", name, got, err)
			}
		}
		if v.Decoy().Cost() != v.Cost() || v.Cost() == "" || v.Scheme() == "" {
			t.Errorf("%s: cost %q, decoy's %q", name, v.Cost(), v.Decoy().Cost())
		}
		if got := v.Kinds(); !got.Has(verifier.KindCheck) || !got.Has(kind) {
			t.Errorf("%s: kinds %v", name, got)
		}
		s, ok := v.Secret(verifier.KindOTP, kind, verifier.KindCheck)
		if ok != (kind != verifier.KindCheck) || ok && s.Kind != kind {
			t.Errorf("%s: hands out %v, %v", name, s.Kind, ok)
		}
		if shown := fmt.Sprintf("%v %+v %#v %s", v, v, v, v); strings.Contains(shown, "secret") {
			t.Errorf("%s: prints %s", name, shown)
		}
	}
}

func TestUnusable(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty": "", "locked": "!", "star": "*", "moved": "x", "no scheme": "secret",
		"unknown scheme": "{NOSUCH}canary", "unknown prefix": "$gy$j9T$canary", "OTP": "{OTP}canary",
		"empty password": "{PLAIN}", "bad hex": "{PLAIN.HEX}7g", "bad base64": "{PLAIN.B64}canary!", "unknown encoding": "{PLAIN.ROT13}canary",
		"short states": "{CRAM-MD5}00", "short hash": "{DIGEST-MD5}00", "short NT hash": "{NTLM}00", "NT hash of nothing": "{NTLM}31d6cfe0d16ae931b73c59d7e0c089c0", "no keys": "{SCRAM-SHA-256}canary", "no record": "SCRAM-SHA-256$canary",
		"unknown SCRAM": "{SCRAM-MD5}canary", "too long": "{PLAIN}" + strings.Repeat("canary", 2000),
		"truncating": "{PLAIN-TRUNC}canary",
	} {
		v, err := Parse(text)
		if !errors.Is(err, ErrUnusable) || v.Kinds() != 0 {
			t.Errorf("%s: %v, kinds %v", name, err, v.Kinds())
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	none := Value{}
	if match, err := none.matches(t.Context(), alice, "secret"); match || err != nil {
		t.Errorf("the zero Value: %v, %v", match, err)
	}
}

func TestParseAs(t *testing.T) {
	t.Parallel()
	v, err := ParseAs("PLAIN", "secret")
	if s, ok := v.Secret(verifier.KindPassword); err != nil || !ok || string(s.Value) != "secret" {
		t.Errorf("%v, %v", err, ok)
	}
	v, err = ParseAs("PLAIN", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=")
	if err != nil || v.Kinds() != verifier.KindsOf(verifier.KindCheck) {
		t.Errorf("a value with a scheme of its own: %v, %v", err, v.Kinds())
	}
}

// TestCommonest: the decoy costs what most users cost.
func TestCommonest(t *testing.T) {
	t.Parallel()
	parse := func(text string) Value {
		v, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	sha, ssha, plain := parse("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="), parse("$1$aXnO0yVj$pBzW6Ixz0zU6pAsmzd1uf/"), parse("{PLAIN}secret")
	for _, tt := range []struct {
		name   string
		values []Value
		want   string
	}{
		{"most", []Value{plain, sha, ssha, sha}, sha.Cost()},
		{"first of equals", []Value{ssha, plain, sha}, ssha.Cost()},
		{"passwords", []Value{sha, plain, plain}, plain.Cost()},
		{"none", nil, Value{}.Cost()},
	} {
		d := Commonest(slices.Values(tt.values))
		if d.Cost() != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, d.Cost(), tt.want)
		}
		if match, err := d.matches(t.Context(), alice, "secret"); match || err != nil {
			t.Errorf("%s: the decoy matches: %v, %v", tt.name, match, err)
		}
	}
}

// TestParallel: never more at a time than the options say.
func TestParallel(t *testing.T) {
	t.Parallel()
	const parallel = 3
	var now, most atomic.Int64
	c := NewChecker(Options{Parallel: parallel, Observer: func(string) {
		n := now.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		for range 1000 { // let others in, if anything does
			most.Load()
		}
		now.Add(-1)
	}})
	v := costly(t)
	var all sync.WaitGroup
	for range queued * parallel {
		all.Go(func() {
			if match, err := c.Matches(t.Context(), v, alice, "secret"); !match || err != nil {
				t.Error(match, err)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n > parallel || n == 0 {
		t.Errorf("%d at a time, want at most %d", n, parallel)
	}
}

// TestBusy: a full queue and a context that ends are trouble and no refusal, and the
// hash under way keeps its place.
func TestBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, slow := costly(t), make(chan struct{})
		c := NewChecker(Options{Parallel: 1, Observer: func(string) { <-slow }})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 1 + queued {
			all.Go(func() {
				if _, err := c.Matches(ctx, v, alice, "secret"); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if _, err := c.Matches(ctx, v, alice, "secret"); !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, context.Canceled) {
			t.Errorf("one too many: %v", err)
		}
		cancel()
		all.Wait()
		if _, err := c.Matches(ctx, v, alice, "secret"); !errors.Is(err, context.Canceled) {
			t.Errorf("the place of the hash under way: %v", err)
		}
		close(slow)
		synctest.Wait()
		if _, err := c.Matches(t.Context(), v, alice, "secret"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // the goroutines that hashed end
	})
}

// costly is a hash of "secret" for which there is a queue.
func costly(t *testing.T) Value {
	v, err := Parse("$1$aXnO0yVj$pBzW6Ixz0zU6pAsmzd1uf/")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestQuick: what costs next to nothing does not wait for what costs much.
func TestQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		c := NewChecker(Options{Parallel: 1, Observer: func(cost string) {
			if strings.Contains(cost, "md5crypt") {
				<-slow
			}
		}})
		v := costly(t)
		for range 1 + queued {
			go c.Matches(t.Context(), v, alice, "secret")
		}
		synctest.Wait()
		for text, kind := range forms(t) {
			v, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			match, err := c.Matches(t.Context(), v, alice, "secret")
			if waits := kind.IsSCRAM() || strings.Contains(v.Cost(), "md5crypt"); match == waits || errors.Is(err, verifier.ErrUnavailable) != waits {
				t.Errorf("%s: %v, %v", v.Cost(), match, err)
			}
		}
		close(slow)
		time.Sleep(time.Minute) // the goroutines that hashed end
	})
}

// TestPanic: one in a hash is trouble, of which the others do not notice.
func TestPanic(t *testing.T) {
	t.Parallel()
	c := NewChecker(Options{Parallel: 1, Observer: func(string) { panic("canary") }})
	for _, v := range []Value{{}, costly(t), costly(t)} {
		_, err := c.Matches(t.Context(), v, alice, "secret")
		if !errors.Is(err, verifier.ErrUnavailable) || strings.Contains(err.Error(), "canary") {
			t.Error(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for text := range forms(f) {
		f.Add(text)
	}
	for _, text := range []string{"{PLAIN", "{}x", "{PLAIN.HEX}0", "{SCRAM-SHA-256.B64}x", "$6$rounds=1000$x$y", "{CRYPT.B64}x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrUnusable) || v.hash != nil || v.secret.Value != nil {
				t.Errorf("%v with a value", err)
			}
			return
		}
		if v.Cost() == "" || !v.Kinds().Has(verifier.KindCheck) || v.Decoy().Cost() != v.Cost() {
			t.Errorf("cost %q, kinds %v", v.Cost(), v.Kinds())
		}
	})
}
