package daemon

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// An abstract socket has no mode, whoever made it.
func TestActivatedAbstract(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", "@saslkit-"+strconv.FormatInt(time.Now().UnixNano(), 36))
	if err != nil {
		t.Fatal(err)
	}
	a := &Activation{passed: []passed{{"auth", l}}}
	defer a.Rest()
	if _, err := a.Listen(t.Context(), Socket{Name: "auth", AllowRemote: true}); err == nil || !strings.Contains(err.Error(), "for everybody") {
		t.Errorf("got %v", err)
	}
}
