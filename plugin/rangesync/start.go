package rangesync

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// begin finds out where to go on.
func (r *run) begin(ctx context.Context) error {
	head, _, ok := r.store.Head()
	if ok {
		if earliest := r.store.Info().Earliest; r.opts.From != 0 && r.opts.From < earliest {
			return fmt.Errorf("%w: from slot %d, the store begins at slot %d", ErrBackfill, r.opts.From, earliest)
		}
		r.last = head
		return nil
	}
	if r.opts.From != 0 {
		return r.beginAt(r.opts.From)
	}
	// The status tells from where on the peer has the sidecars of blocks too, which may be later than the blocks.
	told, first := r.Status.EarliestAvailableSlot, r.firstServed()
	if told <= first || first > r.Status.HeadSlot {
		return r.beginAt(told)
	}
	got, err := r.try(ctx, first)
	switch {
	case err != nil, got == someBlocks:
		return err
	case told <= r.Status.HeadSlot:
		return r.beginAt(told)
	case got == noBlocks:
		return r.beginAt(first)
	}
	if first, err = r.search(ctx, first); err != nil {
		return err
	}
	return r.beginAt(first)
}

// beginAt goes on from a slot with an empty store.
func (r *run) beginAt(slot ssz.Slot) error {
	r.empty = emptyAnswers{}
	// The genesis block is never sent: nobody signed it.
	first := max(slot, 1)
	if first > r.Status.HeadSlot {
		return fmt.Errorf("rangesync: cannot begin at slot %d: the peer's head is at slot %d", first, r.Status.HeadSlot)
	}
	r.last = first - 1
	return nil
}

// firstServed returns the first slot that the peer has to serve the block of, but for that of genesis.
func (r *run) firstServed() ssz.Slot {
	row, _ := r.Client.Family().Protocol("beacon_blocks_by_range", 2)
	return max(row.ServedFrom(r.Status.HeadSlot), 1)
}

// What a peer answers that is asked for slots before its earliest one.
type answered int

const (
	refused answered = iota // ResourceUnavailable
	noBlocks
	someBlocks
)

// try downloads the first slots from one on.
func (r *run) try(ctx context.Context, first ssz.Slot) (answered, error) {
	if err := r.beginAt(first); err != nil {
		return 0, err
	}
	for {
		err := r.batch(ctx)
		_, _, some := r.store.Head()
		switch {
		case err == nil && some:
			return someBlocks, nil
		case err == nil:
			return noBlocks, nil
		case isRefusal(err):
			return refused, nil
		}
		if err := r.retry(ctx, err); err != nil {
			return 0, err
		}
		if some {
			return someBlocks, nil
		}
	}
}

// search returns the first slot, after one that was refused, from which on the peer does not refuse to serve
// blocks.
func (r *run) search(ctx context.Context, below ssz.Slot) (ssz.Slot, error) {
	from := r.Status.HeadSlot + 1
	for next := r.Status.HeadSlot; from-below > 1; next = below + (from-below)/2 {
		served, err := r.serves(ctx, next)
		switch {
		case err != nil:
			return 0, err
		case served:
			from = next
		case next == r.Status.HeadSlot:
			return from, nil // not even its head
		default:
			below = next
		}
	}
	return from, nil
}

// serves reports whether the peer does not refuse a slot.
func (r *run) serves(ctx context.Context, slot ssz.Slot) (bool, error) {
	for {
		var failed error
		for _, err := range r.Client.BlocksByRange(ctx, r.Peer, slot, 1) {
			failed = err
		}
		if failed == nil || isRefusal(failed) {
			return failed == nil, nil
		}
		if err := r.retry(ctx, failed); err != nil {
			return false, err
		}
	}
}

func isRefusal(err error) bool {
	verdict, ok := errors.AsType[*reqresp.Error](err)
	return ok && verdict.Code == reqresp.CodeResourceUnavailable
}

const (
	// rewindSlots is how far back the peer's chain is first compared with the
	// store's. If they have nothing in common there, each comparison goes twice as
	// far.
	rewindSlots = 32
	// maxRewinds is how often blocks are given up in one run. The peer's head is
	// fixed, so a chain has little reason to be reorganised below it.
	maxRewinds = 8
)

