package limits

import (
	"sync/atomic"
	"time"
)

// floorShare is the part of a shared capacity that may be promised to admitted
// exchanges at the floor. The rest is left to be shared by weight.
const floorShare = 2

// overdraftShare is the part of that up to which exchanges are admitted on overdraft.
const overdraftShare = 4

// A pool is a capacity that peers share: a method's, a prefix's for a method, or
// the node's.
//
// Its rates change while all shards and the pool's lines are locked, so whoever
// holds one of these locks may read them. The zero pool sets no bounds.
type pool struct {
	rates   rates
	limited bool
	// floor is the most that may be promised: of requests, how many exchanges at a
	// time, of the others for every nextChunkWithin. Zero sets no bound.
	floor cost

	// Every decision writes these, and keeps its hands off the cache lines of what is
	// read alone.
	_        [64]byte
	budget   budget
	promised [currencies]atomic.Uint64
	_        [64]byte

	admissions line
	chunks     line
}

// set replaces the rates and how many exchanges pass at a time. Everything is
// locked.
func (s *pool) set(now time.Duration, to rates, concurrent int) {
	s.budget.change(&s.rates, &to, now)
	s.rates = to
	s.floor = cost{requests: uint64(concurrent)}
	s.limited = to != rates{} || concurrent > 0
}

// setFloor has the pool promise no more than a part of its rates.
func (s *pool) setFloor() {
	for _, i := range []int{items, bytes} {
		if r := &s.rates[i]; r.n > 0 {
			s.floor[i] = max(r.tokens(nextChunkWithin)/floorShare, 1)
		}
	}
}

// promise commits the pool to c, and reports whether it can. A single exchange always can: that
// is slow, but not impossible. On overdraft there may be more exchanges at a time, but most of the
// floor remains for those which are not. It returns what is to be released.
func (s *pool) promise(c cost, onOverdraft bool) (cost, bool) {
	var made cost
	for i := range c {
		if s.floor[i] == 0 || c[i] == 0 {
			continue
		}
		made[i] = c[i]
		most := s.floor[i]
		switch {
		case onOverdraft && i == requests:
			most *= 1 + overdraft
		case onOverdraft:
			most /= overdraftShare
		}
		if after := s.promised[i].Add(c[i]); after > most && after != c[i] {
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
