package daemon

import (
	"fmt"
	"slices"
	"strings"
)

// A Label tells the gauges of one name apart.
type Label struct{ Name, Value string }

// A family is all gauges of a name.
type family struct {
	name, help string
	gauges     []gauge
}

type gauge struct {
	labels string // as they are written
	value  func() float64
}

// Gauge adds a gauge, such as the connections on a socket. The function value is called
// whenever Prometheus asks, concurrently, and must not block. Gauges of the same name have
// the same help and differ in their labels, whose values must not come from the network.
func (m *Metrics) Gauge(name, help string, value func() float64, labels ...Label) error {
	if !metricName(name) || reserved(name) {
		return fmt.Errorf("daemon: gauge %q: the name is taken or not one of Prometheus (letters, digits, _)", name)
	}
	if value == nil {
		return fmt.Errorf("daemon: gauge %s: no function that tells its value", name)
	}
	for i, l := range labels {
		if !labelName(l.Name) || slices.ContainsFunc(labels[:i], func(o Label) bool { return o.Name == l.Name }) {
			return fmt.Errorf("daemon: gauge %s: label %q is there twice or not one of Prometheus (letters, digits, _)", name, l.Name)
		}
	}
	g := gauge{labelled(labels), value}
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.families, func(f family) bool { return f.name == name })
	if i < 0 {
		m.families = append(m.families, family{name, help, []gauge{g}})
		return nil
	}
	f := &m.families[i]
	if f.help != help || slices.ContainsFunc(f.gauges, func(o gauge) bool { return o.labels == g.labels }) {
		return fmt.Errorf("daemon: gauge %s%s is there already, or with another help", name, g.labels)
	}
	f.gauges = append(f.gauges, g)
	return nil
}

// reserved reports whether a name is one of those that Metrics itself writes.
func reserved(name string) bool {
	for _, own := range []string{loginsName, durationName, buildName, startName} {
		if name == own || strings.HasPrefix(name, own+"_") {
			return true
		}
	}
	return false
}

func metricName(name string) bool { return nameOf(name, ":") }

func labelName(name string) bool { return nameOf(name, "") && !strings.HasPrefix(name, "__") }

// nameOf reports whether name is of letters, digits and _, or of more, and does not begin
// with a digit.
func nameOf(name, more string) bool {
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || strings.ContainsRune(more, r)
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return name != ""
}

// labelled writes labels, "" for none.
func labelled(labels []Label) string {
	if len(labels) == 0 {
		return ""
	}
	var b strings.Builder
	for i, l := range labels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name + `="` + labelEscapes.Replace(strings.ToValidUTF8(l.Value, "\ufffd")) + `"`)
	}
	return b.String() + "}"
}

var (
	labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)
