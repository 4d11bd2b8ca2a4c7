package crypt

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/saslkit/saslkit/internal/secret"
)

const (
	digits11   = "CanaryHash/"
	digits22   = digits11 + digits11
	digits28   = digits22 + "Canary"
	digits43   = digits22 + "CanaryHash/CanaryHash"
	digits86   = digits43 + digits43
	base64of16 = "CanaryHash/CanaryHashA"
	base64of32 = digits22 + "CanaryHash/CanaryHasA"
	bcrypt53   = "CanaryCanaryCanaryCanO" + "CanaryCanaryCanaryCanaryCanaryC"
)

func TestSyntaxErrors(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]string{
		"empty":                          "",
		"no login":                       "*",
		"locked":                         "!",
		"locked with its hash":           "!$6$salt$" + digits86,
		"shadowed":                       "x",
		"Solaris without password":       "NP",
		"Solaris locked":                 "*LK*",
		"libcrypt's failure":             "*0",
		"a password":                     "Canary",
		"a password with a colon":        "Canary:13chars",
		"NUL":                            "$6$salt$\x00" + digits86[:85],
		"newline at the end":             "$6$salt$" + digits86 + "\n",
		"blank before":                   " $6$salt$" + digits86,
		"beyond ASCII":                   "$6$sält$" + digits86,
		"very long":                      "$6$salt$" + strings.Repeat(digits86, 12),
		"descrypt, 12":                   "CanaryCanary",
		"descrypt, 14":                   "CanaryCanaryCa",
		"descrypt, other digit":          "CanaryCanary-",
		"bigcrypt":                       "ab" + digits11 + digits11,
		"bsdicrypt, 19":                  "_J9..salt" + digits11[1:],
		"bsdicrypt, 21":                  "_J9..salt" + digits11 + "x",
		"bsdicrypt, other digit":         "_J9..sal-" + digits11,
		"sha512crypt, only prefix":       "$6$",
		"sha512crypt, no hash":           "$6$salt",
		"sha512crypt, empty hash":        "$6$salt$",
		"sha512crypt, short hash":        "$6$salt$" + digits86[1:],
		"sha512crypt, long hash":         "$6$salt$" + digits86 + "x",
		"sha512crypt, other digit":       "$6$salt$-" + digits86[1:],
		"sha512crypt, long salt":         "$6$0123456789abcdefg$" + digits86,
		"sha512crypt, sha256's hash":     "$6$salt$" + digits43,
		"sha512crypt, more fields":       "$6$salt$" + digits86[:40] + "$" + digits86[41:],
		"sha512crypt, 999 rounds":        "$6$rounds=999$salt$" + digits86,
		"sha512crypt, leading zero":      "$6$rounds=05000$salt$" + digits86,
		"sha512crypt, sign":              "$6$rounds=+5000$salt$" + digits86,
		"sha512crypt, no number":         "$6$rounds=$salt$" + digits86,
		"sha512crypt, out of format":     "$6$rounds=1000000000$salt$" + digits86,
		"sha512crypt, beyond 64 bits":    "$6$rounds=99999999999999999999$salt$" + digits86,
		"sha1crypt, no rounds":           "$sha1$salt$" + digits28,
		"sha1crypt, leading zero":        "$sha1$01$salt$" + digits28,
		"sha1crypt, no salt":             "$sha1$1$$" + digits28,
		"sha1crypt, other salt":          "$sha1$1$sa-t$" + digits28,
		"sha1crypt, short hash":          "$sha1$1$salt$" + digits28[1:],
		"sunmd5, no hash":                "$md5$salt$$",
		"sunmd5, only hash":              "$md5$" + digits22,
		"sunmd5, no rounds":              "$md5,rounds=$salt$$" + digits22,
		"sunmd5, 0 rounds":               "$md5,rounds=0$salt$$" + digits22,
		"sunmd5, 2^32 rounds":            "$md5,rounds=4294967296$salt$$" + digits22,
		"sunmd5, three dollars":          "$md5$salt$$$" + digits22,
		"sunmd5, other salt":             "$md5$sa-t$$" + digits22,
		"md5crypt, long salt":            "$1$123456789$" + digits22,
		"md5crypt, Dovecot's more":       "$1$salt$" + digits22 + "$ignored",
		"apr1, short hash":               "$apr1$salt$" + digits22[1:],
		"nt, one dollar":                 "$3$0123456789abcdef0123456789abcdef",
		"nt, upper case":                 "$3$$0123456789ABCDEF0123456789ABCDEF",
		"nt, short":                      "$3$$0123456789abcdef0123456789abcd",
		"bcrypt, short":                  "$2b$05$" + bcrypt53[1:],
		"bcrypt, cost 3":                 "$2b$03$" + bcrypt53,
		"bcrypt, cost 32":                "$2b$32$" + bcrypt53,
		"bcrypt, one digit":              "$2b$5$" + bcrypt53 + "x",
		"bcrypt, no number":              "$2b$0x$" + bcrypt53,
		"bcrypt, other digit":            "$2b$05$-" + bcrypt53[1:],
		"bcrypt, bits after the salt":    "$2b$05$" + bcrypt53[:21] + "P" + bcrypt53[22:],
		"bcrypt, bits after the hash":    "$2b$05$" + bcrypt53[:52] + "z",
		"scrypt, only prefix":            "$7$",
		"scrypt, short settings":         "$7$4/....1...$" + digits43,
		"scrypt, N = 2":                  "$7$//..../....salt$" + digits43,
		"scrypt, r = 0":                  "$7$4...../....salt$" + digits43,
		"scrypt, p = 0":                  "$7$4/.........salt$" + digits43,
		"scrypt, other salt":             "$7$4/..../....sa-t$" + digits43,
		"scrypt, long salt":              "$7$4/..../...." + strings.Repeat("salt", 65) + "$" + digits43,
		"yescrypt, only prefix":          "$y$",
		"yescrypt, no settings":          "$y$$salt$" + digits43,
		"yescrypt, no r":                 "$y$j7$salt$" + digits43,
		"yescrypt, cut number":           "$y$j7z$salt$" + digits43,
		"yescrypt, N = 2":                "$y$j.5$salt$" + digits43,
		"yescrypt, other digit":          "$y$j75-$salt$" + digits43,
		"yescrypt, salt of one digit":    "$y$j75$s$" + digits43,
		"yescrypt, bits after the salt":  "$y$j75$zz$" + digits43,
		"yescrypt, long salt":            "$y$j75$" + strings.Repeat("salt", 22) + "$" + digits43,
		"yescrypt, more fields":          "$y$j75$salt$" + digits43[:20] + "$" + digits43[21:],
		"argon2, no version":             "$argon2id$m=8,t=1,p=1$c2FsdHNhbHQ$" + base64of32 + "$",
		"argon2, version 18":             "$argon2id$v=18$m=8,t=1,p=1$c2FsdHNhbHQ$" + base64of16,
		"argon2, other order":            "$argon2id$v=19$t=1,m=8,p=1$c2FsdHNhbHQ$" + base64of16,
		"argon2, no lanes":               "$argon2id$v=19$m=8,t=1$c2FsdHNhbHQ$" + base64of16,
		"argon2, 0 lanes":                "$argon2id$v=19$m=8,t=1,p=0$c2FsdHNhbHQ$" + base64of16,
		"argon2, 0 passes":               "$argon2id$v=19$m=8,t=0,p=1$c2FsdHNhbHQ$" + base64of16,
		"argon2, leading zero":           "$argon2id$v=19$m=08,t=1,p=1$c2FsdHNhbHQ$" + base64of16,
		"argon2, less memory than lanes": "$argon2id$v=19$m=15,t=1,p=2$c2FsdHNhbHQ$" + base64of16,
		"argon2, a key":                  "$argon2id$v=19$m=8,t=1,p=1,keyid=x$c2FsdHNhbHQ$" + base64of16,
		"argon2, short salt":             "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$" + base64of16,
		"argon2, long salt":              "$argon2id$v=19$m=8,t=1,p=1$" + digits86 + "AAAA$" + base64of16,
		"argon2, padding":                "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ=$" + base64of16,
		"argon2, short hash":             "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + digits11,
		"argon2, crypt64":                "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$." + base64of16[1:],
		"open brace":                     "{SSHA",
		"empty scheme":                   "{}Canary",
		"blank in a scheme":              "{SS HA}Canary",
		"long scheme":                    "{" + strings.Repeat("Canary", 7) + "}x",
		"{SSHA}, empty":                  "{SSHA}",
		"{SSHA}, no salt":                "{SSHA}EwDfAwmutrlR3m2oFG7jbIFFsQc=",
		"{SSHA}, no padding":             "{SSHA}EwDfAwmutrlR3m2oFG7jbIFFsQdCa/g",
		"{SSHA}, newline":                "{SSHA}EwDfAwmutrlR\n3m2oFG7jbIFFsQdCa/g5",
		"{SSHA}, blank after":            "{SSHA}EwDfAwmutrlR3m2oFG7jbIFFsQdCa/g5 ",
		"{SSHA}, very long":              "{SSHA}" + strings.Repeat("Cana", 300),
		"{SSHA.HEX}, base64":             "{SSHA.HEX}EwDfAwmutrlR3m2oFG7jbIFFsQdCa/g5",
		"{SHA}, short":                   "{SHA}EwDfAwmutrlR3m2oFG7jbIFF",
		"{SHA}, bits in padding":         "{SHA}HajDoWrHHfCO+94GKxNwlQDxIq9=",
		"{MD5}, neither":                 "{MD5}Canary",
		"{MD5}, in hex twice":            "{MD5.HEX}9dd4e461268c8034f5c8564e155c67a6",
		"{MD5-CRYPT}, another":           "{MD5-CRYPT}$5$salt$" + digits43,
		"{BLF-CRYPT}, another":           "{BLF-CRYPT}$5$salt$" + digits43,
		"{ARGON2ID}, another":            "{ARGON2ID}$5$salt$" + digits43,
		"{CRYPT}, a scheme in a scheme":  "{CRYPT}{CRYPT}$5$salt$" + digits43,
		"{CRYPT}, empty":                 "{CRYPT}",
		"{PBKDF2}, no salt":              "{PBKDF2}$1$$5000$1f821f98f58a8b66e06473a98958a1ca24bfc9ca",
		"{PBKDF2}, 0 rounds":             "{PBKDF2}$1$salt$0$1f821f98f58a8b66e06473a98958a1ca24bfc9ca",
		"{PBKDF2}, short":                "{PBKDF2}$1$salt$1$1f821f98f58a8b66e06473a98958a1ca24bfc9",
		"{PBKDF2}, more fields":          "{PBKDF2}$1$salt$1$1f821f98f58a8b66e06473a98958a1ca24bfc9ca$",
		"{PBKDF2-SHA256}, SHA-1's":       "{PBKDF2-SHA256}1$c2FsdHNhbHQ$EwDfAwmutrlR3m2oFG7jbIFFsQc",
		"{PBKDF2-SHA1}, padding":         "{PBKDF2-SHA1}1$c2FsdHNhbHQ$EwDfAwmutrlR3m2oFG7jbIFFsQc=",
		"{PBKDF2-SHA1}, no salt":         "{PBKDF2-SHA1}1$$EwDfAwmutrlR3m2oFG7jbIFFsQc",
		"{PBKDF2-SHA1}, newline":         "{PBKDF2-SHA1}1$c2Fsd\nHNhbHQ$EwDfAwmutrlR3m2oFG7jbIFFsQc",
		"{PBKDF2-SHA1}, no rounds":       "{PBKDF2-SHA1}$c2FsdHNhbHQ$EwDfAwmutrlR3m2oFG7jbIFFsQc",
	} {
		h, err := Parse(stored)
		var syntax *SyntaxError
		if h != nil || !errors.As(err, &syntax) || !errors.Is(err, ErrUnusable) || syntax.Reason == "" {
			t.Errorf("%s: %v, %v", name, h, err)
			continue
		}
		quotesNothing(t, stored, err)
	}
}

