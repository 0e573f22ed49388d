package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/internal/settings"
)

// A command is one that the first argument names.
type command struct {
	name, usage, args, description, category string
	least                                    int // arguments that have to be there of those in args
	// configured names the settings of package config that are flags of the command: by their keys, or by those of
	// whole tables. A command without any has no --config either.
	configured []string
	verbosity  slog.Level // by default
	flags      settings.Table
	run        func(context.Context, *invocation) error
}

// An invocation is a command with what it was given.
type invocation struct {
	path   string // as the help names the command
	args   []string
	flags  settings.Table
	config *config.Config
}

// arg returns an argument, empty if there are not as many.
func (in *invocation) arg(n int) string {
	if n >= len(in.args) {
		return ""
	}
	return in.args[n]
}

// A usageError is a mistake in the arguments.
type usageError struct {
	command string // whose help to see
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usagef returns a mistake in the arguments.
func (in *invocation) usagef(format string, args ...any) error {
	return &usageError{in.path, fmt.Errorf(format, args...)}
}

func onUsageError(_ context.Context, cmd *cli.Command, err error, _ bool) error {
	return &usageError{cmd.FullName(), err}
}

// cli returns the command for the library.
func (c command) cli() *cli.Command {
	in := &invocation{flags: c.flags, config: config.New(c.verbosity)}
	path := ""
	if len(c.configured) > 0 {
		in.flags = slices.Concat(settings.Table{{
			Flag: "config", Env: true, Value: settings.Text(&path, nil),
			Usage: "TOML `FILE` with settings; see 'reqresp config --help'",
		}}, c.flags, in.config.Settings.In(c.configured...))
	}
	given := make([]*flag, len(in.flags))
	flags := make([]cli.Flag, len(in.flags))
	for i, s := range in.flags {
		given[i] = &flag{of: s}
		flags[i] = given[i]
	}
	return &cli.Command{
		Name: c.name, Usage: c.usage, ArgsUsage: c.args, Description: c.description, Category: c.category, Flags: flags,
		HideHelpCommand: true, OnUsageError: onUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			in.path, in.args = cmd.FullName(), cmd.Args().Slice()
			err := c.checkArgs(in)
			if err == nil {
				err = in.set(&path, given)
			}
			if err == nil {
				err = c.run(ctx, in)
			}
			if _, usage := errors.AsType[*usageError](err); usage || err == nil {
				return err
			}
			return fmt.Errorf("%s: %w", strings.TrimPrefix(in.path, cmd.Root().Name+" "), err)
		},
	}
}

// wants says what arguments may be.
var wants = map[string]string{
	"PEER": "a multiaddr with the peer's id, like /ip4/203.0.113.7/udp/9000/quic-v1/p2p/16Uiu2HA…, " +
		"or a node record (enr:…)",
	"FILE":     "a file, or - for standard input",
	"FILE|DIR": "a file, or a directory of era files",
	"DIR":      "a directory of era files",
	"STATE":    "a file with the SSZ of a BeaconState, or an era file",
	"ID":       "a peer id like 16Uiu2HA…, or a node record (enr:…)",
	"METHOD":   "the name of a method, like blocks-by-range",
}

func (c command) checkArgs(in *invocation) error {
	names := strings.Fields(strings.Trim(c.args, "[]"))
	most := len(names)
	if strings.HasSuffix(c.args, "...") {
		most = len(in.args)
	}
	switch n := len(in.args); {
	case n < c.least:
		name := strings.TrimSuffix(names[n], "...")
		return in.usagef("%s is missing: want %s", name, wants[name])
	case n > most && most == 0:
		return in.usagef("%s takes no arguments, not %q", c.name, in.args[0])
	case n > most:
		return in.usagef("%s takes one %s, not %q beside it", c.name, strings.Join(names, " and one "), in.args[most])
	}
	return nil
}

