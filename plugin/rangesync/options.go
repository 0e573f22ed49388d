package rangesync

import (
	"cmp"
	"fmt"
	"log/slog"
	"math"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// DefaultBatch is the default of Options.Batch. Prysm serves batches of 64, and
// counts twice as many against a peer.
const DefaultBatch = 64

// Options are the optional settings of [Run]. The zero value is ready.
type Options struct {
	// TrustedRoot is the root of a block that the chain must contain. Zero means
	// the root that an earlier run was given, unless it has been pruned since. If
	// there is none it is the peer's finalized root, or its head's if it has
	// finalized nothing that the store reaches back to.
	TrustedRoot ssz.Root
	// From is the slot to begin at if the store is empty, at most that of the
	// peer's head. Zero means the peer's earliest available slot, which is genesis
	// if it does not tell, or the first slot that it has to serve blocks of if it does
	// serve them: it may lack sidecars alone. A store that holds blocks goes on from its head; a slot
	// below its first block is ErrBackfill then.
	From ssz.Slot
	// Batch is how many slots are asked for at a time, at most what the network
	// allows. A peer that grants less is asked for less, see Source.Pacer. Zero means
	// DefaultBatch.
	Batch uint64
	// MinRate is how many slots a second the peer has to deal with, on average over
	// each minute: deliver the blocks of, or leave empty. Blocks that do not link to
	// the one before do not count. Below it the sync ends in a [*SlowError]. A peer may be
	// asked more slowly than this by the client's pacer. Zero means no such floor.
	MinRate float64
	// Progress is called after each answer, when its blocks are stored, by the
	// goroutine that called Run. Nil reports nothing.
	Progress func(Progress)
	// Logger gets retries and rewinds. Nil discards them.
	Logger *slog.Logger
}

func (o *Options) withDefaults(limit uint64) (Options, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.Batch = cmp.Or(opts.Batch, min(DefaultBatch, limit))
	if opts.Batch > limit {
		return opts, fmt.Errorf("rangesync: batch of %d slots: the network allows 1 to %d", opts.Batch, limit)
	}
	if !(opts.MinRate >= 0) || math.IsInf(opts.MinRate, 0) {
		return opts, fmt.Errorf("rangesync: MinRate %v: want 0, or slots a second", opts.MinRate)
	}
	opts.Logger = cmp.Or(opts.Logger, slog.New(slog.DiscardHandler))
	return opts, nil
}

// Progress tells how far a sync has come.
type Progress struct {
	// Slot is the last slot dealt with.
	Slot ssz.Slot
	// Target is the slot of the peer's head.
	Target ssz.Slot
	// Blocks and Bytes count the blocks stored and the size of their SSZ.
	Blocks, Bytes uint64
}

// Trust tells where a trusted root came from.
type Trust string

const (
	// TrustGiven is a root that the caller gave.
	TrustGiven Trust = "given"
	// TrustFinalized is the peer's finalized root, taken at its word.
	TrustFinalized Trust = "peer's finalized root"
	// TrustHead is the peer's head root, taken at its word because it has
	// finalized nothing that the store reaches back to.
	TrustHead Trust = "peer's head root"
)

// Result is what a sync has done. After an error, too, it tells what is stored,
// but no trusted root.
type Result struct {
	// Blocks and Bytes count the blocks stored by this run and the size of their
	// SSZ, those that were given up again included.
	Blocks, Bytes uint64
	// Earliest is the slot from which on the store is complete, and Last the slot
	// of its last block. Whether there are blocks before the first one that the peer
	// gave cannot be known, so Earliest is its slot, but 0 if that is slot 1.
	Earliest, Last ssz.Slot
	// Head is the root of the last block.
	Head ssz.Root
	// Trusted is the root that was found in the chain, and TrustedSlot its slot.
	// Up to there blocks are as good as this root, but for their signatures, which
	// roots do not cover; later ones merely link to it. If Trusted is the parent of
	// the first block, TrustedSlot is 0: all blocks merely link to it.
	Trusted     ssz.Root
	TrustedSlot ssz.Slot
	// Trust tells where Trusted came from. It is empty if none was found.
	Trust Trust
}