// quotesNothing fails if an error shows a stored value, of which the tests have Canary
// in every place but the scheme.
func quotesNothing(t *testing.T, stored string, err error) {
	t.Helper()
	if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "Canary") {
		t.Errorf("%q: %s", stored, text)
	}
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ stored, scheme string }{
		{"$gy$j9T$salt$" + digits43, "$gy$"},
		{"$2x$05$" + bcrypt53, "$2x$"},
		{"$2$05$" + bcrypt53, "$2$"},
		{"$argon2d$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + base64of16, "$argon2d$"},
		{"$argon2id$m=8,t=1,p=1$c2FsdHNhbHQ$" + base64of16, "argon2id"},
		{"$y$.75$salt$" + digits43, "yescrypt"},
		{"$y$j75/.$salt$" + digits43, "yescrypt"},
		{"$pbkdf2-sha256$1000$salt$" + digits43, "$pbkdf2-sha256$"},
		{"$8$Canary$" + digits43, "$8$"},
		{"$CanaryCanaryCanary$x", ""},
		{"$Canary", ""},
		{"$$$", ""},
		{"$Canary;$", ""},
		{"$Canary Canary$x", ""},
		{"{SSHA3}Canary", "{SSHA3}"},
		{"{SSHA.XYZ}Canary", "{SSHA}"},
		{"{SSHA.HEX.HEX}Canary", "{SSHA}"},
		{"{Canary,Canary}x", ""},
		{"{CRYPT}$gy$j9T$salt$" + digits43, "$gy$"},
		{"{plain}Canary", "{PLAIN}"},
		{"{PLAIN.HEX}43616e617279", "{PLAIN}"},
		{"{OTP}Canary", "{OTP}"},
		{"{SCRAM-SHA-256}Canary", "{SCRAM-SHA-256}"},
		{"{SCRAM-SHA-512}Canary", "{SCRAM-SHA-512}"},
		{"{SASL}Canary", "{SASL}"},
	} {
		h, err := Parse(c.stored)
		var unsupported *UnsupportedError
		if strings.Contains(c.stored, ";") || strings.Contains(c.stored, " ") { // not even of the alphabet
			var syntax *SyntaxError
			if h != nil || !errors.As(err, &syntax) {
				t.Errorf("%s: %v, %v", c.stored, h, err)
			}
			continue
		}
		if h != nil || !errors.As(err, &unsupported) || !errors.Is(err, ErrUnusable) || unsupported.Scheme != c.scheme || unsupported.Reason == "" {
			t.Errorf("%s: %v, %v", c.stored, h, err)
			continue
		}
		quotesNothing(t, c.stored, err)
	}
}

