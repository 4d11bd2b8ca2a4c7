//go:build unix

package sasldb

import (
	"context"
	"fmt"
	"sync"

	"github.com/saslkit/saslkit/internal/dbm"
)

// An operation is one that another process is asked to do.
type operation struct {
	records func() []Record // there before; nil: no file
	options WriteOptions
	change  func(*Tx) error
	more    int // users there after it than before
}

var operations = map[string]operation{
	"create": {nil, WriteOptions{Create: true}, addNewcomer, 1},
	"grow":   {fullTable, WriteOptions{}, addNewcomer, 1},
	"delete": {fullTable, WriteOptions{}, deleteFirst, -1},
	"batch":  {fullTable, WriteOptions{}, addMany, 200},
}

func addNewcomer(tx *Tx) error { return tx.Set(user("newcomer", "r", "pw")) }

func deleteFirst(tx *Tx) error {
	if !tx.DeleteUser("user0000", "r") {
		return fmt.Errorf("user0000 is not there")
	}
	return nil
}

func addMany(tx *Tx) error {
	for i := range 200 {
		if err := tx.Set(user(fmt.Sprintf("many%03d", i), "r", "of many")); err != nil {
			return err
		}
	}
	return nil
}

// fullTable is a number of users with which the table is full: one more, and the
// file has more pages.
var fullTable = sync.OnceValue(func() []Record {
	records := []Record{user("newcomer", "r", "pw")}
	before := builtSize(records)
	for {
		records = append(records, user(fmt.Sprintf("user%04d", len(records)-1), "r", "pw"))
		after := builtSize(records)
		if after > before && len(records) > 100 {
			return records[1:]
		}
		before = after
	}
})

func builtSize(records []Record) int {
	var pairs []dbm.Record
	for _, r := range records {
		key, err := r.key()
		if err != nil {
			panic(err)
		}
		pairs = append(pairs, dbm.Record{Key: key, Value: r.Value})
	}
	data, err := formats[BerkeleyDB].build(pairs)
	if err != nil {
		panic(err)
	}
	return len(data)
}

// operate is the child that does the operation of that name to the file of that
// path.
func operate(args []string) {
	o := operations[args[0]]
	calls := 0
	err := Edit(context.Background(), args[1], o.options, func(tx *Tx) error {
		calls++
		return o.change(tx)
	})
	newReport(err, calls).print()
}
