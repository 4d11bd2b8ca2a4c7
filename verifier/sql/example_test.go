package sql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/saslkit/saslkit"
	"github.com/saslkit/saslkit/verifier"
	saslsql "github.com/saslkit/saslkit/verifier/sql"
)

// Users of a PostgreSQL database, with SCRAM keys and the hash of crypt(3) in columns of
// their own. The program imports the driver, here _ "github.com/jackc/pgx/v5/stdlib".
func Example() {
	pool, err := sql.Open("pgx", "postgres://mail@db.example.com/mail?sslmode=verify-full")
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	users, err := saslsql.New(saslsql.Options{
		Dialect: saslsql.PostgreSQL,
		Servers: []*sql.DB{pool},
		Select:  "SELECT password, scram_sha_256, disabled FROM users WHERE name = '%u' AND realm = '%r'",
		List:    "SELECT name AS username, realm, password, scram_sha_256, disabled FROM users",
		Scheme:  "CRYPT",
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := users.Refresh(ctx); err != nil { // and every few minutes
		log.Print(err)
	}
	auth := &saslkit.Authenticator{Verifier: verifier.Cache(users, verifier.CacheOptions{})}
	if err := auth.Validate(); err != nil {
		log.Fatal(err)
	}
}

// A statement that could be read in another way than it looks is an error at start.
func ExampleNew() {
	pool := sql.OpenDB(nowhere{})
	defer pool.Close()
	for _, statement := range []string{
		"SELECT password FROM users WHERE name = '%u@%r'",
		"SELECT password FROM users WHERE name = '%u' -- AND realm = '%r'",
	} {
		_, err := saslsql.New(saslsql.Options{Servers: []*sql.DB{pool}, Select: statement})
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// sql: sql_select: byte 45: a comment (leave it out)
}

// nowhere stands for a database: New does not connect.
type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("no database") }
func (nowhere) Driver() driver.Driver                        { return nil }
