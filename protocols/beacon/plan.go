package beacon

import (
	"fmt"
	"math"
	"slices"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A plan divides what a call asks for into requests, one after the other. A call over a muxer with flow
// control makes one request; on mplex it asks for no more at a time than is likely to be held while the
// caller works. A plan belongs to one goroutine.
type plan interface {
	// next returns the request that comes next: for all that is left, or for as much as n chunks may
	// answer, which is one element at least. It is nil if nothing is left. Until done is called it may be
	// called again, which replaces the request that it returned before.
	next(n int) any
	// done notes that the request was answered. If cut is set the answer did not come to its end: what is left
	// of it is asked for again.
	done(cut bool)
}

// whole is a plan of one request.
type whole struct{ request any }

func (w *whole) next(int) any { return w.request }

func (w *whole) done(bool) { w.request = nil }

// A span is a range of slots or periods, of which a call asks for some at a time.
type span struct {
	request func(start, count uint64) any
	each    uint64 // the most chunks of one slot or period

	from, left uint64 // what is not dealt with
	ended      bool

	start, count uint64 // what the request in flight asks for
	any          bool   // something has answered that
	last         uint64 // the slot or period of what came last
	// redo has a slot whose answer was cut asked for again, as more than one chunk is of it. Again is set until
	// something new has come of it.
	redo, again bool
	// linked has every answer go on where the one before ended: an empty one ends them all.
	linked, begun bool
}

// newSpan returns a plan for a range, with the request for a part of it.
func newSpan[T ~uint64](start T, count uint64, request func(start T, count uint64) any) span {
	return span{
		from: uint64(start), left: count, each: 1,
		request: func(start, count uint64) any { return request(T(start), count) },
	}
}

func (s *span) next(n int) any {
	if !s.take(per(n, s.each)) {
		return nil
	}
	return s.request(s.start, s.count)
}

// take begins a request for up to n slots or periods. It reports false if none is left.
func (s *span) take(n int) bool {
	s.start, s.count, s.any = s.from, min(s.left, uint64(max(1, n))), false
	return !s.ended
}

// check notes the slot or period of a chunk, which has to be one of those asked for.
func (s *span) check(at uint64) error {
	if at < s.start || at-s.start >= s.count {
		return fmt.Errorf("%w: %d, asked for %d from %d", ErrOutOfRange, at, s.count, s.start)
	}
	s.any, s.begun, s.last = true, true, at
	return nil
}

// done goes on behind what came last: whether nothing followed, or the peer has cut its answer short, cannot be
// told. An empty answer is one to all of the request.
func (s *span) done(cut bool) {
	s.again = cut && s.redo
	switch {
	case !cut && s.count == s.left, s.linked && s.begun && !s.any:
		s.ended = true
	case cut && s.redo:
		s.skip(s.last - s.start)
	case s.any:
		s.skip(s.last - s.start + 1)
	default:
		s.skip(s.count)
	}
}

func (s *span) skip(n uint64) {
	s.from += n
	s.left -= n
	s.ended = s.left == 0
}

// per returns how many elements n chunks may answer, if so many answer one.
func per(n int, each uint64) int {
	if n == math.MaxInt {
		return n
	}
	return n / int(min(max(1, each), math.MaxInt32))
}

// A wanted is a plan for objects that are asked for one by one, such as by their roots. What is asked for more than
// once may be answered as often.
type wanted[E comparable] struct {
	all   any // the request for all of them
	left  []E
	part  []E // what the request in flight asks for
	open  map[E]int
	ended bool
	// request returns the request for some.
	request func([]E) any
}

func newWanted[E comparable](all []E, request func([]E) any) *wanted[E] {
	return &wanted[E]{left: all, request: request}
}

func (w *wanted[E]) next(n int) any {
	if w.ended {
		return nil
	}
	w.part = w.left[:min(len(w.left), max(1, n))]
	w.open = make(map[E]int, len(w.part))
	for _, e := range w.part {
		w.open[e]++
	}
	if w.all != nil && len(w.part) == len(w.left) {
		return w.all
	}
	return w.request(w.part)
}

// take reports whether something is still wanted, which it is once less from then on.
func (w *wanted[E]) take(e E) bool {
	if w.open[e] == 0 {
		return false
	}
	w.open[e]--
	return true
}

func (w *wanted[E]) done(cut bool) {
	w.all = nil
	w.left = w.left[len(w.part):]
	if cut {
		unanswered := slices.DeleteFunc(slices.Clone(w.part), func(e E) bool { return !w.take(e) })
		w.left = append(unanswered, w.left...)
	}
	w.ended = len(w.left) == 0
}

// checkRoot checks that what belongs to a block was asked for by the block's root.
func checkRoot(w *wanted[ssz.Root], slot ssz.Slot, root ssz.Root) error {
	if !w.take(root) {
		return fmt.Errorf("%w: root %v of slot %d", ErrUnexpectedRoot, root, slot)
	}
	return nil
}

// checkSidecar checks that a sidecar was asked for by the root of its block and its index.
func checkSidecar(w *wanted[ssz.BlobIdentifier], slot ssz.Slot, root ssz.Root, index uint64) error {
	if w.take(ssz.BlobIdentifier{BlockRoot: root, Index: index}) {
		return nil
	}
	for id := range w.open {
		if id.BlockRoot == root {
			return fmt.Errorf("%w: %d of root %v", ErrUnexpectedIndex, index, root)
		}
	}
	return fmt.Errorf("%w: root %v of slot %d", ErrUnexpectedRoot, root, slot)
}

// sidecarOrder checks the sidecars of one call by range: slots in the range and ascending, indices
// ascending in each, and one block in each.
type sidecarOrder struct {
	span  *span
	any   bool
	slot  ssz.Slot
	root  ssz.Root
	index uint64
}

// seen reports whether a sidecar was received before, in an answer that was cut within its slot.
func (o *sidecarOrder) seen(slot ssz.Slot, root ssz.Root, index uint64) bool {
	return o.any && o.span.again && slot == o.slot && root == o.root && index <= o.index
}

func (o *sidecarOrder) check(slot ssz.Slot, root ssz.Root, index uint64) error {
	joins := !o.span.any
	if err := o.span.check(uint64(slot)); err != nil {
		return err
	}
	if o.any {
		switch {
		case slot < o.slot:
			return fmt.Errorf("%w: %d after %d", ErrSlotOrder, slot, o.slot)
		case slot == o.slot && root != o.root:
			err := fmt.Errorf("%w: blocks %v and %v in slot %d", ErrNotLinked, o.root, root, slot)
			if joins {
				return &changedError{err}
			}
			return err
		case slot == o.slot && index <= o.index:
			return fmt.Errorf("%w: %d after %d in slot %d", ErrIndexOrder, index, o.index, slot)
		}
	}
	o.any, o.slot, o.root, o.index = true, slot, root, index
	o.span.again = false
	return nil
}
