package limits

import (
	"context"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// How long an exchange is withheld its first chunk, from the end of its request, and
// every further one, from the end of the one before. Deployed requesters give
// up after 5 s and 10 s; what remains is for the network.
const (
	firstChunkWithin = 4 * time.Second
	nextChunkWithin  = 8 * time.Second
)

// requestBytes is charged for every request that waits for its share, beside the
// chunks, so that empty answers are not free. It is about what a stream costs on
// the wire.
const requestBytes = 1 << 10

// A pace is the exchange's hold on its account and on what is shared. It is used
// again, by other exchanges. What it holds is its goroutine's, but for turn.wake.
type pace struct {
	limiter  *Limiter
	shard    *shard
	account  *account
	running  bool
	due      time.Duration // when the next chunk goes even on overdraft
	reserved uint64        // bytes that the handler asked for
	held     cost          // of the account, reserved and not settled
	price    price         // that it was reserved at
	shared   [levels]hold
	levels   int
	want     cost    // of every pool, for what it passes them
	promised cost    // of every pool that can run short, as it is admitted
	charged  uint64  // for what is held, if it waited its turn for that
	share    float64 // that it was charged for

	turn turn
	next *pace // among the shard's spare ones
}

// levels is how many pools an exchange can pass.
const levels = 3

// A hold is what an exchange holds of a pool.
type hold struct {
	pool     *pool
	taken    cost // reserved and not settled
	promised cost
}

// get returns a pace for an account. The shard is locked.
func (l *Limiter) get(sh *shard, a *account) *pace {
	p := sh.spare
	if p == nil {
		p = &pace{limiter: l, shard: sh, turn: turn{wake: make(chan struct{}, 1)}}
	} else {
		sh.spare, p.next = p.next, nil
	}
	p.account, p.levels = a, 0
	// Specific ones before general ones: what is held of the former while waiting
	// for the latter keeps nobody else from anything.
	if a.prefix != nil {
		p.join(a.prefix)
	}
	if a.method.pool.limited {
		p.join(&a.method.pool)
	}
	p.join(&l.node)
	return p
}

func (p *pace) join(s *pool) {
	p.shared[p.levels] = hold{pool: s}
	p.levels++
}

// put is given a pace whose exchange is over. The shard is locked.
func (p *pace) put() {
	p.account = nil
	p.shard.spare, p.next = p, p.shard.spare
}

// Reserve implements [reqresp.Admission]. A reservation that was never settled is
// given back by the next.
func (p *pace) Reserve(ctx context.Context, c reqresp.Cost) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.shard.mu.Lock()
	asked := p.limiter.now()
	now, err := p.reserve(ctx, asked, cost{items: c.Items, bytes: c.Bytes})
	overdue := now >= p.due && err == nil
	n := p.shard.count(p.account.method)
	n.wait(now - asked)
	if overdue {
		n.overdue++
	}
	if err != nil {
		n.refuse(err)
	}
	p.shard.mu.Unlock()
	if isRefusal(err) {
		err = &refusal{p.account.member.id, p.account.method.name, err}
	}
	if p.limiter.observer != nil {
		p.observe(Event{Kind: EventGranted, Cost: c, Delay: now - asked, Overdue: overdue, Err: err})
	}
	return err
}

// reserve returns the time it is when c may be used. The shard is locked, but
// while waiting.
func (p *pace) reserve(ctx context.Context, now time.Duration, c cost) (time.Duration, error) {
	a := p.account
	p.giveBack(now)
	if p.chunkAt(c) > now {
		var err error
		now, err = p.await(ctx, &a.reservations, func() time.Duration { return p.chunkAt(c) })
		if err != nil {
			return now, err
		}
	}
	// The account can be told later what it used, but of what is shared others wait
	// for their part.
	p.reserved = c[bytes]
	p.want = c
	p.want[bytes] = a.method.expectOver(p.reserved)
	if now >= p.due && a.overdrawn(now, p.want) {
		return now, ErrOverdrawn
	}
	p.price = a.price
	p.held = a.budget.take(&a.method.rates, now, c, p.price)
	return p.pass(ctx, now, chunk, p.due)
}

// Settle implements [reqresp.Admission].
func (p *pace) Settle(used reqresp.Cost) {
	p.shard.mu.Lock()
	now, waited := p.limiter.now(), p.charged > 0
	p.settle(now, cost{items: used.Items, bytes: used.Bytes})
	if used.Items > 0 {
		p.account.member.standing.read(now, waited)
		m := p.account.method
		m.sent(p.reserved, used)
		p.shard.count(m).send(used)
		p.due = now + nextChunkWithin
		p.promised = m.promise(1)
	}
	p.renew()
	p.shard.mu.Unlock()
	if p.limiter.observer != nil && used.Items > 0 {
		p.observe(Event{Kind: EventSent, Cost: used})
	}
}

// settle corrects what is held to what was used. The shard is locked.
func (p *pace) settle(now time.Duration, used cost) {
	p.account.settle(now, p.held, used, p.price)
	p.held = cost{}
	for i := range p.levels {
		p.shared[i].settle(now, used)
	}
	if p.charged > 0 {
		p.account.member.correct(p.charged, used[bytes], p.share)
		p.charged = 0
	}
}

// giveBack gives back what is held. The shard is locked.
func (p *pace) giveBack(now time.Duration) {
	if p.held != (cost{}) || p.shared[p.levels-1].taken != (cost{}) {
		p.settle(now, cost{})
		p.renew()
	}
}

func (h *hold) settle(now time.Duration, used cost) {
	h.pool.budget.settle(&h.pool.rates, now, h.taken, used, parPrice)
	h.taken = cost{}
	h.pool.admissions.nudge()
	h.pool.chunks.nudge()
}

// Release implements [reqresp.Admission]. It is the only place that frees the slot.
// It panics if the exchange was released before.
func (p *pace) Release() {
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	if !p.running {
		panic("limits: exchange released twice")
	}
	p.running = false
	p.drop()
	p.end()
}

// end frees the account's slot. The shard is locked.
func (p *pace) end() {
	a := p.account
	p.held, p.charged = cost{}, 0
	a.active--
	a.nudge()
	p.put()
}

// chunkAt returns when the account lets a chunk that costs c be sent, as far as
// can be told. The shard is locked.
func (p *pace) chunkAt(c cost) time.Duration {
	a := p.account
	if !a.isFirst(&a.reservations, p) {
		return p.due
	}
	return min(p.due, a.readyAt(c, items))
}

// await waits in q until the time that at returns has come, and returns the
// time it is then. The shard is locked, but while waiting.
func (p *pace) await(ctx context.Context, q *queue, at func() time.Duration) (time.Duration, error) {
	a := p.account
	a.enter(q, p)
	defer func() {
		a.leave(q, p)
		a.nudge()
	}()
	for {
		now := p.limiter.now()
		wait := at() - now
		if wait <= 0 {
			return now, nil
		}
		p.shard.mu.Unlock()
		err := p.sleep(ctx, wait)
		p.shard.mu.Lock()
		if err != nil {
			return p.limiter.now(), err
		}
	}
}

// sleep waits until d has passed or somebody wakes p. It fails if ctx ends.
func (p *pace) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.turn.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// wakeUp has p look again if it waits.
func (p *pace) wakeUp() {
	select {
	case p.turn.wake <- struct{}{}:
	default: // it will look again anyway
	}
}
