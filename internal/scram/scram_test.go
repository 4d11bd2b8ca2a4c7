package scram

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func decoded(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRFCs: the messages of the RFCs' examples fit what we compute, on both sides.
func TestRFCs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name                     string
		hash                     Hash
		salt, auth, proof, signs string
	}{
		{
			"RFC 5802 section 5", SHA1, "QSXCR+Q6sek8bf92",
			"n=user,r=fyko+d2lbbFgONRv9qkxdawL," +
				"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096," +
				"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
			"v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
		},
		{
			"RFC 7677 section 3", SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
			"n=user,r=rOprNGfwEbeRWgbNEkqO," +
				"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096," +
				"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
			"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		},
	} {
		salted, err := c.hash.Salted(t.Context(), "pencil", decoded(t, c.salt), 4096)
		if err != nil {
			t.Fatal(err)
		}
		auth, proof := []byte(c.auth), decoded(t, c.proof)
		if got := c.hash.Proof(nil, salted, auth); !bytes.Equal(got, proof) {
			t.Errorf("%s: proof %x, want %x", c.name, got, proof)
		}
		if got := c.hash.Signature(nil, salted, auth); !bytes.Equal(got, decoded(t, c.signs)) {
			t.Errorf("%s: signature %x", c.name, got)
		}
		stored, server := c.hash.Keys(salted)
		if !c.hash.Proves(proof, stored, auth) {
			t.Errorf("%s: the proof does not fit the StoredKey", c.name)
		}
		if got := c.hash.MAC(nil, server, auth); !bytes.Equal(got, decoded(t, c.signs)) {
			t.Errorf("%s: the ServerKey gives signature %x", c.name, got)
		}
	}
}

// TestProves: every bit of a proof counts, and so does its length.
func TestProves(t *testing.T) {
	t.Parallel()
	for _, h := range All() {
		salted, err := h.Salted(t.Context(), "pencil", []byte("salt"), 1)
		if err != nil {
			t.Fatal(err)
		}
		stored, _ := h.Keys(salted)
		auth := []byte("n=user,r=…")
		proof := h.Proof(nil, salted, auth)
		if !h.Proves(proof, stored, auth) {
			t.Fatalf("%s: a good proof is refused", h.Name())
		}
		for bit := range 8 * len(proof) {
			proof[bit/8] ^= 1 << (bit % 8)
			if h.Proves(proof, stored, auth) {
				t.Errorf("%s: bit %d does not count", h.Name(), bit)
			}
			proof[bit/8] ^= 1 << (bit % 8)
		}
		for _, bad := range [][]byte{nil, proof[1:], append(proof[:len(proof):len(proof)], 0), stored} {
			if h.Proves(bad, stored, auth) {
				t.Errorf("%s: a proof of %d bytes is taken", h.Name(), len(bad))
			}
		}
		if h.Proves(proof, stored, auth[1:]) {
			t.Errorf("%s: the message does not count", h.Name())
		}
	}
}

// TestMAC compares with crypto/hmac, for short and long texts.
func TestMAC(t *testing.T) {
	t.Parallel()
	for _, h := range All() {
		for _, n := range []int{0, 1, 200, usualMessage - 1, usualMessage, usualMessage + 1, 5000} {
			key, text := make([]byte, h.Size()), make([]byte, n)
			rand.Read(key)
			rand.Read(text)
			want := hmac.New(hashes[h].new, key)
			want.Write(text)
			if got := h.MAC([]byte("x"), key, text); string(got) != "x"+string(want.Sum(nil)) {
				t.Errorf("%s, %d bytes: %x", h.Name(), n, got)
			}
		}
	}
}

// TestSalted compares with crypto/pbkdf2.
func TestSalted(t *testing.T) {
	t.Parallel()
	for _, h := range All() {
		for _, n := range []int{1, 2, attentive, attentive + 1, 5000} {
			salt := []byte("sixteen bytes of")
			want, err := pbkdf2.Key(hashes[h].new, "correct horse", salt, n, h.Size())
			if err != nil {
				t.Fatal(err)
			}
			got, err := h.Salted(t.Context(), "correct horse", salt, n)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %d iterations: %x, %v; want %x", h.Name(), n, got, err, want)
			}
		}
		for _, n := range []int{0, 1, 64, 65, 72, 73, 128, 129, 4096} { // around the size of a block
			password := strings.Repeat("p", n)
			want, err := pbkdf2.Key(hashes[h].new, password, []byte("salt"), 2, h.Size())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := h.Salted(t.Context(), password, []byte("salt"), 2); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %d bytes: %x, %v; want %x", h.Name(), n, got, err, want)
			}
		}
	}
}

// A countdown is a context that ends at the n-th look.
type countdown struct {
	context.Context
	looks int
}

func (c *countdown) Err() error {
	if c.looks--; c.looks <= 0 {
		return context.Canceled
	}
	return nil
}

// TestSaltedStops: ten million iterations end with the context, at most 1,024 later.
func TestSaltedStops(t *testing.T) {
	t.Parallel()
	ctx := &countdown{t.Context(), 3}
	salted, err := SHA256.Salted(ctx, "correct horse", []byte("salt"), MaxIterations)
	if !errors.Is(err, context.Canceled) || salted != nil || ctx.looks != 0 {
		t.Errorf("%x, %v, %d looks left", salted, err, ctx.looks)
	}
}

// TestLoginAllocatesNothing: what a server computes at each login.
func TestLoginAllocatesNothing(t *testing.T) {
	for _, h := range All() {
		salted, err := h.Salted(t.Context(), "pencil", []byte("salt"), 1)
		if err != nil {
			t.Fatal(err)
		}
		stored, server := h.Keys(salted)
		auth := bytes.Repeat([]byte("n"), 250)
		proof := h.Proof(nil, salted, auth)
		var room [MaxSize]byte
		if n := testing.AllocsPerRun(100, func() {
			h.Proves(proof, stored, auth)
			h.MAC(room[:0], server, auth)
		}); n != 0 {
			t.Errorf("%s: %v allocations", h.Name(), n)
		}
	}
}

func BenchmarkSalted(b *testing.B) {
	for _, h := range All() {
		b.Run(h.Name(), func(b *testing.B) {
			for b.Loop() {
				h.Salted(b.Context(), "correct horse", []byte("sixteen bytes of"), 4096)
			}
		})
	}
}

func BenchmarkProves(b *testing.B) {
	for _, h := range All() {
		b.Run(h.Name(), func(b *testing.B) {
			key, auth := make([]byte, h.Size()), make([]byte, 200)
			b.ReportAllocs()
			for b.Loop() {
				h.Proves(key, key, auth)
				var room [MaxSize]byte
				h.MAC(room[:0], key, auth)
			}
		})
	}
}
