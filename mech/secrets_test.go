package mech

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/saslprep"
	"github.com/saslkit/saslkit/verifier"
)

func decoded(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scramRecords are those of others for the password "pencil".
var scramRecords = []struct {
	name   string
	kind   verifier.Kind
	record string
}{
	{"Cyrus SASL 2.1.28", verifier.KindSCRAMSHA1, "SCRAM-SHA-1$4096:1RCpe4m6wYpIdpdKJ9+bMg==$2RrvFMvah/MkAGLOIhEaG6KKl9A=:5t0o1NGnYrROdiWCErBkxN5NYnU="},
	{"Cyrus SASL 2.1.28", verifier.KindSCRAMSHA224, "SCRAM-SHA-224$4096:KDglxwtj81y00hCUEELK8g==$z0Xp1pCDfAM3wVOkgQDc9cs3YJI4KL8hn+WQ6Q==:HeTwx5nO6T1HGkFaNdFq3YNcJ1LJ66lFZKU/jA=="},
	{"Cyrus SASL 2.1.28", verifier.KindSCRAMSHA256, "SCRAM-SHA-256$4096:/EHnQ6X4VBqPJZ9o3lhsNw==$0A/45UY/7Ao6MRjumCoAJolMeoMrzo4X5skclFfUPXA=:5Qym0ONfHY/GPRvTpC7QyH3o96VabZCoFlJmxGkYW44="},
	{"Cyrus SASL 2.1.28", verifier.KindSCRAMSHA384, "SCRAM-SHA-384$4096:IGmew8mc2YSU4Q4UyNQQig==$tAkXHzsbJ8Yryyq85ouAjHd1p+hcKt7i3khy7087A5+DktAusNxEzE5GPrIJzhTu:jtlXRXZw5xDkvif6qgVVLKtnQxu8KQtlYtDGaoT+st8kCwjOGlreYjwFxU4ls5A0"},
	{"Cyrus SASL 2.1.28", verifier.KindSCRAMSHA512, "SCRAM-SHA-512$4096:7knOEw7OX9phV189i3ESTA==$Dwr0frNv4BvvPghy9Vlgbz4HCuNTYbsP2swAJ2UveGzfuLYl+rAgm5RKHebza8f6eVtoH85cnLyoTC9RJ419Vw==:+hDzuE1L6uyL7/CRxYs0pJupuuU/i0VyIsXp9//bTQohetqeEi/YJZdI/mWy4HanirKbu1I8ncREErP968EVNQ=="},
	{"GNU SASL 2.2.0", verifier.KindSCRAMSHA1, "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/fTE="},
	{"GNU SASL 2.2.0", verifier.KindSCRAMSHA256, "SCRAM-SHA-256$4096:gZbSOt7FAWJQ0Klt$Mjf9nnqA4/Yns8cKGQ4Com2nBC74kWMm6JvyRWbqwwk=:yypSPzKqD/hb0wwRRsE1rok44gG49w5dq+b8EvyVxUI="},
}

// Their salt and count give their keys, and what is read is written in the same
// way.
func TestSCRAMSecretOfOthers(t *testing.T) {
	t.Parallel()
	for _, c := range scramRecords {
		s, err := parseSCRAMSecret(c.kind, []byte(c.record))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(c.record, string(s.append(nil))); diff != "" {
			t.Errorf("%s, written again, -want +got:\n%s", c.name, diff)
		}
		got, err := SCRAMSecret(c.kind, "pencil", s.salt, s.iterations)
		if diff := cmp.Diff(c.record, string(got)); err != nil || diff != "" {
			t.Errorf("%s, computed: %v, -want +got:\n%s", c.name, err, diff)
		}
	}
}

// The messages of the RFCs' examples fit the keys.
func TestSCRAMSecretOfRFCs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name              string
		kind              verifier.Kind
		salt, auth, p, sv string
	}{
		{
			"RFC 5802 section 5", verifier.KindSCRAMSHA1, "QSXCR+Q6sek8bf92",
			"n=user,r=fyko+d2lbbFgONRv9qkxdawL," +
				"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096," +
				"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
			"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			"RFC 7677 section 3", verifier.KindSCRAMSHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
			"n=user,r=rOprNGfwEbeRWgbNEkqO," +
				"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
				"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
			"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	} {
		s, err := newSCRAMSecret(c.kind, "pencil", decoded(t, c.salt), 4096)
		if err != nil {
			t.Fatal(err)
		}
		h := scramHashes[c.kind]
		clientKey := h.mac(s.storedKey, c.auth)
		for i, b := range decoded(t, c.p) {
			clientKey[i] ^= b
		}
		sum := h.new()
		sum.Write(clientKey)
		if !hmac.Equal(sum.Sum(nil), s.storedKey) {
			t.Errorf("%s: the proof does not fit the StoredKey", c.name)
		}
		if !bytes.Equal(h.mac(s.serverKey, c.auth), decoded(t, c.sv)) {
			t.Errorf("%s: the ServerKey gives another signature", c.name)
		}
	}
}

