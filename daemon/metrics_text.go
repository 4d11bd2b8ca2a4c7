package daemon

import (
	"bytes"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The metrics that are always there.
const (
	loginsName   = "saslkit_logins_total"
	durationName = "saslkit_login_duration_seconds"
	buildName    = "saslkit_build_info"
	startName    = "process_start_time_seconds"
)

// ServeHTTP writes the metrics.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	text := m.text()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Write(text)
}

// text is all metrics, in the same order every time.
func (m *Metrics) text() []byte {
	var p page
	p.logins(m)
	p.durations(m)
	m.mu.Lock()
	families := slices.Clone(m.families)
	for i := range families {
		families[i].gauges = slices.Clone(families[i].gauges)
	}
	m.mu.Unlock()
	for _, f := range families { // without the lock: their functions may take others
		p.family(f.name, f.help, "gauge")
		for _, g := range f.gauges {
			p.sample(f.name, g.labels, float(g.value()))
		}
	}
	p.family(buildName, "Version of the program, and of Go.", "gauge")
	p.sample(buildName, labelled([]Label{{"version", version()}, {"goversion", runtime.Version()}}), "1")
	p.family(startName, "When the process started, in seconds since 1970.", "gauge")
	p.sample(startName, "", float(float64(m.started.UnixMilli())/1000))
	return p.Bytes()
}

// A page is metrics as text.
type page struct{ bytes.Buffer }

func (p *page) family(name, help, kind string) {
	p.WriteString("# HELP " + name + " " + helpEscapes.Replace(strings.ToValidUTF8(help, "\ufffd")) + "\n")
	p.WriteString("# TYPE " + name + " " + kind + "\n")
}

func (p *page) sample(name, labels, value string) {
	p.WriteString(name + labels + " " + value + "\n")
}

// logins writes the counters. A service that came in one way has all results from then
// on, so that the first of each is seen as an increase.
func (p *page) logins(m *Metrics) {
	p.family(loginsName, "Logins that ended, by how they ended.", "counter")
	for s, service := range m.services {
		for i, way := range m.ways {
			var counts [results]uint64
			var seen uint64
			for r := range counts {
				counts[r] = m.counters(s, i)[r].Load()
				seen |= counts[r]
			}
			if seen == 0 {
				continue
			}
			for r, n := range counts {
				p.sample(loginsName, labelled([]Label{{"service", service}, way, {"result", resultNames[r]}}), strconv.FormatUint(n, 10))
			}
		}
	}
}

func (p *page) durations(m *Metrics) {
	p.family(durationName, "How long logins took that were neither refused by policy nor abandoned, the client's share included.", "histogram")
	for i, way := range m.ways {
		h := &m.durations[i]
		sum := h.sum.Load()
		var buckets [len(h.buckets)]uint64
		var count uint64
		for b := range buckets {
			count += h.buckets[b].Load()
			buckets[b] = count
		}
		if count == 0 {
			continue
		}
		for b, n := range buckets {
			end := "+Inf"
			if b < len(bounds) {
				end = float(bounds[b].Seconds())
			}
			p.sample(durationName+"_bucket", labelled([]Label{way, {"le", end}}), strconv.FormatUint(n, 10))
		}
		labels := labelled([]Label{way})
		p.sample(durationName+"_sum", labels, float(float64(sum)/float64(time.Second)))
		p.sample(durationName+"_count", labels, strconv.FormatUint(count, 10))
	}
}

// float writes a number as Prometheus reads it: infinities with a sign, and NaN.
func float(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// version is that of the program, "unknown" where the build did not note it.
func version() string {
	if b, ok := debug.ReadBuildInfo(); ok && b.Main.Version != "" {
		return b.Main.Version
	}
	return "unknown"
}
