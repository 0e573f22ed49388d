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
		r.last = head
		return nil
	}
	r.earliest = r.opts.From
	if r.earliest == 0 {
		var err error
		if r.earliest, err = r.earliestBlock(ctx); err != nil {
			return err
		}
	}
	// The genesis block is never sent: nobody signed it.
	first := max(r.earliest, 1)
	if first > r.Status.HeadSlot {
		return fmt.Errorf("rangesync: cannot begin at slot %d: the peer's head is at slot %d", first, r.Status.HeadSlot)
	}
	r.last = first - 1
	return nil
}

// earliestBlock returns the slot from which on the peer has blocks. Its status tells from where on it has their sidecars
// too, which may be later: so it is asked for the first slot that the specs have it serve.
func (r *run) earliestBlock(ctx context.Context) (ssz.Slot, error) {
	told, head := r.Status.EarliestAvailableSlot, r.Status.HeadSlot
	row, _ := r.Client.Family().Protocol(r.Client.Family().BlocksByRange.Spec().Protocols[0])
	first := max(row.ServedFrom(head), 1)
	if told <= first || first > head {
		return told, nil
	}
	got, err := r.probe(ctx, first, min(r.opts.Batch, uint64(head-first)+1))
	switch {
	case err != nil:
		return 0, err
	case got == someBlocks:
		return first, nil
	case told <= head:
		return told, nil
	case got == noBlocks:
		return first, nil
	}
	// It has blocks from some slot on, and sidecars of none.
	if got, err = r.probe(ctx, head, 1); err != nil || got == refused {
		return told, err
	}
	for last := head; ; {
		if last-first <= 1 {
			return last, nil
		}
		middle := first + (last-first)/2
		if got, err = r.probe(ctx, middle, 1); err != nil {
			return 0, err
		}
		if got == refused {
			first = middle
		} else {
			last = middle
		}
	}
}

// What a peer answers to a probe.
type probed int

const (
	refused  probed = iota // ResourceUnavailable
	noBlocks               // none before the earliest slot told
	someBlocks
)

// probe asks the peer whether it has blocks of some slots.
func (r *run) probe(ctx context.Context, start ssz.Slot, count uint64) (probed, error) {
	for {
		got, err := r.firstAnswer(ctx, start, count)
		if err == nil {
			return got, nil
		}
		if err := r.retry(ctx, err); err != nil {
			return 0, err
		}
	}
}

func (r *run) firstAnswer(ctx context.Context, start ssz.Slot, count uint64) (probed, error) {
	for block, err := range r.Client.BlocksByRange(ctx, r.Peer, start, count) {
		if verdict, ok := errors.AsType[*reqresp.Error](err); ok && verdict.Code == reqresp.CodeResourceUnavailable {
			return refused, nil
		}
		if err != nil {
			return 0, err
		}
		if block.Slot < r.Status.EarliestAvailableSlot {
			return someBlocks, nil
		}
		break // A lenient peer has left out what it does not hold.
	}
	return noBlocks, nil
}