func TestSCRAMSecretRefused(t *testing.T) {
	t.Parallel()
	good := scramRecords[0].record
	if _, err := parseSCRAMSecret(verifier.KindSCRAMSHA1, []byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, record := range map[string]string{
		"empty":              "",
		"another hash":       strings.Replace(good, "SHA-1", "SHA-256", 1),
		"lower case":         strings.ToLower(good),
		"blank around $":     strings.Replace(good, "$", " $ ", 1),
		"no count":           strings.Replace(good, "4096", "", 1),
		"count 0":            strings.Replace(good, "4096", "0", 1),
		"leading zero":       strings.Replace(good, "4096", "04096", 1),
		"negative count":     strings.Replace(good, "4096", "-1", 1),
		"too many":           strings.Replace(good, "4096", "10000001", 1),
		"beyond 64 bits":     strings.Replace(good, "4096", "99999999999999999999", 1),
		"no salt":            strings.Replace(good, "1RCpe4m6wYpIdpdKJ9+bMg==", "", 1),
		"newline in salt":    strings.Replace(good, "1RCp", "1R\nCp", 1),
		"bits in padding":    strings.Replace(good, "bMg==", "bMh==", 1),
		"no padding":         strings.Replace(good, "bMg==", "bMg", 1),
		"URL alphabet":       strings.Replace(good, "9+bMg", "9-bMg", 1),
		"short StoredKey":    strings.Replace(good, "2RrvFMvah/Mk", "2RrvFMva", 1),
		"long ServerKey":     strings.Replace(good, "5t0o", "5t0o5t0o", 1),
		"no ServerKey":       good[:strings.LastIndexByte(good, ':')],
		"something after it": good + " ",
		"long salt":          strings.Replace(good, "1RCp", strings.Repeat("1RCp", 350), 1),
		"very long":          good + strings.Repeat("=", 1<<20),
	} {
		s, err := parseSCRAMSecret(verifier.KindSCRAMSHA1, []byte(record))
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || s.salt != nil {
			t.Errorf("%s: %v, %v", name, s.salt, err)
		}
	}
	if _, err := parseSCRAMSecret(verifier.KindPassword, []byte(good)); err == nil {
		t.Error("parsed as a kind that is not of SCRAM")
	}
	salt := make([]byte, 16)
	for name, err := range map[string]error{
		"kind":       second(SCRAMSecret(verifier.KindOTP, "x", salt, 1)),
		"no salt":    second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", nil, 1)),
		"long salt":  second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", make([]byte, 1025), 1)),
		"iterations": second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", salt, 0)),
		"many":       second(SCRAMSecret(verifier.KindSCRAMSHA1, "x", salt, 10_000_001)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ []byte, err error) error { return err }

// The longest record that may be made can be read.
func TestSCRAMSecretLongest(t *testing.T) {
	t.Parallel()
	s := scramSecret{
		kind: verifier.KindSCRAMSHA512, iterations: maxSCRAMIterations,
		salt: make([]byte, maxSCRAMSalt), storedKey: make([]byte, 64), serverKey: make([]byte, 64),
	}
	if again, err := parseSCRAMSecret(s.kind, s.append(nil)); err != nil || !bytes.Equal(again.salt, s.salt) {
		t.Errorf("%d bytes: %v", len(s.append(nil)), err)
	}
}

func FuzzSCRAMSecret(f *testing.F) {
	for _, c := range scramRecords {
		f.Add([]byte(c.record))
	}
	parse := func(b []byte) (scramSecret, error) {
		for _, kind := range SCRAMKinds() {
			if s, err := parseSCRAMSecret(kind, b); err == nil {
				if !bytes.Equal(s.append(nil), b) {
					f.Errorf("%q is written as %q", b, s.append(nil))
				}
				return s, nil
			}
		}
		return parseSCRAMSecret(verifier.KindSCRAMSHA256, b)
	}
	fuzzParser(f, parse, func(s scramSecret) []byte { return s.append(nil) })
}

func TestOTPSecret(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, phrase, seed string
		n                  int
		want               uint64
	}{
		{"RFC 2289 appendix C", "This is a test.", "TeSt", 0, 0x9E876134D90499DD},
		{"RFC 2289 appendix C", "This is a test.", "TeSt", 1, 0x7965E05436F5029F},
		{"RFC 2289 appendix C", "This is a test.", "TeSt", 99, 0x50FE1962C4965880},
		{"RFC 2289 appendix C", "AbCdEfGhIjK", "alpha1", 0, 0x87066DD9644BF206},
		{"RFC 2289 appendix C", "AbCdEfGhIjK", "alpha1", 1, 0x7CD34C1040ADD14B},
		{"RFC 2289 appendix C", "AbCdEfGhIjK", "alpha1", 99, 0x5AA37A81F212146C},
		{"RFC 2289 appendix C", "OTP's are good", "correct", 0, 0xF205753943DE4CF9},
		{"RFC 2289 appendix C", "OTP's are good", "correct", 1, 0xDDCDAC956F234937},
		{"RFC 2289 appendix C", "OTP's are good", "correct", 99, 0xB203E28FA525BE47},
		{"saslpasswd2 2.1.28", "pw-alice", "vm3333", 499, 0x2b2b2ef89c2e8954},
		{"saslpasswd2 2.1.28", "correct horse", "vm3147", 499, 0x76610b441f8b29fe},
	} {
		if got := otpMD5(c.seed, c.phrase, c.n); got != c.want {
			t.Errorf("%s: %q, seed %q, number %d: %016x, want %016x", c.name, c.phrase, c.seed, c.n, got, c.want)
		}
	}
	form := regexp.MustCompile("^md5\t0499\t([a-z]{2}[0-9]{4})\t([0-9a-f]{16})\t0{20}$")
	seeds := map[string]bool{}
	for range 100 {
		parts := form.FindStringSubmatch(string(OTPSecret("pencil")))
		if parts == nil || parts[2] != fmt.Sprintf("%016x", otpMD5(parts[1], "pencil", 499)) || strings.HasSuffix(parts[1], "0000") {
			t.Fatalf("record is %q", parts)
		}
		seeds[parts[1]] = true
	}
	if len(seeds) < 90 {
		t.Errorf("%d different seeds of 100", len(seeds))
	}
}

func TestSecretsOfPassword(t *testing.T) {
	t.Parallel()
	all := append([]verifier.Kind{verifier.KindPassword, verifier.KindCRAMMD5, verifier.KindDIGESTMD5, verifier.KindOTP}, SCRAMKinds()...)
	secrets, err := Secrets("al", "example.com", "pen\u00adcil", append(all, verifier.KindPassword, verifier.KindCheck)...)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []verifier.Kind
	salts := map[string]bool{}
	for _, s := range secrets {
		kinds = append(kinds, s.Kind)
		if s.Account.User != "al" || s.Account.Realm != "example.com" {
			t.Errorf("%v is of %+v", s.Kind, s.Account)
		}
		want := map[verifier.Kind]string{
			verifier.KindPassword:  "pencil",
			verifier.KindCRAMMD5:   string(CRAMMD5Secret("pencil")),
			verifier.KindDIGESTMD5: string(DIGESTMD5Secret("al", "example.com", "pencil")),
		}[s.Kind]
		if want != "" && string(s.Value) != want {
			t.Errorf("%v is %q, want %q", s.Kind, s.Value, want)
		}
		if !s.Kind.IsSCRAM() {
			continue
		}
		record, err := parseSCRAMSecret(s.Kind, s.Value)
		if err != nil || record.iterations != 10000 || len(record.salt) != 16 {
			t.Errorf("%v: %d iterations, salt of %d bytes, %v", s.Kind, record.iterations, len(record.salt), err)
		}
		salts[string(record.salt)] = true
	}
	if diff := cmp.Diff(all, kinds); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(salts) != 5 {
		t.Errorf("%d different salts, want 5", len(salts))
	}
}

func TestSCRAMKind(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]verifier.Kind{
		"SCRAM-SHA-1": verifier.KindSCRAMSHA1, "scram-sha-256": verifier.KindSCRAMSHA256, "SCRAM-SHA-512-PLUS": verifier.KindSCRAMSHA512,
		"SCRAM": 0, "SCRAM-MD5": 0, "": 0, "-PLUS": 0, "CRAM-MD5": 0,
	} {
		if got, ok := SCRAMKind(name); got != want || ok != (want != 0) {
			t.Errorf("%q: %v, %v", name, got, ok)
		}
	}
}

// Decoys are of the form that a mechanism computes with.
func TestSCRAMDecoys(t *testing.T) {
	t.Parallel()
	for _, kind := range SCRAMKinds() {
		s, err := parseSCRAMSecret(kind, verifier.Decoy(kind).Value)
		if err != nil || s.iterations != newIterations {
			t.Errorf("%v: %d iterations, %v", kind, s.iterations, err)
		}
	}
}

func TestSecretsRefused(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxPasswordLimit)
	for _, c := range []struct {
		name, password string
		kinds          []verifier.Kind
		want           error
	}{
		{"empty", "", SCRAMKinds(), ErrEmptyPassword},
		{"empty once prepared", "\u00ad", SCRAMKinds(), ErrEmptyPassword},
		{"too long", long + "x", []verifier.Kind{verifier.KindPassword}, ErrLongPassword},
		{"too long once prepared", strings.Repeat("\ufdfa", maxPasswordLimit/4), []verifier.Kind{verifier.KindPassword}, ErrLongPassword},
		{"longest", long, []verifier.Kind{verifier.KindPassword}, nil},
		{"nothing that can be made", "pencil", []verifier.Kind{verifier.KindCheck}, ErrNoKinds},
		{"nothing asked", "pencil", nil, ErrNoKinds},
	} {
		s, err := Secrets("al", "", c.password, c.kinds...)
		if !errors.Is(err, c.want) || (err == nil) != (s != nil) {
			t.Errorf("%s: %d secrets, %v", c.name, len(s), err)
		}
	}
	for name, password := range map[string]string{"NUL": "a\x00b", "not UTF-8": "j\xf6rg", "unassigned in Unicode 3.2": "pen\U0001f600cil"} {
		_, err := Secrets("al", "", password, verifier.KindPassword)
		var refused *saslprep.Error
		if !errors.As(err, &refused) || strings.Contains(err.Error(), "cil") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSCRAMKinds: every kind of SCRAM keys has a hash, and no other kind has.
func TestSCRAMKinds(t *testing.T) {
	t.Parallel()
	var want []verifier.Kind
	for k := range verifier.AllKinds.All() {
		if k.IsSCRAM() {
			want = append(want, k)
		}
	}
	if got := SCRAMKinds(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
