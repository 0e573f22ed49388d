package rangesync

import (
	"context"
	"errors"
	"fmt"

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
