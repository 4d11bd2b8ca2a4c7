package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/saslkit/saslkit/mech"
	"github.com/saslkit/saslkit/sasldb"
)

func newCompletionCommand(std *stdio) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete this command",
		Long: `Prints a script for SHELL, which is bash (with the package bash-completion), zsh or
fish. Packages have it installed already.

Then the tab key completes commands and options, mechanisms, kinds of stores and their
files, and the users of a sasldb that whoever types may read.`,
		Example: `  # for everybody who uses bash
  saslkit completion bash > /etc/bash_completion.d/saslkit
  # for oneself
  saslkit completion fish > ~/.config/fish/completions/saslkit.fish`,
		Args:      arguments("SHELL"),
		ValidArgs: shells,
		RunE:      func(cmd *cobra.Command, args []string) error { return writeCompletion(cmd.Root(), std, args[0]) },
	}
}

// shells are those whose scripts there are.
var shells = []string{"bash", "zsh", "fish"}

func writeCompletion(root *cobra.Command, std *stdio, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(std.out, true)
	case "zsh":
		return root.GenZshCompletion(std.out)
	case "fish":
		return root.GenFishCompletion(std.out, true)
	}
	return usage("completion: no script for this SHELL (known: %s)", strings.Join(shells, " "))
}

// A completer returns what an argument or the value of an option may be, given the text
// that is there already.
type completer = cobra.CompletionFunc

const (
	anyFile   = cobra.ShellCompDirectiveDefault
	onlyThese = cobra.ShellCompDirectiveNoFileComp
	goesOn    = cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
)

// completeValues has the shell complete the values of all options.
func completeValues(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			word, _ := pflag.UnquoteUsage(f)
			if word == "" {
				return // a switch
			}
			if err := cmd.RegisterFlagCompletionFunc(f.Name, completerOf(cmd.Name(), f.Name, word)); err != nil {
				panic(err) // two for one option: a mistake of ours
			}
		})
	}
}

// forShell takes out of the help of options what marks their values: a shell shows it as
// it is. It is for a process that does nothing but to complete.
func forShell(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Usage = strings.ReplaceAll(f.Usage, "`", "") })
	}
}

// completerOf returns the completer of an option. What its value is says the word that
// help has for it; what is not here only the person at the keyboard knows.
func completerOf(command, option, word string) completer {
	switch option {
	case "security-options", "tls-security-options":
		return listOf(strings.Split((^mech.AnyMechanism).String(), ", ")...)
	case "limit":
		return listOf("free=", "max=", "delay=", "exempt=", "off")
	case "except":
		return users
	case "tokens":
		return specOf(knownTokenSpecs())
	}
	switch word {
	case "FILE":
		return files
	case "DIR":
		return folders
	case "SOCKET":
		return specOf("inet:HOST systemd:NAME")
	case "SPEC":
		return specOf(knownSpecs())
	case "MECHANISM":
		return oneOf(mechanismNames(mech.All())...)
	case "MECHANISMS":
		return listOf(mechanismNames(mech.All())...)
	case "SERVICE":
		return oneOf("smtp", "imap", "pop3", "sieve")
	case "HASH":
		return oneOf("md5", "sha1")
	case "WORD":
		return oneOf("noplain", "yes")
	case "REALM":
		return realms
	case "FORMAT":
		if command == "convert" {
			return oneOf("bdb", "gdbm", "lmdb")
		}
		return oneOf("bdb", "gdbm")
	}
	return oneOf()
}

func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, anyFile
}

func folders(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// oneOf completes one of these words.
func oneOf(words ...string) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return beginning(words, "", typed), onlyThese
	}
}

// listOf completes the last word of several, which commas separate.
func listOf(words ...string) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		at := strings.LastIndexByte(typed, ',') + 1
		before := strings.Split(strings.ToUpper(typed[:at]), ",")
		left := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return slices.Contains(before, strings.ToUpper(w)) })
		return beginning(left, typed[:at], typed[at:]), goesOn
	}
}

// beginning are the words that begin as typed, with what stands before them. Where only
// the case of letters differs the rest is in lower case: bash drops what does not begin
// with the text that is there.
func beginning(words []string, before, typed string) []string {
	var all []string
	for _, w := range words {
		switch {
		case strings.HasPrefix(w, typed):
			all = append(all, before+w)
		case len(w) > len(typed) && strings.EqualFold(w[:len(typed)], typed):
			all = append(all, before+typed+strings.ToLower(w[len(typed):]))
		}
	}
	return all
}

