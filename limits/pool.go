package limits

import (
	"context"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// A stage is what an exchange waits for.
type stage uint8

const (
	admission stage = iota // a request, and a promise of the minimum rate
	chunk                  // items and bytes
	stages
)

// promisedShare is the part of a shared capacity that may be promised to admitted exchanges. The rest is left to be
// shared by weight. Of what may be promised, exchanges that are admitted on overdraft take overdraftShare.
const (
	promisedShare  = 2
	overdraftShare = 4
)

// A pool is a capacity that peers share: a method's, a prefix's for a method, or the node's.
//
// Its rates and bounds change while everything is locked, so whoever holds a shard's lock or the node's may read them.
// The zero pool sets no bounds.
type pool struct {
	rates rates
	// most is what may be promised: of requests, how many exchanges at a time, of the others for every nextChunkWithin.
	// Zero sets no bound.
	most cost

	// Every decision writes these, and keeps its hands off the cache lines of what is read alone.
	_        [64]byte
	budget   budget
	promised [currencies]atomic.Uint64
	_        [64]byte

	short [stages]uint64 // the last serve that found too little left, guarded by node.mu
}

// set replaces the rates, and how many exchanges run at a time. Everything is locked.
func (s *pool) set(now time.Duration, to rates, concurrent int) {
	s.budget.change(&s.rates, &to, now)
	s.rates, s.most = to, cost{requests: uint64(concurrent)}
}

// setPromised has the pool promise no more than a part of its rates.
func (s *pool) setPromised() {
	for _, i := range []int{items, bytes} {
		if r := &s.rates[i]; r.n > 0 {
			s.most[i] = max(r.tokens(nextChunkWithin)/promisedShare, 1)
		}
	}
}

func (s *pool) limited() bool { return s.rates != rates{} || s.most != cost{} }

// A room is how much of what a pool may promise is open to an exchange.
type room uint8

const (
	shared    room = iota // what may be promised
	ifOverdue             // a part of that, as the exchange has not waited for it; but more exchanges at a time
	whatever              // any, as the exchange runs already
)

func (s *pool) mostFor(i int, r room) uint64 {
	switch {
	case r == ifOverdue && i == requests:
		return s.most[i] * (1 + overdraft)
	case r == ifOverdue:
		return s.most[i] / overdraftShare
	}
	return s.most[i]
}

// A hold is what an exchange holds of a pool.
type hold struct {
	pool     *pool
	taken    cost // reserved and not settled
	promised cost
}

// promise makes c what is promised to the exchange. It fails, and changes nothing, if the pool has no room for that. A
// single exchange always has room: that is slow, but not impossible.
func (h *hold) promise(c *cost, r room) bool {
	s, before := h.pool, h.promised
	for i, n := range c {
		if s.most[i] == 0 {
			n = 0
		}
		if n == before[i] {
			continue
		}
		after := s.promised[i].Add(n - before[i]) // less, if n is: it wraps around
		h.promised[i] = n
		if n > before[i] && r != whatever && after > s.mostFor(i, r) && after != n {
			h.promise(&before, whatever)
			return false
		}
	}
	return true
}

// take takes what p wants of the pool, all or nothing, on overdraft if force is set. It returns when to try again, as
// far as can be told.
func (h *hold) take(now time.Duration, p *exchange, s stage, force bool) (at time.Duration, ok bool) {
	b, r := &h.pool.budget, &h.pool.rates
	if force && b.overdrawn(r, now, &p.want, 1) {
		return never, false
	}
	room := shared
	if now >= p.due {
		room = ifOverdue
	}
	if s == admission && !h.promise(p.promised(), room) {
		return never, false // who gives up a promise wakes others
	}
	if !b.take(r, now, &p.want, 1, force, &h.taken) {
		if s == admission {
			h.promise(&nothing, whatever)
		}
		return max(b.readyAt(r, &p.want, 1, currencies), now+1), false
	}
	return now, true
}

func (h *hold) settle(now time.Duration, used *cost) {
	h.pool.budget.settle(&h.pool.rates, now, &h.taken, used, 1)
	h.taken = cost{}
}

// A queue has the exchanges that wait, ordered by tag, and those of one tag by arrival.
type queue []*exchange

func (q *queue) enter(p *exchange) {
	i := sort.Search(len(*q), func(i int) bool { return (*q)[i].tag > p.tag })
	*q = slices.Insert(*q, i, p)
}

func (q *queue) leave(p *exchange) {
	i := slices.Index(*q, p)
	*q = slices.Delete(*q, i, i+1)
}

// pass lets the i-th exchange go on.
func (q *queue) pass(i int) {
	p := (*q)[i]
	p.passed = true
	*q = slices.Delete(*q, i, i+1)
	p.wakeUp()
}

// wake has the first look again, which may be able to go earlier than it thought.
func (q queue) wake() {
	if len(q) > 0 {
		q[0].wakeUp()
	}
}

// await waits in q until serve lets p pass, or until p is due. Serve lets those pass that can, and returns when to call
// it again, which the first in q does. The lock of q is held, but while waiting. The error is the context's.
func (p *exchange) await(
	ctx context.Context, lock *sync.Mutex, q *queue, serve func(now time.Duration) time.Duration,
) error {
	p.passed = false
	q.enter(p)
	for {
		now := p.limiter.now()
		at := serve(now)
		if p.passed || now >= p.due {
			break
		}
		if (*q)[0] != p {
			at = never
		}
		lock.Unlock()
		err := p.sleep(ctx, min(at, p.due)-now)
		lock.Lock()
		if err != nil {
			if !p.passed {
				q.leave(p)
			}
			q.wake()
			return err
		}
	}
	if !p.passed {
		q.leave(p)
	}
	q.wake()
	return nil
}

// sleep waits until d has passed or somebody wakes p. It fails if ctx ends.
func (p *exchange) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wakeUp has p look again if it waits.
func (p *exchange) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default: // it will look again anyway
	}
}

