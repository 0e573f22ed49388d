package rangesync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
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
	// Retention is how much the store is to keep of each kind of sidecars: what it would not keep once it has the
	// peer's head is not downloaded. All is kept of a kind that is not in it.
	Retention map[beacon.Kind]store.Retention
	// Now returns the time, by which a status is of the future, and sidecars need not be served any more. Nil means
	// time.Now.
	Now func() time.Time
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
	if opts.Now == nil {
		opts.Now = time.Now
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
	// Sidecars counts the sidecars and envelopes stored.
	Sidecars uint64
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
	// Sidecars counts the blob sidecars, data column sidecars and envelopes stored by this run, and Lacking the blocks
	// that were stored without some of theirs, because the peer does not have them.
	Sidecars, Lacking uint64
	// Earliest is the slot from which on the store has all blocks, and Last the slot
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

var (
	// ErrDiverged is returned when the peer's chain does not lead to the blocks that
	// the store holds, and these cannot be given up: because they are verified,
	// because the peer does not show what it has instead, or because it does so
	// again and again.
	ErrDiverged = errors.New("rangesync: peer is on another chain")
	// ErrUntrusted is returned when all was downloaded, and the trusted root is
	// not in it. What was stored stays, unverified.
	ErrUntrusted = errors.New("rangesync: trusted root is not in the chain")
	// ErrGap is returned when the peer leaves blocks out: its next block does not link to
	// the one before, which it has as well, or range after range has no block at
	// all.
	ErrGap = errors.New("rangesync: peer leaves out blocks")
	// ErrBackfill is returned, before anything is asked, for an Options.From below the first block of a store that is
	// not empty: blocks are added at the head only.
	ErrBackfill = errors.New("rangesync: blocks below those that are stored cannot be downloaded")
	// ErrFuture is returned, before anything is asked, for a peer whose status is of
	// a chain that cannot be there yet. This host's clock may be wrong.
	ErrFuture = errors.New("rangesync: peer's status is ahead of the clock")
)

// A LimitedError is returned when a peer says for five minutes that it is asked too much, and gives nothing
// else meanwhile, or when the pacer leaves it alone for that long. That is no fault of the peer's: sync from
// another one, and from this one later. [beacon.IsRateLimited] holds for it.
type LimitedError struct {
	// Peer is who was asked.
	Peer peer.ID
	// After is the last slot dealt with.
	After ssz.Slot
	// Refusals is how often the peer was asked since it last gave anything.
	Refusals int
	// For is how long ago it refused the first time.
	For time.Duration
	// Err is its last refusal.
	Err error
}

// Error implements error.
func (e *LimitedError) Error() string {
	return fmt.Sprintf("rangesync: peer %s rate-limited us %d times in %v, no progress since slot %d: %v",
		e.Peer, e.Refusals, e.For.Round(time.Second), e.After, e.Err)
}

// Unwrap returns the last refusal.
func (e *LimitedError) Unwrap() error { return e.Err }

// isTransient reports whether asking again may help: the peer did not break a
// rule, and did not say that it cannot.
func isTransient(err error) bool {
	if errors.Is(err, ErrGap) {
		return true
	}
	if e, ok := errors.AsType[*reqresp.Error](err); ok {
		return e.Code == reqresp.CodeServerError
	}
	f, ok := errors.AsType[*reqresp.Failure](err)
	if ok && f.Phase == reqresp.PhaseQueue && errors.Is(err, context.DeadlineExceeded) {
		return false // The pacer would hold the request back for longer than the caller has.
	}
	return ok && !errors.Is(err, reqresp.ErrViolation) && !errors.Is(err, reqresp.ErrUnsupported)
}
