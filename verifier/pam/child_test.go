package pam

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// served is what a child says to its input, behind the greeting, and its exit code.
func served(t *testing.T, input string, check func(request) answer) (answers []answer, code int) {
	t.Helper()
	var out bytes.Buffer
	exited := make(chan int, 1)
	serve(strings.NewReader(input), &out, greeting(), check, func(code int) { exited <- code })
	for first := true; out.Len() > 0; first = false {
		b, err := readFrame(&out)
		if err != nil {
			t.Fatal(err)
		}
		a, err := parseAnswer(b)
		if err != nil || first != (a.user == protocol) {
			t.Fatalf("answer %+v, %v", a, err)
		}
		if !first {
			answers = append(answers, a)
		}
	}
	return answers, <-exited
}

func TestServe(t *testing.T) {
	t.Parallel()
	question := func(service, user string) string {
		b, err := request{service: service, user: user}.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	echo := func(q request) answer { return answer{verdict: accepted, user: q.user} }
	for _, c := range []struct {
		name, input string
		answers     []answer
		code        int
	}{
		{"nothing", "", nil, 0},
		{"one after the other", question("smtp", "alice") + question("imap", "bob"), []answer{{verdict: accepted, user: "alice"}, {verdict: accepted, user: "bob"}}, 0},
		{"a path for a service", question("../smtp", "alice"), []answer{{text: "the service has no proper name"}}, 0},
		{"half a request", question("smtp", "alice")[:7], nil, 0},
		{"no request", "\x00\x00\x00\x01x", nil, 1},
		{"too long", "\xff\xff\xff\xff", nil, 0},
	} {
		answers, code := served(t, c.input, echo)
		if code != c.code || len(answers) != len(c.answers) {
			t.Errorf("%s: %+v, exit code %d", c.name, answers, code)
			continue
		}
		for i, a := range answers {
			if a != c.answers[i] {
				t.Errorf("%s: %+v, want %+v", c.name, a, c.answers[i])
			}
		}
	}
	in, out := io.Pipe()
	in.Close()
	if code := serve(strings.NewReader(""), out, greeting(), echo, func(int) {}); code != 1 {
		t.Errorf("with nobody to greet: exit code %d", code)
	}
}