// rewind gives up the stored blocks that are not in the peer's chain, whose next
// block does not link to them. Verified blocks are never given up.
func (r *run) rewind(ctx context.Context, why *store.LinkError) error {
	head, _, ok := r.store.Head()
	if !ok {
		return why
	}
	r.last = head
	floor, verified, err := r.lowest(ctx)
	if err != nil {
		return err
	}
	to, err := r.forkPoint(ctx, why, floor)
	switch {
	case err != nil:
		return err
	case verified && to < floor, r.rewinds == maxRewinds:
		return fmt.Errorf("%w: %w", ErrDiverged, why)
	}
	r.rewinds++
	r.opts.Logger.Warn("chain was reorganised, going back", "peer", r.Peer, "from", head, "to", to, "err", why)
	if err := r.store.Truncate(ctx, to+1); err != nil {
		return err
	}
	r.last = to
	return nil
}

// lowest returns the slot of the first block that is compared with the peer's, and
// whether it is verified: it is the last block that is, or else the earliest.
func (r *run) lowest(ctx context.Context) (_ ssz.Slot, verified bool, err error) {
	slot, verified, err := r.verified(ctx)
	if err != nil || verified {
		return slot, verified, err
	}
	return max(r.store.Info().Earliest, 1), false, nil
}

// forkPoint returns the slot of the last stored block that the peer's chain has as
// well, once the peer has shown the block that it has after it instead of the
// store's. If all blocks down to floor are others, it is the slot before floor. A
// fork is rarely deep, so it is looked for from the head downward.
func (r *run) forkPoint(ctx context.Context, why *store.LinkError, floor ssz.Slot) (ssz.Slot, error) {
	// The peer's chain may have no other block before the one that came.
	if slot, ok, err := r.store.SlotOf(ctx, why.ParentRoot); err != nil || ok {
		return slot, err
	}
	head := r.last
	var empty emptyAnswers
	for depth := ssz.Slot(rewindSlots); ; depth *= 2 {
		first := floor
		if head-floor >= depth {
			first = head - depth + 1
		}
		other, shared, err := r.compare(ctx, first, head, &empty)
		if err != nil {
			return 0, err
		}
		if other != nil {
			if slot, ok, err := r.store.SlotOf(ctx, other.ParentRoot); err != nil || ok {
				return slot, err
			}
		}
		switch {
		case shared:
			// The peer has a block of ours, but not the next one's parent.
			return 0, fmt.Errorf("%w: %w", ErrGap, why)
		case first > floor:
		case other == nil:
			return 0, fmt.Errorf("%w: %w", ErrDiverged, why)
		default:
			return floor - 1, nil
		}
	}
}

// compare asks the peer for the slots from first to last. It returns the first
// block that the store does not hold, nil if there is none, and whether there was
// one before it that the store holds. A peer that answers with nothing again and again is
// not asked for the rest: a store may reach back for years.
func (r *run) compare(
	ctx context.Context, first, last ssz.Slot, empty *emptyAnswers,
) (other *beacon.Block, shared bool, err error) {
	for first <= last {
		count := r.count(uint64(last-first) + 1)
		other, held, err := r.firstOther(ctx, first, count)
		if held != nil || err == nil {
			r.retries.gave()
		}
		if held != nil {
			shared = true
			first = held.Slot + 1
			*empty = emptyAnswers{}
		}
		switch {
		case other != nil:
			return other, shared, nil
		case err != nil:
			if err := r.retry(ctx, err); err != nil {
				return nil, false, err
			}
		case held == nil:
			first += ssz.Slot(count)
			if empty.add(time.Now()); empty.tooMany(time.Now()) {
				return nil, false, fmt.Errorf("%w: it shows no block in %d ranges before slot %d", ErrDiverged, empty.n, first)
			}
		}
	}
	return nil, shared, nil
}

// firstOther asks for one range. It returns the first block that the store does not
// hold and the last one before it that it holds, nil where there is none.
func (r *run) firstOther(ctx context.Context, start ssz.Slot, count uint64) (other, held *beacon.Block, err error) {
	for block, err := range r.Client.BlocksByRange(ctx, r.Peer, start, count) {
		if err != nil {
			return nil, held, err
		}
		_, ok, err := r.store.SlotOf(ctx, block.Root)
		if err != nil {
			return nil, held, err
		}
		if !ok {
			return block, held, nil
		}
		held = block
	}
	return nil, held, nil
}
