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
	// done tells that the request was answered. If cut is set the answer did not come to its end: what is left
	// of it is asked for again.
	done(cut bool)
}

// whole is a plan of one request.
type whole struct{ request any }

func (w *whole) next(int) any { return w.request }

func (w *whole) done(bool) { w.request = nil }

// A span is a range of slots or periods, of which a call asks for some at a time.
type span struct {
	from, left uint64 // what is not dealt with
	ended      bool

	start, count uint64 // what the request under way asks for
	any          bool   // something has answered that
	last         uint64 // the slot or period of what came last
	// redo has a slot whose answer was cut asked for again, as more than one chunk is of it. Again is set until
	// something new has come of it.
	redo, again bool
	// linked has every answer go on where the one before ended: an empty one ends them all.
	linked, begun bool
}

func newSpan(start, count uint64) span { return span{from: start, left: count} }

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

// columnSpan is a plan for some columns of a range of slots. Where those of one slot are too many they are
// asked for in ascending order, as they are answered.
type columnSpan struct {
	span
	columns []uint64
	slot    []uint64 // what is left of the columns of the next slot; nil: all of them
	part    []uint64 // those asked for
	index   uint64   // that of the sidecar that came last
}

func (c *columnSpan) next(n int) any {
	most := max(1, min(n, len(c.columns)))
	if c.slot == nil && most < len(c.columns) && !c.ended {
		c.slot = c.after(0)
	}
	slots := 1
	if c.slot == nil {
		c.part, slots = c.columns, per(n, uint64(len(c.columns)))
	} else {
		c.part = c.slot[:min(most, len(c.slot))]
	}
	if !c.take(slots) {
		return nil
	}
	return &ssz.DataColumnSidecarsByRangeRequest{StartSlot: ssz.Slot(c.start), Count: c.count, Columns: c.part}
}

// after returns the columns from an index on, ascending.
func (c *columnSpan) after(index uint64) []uint64 {
	sorted := slices.Clone(c.columns)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	at, _ := slices.BinarySearch(sorted, index)
	return sorted[at:]
}

func (c *columnSpan) done(cut bool) {
	switch {
	case c.slot == nil && !cut:
		c.span.done(false)
		return
	case c.slot == nil:
		c.skip(c.last - c.start)
		c.slot = c.after(c.index + 1)
	case cut:
		at, _ := slices.BinarySearch(c.slot, c.index+1)
		c.slot = c.slot[at:]
	default:
		c.slot = c.slot[len(c.part):]
	}
	if len(c.slot) == 0 {
		c.slot = nil
		c.skip(1)
	}
}

// A list is a plan for elements that are asked for one by one, such as roots.
type list[E any] struct {
	all   any // the request for all of them
	left  []E
	part  []E
	ended bool
	// request returns the request for some.
	request func([]E) any
	// wants begins the answer to a request for some.
	wants func([]E)
	// unanswered returns those of the request that nothing has answered.
	unanswered func([]E) []E
}

func (l *list[E]) next(n int) any {
	if l.ended {
		return nil
	}
	l.part = l.left[:min(len(l.left), max(1, n))]
	l.wants(l.part)
	if l.all != nil && len(l.part) == len(l.left) {
		return l.all
	}
	return l.request(l.part)
}

func (l *list[E]) done(cut bool) {
	l.all = nil
	l.left = l.left[len(l.part):]
	if cut {
		l.left = slices.Concat(l.unanswered(l.part), l.left)
	}
	l.ended = len(l.left) == 0
}
