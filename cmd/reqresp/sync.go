package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/urfave/cli/v3"

	"github.com/seed-2dd5877b/reqresp/limits/outbound"
	"github.com/seed-2dd5877b/reqresp/plugin"
	"github.com/seed-2dd5877b/reqresp/plugin/peers"
	"github.com/seed-2dd5877b/reqresp/plugin/rangesync"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

const syncDescription = `Downloads the blocks between the store's head and the peer's, checks them and stores them. What
is stored stays: interrupted, or when the peer has moved on, the same command goes on from there.
Meanwhile it answers the peer, as peers demand: status, ping, metadata, and blocks it has.

Blocks are checked to be well-formed, of their slot's fork, and each the parent of the next. That
makes them a chain, but not yet the right one. For this, give --trusted-root: the root of a block
that you know from elsewhere, such as a finalized checkpoint that several explorers or your own
node agree on. All blocks up to it are then those that it leads to, by their hashes; not their
signatures, which these do not cover: they stay unchecked. If the root is that of the block before
the first one, as with a checkpoint whose epoch begins with an empty slot, the blocks
merely link to it. Without a root, the peer's own finalized one is taken at its word, and the
outcome says so.

What the store has begins with its first block: whether there is one before, nobody can know.
Blocks below it cannot be downloaded into the same store.

While too little is free on the disk, it waits for room. A peer that gives nothing for minutes is
given up; --min-rate gives up one that is too slow for you.

The peer is asked for no more than its client is known to grant by default, as most punish who
asks for more: of Prysm some two blocks a second, of Lighthouse and Lodestar twelve, of a client
that is not known as of the strictest. Clients that delay their answers instead, as this one and
Nimbus do, are asked without delay. If you know the peer's limits to be others, give --rate.

A new store needs to know its network, and remembers it.

With --json it prints one object: blocks, bytes (of SSZ) and seconds of this run, earliest_slot,
head_slot, head_root of the store, trusted_root, trusted_slot (0 if it is below earliest_slot), trust, which is one of
"given", "peer's finalized root" and "peer's head root", and signatures, which is "unchecked".`

func (a *app) sync() *cli.Command {
	return &cli.Command{
		Name:        "sync",
		Usage:       "download blocks from a peer into a store",
		ArgsUsage:   "PEER",
		Description: syncDescription,
		Flags: append([]cli.Flag{
			rootFlag("trusted-root", "`ROOT` of a block that the chain has to contain"),
			&cli.Uint64Flag{Name: "from", Usage: "`SLOT` to begin at in an empty store (default: the peer's earliest)", HideDefault: true},
			&cli.Uint64Flag{Name: "batch", Usage: "`SLOTS` to ask for at a time (default: 64)", HideDefault: true},
			&cli.IntFlag{Name: "rate", Usage: "`BLOCKS` to ask for in a second (default: what the peer's client grants)", HideDefault: true},
			&cli.FloatFlag{Name: "min-rate", Usage: "`SLOTS` a second, over a minute, below which the peer is given up (default: none)", HideDefault: true},
			jsonFlag("print the outcome as one JSON object"),
		}, flagsOf(datadirSettings(), networkSettings(), memorySettings(), operateSettings(), logSettings(quiet))...),
		Action: a.runSync,
	}
}

// syncResult is the JSON of sync.
type syncResult struct {
	Blocks       uint64          `json:"blocks"`
	Bytes        uint64          `json:"bytes"`
	Seconds      float64         `json:"seconds"`
	EarliestSlot ssz.Slot        `json:"earliest_slot"`
	HeadSlot     ssz.Slot        `json:"head_slot"`
	HeadRoot     ssz.Root        `json:"head_root"`
	TrustedRoot  ssz.Root        `json:"trusted_root"`
	TrustedSlot  ssz.Slot        `json:"trusted_slot"`
	Trust        rangesync.Trust `json:"trust"`
	Signatures   string          `json:"signatures"`
}

func (a *app) runSync(ctx context.Context, cmd *cli.Command) (err error) {
	if cmd.Args().Len() > 1 {
		return usagef(cmd, "sync takes one PEER, not %q beside it", cmd.Args().Get(1))
	}
	to, err := parsePeer(cmd, cmd.Args().First())
	if err != nil {
		return err
	}
	c, err := settingsWithDatadir(cmd)
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	genesis, err := networkOf(cmd, c.Network)
	if err != nil {
		return err
	}
	others, err := c.P2P.Peers()
	if err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	budgets, err := syncBudgets(cmd)
	if err != nil {
		return err
	}
	if rate := cmd.Float("min-rate"); cmd.IsSet("min-rate") && !(rate > 0 && rate <= maxRate) {
		return usagef(cmd, "--min-rate %v: want more than 0, and at most %d slots a second", rate, maxRate)
	}
	logger := a.logger(c.Log)
	ctx, watch := watchGoodbye(ctx, to.ID)
	i, _, err := startOperated(&c, logger, plugin.Config{
		Genesis:   genesis,
		Listen:    localListen(),
		Peers:     peers.Options{NoDial: true, Trusted: others.Trusted}, // The peer is named.
		Outbound:  budgets,
		PeerTrace: watch.trace(),
	})
	if err != nil {
		return fmt.Errorf("sync: %w", explainStore(cmd, c.Node.DataDir, err))
	}
	defer i.close(&err)
	defer i.settle(ctx, to.ID)
	if err := checkBatch(cmd, i.Server().Family().Network()); err != nil {
		return err
	}
	began := time.Now()
	result, err := a.syncFrom(ctx, cmd, i, to, logger)
	if err != nil {
		return fmt.Errorf("sync: %w", explainSync(ctx, watch.explain(err), result))
	}
	return a.reportSync(cmd, result, time.Since(began))
}

