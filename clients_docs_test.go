package saslkit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
)

// TestClientsPage: code on the page is code of the examples, which compile and run, and
// what it prints is their output.
func TestClientsPage(t *testing.T) {
	t.Parallel()
	var examples string
	for _, name := range []string{"clients_example_test.go", "interop/clients_example_test.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		examples += string(source)
	}
	page, err := pages.Read("docs/clients.md")
	if err != nil {
		t.Fatal(err)
	}
	before := ""
	for _, b := range page.Blocks() {
		code := b.Text
		if b.Language == "output" {
			code = before + "\t// Output:\n\t// " + strings.ReplaceAll(strings.TrimSuffix(code, "\n"), "\n", "\n\t// ")
		}
		if !strings.Contains(examples, code) {
			t.Errorf("docs/clients.md:%d: in no example:\n%s", b.Line, code)
		}
		before = b.Text
	}
	if before == "" {
		t.Error("the page has no code")
	}
}
