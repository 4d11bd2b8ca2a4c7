//go:build man

package main

import (
	"bytes"
	"errors"
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
	if err := manual.Write(filepath.Join(args[0], "man", "man8"), manual.Pages(root, date)); err != nil {
		return err
	}
	for shell, place := range map[string][2]string{
		"bash": {"bash-completion/completions", "saslkit"},
		"zsh":  {"zsh/vendor-completions", "_saslkit"},
		"fish": {"fish/vendor_completions.d", "saslkit.fish"},
	} {
		var script bytes.Buffer
		std := newStdio("saslkit", os.Stdin, &script, os.Stderr)
		if err := errors.Join(writeCompletion(root, std, shell), std.out.Flush()); err != nil {
			return err
		}
		if err := manual.Write(filepath.Join(args[0], place[0]), []manual.File{{Name: place[1], Text: script.String()}}); err != nil {
			return err
		}
	}
	return nil
}
