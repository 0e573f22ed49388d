package limits

import (
	"context"
	"time"
)

// A stage is what an exchange passes the pools for.
type stage uint8

const (
	admission stage = iota // a request, and a promise of the floor
	chunk                  // items and bytes
)

func (h *hold) line(s stage) *line {
	if s == admission {
		return &h.pool.admissions
	}
	return &h.pool.chunks
}

// smallChunk is the size up to which chunks are promised nothing: what a status
// or a ping takes is nothing to be short of.
const smallChunk = 4 << 10

// promise is what an exchange of a method is promised: its place, and so many
// chunks every 8 s. That is two for a first chunk within 4 s, and one for every
// further.
func (m *method) promise(chunks uint64) cost {
	size := m.expect()
	if size <= smallChunk {
		return cost{requests: 1}
	}
	return cost{requests: 1, items: chunks, bytes: chunks * size}
}

// pass takes what p wants of one pool after the other, and waits in their lines
// where it has to. From due on it takes it on overdraft. If it fails p holds nothing,
// and is no more if it was to be admitted. It returns the time it is then. The shard is
// locked, but while waiting.
func (p *pace) pass(ctx context.Context, now time.Duration, s stage, due time.Duration) (time.Duration, error) {
	i := 0
	if due > now || s == admission {
		i = p.passFreely(now, s)
	}
	var err error
	if due > now && i < p.levels {
		var overdue bool
		overdue, err = p.passInTurn(ctx, now, s, due, i)
		now = p.limiter.now()
		if !overdue {
			i = p.levels
		}
	}
	for ; i < p.levels && err == nil; i++ {
		err = p.force(now, s, &p.shared[i])
	}
	if err != nil {
		p.fail(now, s)
		return now, err
	}
	if s == admission {
		p.begin()
	} else {
		p.lend()
	}
	return now, nil
}

// passFreely passes the pools which have enough and nobody waiting, and returns
// the first that is not so.
func (p *pace) passFreely(now time.Duration, s stage) int {
	small := s == admission && p.promised[items] == 0
	for i := range p.levels {
		h := &p.shared[i]
		if h.line(s).waiting.Load() > 0 && !small {
			return i
		}
		if _, ok := p.try(now, s, h); !ok {
			return i
		}
	}
	return p.levels
}

// try takes what p wants of one pool, all or nothing. It returns when to try
// again, as far as can be told.
func (p *pace) try(now time.Duration, s stage, h *hold) (time.Duration, bool) {
	pool := h.pool
	taken, ok := pool.budget.tryTake(&pool.rates, now, p.want)
	if !ok {
		return max(pool.budget.sharedAt(&pool.rates, p.want), now+1), false
	}
	h.taken = taken
	if s == chunk {
		return now, true
	}
	if h.promised, ok = pool.promise(p.promised, now >= p.due); !ok {
		pool.budget.settle(&pool.rates, now, taken, cost{}, parPrice)
		h.taken = cost{}
		return never, false // who releases a promise will tell
	}
	return now, true
}

// force takes what p wants of one pool, on overdraft if need be. It fails if too much is owed
// already, or if an exchange could not be kept up at the floor once it was admitted.
func (p *pace) force(now time.Duration, s stage, h *hold) error {
	if h.taken != (cost{}) {
		return nil
	}
	pool := h.pool
	if pool.budget.overdrawn(&pool.rates, now, p.want, parPrice) {
		return ErrOverCapacity
	}
	if s == admission {
		var ok bool
		if h.promised, ok = pool.promise(p.promised, true); !ok {
			return ErrOverCapacity
		}
	}
	h.taken = pool.budget.take(&pool.rates, now, p.want, parPrice)
	return nil
}

// passInTurn waits in the lines of the pools from the first on that cannot be
// passed freely. It reports whether it became overdue in one. The shard is
// locked, but while waiting.
func (p *pace) passInTurn(ctx context.Context, now time.Duration, s stage, due time.Duration, first int) (overdue bool, err error) {
	l, m := p.limiter, p.account.member
	p.reweigh(now)
	p.charged = requestBytes
	if s == chunk {
		p.charged = p.want[bytes]
	}
	p.turn.fresh = m.standing.isNew()
	virtual, newPeers := l.clock.join(now, p.turn.fresh)
	p.share = m.weight * m.standing.factor(newPeers)
	p.turn.tag = m.charge(virtual, p.charged, p.share)
	p.shard.mu.Unlock()
	for i := first; i < p.levels && !overdue && err == nil; i++ {
		h := &p.shared[i]
		overdue, err = h.line(s).await(ctx, p, due, func(now time.Duration) (time.Duration, bool) { return p.try(now, s, h) })
	}
	l.clock.leave(l.now(), &p.turn, err == nil && !overdue)
	p.shard.mu.Lock()
	return overdue, err
}

// reweigh looks up the peer's weight again if it is stale, for an exchange may go
// on for long. The shard is locked, but while others are asked.
func (p *pace) reweigh(now time.Duration) {
	l, m := p.limiter, p.account.member
	if !l.stale(m.refreshed, now) {
		return
	}
	m.refreshed = now // so that nobody else asks meanwhile
	p.shard.mu.Unlock()
	weight, addr := l.ask(m.id)
	p.shard.mu.Lock()
	// A member with an account stays in its prefix if that of a new address cannot
	// be tracked.
	_ = l.refresh(m, weight, addr)
}

// begin begins an exchange that was admitted: what it took so far is spent.
func (p *pace) begin() {
	p.held, p.charged = cost{}, 0
	for i := range p.levels {
		p.shared[i].taken = cost{}
	}
}

// fail gives back what p holds, for nothing came of it. The shard is locked.
func (p *pace) fail(now time.Duration, s stage) {
	p.settle(now, cost{})
	if s == admission {
		p.drop()
		p.end()
	}
}

// lend takes back what was promised of chunks while one is fetched and written,
// which may be for long if the peer does not read: it needs the promise again only
// to wait for the next. The shard is locked.
func (p *pace) lend() {
	for i := range p.levels {
		p.shared[i].lend()
	}
}

// renew promises again, whether there is room for that or not. While there is
// none nobody else is admitted. The shard is locked.
func (p *pace) renew() {
	again := cost{items: p.promised[items], bytes: p.promised[bytes]}
	for i := range p.levels {
		h := &p.shared[i]
		h.lend()
		got := h.pool.renew(again)
		h.promised[items], h.promised[bytes] = got[items], got[bytes]
	}
}

// drop takes back all that was promised. The shard is locked.
func (p *pace) drop() {
	for i := range p.levels {
		h := &p.shared[i]
		h.release(h.promised)
		h.promised = cost{}
	}
}

func (h *hold) lend() {
	h.release(cost{items: h.promised[items], bytes: h.promised[bytes]})
	h.promised[items], h.promised[bytes] = 0, 0
}

func (h *hold) release(c cost) {
	if c != (cost{}) {
		h.pool.release(c)
		h.pool.admissions.nudge()
	}
}
