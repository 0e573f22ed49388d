package chainsync

import (
	"context"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// canCheck reports whether there is a peer to be asked soon for the last block of an answer, which has not been, or
// is being asked.
func (s *syncer) canCheck(a *answer) bool {
	if a.checking {
		return true
	}
	slot := a.top().Slot
	for _, p := range s.sources {
		if p.serves(slot, slot) && !a.isFrom(p.ID) && !a.asked[p.ID] && !p.unproven &&
			(s.Pacer == nil || s.Pacer.Delay(p.ID, byRange, 1) < leastLate) {
			return true
		}
	}
	return false
}

// check asks another peer for the last block of an answer.
func (s *syncer) check(ctx context.Context, a *answer) {
	i := slices.IndexFunc(s.batches, func(b *batch) bool { return slices.Contains(b.answers, a) })
	b := s.batches[i]
	if a.checking {
		return
	}
	slot := a.top().Slot
	at := newBatch(slot, slot)
	for id := range a.asked {
		at.tried[id] = true
	}
	for _, id := range a.from {
		at.tried[id] = true
	}
	p, _ := s.pick(time.Now(), at, (*source).faster)
	if p == nil {
		return
	}
	a.checking = true
	s.startCheck(ctx, p, b, a)
}

// prove asks sources that would hold others up for a block that is known already, which nothing waits for.
func (s *syncer) prove(ctx context.Context, now time.Time) {
	for _, p := range s.sources {
		if !s.holdsUp(p) || p.inFlight > 0 || !s.free(p, now, 1) {
			continue
		}
		for _, b := range s.batches {
			if len(b.answers) == 0 || len(b.answers[0].blocks) == 0 {
				continue
			}
			a := b.answers[0]
			slot := a.top().Slot
			if p.serves(slot, slot) && !a.isFrom(p.ID) && !a.asked[p.ID] {
				s.startCheck(ctx, p, b, a)
				break
			}
		}
	}
}

// startCheck asks a source for the last block of an answer.
func (s *syncer) startCheck(ctx context.Context, p *source, b *batch, a *answer) {
	if a.asked == nil {
		a.asked = make(map[peer.ID]bool)
	}
	a.asked[p.ID] = true
	slot := a.top().Slot
	s.start(ctx, &attempt{batch: b, source: p, first: slot, last: slot, check: a, urgent: true})
}

// checked takes note of the block that a peer has sent for the last one of an answer.
func (s *syncer) checked(a *attempt, now time.Time) {
	p := a.source
	if a.err != nil && !isUnavailable(a.err) {
		s.failed(a, now)
		return
	}
	p.gave()
	if a.err != nil {
		return
	}
	if len(a.blocks) > 0 {
		p.took(now.Sub(a.began), a.wire, s.Batch)
	}
	if s.holdsUp(p) {
		p.rest = now.Add(maxBackoff)
	}
	if len(a.blocks) > 0 && a.blocks[0].Root == a.check.top().Root {
		a.check.add(p.ID)
	} else {
		a.check.denied++
		a.batch.doubted = true // Its whole answer shows more.
	}
}
