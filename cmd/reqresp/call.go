package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/call"
	"github.com/seed-2dd5877b/reqresp/cmd/reqresp/internal/config"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
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

Methods may have their names in the specs too: beacon_blocks_by_range is blocks-by-range.

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

func (a *app) call() command {
	r := new(call.Request)
	return command{
		name: "call", usage: "send one request to a peer and print the answer", args: "PEER METHOD", least: 1,
		description: callDescription, configured: []string{"network", "log"}, verbosity: quiet, flags: r.Settings(),
		run: func(ctx context.Context, in *invocation) error { return a.runCall(ctx, in, r) },
	}
}

func (a *app) runCall(ctx context.Context, in *invocation, r *call.Request) (err error) {
	to, err := in.peer()
	if err != nil {
		return err
	}
	if r.Method, err = parseMethod(in.arg(1)); err != nil {
		return in.usagef("%w", err)
	}
	network, err := in.networkOrMainnet()
	if err != nil {
		return err
	}
	if err := r.Check(beacon.NewFamily(network)); err != nil {
		return in.usagef("%w", err)
	}
	ctx, watch := watchGoodbye(ctx, to.ID)
	i, err := a.startAsker(network, in.config, watch)
	if err != nil {
		return err
	}
	defer i.close(&err)
	defer i.settle(ctx, to.ID)
	theirs, err := a.greet(ctx, i, to, r.Method)
	if err != nil {
		return watch.explain(err)
	}
	p := &call.Peer{ID: to.ID, Status: theirs, Host: i.Host(), Server: i.Server()}
	if err := p.Call(ctx, r, a.stdout, a.note); err != nil {
		return fmt.Errorf("%s: %w", in.arg(1), watch.explain(err))
	}
	return nil
}

// parseMethod returns the name in the specs of a method that can be called.
func parseMethod(text string) (string, error) {
	name, err := config.ParseMethod(text)
	if err == nil && slices.Contains(call.Methods(), name) {
		return name, nil
	}
	want := strings.Join(call.Methods(), ", ")
	if text == "" {
		return "", fmt.Errorf("METHOD is missing: want one of %s", want)
	}
	return "", fmt.Errorf("METHOD %q: want one of %s", text, want)
}

// greet does the status handshake, without which clients do not answer. A peer of another network
// is left, which only matters if more than its status was asked for.
func (a *app) greet(ctx context.Context, i *instance, to peer.AddrInfo, method string) (beacon.Status, error) {
	theirs, err := i.handshake(ctx, to)
	if !errors.Is(err, beacon.ErrIrrelevant) {
		return theirs, err
	}
	err = fmt.Errorf("%w: tell the peer's network by --network.config", err)
	if method == "status" {
		a.note("warning: %v", err)
		return theirs, nil
	}
	return theirs, err
}
