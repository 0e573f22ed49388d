package beacon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// errNotHeld is ErrUnavailable for objects that exist.
func errNotHeld(p *Protocol, slot ssz.Slot) error {
	return fmt.Errorf("%w: %ss of slot %d are not held", ErrUnavailable, p.Response, slot)
}

// after cuts a range to the slots from the first on. No slots may be left.
func after(first, start ssz.Slot, count uint64) (ssz.Slot, uint64) {
	if start >= first {
		return start, count
	}
	return first, count - min(count, uint64(first-start))
}

// A holding is what a source holds of the objects in a range. A source may hold only some. Those that belong to
// one block are sent all or not at all, and where those of a block are not held, no more are available.
type holding struct {
	*query
	start ssz.Slot
	count uint64
	// ask asks the source for a range. Nil is notHeld.
	ask func(ctx context.Context, start ssz.Slot, count uint64) iter.Seq2[Ref, error]
	// lacks reports whether some objects are missing of those that belong to a block, of which some are held. Nil
	// means that none is.
	lacks func(ctx context.Context, sp *blockSpan, i int, held []Ref) (bool, error)
	// optional tells that nothing of what is asked for has to be held. Then no more blocks of the range are looked into
	// than may be sent of, which cost the peer nothing if there is nothing to send.
	optional bool
	// single tells that no more than one object belongs to a block.
	single bool
	// most is of how many blocks objects are sent at most.
	most uint64

	first ssz.Slot   // the first slot whose objects have to be held
	span  *blockSpan // the blocks whose objects have to be held; nil if the source is taken at its word
	next  int        // the first block of span that is not accounted for
}

// notHeld is the source of a kind that a chain does not hold.
func notHeld(context.Context, ssz.Slot, uint64) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) { yield(Ref{}, ErrUnavailable) }
}

// refs yields the objects that are sent.
func (h *holding) refs(ctx context.Context) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) {
		err := h.list(ctx)
		if err == nil {
			err = h.yieldRange(ctx, yield)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(Ref{}, err)
		}
	}
}

// errStopped tells that no more is wanted.
var errStopped = errors.New("beacon: stopped")

// list lists the blocks of the range whose objects have to be held.
func (h *holding) list(ctx context.Context) error {
	h.first = h.p.ServedFrom(h.currentSlot())
	start, count := after(h.first, h.start, h.count)
	switch {
	case h.optional:
		start, count = h.start, h.count
	case count == 0:
		h.optional = true
		return nil
	}
	sp, err := h.spanOf(ctx, h.in, start, count, h.p.cfg.MaxRequestBlocksDeneb)
	switch {
	case errors.Is(err, ErrUnavailable):
		return nil // A source may hold more than the chain.
	case err != nil:
		return err
	case !h.optional:
		h.span = sp
	case !sp.whole && len(sp.blocks) > 0:
		h.count = uint64(sp.blocks[len(sp.blocks)-1].Slot-h.start) + 1
	}
	return nil
}

func (h *holding) yieldRange(ctx context.Context, yield func(Ref, error) bool) error {
	sent, err := h.yieldBlocks(ctx, h.ask(ctx, h.start, h.count), yield)
	if errors.Is(err, ErrUnavailable) && !sent {
		switch {
		case h.optional:
			return nil
		case h.span == nil:
			return err
		}
		// What is not held may be what there is none of: the source is asked from the first block on that has some.
		if h.next, err = h.span.first(ctx, h.next, h.p.blockHas); err == nil && h.next < len(h.span.blocks) {
			from := h.span.blocks[h.next].Slot
			sent, err = h.yieldBlocks(ctx, h.ask(ctx, from, h.count-uint64(from-h.start)), yield)
		}
	}
	if err != nil {
		return err
	}
	return h.rest(ctx, sent)
}

// yieldBlocks yields what the source yields, block by block. It reports whether that was anything. Nothing is
// looked for beyond the last.
func (h *holding) yieldBlocks(
	ctx context.Context, refs iter.Seq2[Ref, error], yield func(Ref, error) bool,
) (sent bool, err error) {
	var block []Ref
	flush := func() error {
		if len(block) == 0 {
			return nil
		}
		if err := h.account(ctx, block); err != nil {
			return err
		}
		sent = true
		for _, r := range block {
			if !yield(r, nil) {
				return errStopped
			}
		}
		block = block[:0]
		if h.most--; h.most == 0 {
			return errStopped
		}
		return nil
	}
	for r, err := range refs {
		switch {
		case errors.Is(err, ErrUnavailable):
			return sent, cmp.Or(flush(), err)
		case err != nil:
			return sent, err
		case len(block) > 0 && block[0].Root != r.Root:
			if err := flush(); err != nil {
				return sent, err
			}
		}
		block = append(block, r)
		if h.single {
			if err := flush(); err != nil {
				return sent, err
			}
		}
	}
	err = flush()
	return sent, err
}

// account checks that nothing is missing up to the objects of a block, nor of them. It looks only at blocks of
// which something is missing, and at no more of them than are listed.
func (h *holding) account(ctx context.Context, held []Ref) error {
	slot := held[0].Slot
	if h.span == nil || slot < h.first {
		return nil
	}
	for ; h.next < len(h.span.blocks) && h.span.blocks[h.next].Slot < slot; h.next++ {
		if some, err := h.p.blockHas(ctx, h.span, h.next); err != nil || some {
			return cmp.Or(err, errNotHeld(h.p, h.span.blocks[h.next].Slot))
		}
	}
	if h.next == len(h.span.blocks) || h.span.blocks[h.next].Slot != slot {
		return nil
	}
	if h.lacks != nil {
		if some, err := h.lacks(ctx, h.span, h.next, held); err != nil || some {
			return cmp.Or(err, errNotHeld(h.p, slot))
		}
	}
	h.next++
	return nil
}

// rest checks that there are no objects after the last.
func (h *holding) rest(ctx context.Context, sent bool) error {
	if h.span == nil {
		if !h.optional && !sent {
			return fmt.Errorf("%w: nor are the blocks of the range", ErrUnavailable)
		}
		return nil
	}
	i, err := h.span.first(ctx, h.next, h.p.blockHas)
	switch {
	case err != nil:
		return err
	case i < len(h.span.blocks):
		return errNotHeld(h.p, h.span.blocks[i].Slot)
	case !h.span.whole && !sent:
		return fmt.Errorf("%w: too many blocks to look into", ErrUnavailable)
	}
	return nil
}

// lacksBlobs reports whether a block has more blobs than sidecars are held.
func lacksBlobs(ctx context.Context, sp *blockSpan, i int, held []Ref) (bool, error) {
	c, err := sp.look(ctx, sp.blocks[i])
	return len(held) < c.Count, err
}

// lacksColumns reports whether one of some columns is not held.
func lacksColumns(columns []uint64) func(context.Context, *blockSpan, int, []Ref) (bool, error) {
	return func(_ context.Context, _ *blockSpan, _ int, held []Ref) (bool, error) {
		return slices.ContainsFunc(columns, func(column uint64) bool {
			return !slices.ContainsFunc(held, func(r Ref) bool { return r.Index == column })
		}), nil
	}
}
