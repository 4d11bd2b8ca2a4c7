package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit/sasldb"
)

func newConvertCommand(std *stdio) *cobra.Command {
	var format string
	var force bool
	cmd := &cobra.Command{
		Use:   "convert FROM TO --format FORMAT [--force]",
		Short: "Make a sasldb file of another format",
		Long: `Writes all records of FROM into the new file TO: every property, and also what is
no user's. FORMAT is bdb (Debian, Ubuntu, RHEL up to 8), gdbm (Fedora, RHEL 9,
Arch) or lmdb.

TO is there whole or not at all. A file that is there already is replaced only
with --force, and the new one has its owner, mode and attributes; TO may then be
FROM.`,
		Example: `  # make a copy in the format of Fedora, RHEL 9 and Arch
  saslkit convert ` + defaultDB + ` ` + defaultDB + `.gdbm --format gdbm
  # convert a file in its place
  saslkit convert ` + defaultDB + ` ` + defaultDB + ` --format gdbm --force`,
		Args: arguments("FROM", "TO"), ValidArgsFunction: fileArguments(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, to := args[0], args[1]
			if format == "" {
				return usage("convert: --format is missing (bdb, gdbm or lmdb)")
			}
			f, err := sasldb.ParseFormat(format)
			if err != nil {
				return usage("--format: %w", err)
			}
			var n sasldb.Conversion
			err = std.spin("converting "+from, func() error {
				return whileChanging(cmd.Context(), func(ctx context.Context) (err error) {
					n, err = sasldb.Convert(ctx, from, to, sasldb.ConvertOptions{Format: f, Replace: force})
					return err
				})
			})
			switch {
			case errors.Is(err, fs.ErrExist):
				return usage("convert: %w (--force replaces it)", err)
			case err != nil:
				return changeError(err)
			}
			fmt.Fprintf(std.out, "%d records converted to %s in %s\n", n.Records, f, quoted(to))
			if n.Foreign > 0 {
				std.say("%s: %d of the records are no user's (their key is not name NUL realm NUL property); they were kept", from, n.Foreign)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "the `FORMAT` of the new file: bdb, gdbm or lmdb")
	cmd.Flags().BoolVar(&force, "force", false, "replace TO if it is there")
	return cmd
}
