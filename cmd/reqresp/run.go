package main

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

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

// run runs the command line and returns its exit code. When ctx ends, what is under way ends in
// good order.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: &output{w: stdout}, stderr: stderr}
	root := a.command()
	err := root.Run(ctx, args)
	if err == nil {
		err = a.stdout.err
	}
	if err == nil {
		return exitOK
	}
	err = explainEnvironment(root, err)
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

func (a *app) command() *cli.Command {
	root := &cli.Command{
		Name:           "reqresp",
		Usage:          "beacon chain blocks over Req/Resp",
		Description:    description,
		Version:        version(),
		Writer:         a.stdout,
		ErrWriter:      a.stderr,
		Commands:       []*cli.Command{a.demo(), a.imports(), a.serve(), a.sync(), a.call(), a.conform(), a.verify(), a.ssz(), a.config()},
		Action:         noCommand,
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	root.Commands = append(append(append(root.Commands, a.looks()...), a.top()), a.changes()...)
	root.OnUsageError = onUsageError
	for _, cmd := range root.Commands {
		cmd.OnUsageError = onUsageError
		cmd.HideHelpCommand = true
	}
	return root
}

// noCommand is what happens if the first argument is none of the commands.
func noCommand(_ context.Context, cmd *cli.Command) error {
	if name := cmd.Args().First(); name != "" {
		return usagef(cmd, "there is no command %q: want one of %s", name, commandNames(cmd))
	}
	return cli.ShowRootCommandHelp(cmd)
}

func commandNames(cmd *cli.Command) string {
	var names []string
	for _, c := range cmd.Root().Commands {
		names = append(names, c.Name)
	}
	return strings.Join(names, ", ")
}
