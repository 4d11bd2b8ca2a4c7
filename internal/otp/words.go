package otp

import (
	"crypto/md5"
	"crypto/sha1"
	_ "embed"
	"encoding/binary"
	"slices"
	"strings"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 RFC 2289 section 6.0 has it
)

// dictionary is that of RFC 2289 appendix D: 2,048 words of one to four letters, a word
// for each number of 11 bits. Those of four letters stand behind the others, and both
// parts are sorted.
//
//go:embed words.txt
var dictionary string

var (
	words     = strings.Fields(dictionary)
	fourFirst = slices.IndexFunc(words, func(w string) bool { return len(w) == 4 })
)

const (
	wordCount = 6
	wordBits  = 11
	// maxWord bounds a word of another dictionary, in bytes. Those of the standard one
	// have four, and no other is known to be in use.
	maxWord = 32
)

// Words returns six words in upper case with single spaces: 64 bits and two of a
// checksum, 11 for a word.
func (p Password) Words() string {
	n, sum := binary.BigEndian.Uint64(p[:]), p.checksum()
	var list [wordCount]string
	for i := range list[:wordCount-1] {
		list[i] = words[n>>(64-wordBits*(i+1))%(1<<wordBits)]
	}
	list[wordCount-1] = words[(n<<2|sum)%(1<<wordBits)]
	return strings.Join(list[:], " ")
}

// ParseWords reads six words of either case between blanks. All are of the standard
// dictionary, or none is: then they are of another one, in which the word for a number
// is any whose hash ends with that number (RFC 2289 appendix B). A wrong checksum is
// not ok.
func (h Hash) ParseWords(text string) (p Password, ok bool) {
	var n, last uint64
	count, known := 0, 0
	for word := range strings.FieldsFuncSeq(text, isBlank) {
		if count == wordCount || len(word) > maxWord || !isWord(word) {
			return Password{}, false
		}
		word = strings.ToUpper(word)
		number, standard := find(word)
		if standard {
			known++
		} else {
			number = h.number(word)
		}
		if count++; count < wordCount {
			n = n<<wordBits | uint64(number)
		} else {
			n, last = n<<(wordBits-2)|uint64(number)>>2, uint64(number)
		}
	}
	binary.BigEndian.PutUint64(p[:], n)
	if count != wordCount || known != 0 && known != wordCount || last&3 != p.checksum() {
		return Password{}, false
	}
	return p, true
}

func isWord(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// find returns the number of a word in the standard dictionary.
func find(word string) (number int, ok bool) {
	if len(word) == 4 {
		number, ok = slices.BinarySearch(words[fourFirst:], word)
		return number + fourFirst, ok
	}
	return slices.BinarySearch(words[:fourFirst], word)
}

// number is that of a word in any other dictionary: the last 11 bits of its hash, which
// is not folded. Cyrus SASL computes it so too.
func (h Hash) number(word string) int {
	var room [sha1.Size]byte
	sum := room[:0]
	switch h {
	case MD4:
		hash := md4.New()
		hash.Write([]byte(word))
		sum = hash.Sum(sum)
	case MD5:
		hash := md5.Sum([]byte(word))
		sum = append(sum, hash[:]...)
	default:
		hash := sha1.Sum([]byte(word))
		sum = append(sum, hash[:]...)
	}
	return int(binary.BigEndian.Uint16(sum[len(sum)-2:])) % (1 << wordBits)
}
