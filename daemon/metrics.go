package daemon

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/verifier"
)

// Metrics counts logins, and tells Prometheus: it is an [http.Handler] that writes the text
// format, version 0.0.4. Its methods may be called concurrently.
//
// Logins are told apart by the label mech, and those of which only the protocol is known
// by the label protocol in its place: saslauthd, pwcheck.
//
// Nothing in it grows with what comes from the network: there is a counter for each of a
// fixed number of services, ways to log in and results, and no name of a user or address.
type Metrics struct {
	services       []string // the last is other
	serviceNumbers map[string]int
	ways           []Label // mechanisms and protocols, and then other mechanisms
	wayNumbers     map[Label]int
	logins         []atomic.Uint64 // by service, way, result
	durations      []histogram     // by way
	started        time.Time

	mu       sync.Mutex
	families []family
}

// A result is how a login ended, in a word of this closed set.
type result uint8

const (
	resultOK result = iota
	resultBadCredentials
	resultUnavailable
	resultThrottled
	resultDisabled
	resultExpired
	resultMalformed
	resultNotPermitted
	resultPolicy
	resultAbandoned
	results // their number
)

var resultNames = [results]string{
	"ok", "bad_credentials", "unavailable", "throttled", "disabled", "expired", "malformed", "not_permitted", "policy", "abandoned",
}

// resultOf sorts an error in. Over a limit is malformed; what is not offered, or too weak
// for the channel, is policy.
func resultOf(e *saslkit.Error) result {
	if e == nil {
		return resultOK
	}
	switch e.Class {
	case mech.BadCredentials:
		return resultBadCredentials
	case mech.Disabled:
		return resultDisabled
	case mech.Expired:
		return resultExpired
	case mech.Malformed, mech.Limit:
		return resultMalformed
	case mech.NotPermitted:
		return resultNotPermitted
	case mech.MechanismUnavailable, mech.TooWeak, mech.EncryptionRequired:
		return resultPolicy
	case mech.Cancelled:
		return resultAbandoned
	}
	if errors.Is(e.Err, verifier.ErrThrottled) {
		return resultThrottled
	}
	return resultUnavailable
}

// answered reports whether the login is one that took its time, which neither one that
// was turned away at once did nor one that the client gave up.
func (r result) answered() bool { return r != resultPolicy && r != resultAbandoned }

const (
	// other stands for services and mechanisms that are not known.
	other = "other"
	// mechLabel and protocolLabel name the ways to log in.
	mechLabel, protocolLabel = "mech", "protocol"
	// maxServices bounds the services that are counted apart.
	maxServices = 64
)

// knownServices are those that mail servers and saslauthd's clients name.
var knownServices = [...]string{"smtp", "submission", "lmtp", "imap", "pop3", "pop", "sieve", "ldap", "xmpp", "nntp", "http", "svn"}

// NewMetrics returns metrics that count these services apart, beside the common ones of
// mail; at most 64 in all. Every other is counted as "other".
func NewMetrics(services ...string) *Metrics {
	m := &Metrics{started: time.Now()}
	for _, s := range append(slices.Clone(knownServices[:]), services...) {
		if s != "" && !slices.Contains(m.services, s) && len(m.services) < maxServices {
			m.services = append(m.services, s)
		}
	}
	for _, row := range mech.All() {
		m.ways = append(m.ways, Label{mechLabel, row.Name})
	}
	m.ways = append(m.ways, Label{protocolLabel, saslauthdProtocol}, Label{protocolLabel, pwcheckProtocol})
	m.services, m.serviceNumbers = numbered(m.services, other)
	m.ways, m.wayNumbers = numbered(m.ways, Label{mechLabel, other})
	m.logins = make([]atomic.Uint64, len(m.services)*len(m.ways)*int(results))
	m.durations = make([]histogram, len(m.ways))
	return m
}

// numbered adds other to names, and numbers them.
func numbered[T comparable](names []T, other T) ([]T, map[T]int) {
	numbers := make(map[T]int, len(names)+1)
	if !slices.Contains(names, other) {
		names = append(names, other)
	}
	for i, name := range names {
		numbers[name] = i
	}
	return names, numbers
}

// Observe counts a login: it is Authenticator.Observer. It takes no lock and no memory.
func (m *Metrics) Observe(e saslkit.Event) {
	service, ok := m.serviceNumbers[e.Service]
	if !ok {
		service = m.serviceNumbers[other]
	}
	way, ok := m.wayNumbers[wayOf(e)]
	if !ok {
		way = m.wayNumbers[Label{mechLabel, other}]
	}
	r := resultOf(e.Err)
	m.counters(service, way)[r].Add(1)
	if r.answered() {
		m.durations[way].add(e.Duration)
	}
}

func wayOf(e saslkit.Event) Label {
	if e.Protocol != "" {
		return Label{protocolLabel, e.Protocol}
	}
	return Label{mechLabel, e.Mechanism}
}

// counters are those of a service and a way to log in, by result.
func (m *Metrics) counters(service, way int) []atomic.Uint64 {
	first := (service*len(m.ways) + way) * int(results)
	return m.logins[first:][:results]
}

// bounds are the upper ends of a histogram's buckets: from a look-up in memory over a slow
// hash and a directory far away to what clients give up on.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second,
	10 * time.Second, 30 * time.Second,
}

// A histogram counts durations. While it is read, others may be counted: the sum may lag
// behind the buckets.
type histogram struct {
	buckets [len(bounds) + 1]atomic.Uint64 // each without those below it
	sum     atomic.Uint64                  // nanoseconds
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.buckets[i].Add(1)
	h.sum.Add(uint64(d))
}
