package crypt

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// A libcrypt is perl's crypt function, which is that of the system: libxcrypt.
type libcrypt struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

const perlProgram = `use strict; $| = 1;
while (<STDIN>) {
	my ($password, $setting) = map { pack "H*", $_ } split /[ \n]/, $_, -1;
	my $stored = crypt($password, $setting);
	print unpack("H*", defined $stored ? $stored : ""), "\n";
}`

func newLibcrypt(t *testing.T) *libcrypt {
	l := &libcrypt{t: t}
	l.in, l.out = peers.Start(t, peers.Need(t, "perl", "perl"), "-e", perlProgram)
	if l.crypt("x", "$y$j7.$abc$") == "" || strings.HasPrefix(l.crypt("x", "$7$4/..../....x"), "*") {
		peers.Missing(t, "libxcrypt as the system's crypt (Debian package libcrypt1)")
	}
	return l
}

// crypt returns "" or something that begins with '*' for a setting that is refused.
func (l *libcrypt) crypt(password, setting string) string {
	l.t.Helper()
	if _, err := fmt.Fprintf(l.in, "%x %x\n", password, setting); err != nil {
		l.t.Fatal(err)
	}
	line, err := l.out.ReadString('\n')
	if err != nil {
		l.t.Fatal(err)
	}
	stored, err := hex.DecodeString(strings.TrimSpace(line))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(stored)
}

// matches is how every program uses it.
func (l *libcrypt) matches(password, stored string) bool { return l.crypt(password, stored) == stored }

// A source makes random things, the same in each run.
type source struct{ *rand.Rand }

func newSource() source { return source{rand.New(rand.NewPCG(7, 11))} }

// password is one to most bytes of ASCII, of UTF-8 or of any bytes but NUL and newline.
func (s source) password(most int) string {
	from := strings.Split(s.pick("abcABC123 ,.;$", "äöüß€日本🔑é", "\x01\x7f\x80\xc3\xff\xfe\xa3\t"), "")
	var b strings.Builder
	for n := 1 + s.IntN(most); b.Len() < n; {
		b.WriteString(s.pick(from...))
	}
	text := b.String()
	return text[:min(len(text), most)]
}

// digits are so many of crypt64.
func (s source) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = crypt64[s.IntN(64)]
	}
	return string(b)
}

// salt is a salt as sha-crypt and md5crypt take them: any characters but some.
func (s source) salt(most int) string {
	var b []byte
	for n := s.IntN(most + 1); len(b) < n; {
		if c := byte(0x21 + s.IntN(0x5e)); settingByte[c] && c != '$' {
			b = append(b, c)
		}
	}
	return string(b)
}

// settings makes settings of each scheme that libxcrypt takes, with little cost.
var settings = map[string]func(s source) string{
	"descrypt":    func(s source) string { return s.digits(2) },
	"bsdicrypt":   func(s source) string { return "_" + s.digits(1) + "/.." + s.digits(4) },
	"nt":          func(source) string { return "$3$" },
	"md5crypt":    func(s source) string { return "$1$" + s.salt(8) },
	"sha1crypt":   func(s source) string { return fmt.Sprintf("$sha1$%d$%s", s.IntN(50), s.digits(1+s.IntN(64))) },
	"sunmd5 4096": func(s source) string { return s.pick("$md5$", "$md5,") + s.digits(s.IntN(20)) + s.pick("", "$") },
	"sunmd5": func(s source) string {
		return fmt.Sprintf("$md5%srounds=%d$%s%s", s.pick("$", ","), 1+s.IntN(500), s.digits(s.IntN(20)), s.pick("", "$"))
	},
	"sha256crypt":      func(s source) string { return fmt.Sprintf("$5$rounds=%d$%s", 1000+s.IntN(200), s.salt(16)) },
	"sha512crypt":      func(s source) string { return fmt.Sprintf("$6$rounds=%d$%s", 1000+s.IntN(200), s.salt(16)) },
	"sha512crypt 5000": func(s source) string { return "$6$" + s.salt(16) },
	"bcrypt": func(s source) string {
		return s.pick("$2a$", "$2b$", "$2y$") + "04$" + s.digits(21) + s.pick(".", "O", "e", "u")
	},
	"scrypt": func(s source) string {
		return "$7$" + s.pick("0", "1", "5") + s.pick("/", "0", "7") + "...." + s.pick("/", "1") + "...." + s.digits(s.IntN(90))
	},
	"yescrypt": func(s source) string {
		return "$y$j" + s.pick("/", "0", "5", "7") + s.pick(".", "/", "5", "T", "i", "k.", "lz") + "$" + s.salt64()
	},
	"yescrypt, larger r": func(s source) string { return "$y$j/s..$" + s.salt64() },
}