// specOf completes "kind:location" in two steps: the kind, and then the location if that
// is a file or a folder. The kinds are given as help lists them.
func specOf(known string) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		kind, location, complete := strings.Cut(typed, ":")
		var kinds []string
		for spec := range strings.FieldsSeq(known) {
			name, what, _ := strings.Cut(spec, ":")
			switch {
			case complete && name == kind && (what == "FILE" || what == "SOCKET" || what == "DIR"):
				return paths(kind+":", location, what == "DIR")
			case complete && name == kind:
				return nil, onlyThese
			}
			kinds = append(kinds, name+":")
		}
		if all := beginning(kinds, "", typed); all != nil && typed != "" || !strings.Contains(known, "inet:") {
			return all, goesOn
		}
		return nil, anyFile // a SOCKET is a path, most of the time
	}
}

// mostPaths bounds what is offered of a folder.
const mostPaths = 1000

// paths completes the path behind a prefix, which the shell could not.
func paths(prefix, typed string, onlyFolders bool) ([]string, cobra.ShellCompDirective) {
	folder, name := filepath.Split(typed)
	f, err := os.Open(cmp.Or(folder, "."))
	if err != nil {
		return nil, onlyThese
	}
	defer f.Close()
	entries, _ := f.ReadDir(mostPaths)
	var all []string
	directive := onlyThese
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(folder, e.Name())) // through a link
		isFolder := err == nil && info.IsDir()
		switch {
		case !strings.HasPrefix(e.Name(), name), !plain(e.Name()), name == "" && e.Name()[0] == '.', onlyFolders && !isFolder:
			continue
		case isFolder:
			directive = goesOn
			all = append(all, prefix+folder+e.Name()+"/")
		default:
			all = append(all, prefix+folder+e.Name())
		}
	}
	slices.Sort(all)
	return all, directive
}

// plain reports whether a name is one that no shell gives a meaning to: others are not
// offered, for some came over the network.
func plain(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-+@/", r)
	})
}

// isWord reports whether a name is plain and nobody takes it for an option.
func isWord(name string) bool { return plain(name) && name[0] != '-' }

// largestListed is the largest database whose users are offered, in bytes: a larger one
// takes longer to read than somebody waits for a key.
const largestListed = 8 << 20

// listed are the users of the databases that the options of a command name.
func listed(cmd *cobra.Command) []userName {
	var all []userName
	for _, path := range databases(cmd) {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || info.Size() > largestListed {
			continue
		}
		l, err := sasldb.Read(path)
		if err != nil {
			continue
		}
		for _, r := range l.Records {
			name := userName{r.Authid, r.Realm}
			if isWord(r.Authid) && (r.Realm == "" || isWord(r.Realm)) && !slices.Contains(all[max(0, len(all)-1):], name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// databases are those files of a command line that hold the users it is about.
func databases(cmd *cobra.Command) []string {
	if path, err := cmd.Flags().GetString("file"); err == nil {
		return []string{path}
	}
	specs, _ := cmd.Flags().GetStringArray("verifier")
	secrets, _ := cmd.Flags().GetString("secrets")
	var all []string
	for _, spec := range append(specs, secrets) {
		if path, ok := strings.CutPrefix(spec, "sasldb:"); ok {
			all = append(all, path)
		}
	}
	return all
}

// users completes the argument USER. With an option for the realm it is one of that.
func users(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, onlyThese
	}
	realm, _ := cmd.Flags().GetString("realm")
	var all []string
	for _, name := range listed(cmd) {
		switch {
		case realm == "":
			all = append(all, name.String())
		case realm == name.realm:
			all = append(all, name.user)
		}
	}
	slices.Sort(all)
	return beginning(slices.Compact(all), "", typed), onlyThese
}

// realms completes the value of an option for the realm.
func realms(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	var all []string
	for _, name := range listed(cmd) {
		if name.realm != "" {
			all = append(all, name.realm)
		}
	}
	slices.Sort(all)
	return beginning(slices.Compact(all), "", typed), onlyThese
}

// servers completes the URL of a server, and leaves USER to the person.
func servers(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, onlyThese
	}
	for _, prefix := range []string{"dovecot:", "saslauthd:"} {
		if path, ok := strings.CutPrefix(typed, prefix); ok {
			return paths(prefix, path, false)
		}
	}
	var kinds []string
	for _, kind := range knownServers() {
		kinds = append(kinds, strings.TrimSuffix(kind, "PATH"))
	}
	return beginning(kinds, "", typed), goesOn
}

// fileArguments completes as many arguments that are files.
func fileArguments(most int) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) < most {
			return nil, anyFile
		}
		return nil, onlyThese
	}
}
