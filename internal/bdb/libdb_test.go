package bdb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/saslkit/saslkit/internal/peers"
)

// A libdb does things to one file through libdb 5.3, in a process of its own.
type libdb struct {
	program string
	path    string
	layout  Layout // of the file if it has to be made
}

// buildLibdbProgram compiles testdata/model.c, which says what it does.
func buildLibdbProgram(t *testing.T) string {
	t.Helper()
	return peers.Compile(t, filepath.Join("testdata", "model.c"), peers.Libdb)
}

// dbNotFound is libdb's DB_NOTFOUND.
const dbNotFound = -30988

// A libdbRequest is one of those that testdata/model.c understands.
type libdbRequest struct {
	operation  byte
	key, value string
}

type libdbAnswer struct {
	status     int32
	key, value string
}

// ask returns the answers to all requests, those to a list being several.
func (l *libdb) ask(t *testing.T, requests []libdbRequest) []libdbAnswer {
	t.Helper()
	order, sums := "1234", "0"
	if l.layout.BigEndian {
		order = "4321"
	}
	if l.layout.Checksummed {
		sums = "1"
	}
	var in []byte
	for _, r := range requests {
		in = binary.NativeEndian.AppendUint32(in, uint32(r.operation))
		for _, s := range []string{r.key, r.value} {
			in = binary.NativeEndian.AppendUint32(in, uint32(len(s)))
			in = append(in, s...)
		}
	}
	cmd := exec.CommandContext(t.Context(), l.program, l.path, fmt.Sprint(l.layout.PageSize), order, sums)
	cmd.Stdin = bytes.NewReader(in)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("libdb: %v\n%s", err, complaint.Bytes())
	}
	if complaint.Len() > 0 {
		t.Errorf("libdb complains:\n%s", complaint.Bytes())
	}
	return parseAnswers(out.Bytes())
}

func parseAnswers(b []byte) (all []libdbAnswer) {
	number := func() uint32 {
		n := binary.NativeEndian.Uint32(b)
		b = b[4:]
		return n
	}
	text := func() string {
		n := number()
		s := string(b[:n])
		b = b[n:]
		return s
	}
	for len(b) > 0 {
		all = append(all, libdbAnswer{int32(number()), text(), text()})
	}
	return all
}

// askLibdb has libdb make changes, if there are any, verify the file, list it, and
// look up keys; it fails the test unless the answers are those of the model.
func (m *model) askLibdb(changes []change, keys []string) {
	m.t.Helper()
	var requests []libdbRequest
	if len(changes) > 0 {
		requests = append(requests, libdbRequest{operation: 'o'})
		for _, c := range changes {
			requests = append(requests, c.libdbRequest())
		}
		requests = append(requests, libdbRequest{operation: 'c'})
	}
	requests = append(requests, libdbRequest{operation: 'v'}, libdbRequest{operation: 'r'})
	for _, key := range keys {
		requests = append(requests, libdbRequest{'g', key, ""})
	}
	before := len(requests) // what follows is answered by the listing
	requests = append(requests, libdbRequest{operation: 'l'}, libdbRequest{operation: 'c'})
	answers := m.libdb.ask(m.t, requests)
	m.checkAnswers(requests[:before], answers[:before], changes)
	m.checkListing(answers[before:])
}

func (c *change) libdbRequest() libdbRequest {
	if c.del {
		return libdbRequest{'d', c.key, ""}
	}
	return libdbRequest{'p', c.key, c.value}
}

func (m *model) checkAnswers(requests []libdbRequest, answers []libdbAnswer, changes []change) {
	m.t.Helper()
	for i, r := range requests {
		want := libdbAnswer{}
		switch r.operation {
		case 'g':
			value, ok := m.want[r.key]
			want.value = value
			if !ok {
				want.status = dbNotFound
			}
		case 'd':
			if changes[i-1].absent { // request 0 opened the file
				want.status = dbNotFound
			}
		}
		if got := answers[i]; got != want {
			m.t.Fatalf("turn %d: %c of %.60q (%d bytes): libdb's status is %d, its value has %d bytes, want %d and %d",
				m.turns, r.operation, r.key, len(r.key), got.status, len(got.value), want.status, len(want.value))
		}
	}
}

// checkListing looks at the answers to a list and a close.
func (m *model) checkListing(answers []libdbAnswer) {
	m.t.Helper()
	listed := map[string]string{}
	for len(answers) > 0 && answers[0].status == 0 {
		if _, ok := listed[answers[0].key]; ok {
			m.t.Fatalf("turn %d: libdb lists key %.60q twice", m.turns, answers[0].key)
		}
		listed[answers[0].key] = answers[0].value
		answers = answers[1:]
	}
	if len(answers) != 2 || answers[0].status != dbNotFound || answers[1].status != 0 {
		m.t.Fatalf("turn %d: libdb's list ends with %+v", m.turns, answers)
	}
	m.compare("libdb", listed)
}
