package beacon

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// earliest returns the earliest_available_slot of the Fulu specs: the first slot from which on a chain can
// serve all blocks, and all sidecars that have to be served. The status is the chain's own view. A quick answer
// looks at a bounded number of blocks; those not looked at yet count as ones whose sidecars are not held.
func (s *Server) earliest(ctx context.Context, status Status, quick bool) (ssz.Slot, error) {
	slot := status.EarliestAvailableSlot
	for _, p := range s.kept {
		from, err := s.earliestOf(ctx, p, quick)
		if err != nil {
			return 0, err
		}
		slot = max(slot, from)
	}
	for _, f := range s.frontiers {
		from, err := f.from(ctx, status, quick)
		if err != nil {
			return 0, err
		}
		slot = max(slot, from)
	}
	return slot, nil
}

// earliestOf returns from which slot on a chain can serve all objects of a kind that it is a source of, or 0 if that
// is as early as they have to be served from. After the last fork that has them there are none to miss. An answer that
// is not quick asks for as long as the slot becomes earlier.
func (s *Server) earliestOf(ctx context.Context, p *Protocol, quick bool) (ssz.Slot, error) {
	for slot := ssz.Slot(math.MaxUint64); ; {
		from, err := s.sources.Earliest(ctx, p.kind)
		switch {
		case err != nil || from <= p.ServedFrom(s.currentSlot()):
			return 0, err
		case quick || from >= slot:
			return min(from, p.end()), nil
		}
		slot = from
	}
}

// A frontier is where the blocks end that have sidecars of one kind, none of which are held. It is looked for
// from the head downward, and every block is looked at once while the chain only grows.
type frontier struct {
	server *Server
	p      *Protocol     // the protocol of the sidecars by range
	turn   chan struct{} // holds an element while somebody looks

	// What follows belongs to whoever has the turn.
	head  ssz.Root   // the head that known was found from; zero to look again
	end   ssz.Slot   // the slot after those that known was found from
	known stretch    // up to that head
	older [2]stretch // farther from the head, for when it is reorganized

	failed ssz.Root // the head whose look failed last, so that it is logged once
}

// A stretch is a block and what is known of the slots up to it.
type stretch struct {
	root  ssz.Root
	slot  ssz.Slot
	from  ssz.Slot // from here on no block has sidecars
	found bool     // the block before that has
}

const (
	// frontierStep is how many slots are looked at at a time, and frontierQuick for a quick answer.
	frontierStep  = 64
	frontierQuick = 16 * frontierStep
	// frontierApart is how many slots the stretches that are kept are apart.
	frontierApart = 128
)

// sortEarliest sorts the kinds of objects that belong to blocks: of those that the chain is a source of it tells from
// when on they are held; for sidecars that it is no source of a frontier is looked for. Envelopes do not count where
// the chain is no source of them.
func (s *Server) sortEarliest() {
	for _, p := range s.family.protocols {
		switch {
		case p.blockHas == nil:
		case s.sources.hold(p.kind):
			if s.sources.Earliest != nil {
				s.kept = append(s.kept, p)
			}
		case p.kind != KindExecutionPayloadEnvelope:
			s.frontiers = append(s.frontiers, &frontier{server: s, p: p, turn: make(chan struct{}, 1)})
		}
	}
}

// hold reports whether there is a source of a kind of objects that belong to blocks.
func (s *Sources) hold(k Kind) bool {
	switch k {
	case KindBlobSidecar:
		return s.Blobs != nil
	case KindDataColumnSidecar:
		return s.Columns != nil
	case KindExecutionPayloadEnvelope:
		return s.Payloads != nil
	default:
		panic(fmt.Sprintf("beacon: no source of a %v is known", k))
	}
}

// from returns the slot after the last block up to the head that has sidecars which have to be served, or 0. A
// look that is not quick takes many turns, so that peers are answered meanwhile.
func (f *frontier) from(ctx context.Context, status Status, quick bool) (ssz.Slot, error) {
	start, end := f.slots(status)
	if start >= end {
		return 0, nil
	}
	look := frontierLook{f: f, start: start, end: end, seen: stretch{from: end}}
	slots := frontierStep
	if quick {
		slots = frontierQuick
	}
	for first := true; ; first = false {
		more, err := f.lookOn(ctx, &look, status.HeadRoot, slots, first)
		if err != nil {
			return 0, err
		}
		if quick || !more {
			return look.result(), nil
		}
	}
}