func (s source) pick(from ...string) string { return from[s.IntN(len(from))] }

// salt64 is a salt of yescrypt's: 0 to 64 bytes.
func (s source) salt64() string {
	raw := make([]byte, s.IntN(65))
	for i := range raw {
		raw[i] = byte(s.Uint32())
	}
	var text []byte
	for ; len(raw) > 0; raw = raw[min(3, len(raw)):] {
		group := [3]byte{}
		n := copy(group[:], raw)
		text = appendLittle(text, uint32(group[0])|uint32(group[1])<<8|uint32(group[2])<<16, n+1)
	}
	return string(text)
}

// liveRounds is for each scheme; with 400 they take some minutes.
const liveRounds = 8

// TestLibxcrypt: with random settings and passwords we say what libxcrypt says.
func TestLibxcrypt(t *testing.T) {
	t.Parallel()
	for scheme, setting := range settings {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			l, s := newLibcrypt(t), newSource()
			for range liveRounds {
				password := s.password(200)
				if scheme == "bcrypt" {
					password = s.password(maxBcryptPassword)
				}
				stored := l.crypt(password, setting(s))
				h, err := Parse(stored)
				if err != nil || !strings.HasPrefix(scheme, h.Scheme()) {
					t.Fatalf("%s: %v", stored, err)
				}
				if !h.Matches(password) {
					t.Errorf("%q does not match %s", password, stored)
				}
				for _, other := range []string{password + "x", password[:len(password)-1], s.password(200), strings.ToUpper(password), flipped(password, 0x80), flipped(password, 1)} {
					if other == "" || scheme == "bcrypt" && len(other) > maxBcryptPassword {
						continue
					}
					if got, want := h.Matches(other), l.matches(other, stored); got != want && !isText(password, other, scheme) {
						t.Errorf("%q: Matches = %v for %s of %q", other, got, stored, password)
					}
				}
			}
		})
	}
}

// flipped has other bits in the last byte.
func flipped(password string, bits byte) string {
	last := len(password) - 1
	if b := password[last] ^ bits; b != 0 {
		return password[:last] + string([]byte{b})
	}
	return password
}

// isText: we take NT hashes of UTF-16 too, so that two passwords can have one hash here
// that have two in libxcrypt: "é" and its byte in Latin-1.
func isText(a, b, scheme string) bool {
	return scheme == "nt" && string(md4Of(widened(a))) != string(md4Of(widened(b)))
}

// TestLibxcryptMalformed: what libxcrypt refuses, or writes in another way, matches
// nothing here either; what it takes and writes as it was, we take.
func TestLibxcryptMalformed(t *testing.T) {
	t.Parallel()
	for scheme, setting := range settings {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			l, s := newLibcrypt(t), newSource()
			for range liveRounds {
				const password = "Pa5 x"
				stored := l.crypt(password, setting(s))
				for range 10 {
					compare(t, l, password, s.mutant(stored, costly(stored)))
				}
			}
		})
	}
}