// A node is what all peers share. Exchanges that find a pool short wait in its queues, one for each stage. First is the
// one whose peer was sent the least, as its tag tells. It goes when all of its pools have what it wants, and holds up
// those that share a pool which it finds short.
type node struct {
	pool
	waiting [stages]atomic.Int32 // is the lengths of queues

	// mu guards what follows, pool.short and all prefixes. It is locked after a shard.
	mu     sync.Mutex
	queues [stages]queue
	serves [stages]uint64
	clock  clock
}

// isHeldUp reports whether p has to wait for others at one of its pools. The node is locked.
func (n *node) isHeldUp(p *exchange, s stage) bool {
	for i := range p.levels {
		if short := p.holds[i].pool.short[s]; short > 0 && short == n.serves[s] {
			return true
		}
	}
	return false
}

// serve lets those pass that can, and returns when the next may. The node is locked.
func (n *node) serve(now time.Duration, s stage) time.Duration {
	n.serves[s]++
	q, next := &n.queues[s], never
	for i := 0; i < len(*q) && n.short[s] != n.serves[s]; {
		p := (*q)[i]
		if n.isHeldUp(p, s) {
			i++
			continue
		}
		at, lacks := p.take(now, s, false)
		if lacks == nil {
			n.clock.value = max(n.clock.value, p.tag)
			q.pass(i)
			continue
		}
		lacks.short[s] = n.serves[s]
		next = min(next, at)
		i++
	}
	return next
}

// wake has those look again that wait for what was given back.
func (n *node) wake() {
	if n.waiting[admission].Load() == 0 && n.waiting[chunk].Load() == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wakeLocked()
}

func (n *node) wakeLocked() {
	n.queues[admission].wake()
	n.queues[chunk].wake()
}

// A clock is the virtual time of start-time fair queueing: how many bytes a peer of weight one that waits all the time
// was sent. A peer that was sent more since is ahead of the clock, and those that are behind go first.
//
// While nobody waits there is nothing to share, and the clock runs so fast that being ahead is forgiven within the time
// the node could have sent the bytes.
type clock struct {
	value   float64
	waiting int
	fresh   int           // new peers' exchanges among those that wait
	idle    time.Duration // since when nobody waits
	speed   float64       // while nobody waits, per nanosecond
}

// now returns the virtual time.
func (c *clock) now(now time.Duration) float64 {
	if c.waiting == 0 && now > c.idle {
		c.value += c.speed * float64(now-c.idle)
		c.idle = now
	}
	return c.value
}

// set sets the speed, for a node that sends some bytes per nanosecond.
func (c *clock) set(now time.Duration, bytesPerNano float64) {
	c.now(now)
	c.speed = bytesPerNano / MinWeight
}

// count counts those that wait up or down.
func (c *clock) count(now time.Duration, n int, fresh bool) {
	c.now(now)
	c.waiting, c.idle = c.waiting+n, now
	if fresh {
		c.fresh += n
	}
}
