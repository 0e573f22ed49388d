package chainsync

import (
	"errors"
	"fmt"
	"time"
)

// mostRounds is how often all peers are asked for batches that do not link.
const mostRounds = 3

// lack returns an error if what is missing cannot be had from any peer.
func (s *syncer) lack(now time.Time) error {
	for _, b := range s.batches {
		if b.disputed && b.rounds >= mostRounds && len(b.inFlight) == 0 {
			return s.notLinked(b)
		}
	}
	first := s.missing()
	if first == nil || s.anyServes(first) {
		s.lacking = time.Time{}
		return nil
	}
	if s.lacking.IsZero() {
		s.lacking = now
	}
	if now.Sub(s.lacking) < s.Wait {
		return nil
	}
	err := fmt.Errorf("%w: slots %d to %d", ErrNoPeer, first.first, first.last)
	for _, p := range s.sources {
		if p.given != nil {
			err = fmt.Errorf("%w: peer %s: %w", err, p.ID, p.given)
		}
	}
	return err
}

// missing returns the first batch that waits for a peer, which may be the one that is next, or nil.
func (s *syncer) missing() *batch {
	for _, b := range s.batches {
		if len(b.answers) == 0 && len(b.inFlight) == 0 {
			return b
		}
	}
	if s.running > 0 || s.storing != nil {
		return nil
	}
	if !s.backward && !s.anyUsable() {
		return newBatch(s.base.Slot+1, s.base.Slot+1) // Nobody names a head.
	}
	switch {
	case !s.over() && s.backward:
		return newBatch(s.frontier-1, s.frontier-1)
	case !s.over():
		return newBatch(s.frontier, s.frontier)
	}
	return nil
}

func (s *syncer) anyUsable() bool {
	for _, p := range s.sources {
		if p.usable() {
			return true
		}
	}
	return false
}

func (s *syncer) anyServes(b *batch) bool {
	for _, p := range s.sources {
		if p.serves(b.first, b.last) {
			return true
		}
	}
	return false
}

// notLinked returns the error for a batch whose answers make no chain with those before it.
func (s *syncer) notLinked(b *batch) error {
	err := fmt.Errorf("%w: slots %d to %d after slot %d", ErrNotLinked, b.first, b.last, s.base.Slot)
	if len(b.answers) == 0 || len(b.answers[0].blocks) == 0 {
		return err
	}
	block := b.answers[0].blocks[0]
	return errors.Join(err, fmt.Errorf("parent of slot %d is %v", block.Slot, block.ParentRoot))
}
