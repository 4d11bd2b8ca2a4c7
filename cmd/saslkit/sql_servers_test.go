package main

import (
	"strings"
	"testing"

	"github.com/saslkit/saslkit/cyrusconf"
)

// Where nothing is said, nobody is asked who needs no rights to listen there.
func TestSQLServersOfThisHost(t *testing.T) {
	t.Parallel()
	for _, path := range append([]string{postgresSocket}, mysqlSockets...) {
		if strings.Contains(path, "/tmp") {
			t.Errorf("%s: anybody can listen there", path)
		}
	}
	for host, want := range map[string]string{
		"":                "unix " + mysqlSockets[0],
		"localhost":       "unix " + mysqlSockets[0],
		"/tmp/mysql.sock": "unix /tmp/mysql.sock", // the site says so
		"127.0.0.1":       "tcp 127.0.0.1:3306",
		"localhost:3307":  "tcp localhost:3307",
		"[::1]:3307":      "tcp [::1]:3307",
	} {
		c, err := mysqlConfig(cyrusconf.SQL{}, host)
		if err != nil {
			t.Errorf("%q: %v", host, err)
			continue
		}
		if got := c.Net + " " + c.Addr; got != want || (c.DialFunc != nil) != (host == "" || host == "localhost") {
			t.Errorf("%q: %s, want %s", host, got, want)
		}
	}
}
