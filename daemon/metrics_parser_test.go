package daemon

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A strict reader of Prometheus's text format, as far as we use it.

var (
	nameSyntax   = `[a-zA-Z_:][a-zA-Z0-9_:]*`
	labelSyntax  = `[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"`
	commentLine  = regexp.MustCompile(`^# (HELP|TYPE) (` + nameSyntax + `) ((?:[^\\]|\\[\\n])*)$`)
	sampleLine   = regexp.MustCompile(`^(` + nameSyntax + `)((?:\{` + labelSyntax + `(?:,` + labelSyntax + `)*\})?) (\S+)$`)
	kindOfMetric = map[string]bool{"counter": true, "gauge": true, "histogram": true}
)

// parsed asks m as Prometheus would and returns the values of all series.
func parsed(t *testing.T, m *Metrics) map[string]float64 {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	series, err := parseMetrics(w.Body.String())
	if err != nil {
		t.Fatalf("%v in\n%s", err, w.Body)
	}
	return series
}

func parseMetrics(text string) (map[string]float64, error) {
	body, ok := strings.CutSuffix(text, "\n")
	if !ok {
		return nil, fmt.Errorf("the last line has no end")
	}
	series, seen := make(map[string]float64), make(map[string]bool)
	var name, kind string
	var help bool
	for _, line := range strings.Split(body, "\n") {
		if c := commentLine.FindStringSubmatch(line); c != nil {
			switch {
			case c[1] == "HELP" && !seen[c[2]]:
				name, kind, help = c[2], "", true
				seen[name] = true
			case c[1] == "TYPE" && c[2] == name && help && kindOfMetric[c[3]]:
				kind, help = c[3], false
			default:
				return nil, fmt.Errorf("out of order: %q", line)
			}
			continue
		}
		s := sampleLine.FindStringSubmatch(line)
		if s == nil {
			return nil, fmt.Errorf("neither sample nor comment: %q", line)
		}
		value, err := strconv.ParseFloat(s[3], 64)
		if err != nil || kind == "" || !belongs(s[1], s[2], name, kind) {
			return nil, fmt.Errorf("%q in the %s %s: %v", line, kind, name, err)
		}
		key := s[1] + s[2]
		if _, twice := series[key]; twice {
			return nil, fmt.Errorf("twice: %q", key)
		}
		series[key] = value
	}
	return series, soundHistograms(series)
}

// belongs reports whether a sample is one of the family.
func belongs(sample, labels, name, kind string) bool {
	if kind != "histogram" {
		return sample == name
	}
	suffix := strings.TrimPrefix(sample, name)
	return suffix == "_bucket" && strings.Contains(labels, `,le="`) || suffix == "_sum" || suffix == "_count"
}

// soundHistograms compares count and last bucket.
func soundHistograms(series map[string]float64) error {
	for key, count := range series {
		name, labels, ok := strings.Cut(key, "_count{")
		if !ok {
			continue
		}
		all := name + "_bucket{" + strings.TrimSuffix(labels, "}") + `,le="+Inf"}`
		if last, ok := series[all]; !ok || last != count {
			return fmt.Errorf("%s is %v, and %s is %v", all, last, key, count)
		}
	}
	return nil
}

// FuzzLabel: a value of whatever bytes is one label of one series, and reads as it was.
func FuzzLabel(f *testing.F) {
	f.Add("/run/saslkit/auth", "Connections.")
	f.Add("\"} 1\nup 1\n", "\nup 1")
	f.Add("\\\xff", "\\n\r")
	f.Fuzz(func(t *testing.T, value, help string) {
		m := NewMetrics()
		if err := m.Gauge("g", help, func() float64 { return 7 }, Label{"l", value}); err != nil {
			t.Fatal(err)
		}
		for series, n := range parsed(t, m) {
			text, ok := strings.CutPrefix(series, `g{l="`)
			if !ok {
				continue
			}
			text = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(strings.TrimSuffix(text, `"}`))
			if text != strings.ToValidUTF8(value, "\ufffd") || n != 7 {
				t.Fatalf("%q became %q, %v", value, text, n)
			}
			return
		}
		t.Fatal("the gauge is not there")
	})
}
