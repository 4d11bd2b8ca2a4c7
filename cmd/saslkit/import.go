package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"

	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit/sasldb"
)

func newImportCommand(std *stdio) *cobra.Command {
	var path string
	var format newFormat
	var v1 bool
	cmd := &cobra.Command{
		Use:   "import [-f FILE] [--format FORMAT] [--v1] [FROM]",
		Short: "Put the records of an export into a sasldb file",
		Long: `Reads what export prints, one JSON object for each record, from the file FROM or
from standard input, and adds the records to FILE or replaces those of the same
user and property. All come in one commit, or none: a line that is not understood
is told with its number, and nothing is written (exit code 4).

With --v1, FROM is a database of Cyrus SASL 1.5 (/etc/sasldb). Its records become
those that Cyrus SASL 2 reads.`,
		Example: `  # put an export back
  saslkit import users.json
  # take over the users of Cyrus SASL 1.5
  saslkit import --v1 /etc/sasldb`,
		Args: atMostOne("FROM"), ValidArgsFunction: fileArguments(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// A million records are 400 MB that all stay to the end: collecting
			// as often as by default takes a fourth of the time and frees nothing.
			defer debug.SetGCPercent(debug.SetGCPercent(400))
			records, err := recordsToImport(std, args, v1)
			if err != nil {
				return err
			}
			err = whileChanging(cmd.Context(), func(ctx context.Context) error {
				return importRecords(ctx, std, path, format.Format, records)
			})
			if err != nil {
				return changeError(err)
			}
			fmt.Fprintf(std.out, "%d records imported into %s\n", len(records), quoted(path))
			return nil
		},
	}
	registerDB(cmd.Flags(), &path)
	format.register(cmd.Flags())
	cmd.Flags().BoolVar(&v1, "v1", false, "FROM is a database of Cyrus SASL 1.5")
	return cmd
}

// atMostOne takes an argument that may be left out.
func atMostOne(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage("%s takes no more arguments than %s", cmd.Name(), name)
		}
		return nil
	}
}

// An incoming record knows where it came from, for errors.
type incoming struct {
	sasldb.Record
	line int // 0 for none
}

func recordsToImport(std *stdio, args []string, v1 bool) ([]incoming, error) {
	switch {
	case v1 && len(args) == 0:
		return nil, usage("import: with --v1, FROM is missing")
	case v1:
		return readV1(std, args[0])
	case len(args) == 0:
		return readExport(std, std.in, "standard input", -1)
	}
	file, err := os.Open(args[0])
	if err != nil {
		return nil, untried(fmt.Errorf("import: %w", err))
	}
	defer file.Close()
	size := int64(-1)
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	return readExport(std, file, args[0], size)
}

const (
	// maxImportLine bounds a line, in bytes: twenty times what the longest name
	// and value that Cyrus SASL takes come to.
	maxImportLine = 1 << 20
	// maxImport bounds all lines together, in bytes.
	maxImport = 4 * sasldb.MaxFile
	// maxGuess bounds for how many records room is made before they were seen.
	maxGuess = 1_000_000
)

// readExport reads JSON lines, all of them sound, or none.
func readExport(std *stdio, r io.Reader, name string, size int64) ([]incoming, error) {
	bar := std.progress("reading "+name, size)
	defer bar.done()
	lines := bufio.NewReaderSize(bar.reader(io.LimitReader(r, maxImport)), maxImportLine)
	var records []incoming
	total := int64(0)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		ended := errors.Is(err, io.EOF)
		total += int64(len(line))
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return nil, badLine(name, number, fmt.Errorf("more than %d bytes", maxImportLine))
		case err != nil && !ended:
			return nil, untried(fmt.Errorf("%s: %w", name, err))
		case total >= maxImport:
			return nil, badLine(name, number, fmt.Errorf("more than %d bytes in all", int64(maxImport)))
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			r, err := parseRecord(line)
			if err != nil {
				return nil, badLine(name, number, err)
			}
			if len(records) == 0 && size > 0 { // the others may be as long
				records = slices.Grow(records, int(min(size/int64(len(line)+1), maxGuess)))
			}
			records = append(records, incoming{r, number})
		}
		if ended {
			return distinct(records, name)
		}
	}
}

func badLine(name string, number int, err error) error {
	return &exitError{exitDamaged, fmt.Errorf("import: %s: line %d: %w (nothing was imported)", name, number, err)}
}

// distinct leaves out what stands there twice, and refuses two values for one key.
// It sorts the records, which those of an export are already.
func distinct(records []incoming, name string) ([]incoming, error) {
	slices.SortFunc(records, func(a, b incoming) int { return cmp.Or(compareKeys(a.Record, b.Record), a.line-b.line) })
	kept := records[:0]
	for _, r := range records {
		if n := len(kept); n == 0 || compareKeys(kept[n-1].Record, r.Record) != 0 {
			kept = append(kept, r)
		} else if first := kept[n-1]; !bytes.Equal(first.Value, r.Value) {
			return nil, badLine(name, r.line, fmt.Errorf("another value for the record of line %d", first.line))
		}
	}
	return kept, nil
}

// importRecords adds or replaces all of them.
func importRecords(ctx context.Context, std *stdio, path string, format sasldb.Format, records []incoming) error {
	return std.spin("writing "+path, func() error {
		return sasldb.Edit(ctx, path, sasldb.WriteOptions{Create: true, Format: format}, func(tx *sasldb.Tx) error {
			tx.Grow(len(records))
			for _, r := range records {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := tx.Set(r.Record); err != nil {
					return refusedRecord(r, err)
				}
			}
			return nil
		})
	})
}

// refusedRecord is for a record that no file can hold.
func refusedRecord(r incoming, err error) error {
	if r.line > 0 {
		err = fmt.Errorf("line %d: %w", r.line, err)
	}
	return &exitError{exitDamaged, fmt.Errorf("import: %w (nothing was imported)", err)}
}
