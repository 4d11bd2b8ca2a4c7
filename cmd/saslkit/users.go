package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit/cyrusconf"
	"github.com/saslkit/saslkit/realm"
	"github.com/saslkit/saslkit/sasldb"
)

// defaultDB is where Cyrus SASL looks.
var defaultDB = cyrusconf.DefaultSasldb()

func registerDB(f *pflag.FlagSet, path *string) {
	f.StringVarP(path, "file", "f", defaultDB, "the database `FILE`")
}

func newUsersCommand(std *stdio) *cobra.Command {
	var path string
	var asJSON, reveal, covered bool
	var q coverageQuery
	cmd := &cobra.Command{
		Use:   "users [-f FILE] [--json] [--reveal] [--coverage [--verifier SPEC] [--delete-void]]",
		Short: "List the users of a sasldb file",
		Long: `Prints one line for each user: user@realm, a tab, and the properties that the
file holds of him, separated by commas; those of a disabled user begin with
saslkit-disabled: and serve nothing. Names that hold control characters are
printed as Go strings in quotes.

With --json, one object for each record: authid, realm, property, with
--reveal also value_base64. Text that is not UTF-8 is in authid_base64 and so on.

Of a damaged file the sound records are listed; the damage is told on standard
error and the exit code is 4.

With --coverage it prints instead how many users can use each mechanism, how many
are copies that a transition made (see serve --transition) and from where, how many of
those are void or will be within a week, and with --verifier who of its users has none
yet, if it can list them. The last line says whether mech_list can name SCRAM; if not,
the exit code is 1. --delete-void first deletes the copies that are void, among them
those of users whom the verifier does not have any more.`,
		Example: `  # list the users of ` + defaultDB + `
  saslkit users
  # see whether mech_list may name SCRAM
  saslkit users --coverage
  # see the records of one user
  saslkit users --json | grep '"authid":"alice"'`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case reveal && !asJSON:
				return usage("users: --reveal needs --json")
			case covered && reveal:
				return usage("users: --coverage prints nothing that --reveal could show")
			case covered && q.secrets != "" && cmd.Flags().Changed("file"):
				return usage("users: -f and --secrets exclude each other")
			case covered:
				q.path, q.asJSON = path, asJSON
				return q.run(cmd.Context(), std)
			case q != (coverageQuery{}):
				return usage("users: --verifier, --secrets and --delete-void need --coverage")
			}
			return list(std, path, func(records []sasldb.Record) error {
				if asJSON {
					return writeRecords(std, records, reveal)
				}
				writeUsers(std.out, records)
				return nil
			})
		},
	}
	registerDB(cmd.Flags(), &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each record")
	cmd.Flags().BoolVar(&reveal, "reveal", false, "with --json: the values, passwords among them")
	cmd.Flags().BoolVar(&covered, "coverage", false, "say who can use which mechanism, and who is a copy")
	cmd.Flags().StringVar(&q.secrets, "secrets", "", "with --coverage: a store in the place of FILE, a `SPEC`")
	cmd.Flags().StringVar(&q.verifier, "verifier", "", "with --coverage: where users are copied from, a `SPEC`")
	cmd.Flags().BoolVar(&q.deleteVoid, "delete-void", false, "with --coverage: delete the copies that are void")
	return cmd
}

func newExportCommand(std *stdio) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "export [-f FILE]",
		Short: "Print all records of a sasldb file, for import",
		Long: `Prints what "users --json --reveal" prints: one JSON object for each record, with
its value in base64, passwords among them. Keep the output where nobody else can
read it.

Of a damaged file the sound records are printed; the damage is told on standard
error and the exit code is 4.`,
		Example: `  # keep all records where only root can read them
  (umask 077; saslkit export > users.json)`,
		Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			return list(std, path, func(records []sasldb.Record) error { return writeRecords(std, records, true) })
		},
	}
	registerDB(cmd.Flags(), &path)
	return cmd
}

// list prints the records of a file in order, and tells what it leaves out.
func list(std *stdio, path string, write func([]sasldb.Record) error) error {
	listing, err := sasldb.Read(path)
	if err != nil {
		return fileError(withCure(err))
	}
	slices.SortFunc(listing.Records, compareRecords)
	if err := write(listing.Records); err != nil {
		return err
	}
	return sayListing(std, path, listing)
}

func compareRecords(a, b sasldb.Record) int {
	return cmp.Or(compareKeys(a, b), bytes.Compare(a.Value, b.Value))
}

func compareKeys(a, b sasldb.Record) int {
	return cmp.Or(
		strings.Compare(a.Realm, b.Realm),
		strings.Compare(a.Authid, b.Authid),
		strings.Compare(a.Property, b.Property),
	)
}

// writeUsers prints the users of sorted records.
func writeUsers(out *bufio.Writer, records []sasldb.Record) {
	for len(records) > 0 {
		first := records[0]
		var properties []string
		n := 0
		for ; n < len(records) && records[n].Authid == first.Authid && records[n].Realm == first.Realm; n++ {
			properties = append(properties, quoted(records[n].Property))
		}
		records = records[n:]
		fmt.Fprintf(out, "%s\t%s\n", quoted(realm.Join(first.Authid, first.Realm)), strings.Join(slices.Compact(properties), ","))
	}
}

// A jsonRecord is a record as users --json prints it. Of each name one of the
// two fields is set; a realm may be empty and is there all the same.
type jsonRecord struct {
	Authid         *string `json:"authid,omitempty"`
	AuthidBase64   *string `json:"authid_base64,omitempty"`
	Realm          *string `json:"realm,omitempty"`
	RealmBase64    *string `json:"realm_base64,omitempty"`
	Property       *string `json:"property,omitempty"`
	PropertyBase64 *string `json:"property_base64,omitempty"`
	ValueBase64    *string `json:"value_base64,omitempty"`
}

func newJSONRecord(r sasldb.Record, reveal bool) jsonRecord {
	var j jsonRecord
	j.Authid, j.AuthidBase64 = textOrBase64(r.Authid)
	j.Realm, j.RealmBase64 = textOrBase64(r.Realm)
	j.Property, j.PropertyBase64 = textOrBase64(r.Property)
	if reveal {
		value := base64.StdEncoding.EncodeToString(r.Value)
		j.ValueBase64 = &value
	}
	return j
}

func textOrBase64(s string) (text, encoded *string) {
	if utf8.ValidString(s) {
		return &s, nil
	}
	e := base64.StdEncoding.EncodeToString([]byte(s))
	return nil, &e
}

func writeRecords(std *stdio, records []sasldb.Record, reveal bool) error {
	var bar progress
	if !std.toTerminal {
		bar = std.progress("printing records", int64(len(records)))
		defer bar.done()
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	for _, r := range records {
		line.Reset()
		if err := encoder.Encode(newJSONRecord(r, reveal)); err != nil {
			return err
		}
		std.out.Write(printableJSON(bytes.TrimSuffix(line.Bytes(), []byte("\n"))))
		std.out.WriteByte('\n')
		bar.add(1)
	}
	return nil
}

// sayListing tells what the listing leaves out.
func sayListing(std *stdio, path string, l sasldb.Listing) error {
	if l.Foreign > 0 {
		std.say("%s: %d records are no user's and not listed (their key is not name NUL realm NUL property)", path, l.Foreign)
	}
	if len(l.Damage) == 0 {
		return nil
	}
	return &exitError{exitDamaged, errors.Join(append(l.Damage, fmt.Errorf("%s: only sound records are listed", path))...)}
}