// lookOn takes a turn, looks at some slots, and reports whether more are left. What is known is taken over at the
// first.
func (f *frontier) lookOn(
	ctx context.Context, look *frontierLook, head ssz.Root, slots int, first bool,
) (more bool, err error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if first && f.head == head && f.end == look.end {
		look.seen = f.known
	}
	err = look.run(ctx, slots)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrDiscarded):
		f.head, f.known = ssz.Root{}, stretch{} // The chain has changed since. It is looked at anew the next time.
		return false, nil
	default:
		// What cannot be read cannot be served. The next look tries it again.
		if f.failed != head {
			f.failed = head
			f.server.log.Error("cannot tell which blocks have sidecars", "up to slot", look.seen.from, "err", err)
		}
		if look.seen.root != (ssz.Root{}) {
			look.keep(head)
		}
		return false, nil
	}
	look.keep(head)
	return look.left(), nil
}

// slots returns the range of the slots whose sidecars have to be served. A head in the future is a chain's mistake,
// and must not keep the server looking.
func (f *frontier) slots(status Status) (start, end ssz.Slot) {
	if status.HeadRoot == (ssz.Root{}) {
		return 0, 0
	}
	now := f.server.currentSlot()
	start, end = max(f.p.ServedFrom(now), status.EarliestAvailableSlot), min(status.HeadSlot, now)+1
	end = min(end, f.p.end())
	return start, end
}

// A frontierLook is one look from the top downward.
type frontierLook struct {
	f     *frontier
	start ssz.Slot // where it ends at the latest
	end   ssz.Slot // the slot after where it begins

	seen stretch
	open ssz.Slot // the slot after the head if its payload may yet be revealed, else zero
	some bool     // the open head may have sidecars
}

// left reports whether anything is left to look at.
func (l *frontierLook) left() bool { return !l.seen.found && l.seen.from > l.start }

// run looks at so many slots.
func (l *frontierLook) run(ctx context.Context, slots int) error {
	for ; l.left() && slots > 0; slots -= frontierStep {
		from := max(l.start, l.seen.from-min(l.seen.from, frontierStep))
		sp, err := l.f.server.spanOf(ctx, nil, from, uint64(l.seen.from-from), frontierStep)
		if err != nil {
			return err
		}
		known, err := l.blocks(ctx, sp)
		if err != nil {
			return err
		}
		if !l.seen.found && !known {
			l.seen.from = from
		}
	}
	return nil
}

// blocks looks at the blocks of a blockSpan from the last downward, until one has sidecars, or is known with all
// before it.
func (l *frontierLook) blocks(ctx context.Context, sp *blockSpan) (known bool, err error) {
	for i, ref := range slices.Backward(sp.blocks) {
		if l.join(ref) {
			return true, nil
		}
		l.seen.from = ref.Slot + 1
		has, err := l.f.p.blockHas(ctx, sp, i)
		if err != nil {
			return false, err
		}
		open, err := isOpen(ctx, sp, i)
		switch {
		case err != nil:
			return false, err
		case open:
			l.open, l.some = ref.Slot+1, has
			continue
		case l.seen.root == (ssz.Root{}):
			l.seen.root, l.seen.slot = ref.Root, ref.Slot
		}
		if l.seen.found = has; has {
			return false, nil
		}
	}
	return false, nil
}

// join takes over what is known up to a block.
func (l *frontierLook) join(ref Ref) bool {
	for _, known := range append(l.f.older[:], l.f.known) {
		if known.root != ref.Root {
			continue
		}
		if l.seen.root != (ssz.Root{}) {
			known.root, known.slot = l.seen.root, l.seen.slot
		}
		l.seen = known
		return true
	}
	return false
}

// isOpen reports whether a block is the head, and has blobs of which only the next block will tell.
func isOpen(ctx context.Context, sp *blockSpan, i int) (bool, error) {
	if i+1 < len(sp.blocks) || sp.child != nil || !sp.inGloas(sp.blocks[i].Slot) {
		return false, nil
	}
	return hasBlobs(ctx, sp, i)
}

// keep keeps what has been seen for the next look.
func (l *frontierLook) keep(head ssz.Root) {
	f := l.f
	if f.known.slot >= f.older[0].slot+frontierApart {
		f.older = [2]stretch{f.known, f.older[0]}
	}
	f.known, f.head, f.end = l.seen, head, l.end
	if l.open > 0 {
		f.head = ssz.Root{}
	}
}

// result returns the slot to report: what has not been looked at may have sidecars.
func (l *frontierLook) result() ssz.Slot {
	slot := l.seen.from
	if l.some {
		slot = l.open
	}
	if slot <= l.start {
		return 0
	}
	return slot
}
