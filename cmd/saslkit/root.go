package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// A stdio is the name of a command and its three streams.
type stdio struct {
	name string
	in   io.Reader
	out  *bufio.Writer // results; remembers the first failed write
	err  io.Writer     // everything else; may be written to concurrently
	// terminal is where progress can be shown: standard error if it is a terminal,
	// else nil. toTerminal says that results go to one.
	terminal   io.Writer
	toTerminal bool
}

func newStdio(name string, in io.Reader, out, stderr io.Writer) *stdio {
	s := &stdio{name: name, in: in, out: bufio.NewWriter(out), err: &lockedWriter{w: stderr}}
	if isTerminal(stderr) {
		s.terminal = s.err
	}
	s.toTerminal = isTerminal(out)
	return s
}

// isTerminal reports whether a stream is a terminal, for there is a person at it.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// say tells the person at the terminal something that is no result.
func (s *stdio) say(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		line = strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "saslkit: ") // the library's own
		fmt.Fprintln(s.err, s.name+": "+shown(line))
	}
}

// run is the whole program but for what it cannot do in a test: it returns the
// exit code. A command that serves does so until the context ends.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	std := newStdio("saslkit", stdin, stdout, stderr)
	root := newRoot(std)
	root.SetArgs(append([]string{}, args...)) // to cobra nil is the process's own
	err := execute(ctx, root, args)
	if flushErr := std.out.Flush(); flushErr != nil && err == nil {
		err = untried(fmt.Errorf("standard output: %w", flushErr))
	}
	var e *exitError
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE), errors.As(err, &e) && e.err == nil:
	default:
		std.say("%v", err)
	}
	return exitCode(err)
}

// execute runs the command that the arguments name. That there is no such
// command comes before what is wrong with its options.
func execute(ctx context.Context, root *cobra.Command, args []string) error {
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		forShell(root)
		return root.ExecuteContext(ctx)
	}
	if _, _, err := root.Find(args); err != nil {
		text, suggested, found := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
		if !found {
			return usage(`%s ("saslkit help" lists them)`, text)
		}
		return usage("%s: did you mean %s?", text, strings.Join(strings.Fields(suggested), " or "))
	}
	return root.ExecuteContext(ctx)
}

func newRoot(std *stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "saslkit",
		Short: "Logins of mail sites: sasldb files, SASL mechanisms, live servers",
		Long: `saslkit looks after the logins of a mail site.

Results go to standard output, everything else to standard error. Exit codes:
0 done, 1 the answer is no, 2 usage or configuration error, 3 it could not be
tried, 4 the input is damaged. A password is never an argument: it is asked for
on the terminal or comes with --password-stdin or --password-file.`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(*cobra.Command, []string) error {
			return usage(`no command ("saslkit help" lists them)`)
		},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetVersionTemplate("saslkit {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if f := cmd.Flags().Lookup("file"); f != nil && f.Changed && f.Value.String() == "" {
			return usage("%s: the path behind -f is empty", cmd.Name())
		}
		return nil
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(newHelpCommand(root))
	root.AddCommand(
		newCheckCommand(std),
		newCompletionCommand(std),
		newConvertCommand(std),
		newDemoCommand(std),
		newExportCommand(std),
		newImportCommand(std),
		newLoginCommand(std),
		newMechsCommand(std),
		newPasswdCommand(std),
		newServeCommand(std),
		newUsersCommand(std),
		newVerifyCommand(std),
	)
	for _, cmd := range root.Commands() {
		cmd.DisableFlagsInUseLine = true
		cmd.SuggestFor = suggestedFor[cmd.Name()]
		if cmd.ValidArgs == nil && cmd.ValidArgsFunction == nil {
			cmd.ValidArgsFunction = oneOf()
		}
	}
	completeValues(root)
	root.InitDefaultHelpCmd() // for Find, in execute
	return root
}

// newHelpCommand is cobra's, but for the exit code when there is no such
// command.
func newHelpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, cmd := range root.Commands() {
				if len(args) == 0 && cmd.IsAvailableCommand() {
					names = append(names, cmd.Name())
				}
			}
			return beginning(names, "", typed), onlyThese
		},
		RunE: func(_ *cobra.Command, args []string) error {
			topic, _, err := root.Find(args)
			if err != nil {
				text, _, _ := strings.Cut(err.Error(), "\n")
				return usage("%s", text)
			}
			topic.InitDefaultHelpFlag()
			topic.InitDefaultVersionFlag()
			return topic.Help()
		},
	}
}

// flagError says what is wrong with an option, without the letters joined to
// it or its value: somebody may have typed a password there.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		name := unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			return usage("%s: unknown option -%s (%q lists them)", cmd.Name(), name, cmd.CommandPath()+" --help")
		}
		return noOption(cmd, name)
	}
	return usage("%w", err)
}

// arguments asks for exactly these. What was given is not repeated, for the
// same reason.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage("%s: %s is missing", cmd.Name(), strings.Join(names[len(args):], " "))
		case len(args) > len(names) && len(names) == 0 && cmd.Flags().Lookup("file") != nil:
			return usage("%s takes no arguments (the path of a database goes behind -f)", cmd.Name())
		case len(args) > len(names) && len(names) == 0:
			return usage("%s takes no arguments", cmd.Name())
		case len(args) > len(names):
			return usage("%s takes no more arguments than %s", cmd.Name(), strings.Join(names, " "))
		}
		return nil
	}
}

// version is that of the module, and of the commit if the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	text := info.Main.Version
	if text == "" {
		text = "(devel)"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(text, s.Value[:min(12, len(s.Value))]) {
			text += " " + s.Value
		}
	}
	return text + " " + info.GoVersion
}

// A lockedWriter is written to by servers in the background as well.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
