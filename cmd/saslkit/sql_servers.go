package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/saslkit/saslkit/cyrusconf"
)

// openSQLite opens a file that is there already. The wait for another program's lock is
// shorter than a question's time: SQLite does not look at the context meanwhile.
func openSQLite(conf cyrusconf.SQL, _ string) (*sql.DB, error) {
	if conf.Database == "" {
		return nil, errors.New("sql_database is not set (it is the path of the file)")
	}
	file := url.URL{Scheme: "file", OmitHost: true, Path: conf.Database, RawQuery: "mode=rw&_pragma=busy_timeout(2000)"}
	c, err := sqlite.NewConnector(file.String())
	if err != nil {
		return nil, fmt.Errorf("sql_database: %w", err)
	}
	return sql.OpenDB(c), nil
}

// cutPort cuts a port off a host of sql_hostnames, which may be a folder with a socket.
func cutPort(host, port string) (string, uint16, error) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && (strings.Count(host, ":") == 1 || strings.Contains(host, "]:")) {
		host, port = host[:i], host[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("sql_hostnames: %.40q is not a port", port)
	}
	return strings.Trim(host, "[]"), uint16(n), nil
}

// openPostgres makes a pool of connections to one server. Without sql_usessl there is
// TLS where the server has it, as with libpq, whoever it may be.
func openPostgres(conf cyrusconf.SQL, host string) (*sql.DB, error) {
	host, port, err := cutPort(host, "5432")
	if err != nil {
		return nil, err
	}
	mode := "prefer"
	if conf.UseSSL {
		mode = "require"
	}
	// Everything that the environment could say otherwise (PGHOST, PGPASSFILE) is set.
	c, err := pgx.ParseConfig("host=localhost sslmode=" + mode + " passfile=/dev/null servicefile=/dev/null")
	if err != nil {
		return nil, errors.New("sql: PostgreSQL's environment variables (PG…) make no sense")
	}
	if host == "" {
		host = postgresSocket
	}
	if conf.User != "" { // else who we are, as with libpq
		c.User = conf.User
	}
	c.Port, c.Password, c.Database = port, conf.Passwd, conf.Database
	if c.Database == "" {
		c.Database = c.User
	}
	c.RuntimeParams["client_encoding"] = "UTF8"
	c.RuntimeParams["application_name"] = "saslkit"
	if err := postgresHost(&c.Config, conf, host); err != nil {
		return nil, err
	}
	if !conf.Replicas {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	}
	return stdlib.OpenDB(*c), nil
}

// postgresHost points a configuration at a host, of which there is one with TLS and,
// where that need not be, one without.
func postgresHost(c *pgconn.Config, conf cyrusconf.SQL, host string) error {
	c.Host = host
	if strings.HasPrefix(host, "/") {
		c.TLSConfig, c.Fallbacks = nil, nil
		return nil
	}
	if c.TLSConfig != nil {
		c.TLSConfig.ServerName = host
	}
	for _, f := range c.Fallbacks {
		f.Host, f.Port = host, c.Port
		if f.TLSConfig != nil {
			f.TLSConfig.ServerName = host
		}
	}
	if !conf.UseSSL {
		return nil
	}
	var err error
	c.Fallbacks = nil
	c.TLSConfig, err = sqlTLS(conf, host)
	return err
}

// Servers of this host that no sql_hostnames names are asked on their sockets, in folders
// of theirs and never in /tmp or on a port: there anybody can listen while the server is
// down, and whoever answers says whose password is right.
const postgresSocket = "/var/run/postgresql" // the folder

var mysqlSockets = []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"}

// dialMySQL connects to the server of this host.
func dialMySQL(ctx context.Context, _, _ string) (net.Conn, error) {
	var dialer net.Dialer
	var why error
	for _, socket := range mysqlSockets {
		c, err := dialer.DialContext(ctx, "unix", socket)
		if err == nil {
			return c, nil
		}
		if why == nil || errors.Is(why, fs.ErrNotExist) && !errors.Is(err, fs.ErrNotExist) {
			why = err
		}
	}
	return nil, why
}

// openMySQL makes a pool of connections to one server.
func openMySQL(conf cyrusconf.SQL, host string) (*sql.DB, error) {
	c, err := mysqlConfig(conf, host)
	if err != nil {
		return nil, err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, errors.New("sql: the driver refuses sql_user, sql_passwd, sql_database or sql_hostnames")
	}
	return sql.OpenDB(connector), nil
}

// mysqlConfig says how to reach a server. "localhost" and nothing mean the socket, as with
// MySQL's own library.
func mysqlConfig(conf cyrusconf.SQL, host string) (*mysql.Config, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = conf.User, conf.Passwd, conf.Database
	c.ClientFoundRows = true // a row that holds what is written counts as well
	c.Logger = &mysql.NopLogger{}
	// For what knows no context; the rest ends with the question.
	patience := countTimeout + time.Duration(conf.Timeout)*time.Second
	c.ReadTimeout, c.WriteTimeout = patience, patience
	switch {
	case host == "" || host == "localhost":
		c.Net, c.Addr, c.DialFunc = "unix", mysqlSockets[0], dialMySQL
		return c, nil
	case strings.HasPrefix(host, "/"):
		c.Net, c.Addr = "unix", host
		return c, nil
	}
	host, port, err := cutPort(host, "3306")
	if err != nil {
		return nil, err
	}
	c.Net, c.Addr = "tcp", net.JoinHostPort(host, strconv.Itoa(int(port)))
	c.TLSConfig = "preferred"
	if conf.UseSSL {
		if c.TLS, err = sqlTLS(conf, host); err != nil {
			return nil, err
		}
		c.TLSConfig = ""
	}
	return c, nil
}
