package gdbm

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/dbm/dbmtest"
	"github.com/saslkit/saslkit/internal/peers"
)

// These tests hold this package before libgdbm, which testdata/peer.c runs. The
// default is short; an hour's worth is
//
//	go test ./internal/gdbm -run TestLibgdbm -rounds 20000 -timeout 2h
//
// A peer for another kind of machine, cross-compiled with that machine's libgdbm
// and run by an emulator, is taken instead of this machine's if its path is in
// SASLKIT_GDBM_PEER. All tests passed so with libgdbm 1.23 of Debian 12 for amd64,
// i386, arm64 and s390x, and with one compiled for 32-bit offsets.
var rounds = flag.Int("rounds", 5, "how often libgdbm and this package take turns on each file")

const peerVariable = "SASLKIT_GDBM_PEER"

// compilePeer returns the path of the peer program. Without a compiler or libgdbm
// the test is skipped, or fails if SASLKIT_PEERS=required says that they must be
// there.
func compilePeer(t *testing.T) string {
	t.Helper()
	if path := os.Getenv(peerVariable); path != "" {
		return path
	}
	return peers.Compile(t, filepath.Join("testdata", "peer.c"), peers.Libgdbm)
}

// A peer is a running peer program with at most one file open.
type peer struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
}

func startPeer(t *testing.T, program string) *peer {
	t.Helper()
	in, out := peers.Start(t, program)
	return &peer{t, in, out}
}

func (p *peer) line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Fatalf("the peer is gone: %v", err)
	}
	return strings.TrimSuffix(s, "\n")
}

func (p *peer) ask(format string, args ...any) string {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
	return p.line()
}

func (p *peer) must(format string, args ...any) {
	p.t.Helper()
	if got := p.ask(format, args...); got != "ok" {
		p.t.Fatalf("%.60s: libgdbm says %.100q", fmt.Sprintf(format, args...), got)
	}
}

// list returns what libgdbm lists.
func (p *peer) list() map[string]string {
	p.t.Helper()
	all := map[string]string{}
	for line := p.ask("list"); line != "."; line = p.line() {
		key, value, ok := strings.Cut(line, " ")
		if !ok || key == "error" {
			p.t.Fatalf("list: libgdbm says %q", line)
		}
		all[p.unhex(key)] = p.unhex(value)
	}
	return all
}

func (p *peer) unhex(s string) string {
	p.t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(s, "x"))
	if err != nil || !strings.HasPrefix(s, "x") {
		p.t.Fatalf("the peer says %.100q", s)
	}
	return string(b)
}

// checkFile lets libgdbm list a file and look every key up. It has nothing to
// recover.
func (p *peer) checkFile(path string, want map[string]string) {
	p.t.Helper()
	p.must("open %s 0 -", path)
	defer p.must("close")
	p.must("check")
	if got := p.list(); !maps.Equal(got, want) {
		p.t.Fatalf("libgdbm lists %d records, want %d, or they differ", len(got), len(want))
	}
	for key, value := range want {
		if got := p.ask("fetch x%x", key); got != fmt.Sprintf("x%x", value) {
			p.t.Fatalf("libgdbm fetches %.60q for %.60q, want %d bytes", got, key, len(value))
		}
		if got := p.ask("fetch x%x00", key); got != "none" && want[key+"\x00"] == "" {
			p.t.Fatalf("libgdbm fetches %.60q for a key that is not there", got)
		}
	}
}

// A change is one to be made on both sides; delete if there is no value.
type change struct {
	key    string
	value  string
	delete bool
}

// changes returns random ones. Grown is how full the file shall become, of 100.
func changes(r *rand.Rand, n, grown int) []change {
	list := make([]change, n)
	for i := range list {
		c := change{key: modelKey(r.IntN(600)), delete: r.IntN(100) >= grown}
		if !c.delete {
			size := r.IntN(60)
			if r.IntN(10) == 0 {
				size = 1 << r.IntN(17)
			}
			c.value = string(dbmtest.Bytes(r, size))
		}
		list[i] = c
	}
	return list
}

