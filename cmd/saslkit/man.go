//go:build man

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/saslkit/saslkit/cmd/saslkit/internal/manual"
)

// With the tag man the program is another one: it writes what a package has in /usr/share
// beside the command, from the command's own tree. SOURCE_DATE_EPOCH dates the pages.
func main() {
	if err := writeShare(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitUsage)
	}
}

func writeShare(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: go run -tags man ./cmd/saslkit DIR")
	}
	date, err := manual.Date(os.Getenv("SOURCE_DATE_EPOCH"))
	if err != nil {
		return err
	}
	root := newRoot(newStdio("saslkit", os.Stdin, io.Discard, os.Stderr))
	return manual.Write(filepath.Join(args[0], "man", "man8"), manual.Pages(root, date))
}
