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
   blocks-by-head    the block --root and its ancestors, --count in all

   blob-sidecars-by-range                 from --start-slot on, in --count slots
   blob-sidecars-by-root                  of the blocks --root, those with the numbers --index
   data-column-sidecars-by-range          the columns --index from --start-slot on, in --count slots
   data-column-sidecars-by-root           the columns --index of the blocks --root
   light-client-bootstrap                 of the block --root
   light-client-updates-by-range          of --count periods from --start-period on
   light-client-finality-update           the latest
   light-client-optimistic-update         the latest
   execution-payload-envelopes-by-range   of the blocks from --start-slot on, in --count slots
   execution-payload-envelopes-by-root    of the blocks --root
   inclusion-lists-by-indices             of slot --start-slot, by the members --index of the
                                          committee that depends on the block --root

It works against live clients, and needs no store: it tells the peer the peer's own view of the chain.
The network is mainnet unless --network or --network.config tells another.

Answers are JSON as the beacon API spells it, with integers quoted and bytes in hexadecimal. A
block is one line: slot, root, parent_root, fork, fork_digest, size (of its SSZ) and ssz. Any other
object is one line too: version, fork_digest, size and, spelled out, data.

With --ssz the answer is written as raw SSZ in place of JSON. A single block, of --count 1 or one
--root, goes to standard output, and so does what is single by nature; for more give --out, a
directory where each is written to SLOT.ssz, or SLOT-INDEX.ssz where there are several in a slot.
'reqresp import' reads the files of blocks. Status and metadata are in the form of their newest
version, whichever the peer supports.

One answer has a maximum number of objects, which depends on the method and on the fork. What asks for
more is refused before anything is sent: peers ban for less.

The status of a peer on another network is printed, with a warning.

It fails if the peer answers with an error or says goodbye, is on another network, or lacks one of the blocks
asked for by root.`

func (a *app) call() *cli.Command {
	return &cli.Command{
		Name:        "call",
		Usage:       "send one request to a peer and print the answer",
		ArgsUsage:   "PEER METHOD",
		Description: callDescription,
		Flags: append([]cli.Flag{
			&cli.Uint64Flag{Name: "start-slot", Usage: "first `SLOT`", HideDefault: true},
			&cli.Uint64Flag{Name: "start-period", Usage: "first sync committee `PERIOD`", HideDefault: true},
			&cli.Uint64Flag{Name: "count", Usage: "`NUMBER` of slots, periods or blocks", Value: 1},
			&cli.StringSliceFlag{Name: "root", Usage: "block `ROOT`; may be repeated", Validator: validateRoots},
			&cli.Uint64SliceFlag{Name: "index", Usage: "`INDEX` of a blob, a column or a member; may be repeated"},
			&cli.BoolFlag{Name: "ssz", Usage: "write raw SSZ in place of JSON"},
			&cli.StringFlag{Name: "out", Usage: "`DIR` to write objects to, with --ssz; made if need be", TakesFile: true},
		}, flagsOf(networkSettings(), logSettings(quiet))...),
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
	cfg, err := settings(cmd)
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	network, err := networkOrMainnet(cmd, cfg.Network)
	if err != nil {
		return err
	}
	if err := checkAsked(cmd, cmd.Args().Get(1), network); err != nil {
		return err
	}
	ctx, watch := watchGoodbye(ctx, to.ID)
	i, err := startAsker(network, &cfg, watch, a.logger(cfg.Log))
	if err != nil {
		return fmt.Errorf("call: %w", err)
	}
	defer i.close(&err)
	defer i.settle(ctx, to.ID)
	c := &caller{cmd: cmd, app: a, host: i, to: to.ID}
	if err := c.greet(ctx, to); err != nil {
		return fmt.Errorf("call: %w", watch.explain(err))
	}
	if err := m.call(c, ctx); err != nil {
		return fmt.Errorf("call: %s: %w", cmd.Args().Get(1), watch.explain(err))
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
	return to, m, checkFlags(cmd, name, m)
}

// greet does the status handshake, without which clients do not answer. A peer of another network
// is left, which only matters if more than its status was asked for.
func (c *caller) greet(ctx context.Context, to peer.AddrInfo) (err error) {
	c.theirs, err = c.host.handshake(ctx, to)
	if !errors.Is(err, beacon.ErrIrrelevant) {
		return err
	}
	err = fmt.Errorf("%w: tell the peer's network by --network.config", err)
	if c.cmd.Args().Get(1) == "status" {
		c.app.note("warning: %v", err)
		return nil
	}
	return err
}
