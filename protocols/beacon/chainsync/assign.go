package chainsync

import (
	"context"
	"time"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// assign makes requests: what others wait for first, then of what is next.
func (s *syncer) assign(ctx context.Context, now time.Time) {
	if s.Paused != nil && s.Paused() {
		return
	}
	s.survey(now)
	for _, a := range s.checks {
		if now.Sub(a.began) >= s.times.late() {
			a.withdraw()
		}
	}
	s.prove(ctx, now)
	s.front.Store(s.firstUnanswered())
	for i := 0; i < len(s.batches); i++ {
		switch b := s.batches[i]; {
		case len(b.inFlight) == 0 && (len(b.answers) == 0 || b.disputed || b.doubted):
			s.ask(ctx, now, b)
		case s.isLate(b, now):
			s.hedge(ctx, now, b)
		}
	}
	for !s.over() && s.next(ctx, now) {
	}
}

// pick returns the best of the sources that can be asked for some slots now, or nil. It also reports whether there are
// some that can be asked later. Those that hold others up are asked where there is nobody else.
func (s *syncer) pick(now time.Time, b *batch, better func(a, b *source) bool) (best *source, later bool) {
	var last *source
	others := false
	for _, p := range s.sources {
		if b.tried[p.ID] || !p.serves(b.first, b.last) {
			continue
		}
		later = true
		free := s.free(p, now, s.batchOf(p, b.slots()))
		switch {
		case !s.holdsUp(p):
			others = true
			if free && (best == nil || better(p, best)) {
				best = p
			}
		case free && (last == nil || better(p, last)):
			last = p
		}
	}
	if !others {
		best = last
	}
	return best, later
}

// ask asks for a batch again, or for the first time. One that has been asked of all peers starts over.
func (s *syncer) ask(ctx context.Context, now time.Time, b *batch) {
	p, later := s.pick(now, b, (*source).faster)
	if b.doubted && p == nil && !s.anyElse(b) {
		b.doubted = false
		return
	}
	switch {
	case !later && len(b.tried) > 0:
		b.rounds++
		clear(b.tried)
		return // The next look at it asks the first peer again.
	case !later && len(b.answers) == 0:
		s.divide(b)
		return
	case p == nil:
		return
	}
	if count := s.batchOf(p, b.slots()); count < b.slots() && len(b.answers) == 0 {
		b = s.part(b, count)
	}
	urgent := b.disputed || b.doubted || b == s.firstUnanswered()
	s.start(ctx, &attempt{batch: b, source: p, first: b.first, last: b.last, urgent: urgent})
}

// divide divides a batch that no source has all of, if one has what is to be stored first.
func (s *syncer) divide(b *batch) {
	count := uint64(0)
	for _, p := range s.sources {
		switch {
		case s.backward && p.serves(b.last, b.last):
			count = max(count, uint64(b.last-max(b.first, p.Status.EarliestAvailableSlot, p.lacks))+1)
		case !s.backward && p.serves(b.first, b.first):
			count = max(count, uint64(min(b.last, p.Status.HeadSlot)-b.first)+1)
		}
	}
	if count > 0 && count < b.slots() {
		s.part(b, count)
	}
}

// anyElse reports whether there is another source to be asked for a batch, which does not hold it up.
func (s *syncer) anyElse(b *batch) bool {
	for _, p := range s.sources {
		if !b.tried[p.ID] && p.serves(b.first, b.last) && !s.holdsUp(p) {
			return true
		}
	}
	return false
}

// firstUnanswered returns the first batch without an answer, or nil.
func (s *syncer) firstUnanswered() *batch {
	for _, b := range s.batches {
		if len(b.answers) == 0 {
			return b
		}
	}
	return nil
}

// part cuts some slots off a batch, which are to be stored first, and returns them as a batch.
func (s *syncer) part(b *batch, count uint64) *batch {
	cutBy, tried, empty := b.cutBy, b.tried, b.empty
	var rest *batch
	if s.backward {
		rest, b = s.split(b, b.last-ssz.Slot(count))
	} else {
		b, rest = s.split(b, b.first+ssz.Slot(count)-1)
	}
	for id := range tried {
		b.tried[id], rest.tried[id] = true, true
	}
	for id := range empty {
		b.empty[id], rest.empty[id] = true, true
	}
	b.cutBy, rest.cutBy = cutBy, cutBy
	return b
}

// next asks a source for the slots that are next, and reports whether it did.
func (s *syncer) next(ctx context.Context, now time.Time) bool {
	slot := s.frontier
	if s.backward {
		slot--
	}
	p, _ := s.pick(now, newBatch(slot, slot), (*source).better)
	if p == nil {
		return false
	}
	b := s.nextOf(p)
	a := &attempt{batch: b, source: p, first: b.first, last: b.last, urgent: len(s.batches) == 0}
	if !s.start(ctx, a) {
		return false
	}
	s.batches = append(s.batches, b)
	s.frontier = b.last + 1
	if s.backward {
		s.frontier = b.first
	}
	return true
}

// nextOf returns the batch that a source is asked for next, which it has the first slot of.
func (s *syncer) nextOf(p *source) *batch {
	if s.backward {
		last := s.frontier - 1
		count := s.nextCount(p, uint64(last-max(s.goal, p.Status.EarliestAvailableSlot, p.lacks))+1)
		return newBatch(last-ssz.Slot(count)+1, last)
	}
	count := s.nextCount(p, uint64(p.Status.HeadSlot-s.frontier)+1)
	return newBatch(s.frontier, s.frontier+ssz.Slot(count)-1)
}

// nextCount returns how many of some slots to ask a source for next. The first of two requests is a smaller one, so
// that they do not end at once and leave the source idle for a round trip.
func (s *syncer) nextCount(p *source, slots uint64) uint64 {
	count := s.batchOf(p, min(s.Batch, slots))
	if p.inFlight == 0 {
		count = (count + 1) / 2
	}
	return count
}