// costly is how much of a stored value says what it costs: other programs do not bound
// that.
func costly(stored string) int {
	switch {
	case strings.HasPrefix(stored, "_"):
		return len("_....")
	case strings.HasPrefix(stored, "$7$"):
		return len("$7$N") + 10
	case strings.HasPrefix(stored, "$2"), strings.HasPrefix(stored, "$y$"), strings.HasPrefix(stored, "$sha1$"), strings.Contains(stored, "rounds="):
		return 4 + strings.IndexByte(stored[4:], '$') + 1 + strings.IndexByte(stored[4+strings.IndexByte(stored[4:], '$')+1:], '$')
	}
	return 0
}

// mutant changes one to three places behind the first keep bytes.
func (s source) mutant(stored string, keep int) string {
	b := []byte(stored)
	for range 1 + s.IntN(3) {
		at := keep + s.IntN(len(b)-keep)
		c := []byte("$/.z0= :!*\\;\x80~\"a,_" + crypt64)[s.IntN(18+64)]
		switch s.IntN(5) {
		case 0:
			b[at] = c
		case 1:
			b = append(b[:at:at], append([]byte{c}, b[at:]...)...)
		case 2:
			b = append(b[:at:at], b[at+1:]...)
		case 3:
			b = append(b, c)
		default:
			b = append(b[:at:at], append(bytes.Clone(b[at:min(len(b), at+8)]), b[at:]...)...)
		}
		if len(b) <= keep+1 {
			return stored
		}
	}
	return string(b)
}

// compare asks both about a stored value.
func compare(t *testing.T, l *libcrypt, password, stored string) {
	t.Helper()
	want := l.matches(password, stored)
	h, err := Parse(stored)
	if err != nil {
		if want {
			t.Errorf("%s: libxcrypt takes it: %v", stored, err)
		}
		return
	}
	if got := h.Matches(password); got != want {
		t.Errorf("Matches = %v for %s", got, stored)
	}
}

// TestLibxcryptSettings: settings at the edges, completed with a hash if libxcrypt makes
// one.
func TestLibxcryptSettings(t *testing.T) {
	t.Parallel()
	l := newLibcrypt(t)
	const salt22, digits43 = "abcdefghijklmnopqrstuu", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
	for _, setting := range []string{
		"", "$", "$$", "*", "*0", "!", "!!", "x", "NP", "*LK*", "a", "a:", "ab", "a!", ":b", "$1", "$1$", "$1$$", "$5", "$5$", "$6$$",
		"$6$rounds=$x", "$6$rounds=999$x", "$6$rounds=1000$x", "$6$rounds=01000$x", "$6$rounds=+1000$x", "$6$rounds= 1000$x",
		"$6$rounds=-1$x", "$6$rounds=0$x", "$6$rounds=1000x$x", "$6$rounds=1000", "$6$rounds=1000$", "$6$rounds=1000000000$x",
		"$6$rounds=99999999999999999999$x", "$6$rounds=1000$rounds=1000$x", "$6$round=1000$x", "$6$ROUNDS=1000$x",
		"$6$0123456789abcdef", "$6$0123456789abcdefg", "$6$a b", "$6$a\nb", "$6$a:b", "$5$0123456789abcdefg", "$1$12345678", "$1$123456789",
		"$sha1$", "$sha1$0$x", "$sha1$1$x", "$sha1$01$x", "$sha1$+1$x", "$sha1$$x", "$sha1$1$", "$sha1$1", "$sha1$1$a-b", "$sha1$1$" + strings.Repeat("x", 65), "$sha1", "$sha1x",
		"$md5", "$md5$", "$md5$$", "$md5$$$", "$md5,", "$md5,x", "$md5,rounds=0$x", "$md5,rounds=01$x", "$md5,rounds=1$x", "$md5$rounds=1$x$",
		"$md5,rounds=1", "$md5,rounds=1$", "$md5,rounds=1$$", "$md5,rounds=1$$$", "$md5,rounds=$x", "$md5,rounds=1x$x", "$md5x", "$md5$a-b", "$md5$a,b$", "$md5$x$$$",
		"$2$05$" + salt22, "$2b$03$" + salt22, "$2b$4$" + salt22, "$2b$04" + salt22, "$2b$04$" + salt22[:21], "$2b$04$" + salt22, "$2b$04$" + salt22[:21] + "v", "$2z$04$" + salt22,
		"$2b$32$" + salt22, "$2b$40$" + salt22, "$2b$ 4$" + salt22, "$2b$0a$" + salt22, "$2b$04$abc-efghijklmnopqrstuu",
		"$3$", "$3$$", "$3", "$3$x", "$3$$x",
		"$7$", "$7$./..../....x", "$7$//..../....x", "$7$0/..../....", "$7$0/..../....$", "$7$0...../....x", "$7$0/.........x", "$7$0/..../...", "$7$0/..../....a-b", "$7$0/..../....a$b",
		"$7$0/..../....a$$b", "$7$-/..../....x", "$7$0/..../....a,b",
		"$y$", "$y$j", "$y$j/", "$y$j/.", "$y$j/.$", "$y$j..$ab", "$y$j/.$a", "$y$j/.$ab", "$y$j/.$z/", "$y$j/.$ab$", "$y$j/.$ab$$", "$y$j/.$a-b", "$y$j/.$" + strings.Repeat("abcd", 21) + "a/",
		"$y$j/.$" + strings.Repeat("abcd", 21) + "abc.", "$y$j/./$ab", "$y$j/..$ab", "$y$.//$ab", "$y$//.$ab", "$y$k/.$ab", "$y$j/.0.$ab",
		"_", "_....", "_........", "_...-salt", "_/...sal-", "_/...salt", "_/...saltx",
	} {
		for _, password := range []string{"Pa5 x", "ü"} {
			compare(t, l, password, l.crypt(password, setting))
		}
		for _, end := range []string{"", digits43, "$" + digits43, "$" + digits43[:22]} {
			compare(t, l, "Pa5 x", setting+end)
		}
	}
}

