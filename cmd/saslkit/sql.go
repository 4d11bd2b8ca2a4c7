package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"modernc.org/sqlite"

	"github.com/saslkit/saslkit/cyrusconf"
	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// An sqlStore is a database with its connections. If it can list its users it counts
// them again every few minutes, on a goroutine that ends with Close.
type sqlStore struct {
	*saslsql.DB
	pools    []*sql.DB
	end      context.CancelFunc
	counting sync.WaitGroup
}

const (
	// maxConns is how many connections there are to one server. PostgreSQL takes 100
	// of all its clients unless it is told otherwise.
	maxConns     = 10
	connLifetime = 10 * time.Minute // so that a server which is back in service gets its share
	connIdle     = time.Minute

	countEvery   = 5 * time.Minute
	countTimeout = time.Minute
)

// openSQL opens what a file with sql_ keys names.
func openSQL(path string) (verifier.Verifier, error) {
	f, err := cyrusconf.LoadFile(path)
	if err != nil {
		return nil, confError(err)
	}
	app, faults := f.Application()
	if err := faults.Err(); err != nil {
		return nil, &exitError{exitUsage, err}
	}
	s, err := newSQLStore(path, app.SQL)
	if err != nil {
		return nil, err // and not a nil *sqlStore, which is not nil
	}
	return s, nil
}

// newSQLStore opens a database. A store that counts its users must be able to; another
// may be down and come later.
func newSQLStore(name string, conf cyrusconf.SQL) (*sqlStore, error) {
	o, err := sqlOptions(name, conf)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	s := &sqlStore{pools: o.Servers}
	var ctx context.Context
	ctx, s.end = context.WithCancel(context.Background())
	if s.DB, err = saslsql.New(o); err != nil {
		s.Close()
		return nil, &exitError{exitUsage, err}
	}
	if conf.List == "" {
		return s, nil
	}
	if err := s.count(ctx); err != nil {
		s.Close()
		return nil, untried(err)
	}
	s.counting.Go(func() { countAgain(ctx, s.count) })
	return s, nil
}

func (s *sqlStore) count(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	return s.Refresh(ctx)
}

// countAgain counts the users of a store now and then until the context ends. What fails is
// tried again: logins tell of a server that is down.
func countAgain(ctx context.Context, count func(context.Context) error) {
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			count(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Close closes all connections.
func (s *sqlStore) Close() error {
	s.end()
	s.counting.Wait()
	var all error
	for _, pool := range s.pools {
		all = errors.Join(all, pool.Close())
	}
	return all
}

// sqlOptions are the options that keys come to, with a pool for each server.
func sqlOptions(name string, conf cyrusconf.SQL) (o saslsql.Options, err error) {
	o = saslsql.Options{
		Name: name, Code: sqlCode,
		Select: conf.Select, List: conf.List, Insert: conf.Insert, Update: conf.Update, Delete: conf.Delete,
		Scheme: conf.Scheme, Fresh: conf.Fresh,
		MaxLag: time.Duration(conf.MaxLag) * time.Second, Timeout: time.Duration(conf.Timeout) * time.Second,
	}
	if o.Insert == "" || o.Update == "" { // cyrusconf has told
		o.Insert, o.Update, o.Delete = "", "", ""
	}
	if conf.Kinds != "" {
		if o.Kinds, err = saslsql.ParseKinds(conf.Kinds); err != nil {
			return o, err
		}
	}
	open := openSQLite
	switch conf.Engine {
	case "pgsql":
		o.Dialect, open = saslsql.PostgreSQL, openPostgres
	case "mysql":
		o.Dialect, open = saslsql.MySQL, openMySQL
	}
	hosts := conf.Hostnames
	if len(hosts) == 0 || o.Dialect == saslsql.SQLite {
		hosts = []string{""}
	}
	for _, host := range hosts {
		pool, err := open(conf, host)
		if err != nil {
			for _, p := range o.Servers {
				p.Close()
			}
			return o, err
		}
		pool.SetMaxOpenConns(maxConns)
		pool.SetMaxIdleConns(maxConns)
		pool.SetConnMaxLifetime(connLifetime)
		pool.SetConnMaxIdleTime(connIdle)
		o.Servers = append(o.Servers, pool)
	}
	return o, nil
}

// sqlCode is the code of an error of any of the three drivers.
func sqlCode(err error) string {
	var state interface{ SQLState() string } // PostgreSQL's
	var lite *sqlite.Error
	var my *mysql.MySQLError
	switch {
	case errors.As(err, &my):
		return strconv.Itoa(int(my.Number))
	case errors.As(err, &lite):
		return strconv.Itoa(lite.Code())
	case errors.As(err, &state):
		return state.SQLState()
	}
	return ""
}

// sqlTLS is the configuration with which a server is trusted that must be under TLS.
func sqlTLS(conf cyrusconf.SQL, server string) (*tls.Config, error) {
	c := &tls.Config{ServerName: server, InsecureSkipVerify: conf.SSLUnverified, MinVersion: tls.VersionTLS12}
	if conf.SSLCA == "" {
		return c, nil
	}
	pem, err := os.ReadFile(conf.SSLCA)
	if err != nil {
		return nil, fmt.Errorf("sql_ssl_ca: %w", err)
	}
	c.RootCAs = x509.NewCertPool()
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("sql_ssl_ca: %s holds no certificate in PEM form", conf.SSLCA)
	}
	return c, nil
}