// modelKey returns the key of a number: some short, some not ASCII.
func modelKey(n int) string {
	switch {
	case n < 10:
		return strings.Repeat("k", n)
	case n%3 == 0:
		return fmt.Sprintf("пользователь%d\x00example.com\x00userPassword", n)
	}
	return fmt.Sprintf("user%d\x00example.com\x00userPassword", n)
}

func (c change) apply(model map[string]string) {
	if c.delete {
		delete(model, c.key)
		return
	}
	model[c.key] = c.value
}

func (p *peer) change(c change) {
	p.t.Helper()
	if !c.delete {
		p.must("store x%x x%x", c.key, c.value)
	} else if got := p.ask("delete x%x", c.key); got != "ok" && got != "error Item not found" {
		p.t.Fatalf("delete: libgdbm says %q", got)
	}
}

// TestLibgdbmTakesTurns: libgdbm and this package change one file by turns. After
// each turn both list it and look every key up.
func TestLibgdbmTakesTurns(t *testing.T) {
	program := compilePeer(t)
	for _, size := range []int{512, 1024, 4096} {
		for _, flags := range []string{"-", "n", "c", "nc"} {
			t.Run(fmt.Sprintf("%d%s", size, flags), func(t *testing.T) {
				t.Parallel()
				p := startPeer(t, program)
				path := filepath.Join(t.TempDir(), "sasldb2")
				r := rand.New(rand.NewPCG(uint64(size), uint64(len(flags)+int(flags[0]))))
				model := map[string]string{}
				for i := range *rounds {
					grown := []int{90, 60, 40, 75, 10}[i%5]
					turnOfLibgdbm(t, p, path, size, flags, model, changes(r, 80, grown))
					turnOfOurs(t, p, path, model, changes(r, 40, grown))
				}
			})
		}
	}
}

func turnOfLibgdbm(t *testing.T, p *peer, path string, size int, flags string, model map[string]string, list []change) {
	t.Helper()
	p.must("open %s %d %s", path, size, flags)
	for _, c := range list {
		p.change(c)
		c.apply(model)
	}
	p.must("close")
	f := mustOpen(t, readFile(t, path))
	if l := f.Layout(); l.BlockSize != uint32(size) || (l.Variant == Numsync) != strings.Contains(flags, "n") {
		t.Fatalf("layout %+v", l)
	}
	checkRecords(t, f, model)
	if t.Failed() {
		t.Fatal("libgdbm made this file")
	}
}

