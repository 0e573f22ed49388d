package limits

import (
	"sync/atomic"
	"time"
)

// floorShare is the part of a shared capacity that may be promised to admitted
// exchanges at the floor. The rest is left to be shared by weight.
const floorShare = 2

// A pool is a capacity that peers share: a method's, a prefix's for a method, or
// the node's.
//
// Its rates change while all shards and the pool's lines are locked, so whoever
// holds one of these locks may read them. The zero pool sets no bounds.
type pool struct {
	rates   rates
	limited bool
	floor   cost // the most that may be promised, for every nextChunkWithin

	budget   budget
	promised [currencies]atomic.Uint64

	admissions line
	chunks     line
}

// set replaces the rates. Everything is locked.
func (s *pool) set(now time.Duration, to rates, promises bool) {
	s.budget.change(&s.rates, &to, now)
	s.rates, s.limited, s.floor = to, to != rates{}, cost{}
	if !promises {
		return
	}
	for i := range to {
		if to[i].n > 0 {
			s.floor[i] = max(to[i].tokens(nextChunkWithin)/floorShare, 1)
		}
	}
}

// promise commits the pool to c for every nextChunkWithin, and reports whether
// it can. A single exchange always can: that is slow, but not impossible. It
// returns what is to be released.
func (s *pool) promise(c cost) (cost, bool) {
	var made cost
	for i := range c {
		if s.floor[i] == 0 || c[i] == 0 {
			continue
		}
		made[i] = c[i]
		if after := s.promised[i].Add(c[i]); after > s.floor[i] && after != c[i] {
			s.release(made)
			return cost{}, false
		}
	}
	return made, true
}

// renew commits the pool as promise does, whether it can or not.
func (s *pool) renew(c cost) cost {
	for i := range c {
		if s.floor[i] == 0 || c[i] == 0 {
			c[i] = 0
			continue
		}
		s.promised[i].Add(c[i])
	}
	return c
}

// release takes back what was promised.
func (s *pool) release(c cost) {
	for i := range c {
		if c[i] > 0 {
			s.promised[i].Add(-c[i])
		}
	}
}

// lock stops all who wait from looking at the pool.
func (s *pool) lock() {
	s.admissions.mu.Lock()
	s.chunks.mu.Lock()
}

// unlock has them look again.
func (s *pool) unlock() {
	s.admissions.nudgeLocked()
	s.chunks.nudgeLocked()
	s.chunks.mu.Unlock()
	s.admissions.mu.Unlock()
}