// TestLongestPassword: libxcrypt hashes no more than 511 bytes.
func TestLongestPassword(t *testing.T) {
	t.Parallel()
	l := newLibcrypt(t)
	for scheme, setting := range settings {
		longest := strings.Repeat("x", maxCryptPassword)
		stored := l.crypt(longest, setting(newSource()))
		h, err := Parse(stored)
		if err != nil {
			t.Fatal(err)
		}
		if h.Matches(longest) != (scheme != "bcrypt") || l.matches(longest+"x", stored) || h.Matches(longest+"x") {
			t.Errorf("%s: 511 bytes: %v, 512 bytes: %v, and %v in libxcrypt", scheme, h.Matches(longest), h.Matches(longest+"x"), l.matches(longest+"x", stored))
		}
	}
}

// run returns what a program prints for a password on its standard input.
func run(t *testing.T, stdin, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v", program, args, err)
	}
	return strings.TrimSpace(string(out))
}

// check parses what a program made of a password, and tries that and others.
func check(t *testing.T, s source, made, password string) {
	t.Helper()
	h, err := Parse(made)
	if err != nil {
		t.Errorf("%s: %v", made, err)
		return
	}
	if h.Matches(password) != (h.Scheme() != "bcrypt" || len(password) <= maxBcryptPassword) {
		t.Errorf("%s: Matches(%q) = %v", made, password, h.Matches(password))
	}
	if other := "-" + s.password(40); h.Matches(other) {
		t.Errorf("%s of %q: matches %q", made, password, other)
	}
}

