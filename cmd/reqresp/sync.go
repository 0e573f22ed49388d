package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/internal/settings"
	"github.com/seed-2dd5877b/reqresp/limits"
	"github.com/seed-2dd5877b/reqresp/limits/outbound"
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

With the blocks come their blob sidecars, the data columns of this node's custody and the execution
payload envelopes, as far as peers have to serve them and the retention keeps them. They are checked
against their blocks, KZG proofs included. Blocks whose sidecars the peer does not have are stored
without; the outcome counts them, and the same command does not ask for them again. A peer that
sends a wrong sidecar ends the sync.

What the store has begins with its first block: whether there is one before, nobody can know.
Blocks below it cannot be downloaded into the same store. With --era, which is as for serve, an empty
store begins after the era files of a directory.

While too little is free on the disk, it waits for room. A peer that gives nothing for minutes is
given up; --min-rate gives up one that is too slow for you.

Requests are paced to each client's default rate limits (Prysm about 2 blocks/s, Lighthouse and
Lodestar 12); unknown clients get the strictest. Clients that delay their answers instead, as this
one and Nimbus do, are asked without delay. If you know the peer's limits to be others, give --rate.

A new store needs to know its network, and remembers it.

With --json it prints one object: blocks, bytes (of the blocks' SSZ), sidecars, lacking (the blocks
stored without some of their sidecars) and seconds of this run, earliest_slot, head_slot, head_root
of the store, trusted_root, trusted_slot (0 if it is below earliest_slot), trust, which is one of
"given", "peer's finalized root" and "peer's head root", and signatures, which is "unchecked".`

// A syncing is what the flags of a sync are set to. What is zero is not set.
type syncing struct {
	root    ssz.Root
	from    uint64
	batch   uint64
	rate    int
	minRate float64
	json    bool
}

// maxRate bounds the rates of a sync: more than any peer can send.
const maxRate = 1_000_000

func (a *app) sync() command {
	s := new(syncing)
	return command{
		name: "sync", usage: "download blocks from a peer into a store", args: "PEER", least: 1, description: syncDescription,
		configured: []string{
			"node", "network", "p2p.trusted_nodes", "p2p.no_gossipsub", "p2p.memory", "limits", "http", "metrics", "pprof",
			"log",
		},
		verbosity: quiet,
		flags: settings.Table{
			settings.New("", "trusted-root", rootValue(&s.root), "`ROOT` of a block that the chain has to contain"),
			settings.New("", "from", settings.Uint(&s.from, 0),
				"`SLOT` to begin at in an empty store (default: the peer's earliest, or that after --era)"),
			settings.New("", "batch", settings.Uint(&s.batch, 0), "`SLOTS` to ask for at a time (default: 64)"),
			settings.New("", "rate", settings.Number(&s.rate, 1, maxRate),
				"`BLOCKS` to ask for in a second (default: what the peer's client grants)"),
			settings.New("", "min-rate", settings.Float(&s.minRate, 0, maxRate),
				"`SLOTS` a second, over a minute, below which the peer is given up (default: none)"),
			jsonFlag(&s.json, "print the outcome as one JSON object"),
		},
		run: func(ctx context.Context, in *invocation) error { return a.runSync(ctx, in, s) },
	}
}

// rootValue is a root, which is not shown if it is zero.
func rootValue(to *ssz.Root) settings.Value {
	return settings.Parsed(to, func(text string) (root ssz.Root, err error) {
		err = root.UnmarshalText([]byte(text))
		return root, err
	}, func(ssz.Root) string { return "" })
}

// syncResult is the JSON of sync.
type syncResult struct {
	Blocks       uint64          `json:"blocks"`
	Bytes        uint64          `json:"bytes"`
	Sidecars     uint64          `json:"sidecars"`
	Lacking      uint64          `json:"lacking"`
	Seconds      float64         `json:"seconds"`
	EarliestSlot ssz.Slot        `json:"earliest_slot"`
	HeadSlot     ssz.Slot        `json:"head_slot"`
	HeadRoot     ssz.Root        `json:"head_root"`
	TrustedRoot  ssz.Root        `json:"trusted_root"`
	TrustedSlot  ssz.Slot        `json:"trusted_slot"`
	Trust        rangesync.Trust `json:"trust"`
	Signatures   string          `json:"signatures"`
}

func (a *app) runSync(ctx context.Context, in *invocation, s *syncing) (err error) {
	to, err := in.peer()
	if err != nil {
		return err
	}
	if _, err := in.datadir(); err != nil {
		return err
	}
	ctx, watch := watchGoodbye(ctx, to.ID)
	cfg := in.config.Service
	cfg.Listen, cfg.Discovery, cfg.Outbound = localListen(), nil, s.quotas()
	cfg.Peers = peers.Config{NoDial: true, Trusted: cfg.Peers.Trusted} // The peer is named.
	cfg.PeerTrace, cfg.Logger = watch.trace(), a.logger(in.config)
	if cfg.Genesis, err = in.network(); err != nil {
		return err
	}
	i, _, err := startOperated(in.config, cfg)
	if err != nil {
		return in.explainStore(err)
	}
	defer i.close(&err)
	defer i.settle(ctx, to.ID)
	// A batch that no peer would serve is found before anything is dialed.
	most := maxRequestBlocks(i.Server().Family().Network())
	if in.flags.Given("batch") && (s.batch == 0 || s.batch > most) {
		return in.usagef("--batch %d: the network allows 1 to %d slots", s.batch, most)
	}
	began := time.Now()
	result, err := a.syncFrom(ctx, i, to, s, cfg.Logger)
	if err != nil {
		return explainSync(ctx, watch.explain(err), result)
	}
	return a.reportSync(s.json, result, time.Since(began))
}

// quotas returns those that --rate comes to, nil without it.
func (s *syncing) quotas() []outbound.Quota {
	if s.rate == 0 {
		return nil
	}
	rate := limits.Rate{N: uint64(s.rate), Burst: uint64(max(s.rate, rangesync.DefaultBatch))}
	return []outbound.Quota{{Methods: []string{"beacon_blocks_by_range"}, Items: rate}}
}

// maxRequestBlocks is how many blocks may be asked for at once today.
func maxRequestBlocks(n *ssz.Network) uint64 {
	return n.MaxRequestBlocks(n.EpochOf(n.SlotAt(time.Now())))
}

func (a *app) syncFrom(
	ctx context.Context, i *instance, to peer.AddrInfo, s *syncing, logger *slog.Logger,
) (rangesync.Result, error) {
	status, err := i.handshake(ctx, to)
	if err != nil {
		return rangesync.Result{}, err
	}
	m := a.meter()
	defer m.end()
	from := ssz.Slot(s.from)
	if _, _, some := i.Store().Head(); !some && from == 0 && i.History() != nil {
		_, from = i.History().Slots()
	}
	return i.Sync(ctx, to.ID, status, &rangesync.Options{
		TrustedRoot: s.root,
		From:        from,
		Batch:       s.batch,
		MinRate:     s.minRate,
		Progress:    m.synced,
		Logger:      logger.With("module", "sync"),
	})
}

// explainSync tells what to do about a failure.
func explainSync(ctx context.Context, err error, result rangesync.Result) error {
	_, limited := errors.AsType[*rangesync.LimitedError](err)
	said, goodbye := errors.AsType[*goodbyeError](err)
	_, slow := errors.AsType[*rangesync.SlowError](err)
	_, sidecars := errors.AsType[*rangesync.SidecarError](err)
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
	case slow, sidecars, errors.Is(err, rangesync.ErrGap):
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

func (a *app) reportSync(asJSON bool, r rangesync.Result, elapsed time.Duration) error {
	if asJSON {
		return a.stdout.printJSON(syncResult{
			Blocks: r.Blocks, Bytes: r.Bytes, Sidecars: r.Sidecars, Lacking: r.Lacking, Seconds: seconds(elapsed),
			EarliestSlot: r.Earliest, HeadSlot: r.Last, HeadRoot: r.Head,
			TrustedRoot: r.Trusted, TrustedSlot: r.TrustedSlot, Trust: r.Trust, Signatures: unchecked,
		})
	}
	o := a.stdout
	o.printf("synced   %d blocks, %s of SSZ, in %.1f s: %.0f blocks/s\n",
		r.Blocks, size(r.Bytes), elapsed.Seconds(), perSecond(r.Blocks, elapsed))
	if r.Sidecars > 0 || r.Lacking > 0 {
		o.printf("sidecars %d; %d blocks lack some, which the peer does not have\n", r.Sidecars, r.Lacking)
	}
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
