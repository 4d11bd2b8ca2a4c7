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
	do      func(path string, calls *int) error
	more    int // users there after it than before
}

var operations = map[string]operation{
	"create":      {nil, editing(WriteOptions{Create: true}, addNewcomer), 1},
	"create 0640": {nil, editing(WriteOptions{Create: true, Mode: 0o640}, addNewcomer), 1},
	"grow":        {fullTable, editing(WriteOptions{}, addNewcomer), 1},
	"delete":      {fullTable, editing(WriteOptions{}, deleteFirst), -1},
	"batch":       {fullTable, editing(WriteOptions{}, addMany), 200},
	"convert":     {fullTable, convertInPlace, 0},
	"sole":        {fullTable, editing(WriteOptions{}, addUnlessThere), 1},
}

// editing counts how often Edit calls change.
func editing(o WriteOptions, change func(*Tx) error) func(path string, calls *int) error {
	return func(path string, calls *int) error {
		return Edit(context.Background(), path, o, func(tx *Tx) error {
			*calls++
			return change(tx)
		})
	}
}

func convertInPlace(path string, calls *int) error {
	_, err := Convert(context.Background(), path, path, ConvertOptions{Format: GDBM, Replace: true})
	return err
}

func addNewcomer(tx *Tx) error { return tx.Set(user("newcomer", "r", "pw")) }

func addUnlessThere(tx *Tx) error {
	if len(tx.User("newcomer", "r")) > 0 {
		return errRefused
	}
	return addNewcomer(tx)
}

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
	calls := 0
	err := operations[args[0]].do(args[1], &calls)
	newReport(err, calls).print()
}