func turnOfOurs(t *testing.T, p *peer, path string, model map[string]string, list []change) {
	t.Helper()
	for _, c := range list {
		c.apply(model)
	}
	f := mustOpen(t, readFile(t, path))
	data, err := f.Rewrite(dbmtest.Records(model))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, data)
	p.checkFile(path, model)
	checkRecords(t, mustOpen(t, readFile(t, path)), model)
	if !bytes.Equal(data, readFile(t, path)) {
		t.Fatal("libgdbm changed the file while it only read")
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// writeFile replaces a file, as package sasldb does.
func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// peerLayout returns the layout of the files that the peer makes.
func peerLayout(t *testing.T, p *peer) Layout {
	t.Helper()
	path := filepath.Join(t.TempDir(), "layout")
	p.must("open %s 4096 -", path)
	p.must("store x%x x", "ö")
	p.must("close")
	return mustOpen(t, readFile(t, path)).Layout()
}

// TestLibgdbmReads: libgdbm finds everything in files that Build made, and makes the
// same file, but for chance in the order of things, of no records.
func TestLibgdbmReads(t *testing.T) {
	program := compilePeer(t)
	p := startPeer(t, program)
	l := peerLayout(t, p)
	// Tests for 32-bit x86 may be run beside a compiler that makes 64-bit programs.
	if want := Native(); os.Getenv(peerVariable) == "" && runtime.GOARCH != "386" && (l.Width != want.Width || l.BigEndian != want.BigEndian || l.Chars != want.Chars) {
		t.Errorf("libgdbm's layout here is %+v, Native says %+v", l, want)
	}
	path := filepath.Join(t.TempDir(), "sasldb2")
	for _, size := range []uint32{512, 1024, 4096, 65536} {
		for variant := range Original + 1 {
			l.BlockSize, l.Variant = size, variant
			unlucky := []dbm.Record{{Key: []byte("k"), Value: []byte("v")}}
			if l.Chars == UnsignedChars {
				unlucky = colliding(17, 14)
			}
			for _, records := range [][]dbm.Record{nil, dbmtest.Users(1), dbmtest.Users(1000), randomRecords(dbmtest.Seeded(), 500), unlucky} {
				writeFile(t, path, mustBuild(t, records, l))
				p.checkFile(path, dbmtest.Map(t, records))
			}
		}
	}
	for flags, variant := range map[string]Variant{"-": Standard, "n": Numsync} {
		p.must("open %s.empty%s 4096 %s", path, flags, flags)
		p.must("close")
		l.BlockSize, l.Variant = 4096, variant
		if !bytes.Equal(readFile(t, path+".empty"+flags), mustBuild(t, nil, l)) {
			t.Errorf("flags %s: libgdbm makes another empty file", flags)
		}
	}
}

// TestLibgdbmAgreesOnDamage: where libgdbm, walking through a broken file, finds
// something to recover, so do we; and what it finds when it looks up the keys of
// our records is what we say, unless it finds nothing.
func TestLibgdbmAgreesOnDamage(t *testing.T) {
	p := startPeer(t, compilePeer(t))
	l := peerLayout(t, p)
	l.BlockSize = 512
	path := filepath.Join(t.TempDir(), "sasldb2")
	whole := mustBuild(t, dbmtest.Users(100), l)
	r := rand.New(rand.NewPCG(5, 6))
	told := 0
	for range 60 * *rounds {
		data, how := codec.Corrupt(r, whole)
		f, err := Open(data)
		writeFile(t, path, data)
		if err != nil {
			continue
		}
		records, faults := f.Records()
		closer, _ := f.Verify()
		if got := p.ask("open %s 0 -", path); got != "ok" {
			if faults == nil {
				t.Errorf("%s: libgdbm does not open the file: %s", how, got)
			}
			continue
		}
		for _, record := range records {
			got := p.ask("fetch x%x", record.Key)
			if got != fmt.Sprintf("x%x", record.Value) && !strings.HasPrefix(got, "error") {
				t.Errorf("%s: libgdbm fetches %.60q where Records gives a record of %d bytes", how, got, len(record.Value))
			}
		}
		if got := p.ask("check"); got != "ok" {
			told++
			if closer == nil {
				t.Errorf("%s: libgdbm says %s, Verify nothing", how, got)
			}
		}
		p.ask("close")
	}
	t.Logf("libgdbm found damage in %d files", told)
}

// TestLibgdbmFreesMuch: libgdbm deletes so much that its table of free space is
// full, and it makes further ones.
func TestLibgdbmFreesMuch(t *testing.T) {
	p := startPeer(t, compilePeer(t))
	path := filepath.Join(t.TempDir(), "sasldb2")
	r := dbmtest.Seeded()
	model := map[string]string{}
	both := func(c change) {
		c.key += "\x00\x00userPassword"
		p.change(c)
		c.apply(model)
	}
	p.must("open %s 512 -", path)
	for n := range 300 {
		both(change{key: fmt.Sprint(n), value: string(dbmtest.Bytes(r, 600+r.IntN(900)))})
	}
	for _, n := range r.Perm(300)[:250] {
		both(change{key: fmt.Sprint(n), delete: true})
	}
	p.must("close")
	f := mustOpen(t, readFile(t, path))
	if f.headTable().next == 0 {
		t.Error("there is one table only")
	}
	checkRecords(t, f, model)

	p.must("open %s 0 -", path)
	for n := range 300 {
		both(change{key: fmt.Sprint(n), value: string(dbmtest.Bytes(r, r.IntN(900)))})
	}
	p.must("close")
	checkRecords(t, mustOpen(t, readFile(t, path)), model)
	turnOfOurs(t, p, path, model, nil)
}