// set sets the flags and the configuration: flags go before the environment, that before the file, and that before the
// defaults.
func (in *invocation) set(path *string, given []*flag) error {
	file := slices.IndexFunc(given, func(f *flag) bool { return f.of.Flag == "config" })
	if file >= 0 {
		if err := in.setFlag(given[file]); err != nil {
			return err
		}
	}
	if *path != "" {
		if err := in.config.Load(*path); err != nil {
			return err
		}
	}
	for _, f := range given {
		if err := in.setFlag(f); err != nil {
			return err
		}
	}
	if file < 0 {
		return nil
	}
	if err := in.config.LoadLimits(); err != nil {
		return err
	}
	if err := in.config.Resolve(); err != nil {
		return in.usagef("%w", err)
	}
	return nil
}

func (in *invocation) setFlag(f *flag) error {
	if f.texts != nil {
		if err := f.of.Set("--"+f.of.Flag, f.texts...); err != nil {
			return in.usagef("%w", err)
		}
		return nil
	}
	variable := f.of.Variable()
	if text, ok := os.LookupEnv(variable); variable != "" && ok && (text != "" || f.of.TakesEmpty()) {
		return f.of.Set(variable, text)
	}
	return nil
}

// A flag collects what is given for a setting. Its errors are ours, not the library's, as it takes every text.
type flag struct {
	of    *settings.Setting
	texts []string
}

// The methods of cli.Flag, and what the library asks of flags beside them.
func (f *flag) Get() any         { return f.texts }
func (f *flag) PreParse() error  { return nil }
func (f *flag) PostParse() error { return nil }
func (f *flag) Names() []string  { return []string{f.of.Flag} }
func (f *flag) IsSet() bool      { return f.texts != nil }
func (f *flag) IsVisible() bool  { return true }
func (f *flag) IsBoolFlag() bool { return f.of.IsSwitch() }
func (f *flag) Set(_, text string) error {
	f.texts = append(f.texts, text)
	return nil
}

// String returns the flag's line in the help.
func (f *flag) String() string {
	word, usage := f.of.Placeholder()
	line := "--" + f.of.Flag
	if word != "" {
		line += " " + word
	}
	if want := f.of.Want(); want != "" && strings.HasPrefix(want, "one of") {
		usage += ": " + want
	}
	defaults := slices.Clone(f.of.Default())
	none := len(defaults) == 0 || slices.Contains([]string{"", "0", "0s"}, defaults[0])
	if none || f.of.IsSwitch() || strings.Contains(usage, "default") {
		return line + "\t" + usage
	}
	for i, text := range defaults {
		if _, err := strconv.ParseFloat(text, 64); err != nil {
			defaults[i] = strconv.Quote(text)
		}
	}
	return line + "\t" + usage + " (default: " + strings.Join(defaults, ", ") + ")"
}

const configDescription = `Prints the settings in effect as a TOML file, which --config reads. A setting is taken from

   1. its flag,
   2. its environment variable, which is the flag's name in capitals: REQRESP_HTTP_PORT,
   3. the file that --config or REQRESP_CONFIG names,
   4. its default.

The file sets what differs from the defaults. The rest is in comments, so that it goes on to have
the defaults of the program that reads it, and of --limits.preset. A file need not be complete. Keys
that do not exist and values that are not allowed are errors. A file to begin with:

   reqresp config --datadir DIR --network mainnet > reqresp.toml
   reqresp serve --config reqresp.toml`

func (a *app) config() command {
	return command{
		name: "config", usage: "print the settings in effect as a configuration file", description: configDescription,
		configured: everything,
		run:        func(_ context.Context, in *invocation) error { return in.config.Settings.Write(a.stdout) },
	}
}

// everything are the tables of the configuration.
var everything = []string{"node", "retention", "network", "p2p", "limits", "http", "metrics", "pprof", "log"}

func jsonFlag(to *bool, usage string) *settings.Setting {
	return settings.New("", "json", settings.Switch(to), usage)
}