// TestCosts: what is at a limit is taken, and what is above it is not.
func TestCosts(t *testing.T) {
	t.Parallel()
	const base64of20 = "EwDfAwmutrlR3m2oFG7jbIFFsQc"
	for _, c := range []struct {
		name, at, above string
		cost            Cost
		want            CostError
	}{
		{"sha512crypt", "$6$rounds=5000000$salt$" + digits86, "$6$rounds=5000001$salt$" + digits86,
			Cost{Scheme: "sha512crypt", Rounds: 5_000_000, Salt: 4}, CostError{"sha512crypt", "rounds", 5_000_001, 5_000_000}},
		{"sha256crypt", "$5$rounds=5000000$$" + digits43, "$5$rounds=999999999$$" + digits43,
			Cost{Scheme: "sha256crypt", Rounds: 5_000_000}, CostError{"sha256crypt", "rounds", 999_999_999, 5_000_000}},
		{"sha1crypt", "$sha1$5000000$salt$" + digits28, "$sha1$9999999999$salt$" + digits28,
			Cost{Scheme: "sha1crypt", Rounds: 5_000_000, Salt: 4}, CostError{"sha1crypt", "rounds", 9_999_999_999, 5_000_000}},
		{"sunmd5", "$md5,rounds=1995904$salt$$" + digits22, "$md5,rounds=4294967295$salt$$" + digits22,
			Cost{Scheme: "sunmd5", Rounds: 2_000_000, Salt: 25}, CostError{"sunmd5", "rounds", 4_294_971_391, 2_000_000}},
		{"bcrypt", "$2b$16$" + bcrypt53, "$2y$17$" + bcrypt53,
			Cost{Scheme: "bcrypt", Rounds: 1 << 16}, CostError{"bcrypt", "cost", 17, 16}},
		{"scrypt, memory", "$7$EU..../....salt$" + digits43, "$7$FU..../....salt$" + digits43,
			Cost{Scheme: "scrypt", Rounds: 1 << 16, Block: 32, Lanes: 1, Memory: 256 << 10, Salt: 4}, CostError{"scrypt", "memory in KiB", 512 << 10, 256 << 10}},
		{"scrypt, N", "$7$J/..../....salt$" + digits43, "$7$z/..../....salt$" + digits43,
			Cost{Scheme: "scrypt", Rounds: 1 << 21, Block: 1, Lanes: 1, Memory: 256 << 10, Salt: 4}, CostError{"scrypt", "memory in KiB", 1 << 29, 256 << 10}},
		{"scrypt, work", "$7$C/...../...salt$" + digits43, "$7$EU....3....salt$" + digits43,
			Cost{Scheme: "scrypt", Rounds: 1 << 14, Block: 1, Lanes: 64, Memory: 2 << 10, Salt: 4}, CostError{"scrypt", "N·r·p", 5 << 21, 1 << 23}},
		{"scrypt, r", "$7$0.E.../....salt$" + digits43, "$7$0zzzzz/....salt$" + digits43,
			Cost{Scheme: "scrypt", Rounds: 4, Block: 1024, Lanes: 1, Memory: 512, Salt: 4}, CostError{"scrypt", "r", 1<<30 - 1, 1024}},
		{"scrypt, p", "$7$0/.....E...salt$" + digits43, "$7$0/....zzzzzsalt$" + digits43,
			Cost{Scheme: "scrypt", Rounds: 4, Block: 1, Lanes: 1024, Salt: 4}, CostError{"scrypt", "p", 1<<30 - 1, 1024}},
		{"yescrypt", "$y$jDT$salt$" + digits43, "$y$jET$salt$" + digits43,
			Cost{Scheme: "yescrypt", Rounds: 1 << 16, Block: 32, Lanes: 1, Memory: 256 << 10, Salt: 3}, CostError{"yescrypt", "memory in KiB", 512 << 10, 256 << 10}},
		{"yescrypt, r", "$y$j/s..$salt$" + digits43, "$y$j/vzz$salt$" + digits43,
			Cost{Scheme: "yescrypt", Rounds: 4, Block: 561, Lanes: 1, Memory: 280, Salt: 3}, CostError{"yescrypt", "r", 48 + 8*64 + 4*64*64, 1024}},
		{"argon2id, memory", "$argon2id$v=19$m=262144,t=16,p=16$c2FsdHNhbHQ$" + base64of16, "$argon2id$v=19$m=262145,t=1,p=1$c2FsdHNhbHQ$" + base64of16,
			Cost{Scheme: "argon2id", Rounds: 16, Lanes: 16, Memory: 256 << 10, Salt: 8, Size: 16}, CostError{"argon2id", "memory in KiB", 262145, 262144}},
		{"argon2i, passes", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + base64of16, "$argon2i$v=19$m=8,t=17,p=1$c2FsdHNhbHQ$" + base64of16,
			Cost{Scheme: "argon2i", Rounds: 1, Lanes: 1, Memory: 8, Salt: 8, Size: 16}, CostError{"argon2i", "passes", 17, 16}},
		{"argon2i, lanes", "$argon2i$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$" + base64of32, "$argon2i$v=19$m=262144,t=1,p=17$c2FsdHNhbHQ$" + base64of32,
			Cost{Scheme: "argon2i", Rounds: 1, Lanes: 1, Memory: 8, Salt: 8, Size: 32}, CostError{"argon2i", "lanes", 17, 16}},
		{"PBKDF2", "{PBKDF2}$1$salt$5000000$1f821f98f58a8b66e06473a98958a1ca24bfc9ca", "{PBKDF2}$1$salt$5000001$1f821f98f58a8b66e06473a98958a1ca24bfc9ca",
			Cost{Scheme: "PBKDF2-SHA1", Rounds: 5_000_000, Salt: 4}, CostError{"PBKDF2-SHA1", "rounds", 5_000_001, 5_000_000}},
		{"PBKDF2, OpenLDAP", "{PBKDF2-SHA1}5000000$c2FsdHNhbHQ$" + base64of20, "{PBKDF2}5000001$c2FsdHNhbHQ$" + base64of20,
			Cost{Scheme: "PBKDF2-SHA1", Rounds: 5_000_000, Salt: 8}, CostError{"PBKDF2-SHA1", "rounds", 5_000_001, 5_000_000}},
	} {
		h, err := Parse(c.at)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if diff := cmp.Diff(c.cost, h.Cost()); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.name, diff)
		}
		var cost *CostError
		if h, err = Parse(c.above); h != nil || !errors.As(err, &cost) || !errors.Is(err, ErrUnusable) {
			t.Errorf("%s: above the limit: %v, %v", c.name, h, err)
			continue
		}
		if *cost != c.want {
			t.Errorf("%s: %v, want %v", c.name, cost, &c.want)
		}
		quotesNothing(t, c.above, err)
	}
}

