package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const callDescription = `Sends one request to a peer and prints the answer. METHOD is one of

   status            the peer's view of the chain
   ping              the sequence number of its metadata
   metadata          what it offers besides the chain
   goodbye           says that this node shuts down; many peers hang up without an answer
   blocks-by-range   the blocks from --start-slot on, in --count slots
   blocks-by-root    the blocks with the roots --root

It works against live clients, and needs no store: it claims the peer's own view of the chain.
The network is mainnet unless --network or --config tells another.

Answers are JSON as the beacon API spells it, with integers quoted and bytes in hexadecimal. A
block is one line: slot, root, parent_root, fork, fork_digest, size (of its SSZ) and ssz.

With --ssz the answer is written as raw SSZ in place of JSON. A single block, of --count 1 or one
--root, goes to standard output; for more give --out, a directory where each is written to
SLOT.ssz. 'reqresp import' reads these files. Status and metadata are in the form of their newest
version, whichever the peer supports.

It fails if the peer answers with an error, or lacks one of the blocks asked for by root.`

func (a *app) call() *cli.Command {
	return &cli.Command{
		Name:        "call",
		Usage:       "send one request to a peer and print the answer",
		ArgsUsage:   "PEER METHOD",
		Description: callDescription,
		Flags: append([]cli.Flag{
			&cli.Uint64Flag{Name: "start-slot", Usage: "first `SLOT` of blocks-by-range", HideDefault: true},
			&cli.Uint64Flag{Name: "count", Usage: "`NUMBER` of slots of blocks-by-range", Value: 1},
			&cli.StringSliceFlag{Name: "root", Usage: "block `ROOT` of blocks-by-root; may be repeated", Validator: validateRoots},
			&cli.BoolFlag{Name: "ssz", Usage: "write raw SSZ in place of JSON"},
			&cli.StringFlag{Name: "out", Usage: "`DIR` to write blocks to, with --ssz; made if need be", TakesFile: true},
			verbosityFlag(quiet),
		}, networkFlags()...),
		Action: a.runCall,
	}
}

func validateRoots(texts []string) error {
	_, err := parseRoots(texts)
	return err
}

func parseRoots(texts []string) ([]ssz.Root, error) {
	roots := make([]ssz.Root, len(texts))
	for i, text := range texts {
		if err := roots[i].UnmarshalText([]byte(text)); err != nil {
			return nil, err
		}
	}
	return roots, nil
}

// A method is what can be called. Flags are those of its request.
type method struct {
	flags []string
	call  func(*caller, context.Context) error
}

var methods = map[string]method{
	"status":          {call: (*caller).status},
	"ping":            {call: (*caller).ping},
	"metadata":        {call: (*caller).metadata},
	"goodbye":         {call: (*caller).goodbye},
	"blocks-by-range": {[]string{"start-slot", "count", "out"}, (*caller).blocksByRange},
	"blocks-by-root":  {[]string{"root", "out"}, (*caller).blocksByRoot},
}

// A caller is one call under way.
type caller struct {
	cmd    *cli.Command
	app    *app
	host   *instance
	to     peer.ID
	theirs beacon.Status // what the peer told in the handshake
}

func (a *app) runCall(ctx context.Context, cmd *cli.Command) (err error) {
	to, m, err := parseCall(cmd)
	if err != nil {
		return err
	}
	n, err := networkOf(cmd)
	if err != nil {
		return err
	}
	if n == nil {
		if n, err = namedNetwork("mainnet"); err != nil {
			return err
		}
	}
	network, err := n.Parse()
	if err != nil {
		return err
	}
	if blocks, most := blocksAsked(cmd, m), maxRequestBlocks(network); blocks > most {
		return usagef(cmd, "%d blocks are asked for: the network allows at most %d", blocks, most)
	}
	chain := new(mirror)
	i, err := start("", chain, plugin.Config{Network: network, Listen: localListen(), Logger: a.logger(cmd)})
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	defer i.close(&err)
	c := &caller{cmd: cmd, app: a, host: i, to: to.ID}
	if err := c.greet(ctx, chain, to); err != nil {
		return fmt.Errorf("call: %w", err)
	}
	if err := m.call(c, ctx); err != nil {
		return fmt.Errorf("call: %s: %w", cmd.Args().Get(1), err)
	}
	return nil
}

// parseCall reads the arguments, and refuses flags that are of no effect.
func parseCall(cmd *cli.Command) (peer.AddrInfo, method, error) {
	to, err := parsePeer(cmd, cmd.Args().First())
	if err != nil {
		return to, method{}, err
	}
	name := cmd.Args().Get(1)
	m, ok := methods[name]
	known := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	switch {
	case name == "":
		return to, m, usagef(cmd, "METHOD is missing: want one of %s", known)
	case !ok:
		return to, m, usagef(cmd, "METHOD %q: want one of %s", name, known)
	case cmd.Args().Len() > 2:
		return to, m, usagef(cmd, "call takes one PEER and one METHOD, not %q beside them", cmd.Args().Get(2))
	}
	for _, flag := range []string{"start-slot", "count", "root", "out"} {
		if cmd.IsSet(flag) && !slices.Contains(m.flags, flag) {
			return to, m, usagef(cmd, "--%s is of no effect with %s", flag, name)
		}
	}
	return to, m, checkBlockFlags(cmd, m)
}

// checkBlockFlags checks what depends on more than one flag.
func checkBlockFlags(cmd *cli.Command, m method) error {
	blocks := blocksAsked(cmd, m)
	switch {
	case slices.Contains(m.flags, "root") && blocks == 0:
		return usagef(cmd, "blocks-by-root needs at least one --root")
	case slices.Contains(m.flags, "count") && (blocks == 0 || !cmd.IsSet("start-slot")):
		return usagef(cmd, "blocks-by-range needs --start-slot, and a --count of at least 1")
	case cmd.IsSet("out") && !cmd.Bool("ssz"):
		return usagef(cmd, "--out needs --ssz: JSON goes to standard output")
	case cmd.Bool("ssz") && blocks > 1 && !cmd.IsSet("out"):
		return usagef(cmd, "--ssz of more than one block needs --out DIR")
	}
	return nil
}

// blocksAsked returns how many blocks the answer may have.
func blocksAsked(cmd *cli.Command, m method) uint64 {
	switch {
	case slices.Contains(m.flags, "root"):
		return uint64(len(cmd.StringSlice("root")))
	case slices.Contains(m.flags, "count"):
		return cmd.Uint64("count")
	}
	return 0
}

// greet does the status handshake, without which clients do not answer. A peer of another network
// is left, but its status, which tells why, is printed if it was asked for.
func (c *caller) greet(ctx context.Context, chain *mirror, to peer.AddrInfo) (err error) {
	c.theirs, err = c.host.handshake(ctx, to)
	if errors.Is(err, beacon.ErrIrrelevant) {
		err = fmt.Errorf("%w: tell the peer's network by --config", err)
		if c.cmd.Args().Get(1) == "status" {
			err = errors.Join(c.status(ctx), err)
		}
	}
	if err != nil {
		return err
	}
	chain.peer.Store(&c.theirs)
	return nil
}
