package lmdb

import (
	"bufio"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/dbm"
	"github.com/saslkit/saslkit/internal/peers"
)

// With -model.peer the files of other machines come to the tests.
var foreignPeer = flag.String("model.peer", "", "program to use in place of compiling testdata/peer.c, such as one for another kind of machine")

// buildPeer compiles testdata/peer.c, through which tests use liblmdb.
func buildPeer(t *testing.T) (program string) {
	t.Helper()
	if *foreignPeer != "" {
		return *foreignPeer
	}
	return peers.Compile(t, filepath.Join("testdata", "peer.c"), peers.Liblmdb)
}

// A peer is the program with a file open, which no other process changes.
type peer struct {
	t       *testing.T
	path    string
	in      io.Writer
	replies *bufio.Reader
}

// How liblmdb writes: with pwrite, or through a map of the file, which it makes as
// large as the map is.
const (
	plain    = "0"
	writeMap = "writemap"
)

// startPeer opens the file at path, which liblmdb makes if there is none. A map
// size of 0 is that of the file.
func startPeer(t *testing.T, program, path string, mapSize int, how string) *peer {
	t.Helper()
	in, out := peers.Start(t, program)
	p := &peer{t: t, path: path, in: in, replies: out}
	p.do("open %s %d %s", path, mapSize, how)
	return p
}

// send gives a command, reply reads a line of the answer.
func (p *peer) send(command string, args ...any) {
	p.t.Helper()
	if _, err := fmt.Fprintf(p.in, command+"\n", args...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) reply() (string, error) {
	line, err := p.replies.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// ask returns the answer to a command.
func (p *peer) ask(command string, args ...any) string {
	p.t.Helper()
	p.send(command, args...)
	line, err := p.reply()
	if err != nil {
		p.t.Fatal(err)
	}
	return line
}

// do gives a command that must succeed.
func (p *peer) do(command string, args ...any) {
	p.t.Helper()
	if line := p.ask(command, args...); line != "ok" {
		p.t.Fatalf("%.60s: %s", fmt.Sprintf(command, args...), line)
	}
}

func (p *peer) put(r dbm.Record) { p.t.Helper(); p.do("put %s %s", toHex(r.Key), toHex(r.Value)) }
func (p *peer) del(key []byte)   { p.t.Helper(); p.do("del %s", toHex(key)) }

// list returns what liblmdb's cursor goes through.
func (p *peer) list() map[string]string {
	p.t.Helper()
	all := map[string]string{}
	for line := p.ask("list"); line != "ok"; {
		key, value, ok := strings.Cut(line, " ")
		if !ok {
			p.t.Fatalf("list: %s", line)
		}
		all[fromHex(p.t, key)] = fromHex(p.t, value)
		var err error
		if line, err = p.reply(); err != nil {
			p.t.Fatal(err)
		}
	}
	return all
}

// read opens the file as it is now.
func (p *peer) read() *File {
	p.t.Helper()
	data, err := os.ReadFile(p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	return mustOpen(p.t, data)
}

func toHex(b []byte) string {
	if len(b) == 0 {
		return "-"
	}
	return hex.EncodeToString(b)
}

func fromHex(t *testing.T, s string) string {
	t.Helper()
	if s == "-" {
		return ""
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustRun(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	return string(out)
}