// TestNumbersOfYescrypt: the decimal of each end of each length of number.
func TestNumbersOfYescrypt(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		".": 1, "j": 48, "k.": 49, "rz": 48 + 8*64, "s..": 49 + 8*64, "vzz": 48 + 8*64 + 4*64*64, "w...": 49 + 8*64 + 4*64*64,
	} {
		if n, rest, ok := variable(text+"!", 1); n != want || rest != "!" || !ok {
			t.Errorf("%s: %d, %q, %v, want %d", text, n, rest, ok, want)
		}
	}
	for _, text := range []string{"", "!", "k", "s.", "zzzzz"} {
		if n, rest, ok := variable(text, 1); n != 0 || rest != "" || ok {
			t.Errorf("%s: %d, %q, %v", text, n, rest, ok)
		}
	}
}

func TestSplitScheme(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stored, scheme, value string
		ok                    bool
	}{
		{"{SSHA256.HEX}abc", "SSHA256.HEX", "abc", true},
		{"{x}", "x", "", true},
		{"{PLAIN}{x}", "PLAIN", "{x}", true},
		{"{PLAIN}\x00ü", "PLAIN", "\x00ü", true},
		{"{CRYPT}$6$", "CRYPT", "$6$", true},
		{"", "", "", false},
		{"{", "", "", false},
		{"{}x", "", "", false},
		{"{{}x", "", "", false},
		{"{SSHA", "", "", false},
		{"{SS HA}x", "", "", false},
		{"{SSHÄ}x", "", "", false},
		{" {SSHA}x", "", "", false},
		{"{" + strings.Repeat("x", 40) + "}y", strings.Repeat("x", 40), "y", true},
		{"{" + strings.Repeat("x", 41) + "}y", "", "", false},
	} {
		if scheme, value, ok := SplitScheme(c.stored); scheme != c.scheme || value != c.value || ok != c.ok {
			t.Errorf("%q: %q, %q, %v", c.stored, scheme, value, ok)
		}
	}
}

