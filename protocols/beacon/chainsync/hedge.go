package chainsync

import (
	"context"
	"slices"
	"time"
)

const (
	// leastLate is when a request is late at the earliest.
	leastLate = 3 * time.Second
	// maxOverlap is which part of what is downloaded may be downloaded in vain: a tenth.
	maxOverlap = 10
	// kept is how many times of answers are kept.
	kept = 128
)

// times are how long the last answers took.
type times struct {
	all []time.Duration
	at  int
}

func (t *times) add(d time.Duration) {
	if len(t.all) < kept {
		t.all = append(t.all, d)
		return
	}
	t.all[t.at] = d
	t.at = (t.at + 1) % kept
}

// late returns how long a request takes that is late: longer than 19 of 20, and than leastLate.
func (t *times) late() time.Duration {
	if len(t.all) == 0 {
		return leastLate
	}
	sorted := slices.Sorted(slices.Values(t.all))
	return max(leastLate, sorted[len(sorted)*95/100])
}

// isLate reports whether a batch is to be asked of a second peer. A source that has never brought anything is late as
// soon as others would have sent all of it.
func (s *syncer) isLate(b *batch, now time.Time) bool {
	if len(b.inFlight) != 1 {
		return false
	}
	a := b.inFlight[0]
	age := now.Sub(a.began)
	return age >= s.times.late() || age >= quick && a.source.blocks == 0 && !a.some.Load()
}

// expected returns about how many bytes of the wire a batch is: what is held has SSZ as well.
func (s *syncer) expected(b *batch) int64 { return int64(float64(b.slots()) * s.slotBytes() / 2) }

// twice returns how many bytes were downloaded in vain, or may have been in the end.
func (s *syncer) twice() int64 {
	n := s.overlap
	for _, b := range s.batches {
		if len(b.inFlight) > 1 {
			n += s.expected(b)
		}
	}
	return n
}

// mayOverlap reports whether a batch may be downloaded twice. The first one may.
func (s *syncer) mayOverlap(b *batch) bool {
	twice := s.twice()
	return twice == 0 || twice+s.expected(b) <= s.received/maxOverlap
}

// hedge asks a second peer for a batch that is late, within what may be downloaded in vain.
func (s *syncer) hedge(ctx context.Context, now time.Time, b *batch) {
	if !s.mayOverlap(b) {
		return
	}
	b.tried[b.inFlight[0].source.ID] = true
	p, _ := s.pick(now, b, (*source).faster)
	delete(b.tried, b.inFlight[0].source.ID)
	if p == nil {
		return
	}
	s.start(ctx, &attempt{batch: b, source: p, first: b.first, last: b.last, urgent: true})
}
