package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/internal/peers"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

func failure(c mech.Class) *saslkit.Error { return &saslkit.Error{Class: c, Code: "test"} }

// TestObserve: every outcome has its word, and what is not known is other.
func TestObserve(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		event saslkit.Event
		want  string
	}{
		"success":             {saslkit.Event{Service: "smtp", Mechanism: "PLAIN"}, `service="smtp",mech="PLAIN",result="ok"`},
		"wrong password":      {saslkit.Event{Service: "imap", Mechanism: "SCRAM-SHA-256", Err: failure(mech.BadCredentials)}, `service="imap",mech="SCRAM-SHA-256",result="bad_credentials"`},
		"store is gone":       {saslkit.Event{Service: "smtp", Mechanism: "LOGIN", Err: failure(mech.Unavailable)}, `service="smtp",mech="LOGIN",result="unavailable"`},
		"throttled":           {saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Err: mech.AsError(verifier.ErrThrottled)}, `service="smtp",mech="PLAIN",result="throttled"`},
		"throttled, wrapped":  {saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Err: mech.AsError(fmt.Errorf("guard: %w", verifier.ErrThrottled))}, `service="smtp",mech="PLAIN",result="throttled"`},
		"disabled":            {saslkit.Event{Service: "pop3", Mechanism: "PLAIN", Err: failure(mech.Disabled)}, `service="pop3",mech="PLAIN",result="disabled"`},
		"expired":             {saslkit.Event{Service: "pop3", Mechanism: "PLAIN", Err: failure(mech.Expired)}, `service="pop3",mech="PLAIN",result="expired"`},
		"malformed":           {saslkit.Event{Service: "smtp", Mechanism: "CRAM-MD5", Err: failure(mech.Malformed)}, `service="smtp",mech="CRAM-MD5",result="malformed"`},
		"over a limit":        {saslkit.Event{Service: "smtp", Mechanism: "CRAM-MD5", Err: failure(mech.Limit)}, `service="smtp",mech="CRAM-MD5",result="malformed"`},
		"may not act":         {saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Err: failure(mech.NotPermitted)}, `service="smtp",mech="PLAIN",result="not_permitted"`},
		"not offered":         {saslkit.Event{Service: "smtp", Mechanism: "ANONYMOUS", Err: failure(mech.MechanismUnavailable)}, `service="smtp",mech="ANONYMOUS",result="policy"`},
		"too weak":            {saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Err: failure(mech.TooWeak)}, `service="smtp",mech="PLAIN",result="policy"`},
		"in the clear":        {saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Err: failure(mech.EncryptionRequired)}, `service="smtp",mech="PLAIN",result="policy"`},
		"abandoned":           {saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Err: failure(mech.Cancelled)}, `service="smtp",mech="PLAIN",result="abandoned"`},
		"class of a client":   {saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Err: failure(mech.ServerRefused)}, `service="smtp",mech="PLAIN",result="unavailable"`},
		"unknown service":     {saslkit.Event{Service: "x\"}\n", Mechanism: "PLAIN"}, `service="other",mech="PLAIN",result="ok"`},
		"no service":          {saslkit.Event{Mechanism: "PLAIN"}, `service="other",mech="PLAIN",result="ok"`},
		"unknown mechanism":   {saslkit.Event{Service: "smtp", Mechanism: "X-EVIL"}, `service="smtp",mech="other",result="ok"`},
		"no mechanism":        {saslkit.Event{Service: "smtp", Err: failure(mech.MechanismUnavailable)}, `service="smtp",mech="other",result="policy"`},
		"asked by saslauthd":  {saslkit.Event{Service: "imap", Protocol: "saslauthd", Err: failure(mech.BadCredentials)}, `service="imap",protocol="saslauthd",result="bad_credentials"`},
		"asked by pwcheck":    {saslkit.Event{Protocol: "pwcheck"}, `service="other",protocol="pwcheck",result="ok"`},
		"unknown protocol":    {saslkit.Event{Service: "smtp", Protocol: "x"}, `service="smtp",mech="other",result="ok"`},
		"service of the site": {saslkit.Event{Service: "gitea", Mechanism: "PLAIN"}, `service="gitea",mech="PLAIN",result="ok"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := NewMetrics("gitea")
			m.Observe(tt.event)
			var counted []string
			for series, value := range parsed(t, m) {
				labels, ok := strings.CutPrefix(series, loginsName)
				if ok && value == 1 {
					counted = append(counted, labels)
				} else if ok && value != 0 {
					t.Errorf("%s is %v", series, value)
				}
			}
			if diff := cmp.Diff([]string{"{" + tt.want + "}"}, counted); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestMetricsBounded: whatever clients call themselves, the text does not grow, and no
// name of a user is in it.
func TestMetricsBounded(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	observe := func(i int) {
		name := fmt.Sprintf("canary-%d", i)
		m.Observe(saslkit.Event{Service: name, Mechanism: name, Protocol: name[:i%2*len(name)], User: name, Realm: name, Authzid: name, Err: &saslkit.Error{Class: mech.BadCredentials, Code: name, Err: errors.New(name)}})
	}
	observe(0)
	before := len(parsed(t, m))
	for i := range 1000 {
		observe(i)
	}
	if after := len(parsed(t, m)); after != before {
		t.Errorf("%d series, then %d", before, after)
	}
	if text := string(m.text()); strings.Contains(text, "canary") {
		t.Error(text)
	}
	var many []string
	for i := range 1000 {
		many = append(many, fmt.Sprintf("service%d", i))
	}
	if n := len(NewMetrics(many...).services); n > maxServices+1 {
		t.Errorf("%d services", n)
	}
}

func TestDurations(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	for _, d := range []time.Duration{-1, 0, time.Millisecond, time.Millisecond + 1, 20 * time.Millisecond, 30 * time.Second, time.Hour} {
		m.Observe(saslkit.Event{Mechanism: "PLAIN", Duration: d})
	}
	m.Observe(saslkit.Event{Mechanism: "PLAIN", Duration: time.Minute, Err: failure(mech.Cancelled)})
	m.Observe(saslkit.Event{Mechanism: "PLAIN", Err: failure(mech.TooWeak)})
	got := parsed(t, m)
	for le, want := range map[string]float64{"0.001": 3, "0.0025": 4, "0.01": 4, "0.025": 5, "10": 5, "30": 6, "+Inf": 7} {
		if n := got[durationName+`_bucket{mech="PLAIN",le="`+le+`"}`]; n != want {
			t.Errorf("up to %s s: %v, want %v", le, n, want)
		}
	}
	if n := got[durationName+`_count{mech="PLAIN"}`]; n != 7 {
		t.Errorf("count %v", n)
	}
	if sum, want := got[durationName+`_sum{mech="PLAIN"}`], 3630.022000001; math.Abs(sum-want) > 1e-9 {
		t.Errorf("sum %v, want %v", sum, want)
	}
}

func TestGauges(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	add := func(name, help string, value float64, labels ...Label) {
		t.Helper()
		if err := m.Gauge(name, help, func() float64 { return value }, labels...); err != nil {
			t.Error(err)
		}
	}
	add("saslkit_connections", "Connections.", 3, Label{"socket", "/run/a"})
	add("up", "A help with a \\ and\nlines.", math.Inf(1))
	add("saslkit_connections", "Connections.", 4, Label{"socket", "q\"b\\n\n\xff"}, Label{"kind", ""})
	add("down", "", math.Inf(-1))
	add("none", "", math.NaN())
	got := parsed(t, m)
	for series, want := range map[string]float64{
		`saslkit_connections{socket="/run/a"}`:                            3,
		`saslkit_connections{socket="q\"b\\n\n` + "\ufffd" + `",kind=""}`: 4,
		`up`:   math.Inf(1),
		`down`: math.Inf(-1),
	} {
		if value, ok := got[series]; !ok || value != want {
			t.Errorf("%s is %v (%v), want %v", series, value, ok, want)
		}
	}
	if value, ok := got["none"]; !ok || !math.IsNaN(value) {
		t.Errorf("none is %v", value)
	}
	value := func() float64 { return 0 }
	for name, err := range map[string]error{
		"empty name":         m.Gauge("", "", value),
		"name with a space":  m.Gauge("a b", "", value),
		"name of digits":     m.Gauge("1a", "", value),
		"one of ours":        m.Gauge(loginsName, "", value),
		"part of ours":       m.Gauge(durationName+"_sum", "", value),
		"bad label":          m.Gauge("a", "", value, Label{"a-b", ""}),
		"label with a colon": m.Gauge("a", "", value, Label{"a:b", ""}),
		"label of theirs":    m.Gauge("a", "", value, Label{"__name__", ""}),
		"label twice":        m.Gauge("a", "", value, Label{"a", "1"}, Label{"a", "2"}),
		"twice":              m.Gauge("up", "A help with a \\ and\nlines.", value),
		"another help":       m.Gauge("up", "", value, Label{"a", "1"}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "daemon: gauge ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(len(got), len(parsed(t, m))); diff != "" {
		t.Errorf("what was refused is there: %s", diff)
	}
}

// TestMetricsConcurrently: nothing is lost, and every reading is sound.
func TestMetricsConcurrently(t *testing.T) {
	t.Parallel()
	m := NewMetrics()
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 2000 {
				m.Observe(saslkit.Event{Service: "smtp", Mechanism: "PLAIN", Duration: time.Duration(n) * time.Microsecond})
			}
			m.Gauge("gauge", "", func() float64 { return 1 }, Label{"i", fmt.Sprint(i)})
		})
	}
	for range 20 {
		parsed(t, m)
	}
	all.Wait()
	if n := parsed(t, m)[loginsName+`{service="smtp",mech="PLAIN",result="ok"}`]; n != 8000 {
		t.Errorf("%v of 8000 were counted", n)
	}
}

// TestServeMetrics: the server answers what it should, limits connections, and ends with
// its context.
func TestServeMetrics(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := NewMetrics()
	m.Observe(saslkit.Event{Service: "smtp", Mechanism: "PLAIN"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- ServeMetrics(ctx, l, m) }()
	client := &http.Client{Transport: &http.Transport{}}
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/metrics", 200}, {"HEAD", "/metrics", 200}, {"POST", "/metrics", 405}, {"GET", "/", 404}, {"GET", "/metrics/x", 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), tt.method, "http://"+l.Addr().String()+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != tt.status {
			t.Errorf("%s %s: %s", tt.method, tt.path, response.Status)
		}
		if tt.status == 200 && response.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
			t.Errorf("%s %s: %q", tt.method, tt.path, response.Header)
		}
		if tt.status == 200 && (tt.method == "GET") != strings.Contains(string(body), loginsName) {
			t.Errorf("%s %s: %q", tt.method, tt.path, body)
		}
	}
	client.CloseIdleConnections()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("it listens still")
	}
	if err := ServeMetrics(t.Context(), l, m); err == nil {
		t.Error("no error of a listener that is closed")
	}
}

// TestLimitedListener: there is a place for a connection when another one ends.
func TestLimitedListener(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := &limitedListener{Listener: inner, places: make(chan struct{}, 1)}
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		c.SetReadDeadline(time.Now().Add(enough))
		return c
	}
	dial()
	first := <-accepted
	if n, err := dial().Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one too many reads %d, %v", n, err)
	}
	first.Close()
	first.Close() // gives up one place only
	dial()
	second := <-accepted
	defer second.Close()
	if n, err := dial().Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("one too many reads %d, %v", n, err)
	}
	inner.Close()
	if _, open := <-accepted; open {
		t.Error("accepted one more")
	}
}

// TestPromtool: Prometheus's own tool finds nothing wrong. The package is larger than all
// the other peers together, so it is not one that CI wants; the other tests read the text
// with a parser of their own.
func TestPromtool(t *testing.T) {
	t.Parallel()
	promtool, ok := peers.Find("promtool")
	if !ok {
		t.Skip("missing peer, which is not required: promtool (Debian package prometheus)")
	}
	m := NewMetrics()
	for _, row := range mech.All() {
		m.Observe(saslkit.Event{Service: "smtp", Mechanism: row.Name, Duration: time.Second})
	}
	if err := m.Gauge("saslkit_connections", "Connections to a socket.", func() float64 { return 1 }, Label{"socket", `/run/"a\b`}); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(string(m.text()))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestObserveAllocates(t *testing.T) {
	m := NewMetrics()
	events := []saslkit.Event{
		{Service: "smtp", Mechanism: "PLAIN", Duration: time.Second},
		{Service: "?", Mechanism: "?", Err: mech.AsError(fmt.Errorf("guard: %w", verifier.ErrThrottled))},
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, e := range events {
			m.Observe(e)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	m := NewMetrics()
	e := saslkit.Event{Service: "smtp", Mechanism: "SCRAM-SHA-256", Duration: 3 * time.Millisecond}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Observe(e)
		}
	})
}

func BenchmarkMetricsText(b *testing.B) {
	m := NewMetrics()
	for _, row := range mech.All() {
		m.Observe(saslkit.Event{Service: "smtp", Mechanism: row.Name, Duration: time.Second})
	}
	b.ReportAllocs()
	for b.Loop() {
		m.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil))
	}
}