// TestCaseOfSchemes: LDAP and Dovecot ignore it, in the suffix too.
func TestCaseOfSchemes(t *testing.T) {
	t.Parallel()
	for _, stored := range []string{"{ssha}EwDfAwmutrlR3m2oFG7jbIFFsQdCa/g5", "{SSha.b64}EwDfAwmutrlR3m2oFG7jbIFFsQdCa/g5", "{SSHA.hEx}1300df0309aeb6b951de6da8146ee36c8145b107426bf839"} {
		if h, err := Parse(stored); err != nil || !h.Matches("x") || h.Scheme() != "SSHA" {
			t.Errorf("%s: %v, %v", stored, h, err)
		}
	}
}

// TestNT: both ways to make 16-bit characters of a password.
func TestNT(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]string{
		"libxcrypt: bytes": "$3$$73fbc0c01c4b919edc94ac38d4681c17",
		"Samba: UTF-16":    "$3$$" + fmt.Sprintf("%x", md4Of([]uint16{'P', 'a', '5', ' ', 'ü', ';', 'x'})),
	} {
		if h, err := Parse(stored); err != nil || !h.Matches("Pa5 ü;x") || h.Matches("Pa5 u;x") {
			t.Errorf("%s: %v, %v", name, h, err)
		}
	}
}

