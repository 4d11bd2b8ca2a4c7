package crypt

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 this is what the stored hashes are made with

	"github.com/saslkit/saslkit/internal/secret"
)

// A digest is a hash that was made for speed, and kept passwords in directories: one
// computation with or without a salt behind the password.
type digest struct {
	name string
	size int // bytes
	new  func() hash.Hash
}

var (
	digestMD4    = digest{"MD4", md4.Size, md4.New}
	digestMD5    = digest{"MD5", md5.Size, md5.New}
	digestSHA1   = digest{"SHA1", sha1.Size, sha1.New}
	digestSHA256 = digest{"SHA256", sha256.Size, sha256.New}
	digestSHA384 = digest{"SHA384", sha512.Size384, sha512.New384}
	digestSHA512 = digest{"SHA512", sha512.Size, sha512.New}
)

// parse reads a digest without salt.
func (d digest) parse(scheme, raw string) (*Hash, error) {
	if len(raw) != d.size {
		return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "not as long as its digest"}
	}
	return d.hash(d.name, raw, ""), nil
}

// salted reads a digest and the salt behind it, of one byte or more.
func (d digest) salted(name string) func(scheme, raw string) (*Hash, error) {
	return func(scheme, raw string) (*Hash, error) {
		if len(raw) <= d.size {
			return nil, &SyntaxError{Scheme: "{" + scheme + "}", Reason: "not longer than its digest, so without salt"}
		}
		return d.hash(name, raw[:d.size], raw[d.size:]), nil
	}
}

func (d digest) hash(name, want, salt string) *Hash {
	return &Hash{
		cost:    Cost{Scheme: name, Rounds: 1, Salt: len(salt)},
		longest: maxPassword,
		check: func(password string) bool {
			h := d.new()
			h.Write([]byte(password))
			h.Write([]byte(salt))
			return secret.Equal(h.Sum(nil), want)
		},
	}
}
