package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/saslkit/saslkit/verifier"
)

const (
	// longest is how long an endpoint may take to answer: a mail client waits longer.
	longest = 5 * time.Second
	// maxConnections is how many connections there are to an endpoint at a time. Who
	// comes then waits, within his time.
	maxConnections = 32
	// maxHeader bounds the header of an answer, in bytes.
	maxHeader = 64 << 10
)

// An endpoint is a URL of a provider. Its methods may be called concurrently.
type endpoint struct {
	url    string
	client *http.Client
	header http.Header
}

// newEndpoint insists on TLS, unless the URL is of this machine: tokens go there, and the
// keys that come from there decide who is let in. Redirections are not followed.
func newEndpoint(what, raw string, config *tls.Config) (*endpoint, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("oauth: %s: %q is no URL", what, raw)
	case u.User != nil || u.Fragment != "":
		return nil, fmt.Errorf("oauth: %s: the URL has a user name or a fragment", what) // it may hold a password
	case u.Scheme == "https":
	case u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return nil, fmt.Errorf("oauth: %s: %q is not https (http is for loopback addresses)", what, raw)
	}
	if config == nil {
		config = new(tls.Config)
	}
	return &endpoint{url: raw, header: http.Header{"Accept": {"application/json"}}, client: &http.Client{
		Transport: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true,
			MaxConnsPerHost: maxConnections, MaxIdleConnsPerHost: maxConnections, IdleConnTimeout: time.Minute,
			MaxResponseHeaderBytes: maxHeader,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// ask sends a form, or nothing, and returns the answer of at most max bytes. Every error
// matches ErrUnavailable.
func (e *endpoint) ask(ctx context.Context, form url.Values, most int64) ([]byte, error) {
	body, err := e.exchange(ctx, form, most)
	if err != nil {
		return nil, fmt.Errorf("oauth: %s: %w: %w", e.url, verifier.ErrUnavailable, err)
	}
	return body, nil
}

func (e *endpoint) exchange(ctx context.Context, form url.Values, most int64) ([]byte, error) {
	method, content := http.MethodGet, io.Reader(http.NoBody)
	if form != nil {
		method, content = http.MethodPost, strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(ctx, method, e.url, content)
	if err != nil {
		return nil, err
	}
	r.Header = e.header.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := e.client.Do(r)
	if err != nil {
		var told *url.Error // which repeats the URL
		if errors.As(err, &told) {
			err = told.Err
		}
		return nil, err
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return nil, fmt.Errorf("it does not let us ask: status %d (is the client's id and secret right?)", answer.StatusCode)
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(body)) > most:
		return nil, fmt.Errorf("the answer has more than %d bytes", most)
	}
	return body, nil
}

func (e *endpoint) close() { e.client.CloseIdleConnections() }
