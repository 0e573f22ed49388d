// Command reqresp serves, downloads and inspects beacon chain blocks over the consensus layer's
// Req/Resp domain. Its help tells how:
//
//	go run github.com/seed-2dd5877b/reqresp/cmd/reqresp@latest --help
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/libp2p/go-libp2p/gologshim"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/logging"
)

func main() {
	// Silence libp2p's own logging: we report its errors ourselves.
	gologshim.SetDefaultHandler(slog.DiscardHandler)
	// A reader of our output that goes away is an error like any other, not the end: a node
	// says goodbye to its peers.
	signal.Ignore(syscall.SIGPIPE)
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // Under nohup it is.
		ends = append(ends, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), ends...)
	// The first signal ends what is in flight in good order. From then on signals do again what
	// they do by default: the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr))
}

// Exit codes, as the help explains them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// An app is one run of the command line.
type app struct {
	stdin  io.Reader
	stdout *output
	stderr io.Writer
}

// run runs the command line and returns its exit code. When ctx ends, what is in flight ends in
// good order.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: &output{w: stdout}, stderr: stderr}
	err := a.root().Run(ctx, args)
	if err == nil {
		err = a.stdout.err
	}
	if err == nil {
		return exitOK
	}
	a.note("%v", err)
	if usage, ok := errors.AsType[*usageError](err); ok {
		a.note("see '%s --help'", usage.command)
		return exitUsage
	}
	if _, ok := errors.AsType[cli.ExitCoder](err); ok {
		return exitUsage // The help command was asked for the help of no command.
	}
	return exitFailed
}

const description = `Serves, downloads and inspects beacon chain blocks over the Req/Resp domain of
Ethereum's consensus layer, with libp2p over QUIC and TCP.

To see it work, without any set-up:

   reqresp demo

Blocks rest in a store, in a directory of your choice. It is filled from files or from a peer,
and served to peers:

   reqresp import --datadir DIR --network mainnet blocks.jsonl.gz
   reqresp sync --datadir DIR --network mainnet --trusted-root 0x… PEER
   reqresp serve --datadir DIR

A PEER is a multiaddr with the peer's id, like
/ip4/203.0.113.7/udp/9000/quic-v1/p2p/16Uiu2HA…, or a node record (enr:…), which stands for an ID
too. 'reqresp serve' prints its own multiaddrs. One request to a peer, without a store:

   reqresp call PEER status

Whether a store is intact can be verified:

   reqresp verify --datadir DIR

History comes in era files too, which are checked, imported, or served as they are:

   reqresp era check --network mainnet DIR-OF-ERA-FILES
   reqresp serve --datadir DIR --network mainnet --era DIR-OF-ERA-FILES

A node that serves or syncs can be looked into, and changed, while it runs:

   reqresp peers --datadir DIR
   reqresp top --datadir DIR
   reqresp limit beacon_blocks_by_range --items 64/10s+128 --datadir DIR

What is exchanged can be looked at without a peer: 'reqresp ssz' knows the types of all forks.

Results go to standard output, all else to standard error. The exit code is

   0  if all went well,
   1  if something failed: a peer answered with an error, a block is not what it should be,
      a file is unreadable,
   2  if the arguments are wrong.`

func (a *app) root() *cli.Command {
	root := &cli.Command{
		Name: "reqresp", Usage: "beacon chain blocks over Req/Resp", Description: description, Version: version(),
		Writer: a.stdout, ErrWriter: a.stderr, Action: noCommand, OnUsageError: onUsageError,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	for _, c := range []command{
		a.demo(), a.imports(), a.serve(), a.sync(), a.call(), a.conform(), a.verify(), a.convert(),
	} {
		root.Commands = append(root.Commands, c.cli())
	}
	root.Commands = append(root.Commands, a.era(), a.ssz(), a.config().cli())
	for _, c := range slices.Concat(a.reads(), []command{a.top()}, a.admins()) {
		root.Commands = append(root.Commands, c.cli())
	}
	return root
}

// noCommand is what happens if the first argument is none of a command's own commands.
func noCommand(_ context.Context, cmd *cli.Command) error {
	name := cmd.Args().First()
	switch {
	case name == "" && cmd.Root() == cmd:
		return cli.ShowRootCommandHelp(cmd)
	case name == "":
		return cli.ShowSubcommandHelp(cmd)
	}
	var names []string
	for _, c := range cmd.Commands {
		names = append(names, c.Name)
	}
	in := invocation{path: cmd.FullName()}
	return in.usagef("there is no command %q: want one of %s", name, strings.Join(names, ", "))
}

// The default levels of the log: loud where the log is what is to be seen, quiet where results say what happened.
const (
	loud  = slog.LevelInfo
	quiet = slog.LevelWarn
)

// logger returns what logs as the settings say.
func (a *app) logger(c *config.Config) *slog.Logger {
	levels, err := logging.Parse(c.Log.Verbosity)
	if err != nil {
		return slog.New(slog.DiscardHandler) // It was checked.
	}
	return slog.New(logging.New(a.stderr, c.Log.Format, levels))
}

// isTerminal reports whether somebody may be watching what is written to w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
