package saslkit_test

import (
	"os"
	"strings"
	"testing"
)

// TestClientsPage: code on the page is code of the examples, which compile and run.
func TestClientsPage(t *testing.T) {
	page, err := os.ReadFile("docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	var examples string
	for _, name := range []string{"clients_example_test.go", "interop/clients_example_test.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		examples += string(source)
	}
	blocks := strings.Split(string(page), "```go\n")[1:]
	for _, block := range blocks {
		code, _, closed := strings.Cut(block, "```")
		if !closed || !strings.Contains(examples, code) {
			t.Errorf("in no example:\n%s", code)
		}
	}
	if len(blocks) == 0 {
		t.Error("the page has no code")
	}
}