// maxRate bounds --rate, in blocks a second: more than any peer can send.
const maxRate = 1_000_000

// syncBudgets returns those that --rate comes to, nil without it.
func syncBudgets(cmd *cli.Command) ([]outbound.Budget, error) {
	if !cmd.IsSet("rate") {
		return nil, nil
	}
	n := cmd.Int("rate")
	if n < 1 || n > maxRate {
		return nil, usagef(cmd, "--rate %d: want 1 to %d blocks a second", n, maxRate)
	}
	return []outbound.Budget{{
		Methods: []string{"beacon_blocks_by_range"},
		Items:   outbound.Rate{N: n, Per: time.Second, Burst: max(n, rangesync.DefaultBatch)},
	}}, nil
}

// checkBatch finds a batch that no peer would serve, before anything is dialed.
func checkBatch(cmd *cli.Command, n *ssz.Network) error {
	batch, most := cmd.Uint64("batch"), maxRequestBlocks(n)
	if cmd.IsSet("batch") && (batch == 0 || batch > most) {
		return usagef(cmd, "--batch %d: the network allows 1 to %d slots", batch, most)
	}
	return nil
}

// maxRequestBlocks is how many blocks may be asked for at once today.
func maxRequestBlocks(n *ssz.Network) uint64 {
	return n.MaxRequestBlocks(n.EpochOf(n.SlotAt(time.Now())))
}

func (a *app) syncFrom(
	ctx context.Context, cmd *cli.Command, i *instance, to peer.AddrInfo, logger *slog.Logger,
) (rangesync.Result, error) {
	status, err := i.handshake(ctx, to)
	if err != nil {
		return rangesync.Result{}, err
	}
	m := a.meter()
	defer m.end()
	return i.Sync(ctx, to.ID, status, &rangesync.Options{
		TrustedRoot: parseRoot(cmd, "trusted-root"),
		From:        ssz.Slot(cmd.Uint64("from")),
		Batch:       cmd.Uint64("batch"),
		MinRate:     cmd.Float("min-rate"),
		Progress:    m.synced,
		Logger:      logger.With("module", "sync"),
	})
}

// explainSync tells what to do about a failure.
func explainSync(ctx context.Context, err error, result rangesync.Result) error {
	_, limited := errors.AsType[*rangesync.LimitedError](err)
	said, goodbye := errors.AsType[*goodbyeError](err)
	_, slow := errors.AsType[*rangesync.SlowError](err)
	switch {
	case goodbye && isFinal(said.reason):
		return fmt.Errorf("%w: %d blocks were synced, and stay: try another peer", err, result.Blocks)
	case ctx.Err() != nil:
		return interrupted(result.Blocks)
	case errors.Is(err, beacon.ErrIrrelevant):
		return fmt.Errorf("%w: the peer is of another network or chain than the store", err)
	case errors.Is(err, rangesync.ErrUntrusted):
		return fmt.Errorf("%w: the peer is on another chain, or the root is not one of a block in these slots", err)
	case errors.Is(err, rangesync.ErrBackfill):
		return fmt.Errorf("%w: leave out --from to go on from the head, or choose another --datadir", err)
	case slow, errors.Is(err, rangesync.ErrGap):
		return fmt.Errorf("%w: try another peer", err)
	case limited:
		return fmt.Errorf("%w: try another peer, or this one later: what is stored stays", err)
	case errors.Is(err, rangesync.ErrFuture):
		return fmt.Errorf("%w: try another peer, and check this machine's clock", err)
	case errors.Is(err, rangesync.ErrDiverged):
		return fmt.Errorf("%w: try another peer, or another --datadir", err)
	}
	return err
}

// interrupted tells what is left of a run that a signal has ended.
func interrupted(blocks uint64) error {
	return fmt.Errorf("interrupted after %d blocks, which are stored: the same command goes on from there", blocks)
}

func (a *app) reportSync(cmd *cli.Command, r rangesync.Result, elapsed time.Duration) error {
	if cmd.Bool("json") {
		return a.stdout.printJSON(syncResult{
			Blocks: r.Blocks, Bytes: r.Bytes, Seconds: seconds(elapsed),
			EarliestSlot: r.Earliest, HeadSlot: r.Last, HeadRoot: r.Head,
			TrustedRoot: r.Trusted, TrustedSlot: r.TrustedSlot, Trust: r.Trust, Signatures: unchecked,
		})
	}
	o := a.stdout
	o.printf("synced   %d blocks, %s of SSZ, in %.1f s: %.0f blocks/s\n",
		r.Blocks, size(r.Bytes), elapsed.Seconds(), perSecond(r.Blocks, elapsed))
	o.printf("held     slots %d to %d, head %v\n", r.Earliest, r.Last, r.Head)
	if r.Trust == rangesync.TrustGiven && r.TrustedSlot < r.Earliest {
		o.printf("trusted  %v, the root that was given: that of the block before the first\n", r.Trusted)
		o.printf("NOT verified: the blocks link to the trusted root, and it does not lead to them. To verify them, run the\n")
		o.printf("command again with the --trusted-root of a later block.\n")
		return nil
	}
	if r.Trust == rangesync.TrustGiven {
		o.printf("trusted  %v at slot %d, the root that was given\n", r.Trusted, r.TrustedSlot)
		o.printf("Blocks up to slot %d are verified, by their hashes. Signatures are unchecked.\n", r.TrustedSlot)
		return nil
	}
	o.printf("trusted  %v at slot %d, the %s\n", r.Trusted, r.TrustedSlot, r.Trust)
	o.printf("NOT verified: no --trusted-root was given, so the peer was taken at its word. To verify the chain,\n")
	o.printf("run the command again with a --trusted-root that you know from elsewhere.\n")
	return nil
}
