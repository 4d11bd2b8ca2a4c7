package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
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
		host = postgresSocket()
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

// postgresSocket is the folder in which a server of this host has its socket.
func postgresSocket() string {
	const debian = "/var/run/postgresql"
	if _, err := os.Stat(debian); err == nil {
		return debian
	}
	return "/tmp"
}

// mysqlSockets are where a server of this host has its socket.
var mysqlSockets = []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock", "/tmp/mysql.sock"}

// openMySQL makes a pool of connections to one server. "localhost" and nothing mean the
// socket, as with MySQL's own library.
func openMySQL(conf cyrusconf.SQL, host string) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = conf.User, conf.Passwd, conf.Database
	c.ClientFoundRows = true // a row that holds what is written counts as well
	c.Logger = &mysql.NopLogger{}
	// For what knows no context; the rest ends with the question.
	patience := countTimeout + time.Duration(conf.Timeout)*time.Second
	c.ReadTimeout, c.WriteTimeout = patience, patience
	if host == "" || host == "localhost" {
		for _, socket := range mysqlSockets {
			if _, err := os.Stat(socket); err == nil {
				host = socket
				break
			}
		}
	}
	if strings.HasPrefix(host, "/") {
		c.Net, c.Addr = "unix", host
		return mysqlPool(c)
	}
	if host == "" {
		host = "localhost"
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
	return mysqlPool(c)
}

func mysqlPool(c *mysql.Config) (*sql.DB, error) {
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, errors.New("sql: the driver refuses sql_user, sql_passwd, sql_database or sql_hostnames")
	}
	return sql.OpenDB(connector), nil
}
