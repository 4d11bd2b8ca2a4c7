package crypt

import (
	"crypto/md5"
	"strconv"
	"strings"

	"github.com/saslkit/saslkit/internal/secret"
)

// Sun's MD5, by Alec Muffett: at each round the sum so far decides whether Hamlet's
// monologue is hashed with it.
//
//	$md5$salt$$hash            4,096 rounds
//	$md5,rounds=N$salt$$hash   4,096 and N more
//	$md5$rounds=N$salt$$hash   the same, and another hash
//
// What is hashed with the password is all of the above before "$hash". With one '$'
// after the salt ("bare salt") it has no '$' at its end: Solaris makes such hashes from
// settings without that, and both are in use.
const (
	sunMD5Rounds = 4096
	sunMD5Digits = 22
)

func parseSunMD5(scheme, stored string) (*Hash, error) {
	end := len(stored) - sunMD5Digits - 1
	if end < len("$md5$") || stored[end] != '$' || !isHash(stored[end+1:], sunMD5Digits) {
		return nil, notHash(scheme)
	}
	setting, want := stored[:end], stored[end+1:]
	rounds := int64(sunMD5Rounds)
	salt := setting[len("$md5$"):]
	if count, ok := strings.CutPrefix(salt, "rounds="); ok {
		var n string
		n, salt, ok = strings.Cut(count, "$")
		more, isNumber := number(n)
		if !ok || !isNumber || more == 0 || more > 1<<32-1 {
			return nil, &SyntaxError{Scheme: scheme, Reason: "rounds are not a number from 1 to 4294967295"}
		}
		rounds += more
	}
	if !holds(&crypt64Byte, strings.TrimSuffix(salt, "$")) {
		return nil, &SyntaxError{Scheme: scheme, Reason: "the salt holds a character that no salt has"}
	}
	if err := atMost(scheme, "rounds", rounds, maxSunMD5Rounds); err != nil {
		return nil, err
	}
	return &Hash{
		cost:    Cost{Scheme: scheme, Rounds: int(rounds), Salt: len(setting)},
		longest: maxCryptPassword,
		check:   func(password string) bool { return secret.Equal(sunMD5(password, setting, int(rounds)), want) },
	}, nil
}

// sunMD5 returns the digits of the hash.
func sunMD5(password, setting string, rounds int) []byte {
	sum := md5.Sum([]byte(password + setting))
	room := make([]byte, 0, md5.Size+len(hamlet)+10)
	for i := range rounds {
		room = append(room[:0], sum[:]...)
		if toss(&sum, i) {
			room = append(room, hamlet...)
		}
		sum = md5.Sum(strconv.AppendInt(room, int64(i), 10))
	}
	return md5Digits(&sum)
}

// toss is the coin: two bits of the sum that two bytes made of the sum point at.
func toss(sum *[md5.Size]byte, round int) bool {
	return bit(sum, pointer(sum, 0, round)) != bit(sum, pointer(sum, 8, round+64))
}

// pointer makes seven or eight bits of half a sum, and drops one if the round says so.
func pointer(sum *[md5.Size]byte, from, round int) (p int) {
	for i := range 8 {
		a, b := sum[(from+i)%16], sum[(from+i+3)%16]
		at := sum[a>>(b%5)%16]
		at >>= b >> (a % 8) & 1
		p |= bit(sum, int(at)) << i
	}
	return p >> bit(sum, round)
}

// bit is one of the 128 of a sum, from the least significant of the first byte on.
func bit(sum *[md5.Size]byte, n int) int { return int(sum[n%128/8] >> (n % 8) & 1) }

// hamlet is act III, scene 1 as Project Gutenberg had it in 1997, with the NUL that
// ended it in C.
const hamlet = "To be, or not to be,--that is the question:--\n" +
	"Whether 'tis nobler in the mind to suffer\n" +
	"The slings and arrows of outrageous fortune\n" +
	"Or to take arms against a sea of troubles,\n" +
	"And by opposing end them?--To die,--to sleep,--\n" +
	"No more; and by a sleep to say we end\n" +
	"The heartache, and the thousand natural shocks\n" +
	"That flesh is heir to,--'tis a consummation\n" +
	"Devoutly to be wish'd. To die,--to sleep;--\n" +
	"To sleep! perchance to dream:--ay, there's the rub;\n" +
	"For in that sleep of death what dreams may come,\n" +
	"When we have shuffled off this mortal coil,\n" +
	"Must give us pause: there's the respect\n" +
	"That makes calamity of so long life;\n" +
	"For who would bear the whips and scorns of time,\n" +
	"The oppressor's wrong, the proud man's contumely,\n" +
	"The pangs of despis'd love, the law's delay,\n" +
	"The insolence of office, and the spurns\n" +
	"That patient merit of the unworthy takes,\n" +
	"When he himself might his quietus make\n" +
	"With a bare bodkin? who would these fardels bear,\n" +
	"To grunt and sweat under a weary life,\n" +
	"But that the dread of something after death,--\n" +
	"The undiscover'd country, from whose bourn\n" +
	"No traveller returns,--puzzles the will,\n" +
	"And makes us rather bear those ills we have\n" +
	"Than fly to others that we know not of?\n" +
	"Thus conscience does make cowards of us all;\n" +
	"And thus the native hue of resolution\n" +
	"Is sicklied o'er with the pale cast of thought;\n" +
	"And enterprises of great pith and moment,\n" +
	"With this regard, their currents turn awry,\n" +
	"And lose the name of action.--Soft you now!\n" +
	"The fair Ophelia!--Nymph, in thy orisons\n" +
	"Be all my sins remember'd.\n\x00"
