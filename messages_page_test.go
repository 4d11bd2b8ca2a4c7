package saslkit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/saslkit/saslkit/internal/pages"
	"github.com/saslkit/saslkit/mech"
)

// TestMessagesPageReplies: the page has what a server of ours can reply to AUTH.
func TestMessagesPageReplies(t *testing.T) {
	t.Parallel()
	page, err := pages.Read("docs/reference/messages.md")
	if err != nil {
		t.Fatal(err)
	}
	quoted := map[string]bool{}
	for _, row := range page.Rows("Messages, and where they are answered") {
		if row.Cells[1] == "saslkit" {
			quoted[pages.Code(row.Cells[0])[0]] = true
		}
	}
	for class := mech.Malformed; class < mech.ServerNotVerified; class++ { // the rest is the client's
		code, e, text := (&mech.Error{Class: class}).SMTP()
		want := fmt.Sprintf("%d %d.%d.%d %s", code, e[0], e[1], e[2], text)
		if !quoted[want] {
			t.Errorf("the page has no %q", want)
		}
		delete(quoted, want)
	}
	for message := range quoted {
		if len(message) > 5 && strings.Trim(message[:3], "0123456789") == "" && strings.Contains(message, ".") {
			t.Errorf("nobody replies %q", message)
		}
	}
}