// TestRedacted: a Hash holds what an attacker would like to guess at.
func TestRedacted(t *testing.T) {
	t.Parallel()
	h, err := Parse("$6$Canary$" + digits86)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, h); got != secret.Redacted {
			t.Errorf("%s: %s", verb, got)
		}
	}
	if got, want := h.Cost().String(), "sha512crypt, 5000 rounds, 6 bytes of salt"; got != want {
		t.Errorf("Cost: %s, want %s", got, want)
	}
}

// TestFIPS: where FIPS 140 is enforced the standard library panics for much of what is
// needed here.
func TestFIPS(t *testing.T) {
	t.Parallel()
	const inside = "SASLKIT_TEST_FIPS"
	if os.Getenv(inside) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPS$")
		cmd.Env = append(os.Environ(), inside+"=1", "GODEBUG=fips140=only")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("with FIPS 140 enforced: %v\n%s", err, out)
		}
		return
	}
	taken := make(map[string]bool)
	for _, v := range vectors(t) {
		h, err := Parse(v.stored)
		if err != nil {
			continue
		}
		taken[v.scheme] = true
		if v.matchable() && !strings.HasPrefix(v.scheme, "PBKDF2") && !h.Matches(v.password) {
			t.Errorf("%s: %q does not match", v.tool, v.password)
		}
		h.Matches("short")
	}
	if diff := cmp.Diff(inFIPS, taken); diff != "" {
		t.Errorf("schemes, -want +got:\n%s", diff)
	}
}