// TestMkpasswd: each of its methods with random costs.
func TestMkpasswd(t *testing.T) {
	t.Parallel()
	mkpasswd, s := peers.Need(t, "mkpasswd", "whois"), newSource()
	for _, m := range []struct{ method, cost string }{
		{"yescrypt", "1"}, {"yescrypt", "4"}, {"scrypt", "6"}, {"bcrypt", "4"}, {"bcrypt", "6"}, {"bcrypt-a", "5"}, {"sha512crypt", "1000"}, {"sha512crypt", "7777"},
		{"sha256crypt", "1001"}, {"md5crypt", ""}, {"bsdicrypt", "1"}, {"bsdicrypt", "54321"}, {"descrypt", ""}, {"nt", ""}, {"sunmd5", ""},
	} {
		for range 2 {
			password, args := s.password(100), []string{"-s", "-m", m.method}
			if m.cost != "" {
				args = append(args, "-R", m.cost)
			}
			check(t, s, run(t, password, mkpasswd, args...), password)
		}
	}
	var unsupported *UnsupportedError
	if _, err := Parse(run(t, "x", mkpasswd, "-s", "-m", "gost-yescrypt")); !errors.As(err, &unsupported) || unsupported.Scheme != "$gy$" {
		t.Errorf("gost-yescrypt: %v", err)
	}
}

// TestHtpasswd: each of its hashes.
func TestHtpasswd(t *testing.T) {
	t.Parallel()
	htpasswd, s := peers.Need(t, "htpasswd", "apache2-utils"), newSource()
	if !bytes.Contains(usage(t, htpasswd), []byte("-r ")) {
		peers.Missing(t, "htpasswd with -5 (Debian package apache2-utils, 2.4.60 or later)")
	}
	for _, options := range []string{"-m", "-B -C 4", "-B -C 7", "-d", "-s", "-5", "-5 -r 1000", "-2", "-2 -r 3210"} {
		for range 5 {
			password := s.password(100)
			made := run(t, password, htpasswd, append(append([]string{"-ni"}, strings.Fields(options)...), "user")...)
			check(t, s, strings.TrimPrefix(made, "user:"), password)
		}
	}
}

func usage(t *testing.T, program string) []byte {
	out, _ := exec.CommandContext(t.Context(), program).CombinedOutput()
	return out
}

// TestDoveadm: every scheme that it lists, encoded in each way.
func TestDoveadm(t *testing.T) {
	t.Parallel()
	doveadm, s := peers.Need(t, "doveadm", "dovecot-core"), newSource()
	known := 0
	for _, scheme := range strings.Fields(run(t, "", doveadm, "pw", "-l")) {
		for _, suffix := range []string{"", ".HEX", ".b64"} {
			if strings.HasPrefix(scheme, "ARGON2") && suffix == ".HEX" {
				continue // they take long
			}
			password := s.password(60)
			made := run(t, "", doveadm, "pw", "-s", scheme+suffix, "-u", "user@realm", "-p", password)
			var unsupported *UnsupportedError
			if _, err := Parse(made); errors.As(err, &unsupported) {
				continue
			}
			check(t, s, made, password)
			known++
		}
	}
	if known < 3*20 {
		t.Errorf("%d schemes and encodings are known", known)
	}
}

// TestDoveadmMalformed: what Dovecot does not take for a password's hash, neither do we.
func TestDoveadmMalformed(t *testing.T) {
	t.Parallel()
	doveadm, s := peers.Need(t, "doveadm", "dovecot-core"), newSource()
	const password = "Pa5 x"
	for _, scheme := range []string{"MD5", "LDAP-MD5", "PLAIN-MD5", "PLAIN-MD4", "SMD5", "SSHA", "SHA", "SHA1.HEX", "SSHA256.HEX", "SHA512", "PBKDF2", "DES-CRYPT", "BLF-CRYPT", "MD5-CRYPT", "SHA256-CRYPT"} {
		made := run(t, "", doveadm, "pw", "-s", scheme, "-p", password)
		value := strings.IndexByte(made, '}') + 1
		for range 8 {
			mutant := s.mutant(made, value+max(1, costly(made[value:])))
			h, err := Parse(mutant)
			matches := err == nil && h.Matches(password)
			if matches && exec.CommandContext(t.Context(), doveadm, "pw", "-t", mutant, "-p", password).Run() != nil {
				t.Errorf("Dovecot does not match %s", mutant)
			}
		}
	}
}
