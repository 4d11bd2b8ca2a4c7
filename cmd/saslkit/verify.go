package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/saslkit/saslkit/sasldb"
)

func newVerifyCommand(std *stdio) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "verify [-f FILE]",
		Short: "Check a sasldb file more closely than db_verify does",
		Long: `Prints "fault: " or "warning: " and page and cause for each finding. Faults may
cost records, now or at the next write, and give exit code 4. Warnings are
oddities of healthy files.`,
		Example: `  # look for damage in ` + defaultDB + `
  saslkit verify
  # look for damage in another file
  saslkit verify -f /var/backups/sasldb2`,
		Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			faults, warnings, err := sasldb.Verify(path)
			if err != nil {
				return fileError(withCure(err))
			}
			for _, f := range faults {
				fmt.Fprintf(std.out, "fault: %s\n", shown(f.Error()))
			}
			for _, w := range warnings {
				fmt.Fprintf(std.out, "warning: %s\n", shown(w.Error()))
			}
			std.say("%s: faults: %d, warnings: %d", path, len(faults), len(warnings))
			if len(faults) > 0 {
				return &exitError{code: exitDamaged}
			}
			return nil
		},
	}
	registerDB(cmd.Flags(), &path)
	return cmd
}
