package limits

import (
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// How long an exchange is withheld its first chunk, from the end of its request, and every further one, from the end of
// the one before. Deployed requesters give up after 5 s and 10 s; what remains is for the network.
const (
	firstChunkWithin = 4 * time.Second
	nextChunkWithin  = 8 * time.Second
)

// requestBytes is charged for every request that waits for its share, beside the chunks, so that empty answers are not
// free. It is about what a stream costs on the wire.
const requestBytes = 1 << 10

// An exchange is one from its request on. It is used again, by other exchanges. What it has is its goroutine's, but for
// passed and wake, and for all that pool.take changes while it waits.
type exchange struct {
	limiter  *Limiter
	shard    *shard
	usage    *usage
	admitted bool
	due      time.Duration // when the next chunk goes even on overdraft
	ask      cost          // of the peer's own budget: what the handler asks for
	want     cost          // of every pool
	held     cost          // of the peer's own budget, reserved and not settled
	weight   float64       // that it was reserved at
	beyond   uint64        // bytes that the last chunk took over those reserved for it
	chunks   uint64        // how many are promised
	holds    [3]hold
	levels   int     // of holds
	charged  uint64  // for what is held, if it had to wait for its share of that
	share    float64 // that it was charged for

	tag    float64 // its place in a queue
	passed bool
	wake   chan struct{}
	next   *exchange // among the shard's spare ones
}

// exchange returns one for what a peer uses of a method. The shard is locked.
func (l *Limiter) exchange(sh *shard, u *usage) *exchange {
	p := sh.spare
	if p == nil {
		p = &exchange{limiter: l, shard: sh, wake: make(chan struct{}, 1)}
	} else {
		sh.spare, p.next = p.next, nil
	}
	p.usage, p.levels = u, 0
	if u.prefix != nil {
		p.join(u.prefix)
	}
	if u.method.pool.limited() {
		p.join(&u.method.pool)
	}
	p.join(&l.node.pool)
	return p
}

func (p *exchange) join(s *pool) {
	p.holds[p.levels] = hold{pool: s}
	p.levels++
}

// put is given an exchange that is over. The shard is locked.
func (p *exchange) put() {
	p.usage = nil
	p.shard.spare, p.next = p, p.shard.spare
}

// get takes what p asks for from the peer's own budget and from the shared ones. If it fails, p is discarded unless it
// was admitted before. shard.mu must be held; it is released while waiting.
func (p *exchange) get(ctx context.Context, now time.Duration, s stage) error {
	now, err := p.own(ctx, now, s)
	if err == nil {
		err = p.pass(ctx, now, s)
	}
	return err
}

// own waits until the peer's own budget and its other exchanges let p go on, and takes what p asks for of that. From
// due on it takes it on overdraft. If it fails, p is discarded unless it was admitted before. It returns the time at
// which it returns. shard.mu must be held; it is released while waiting.
func (p *exchange) own(ctx context.Context, now time.Duration, s stage) (time.Duration, error) {
	u := p.usage
	if now < p.due {
		if u.queued(s) == 0 && p.ownAt(s) <= now {
			p.takeOwn(now, s)
			return now, nil
		}
		p.tag = 0
		err := p.await(ctx, &p.shard.mu, u.queue(s), func(now time.Duration) time.Duration { return u.serve(now, s) })
		now = p.limiter.now()
		switch {
		case err == nil && p.passed:
			return now, nil
		case err != nil && p.passed:
			p.fail(now, s)
			return now, err
		case err != nil:
			p.drop(s)
			return now, err
		}
	}
	most, owes := (1+overdraft)*p.limiter.config.MaxConcurrent, &p.want
	if s == admission {
		owes = &cost{requests: 1, items: 1, bytes: 1}
	}
	if s == admission && int(u.slots) >= most || u.budget.overdrawn(&u.method.rates, now, owes, u.peer.weight) {
		p.drop(s)
		return now, ErrOverdrawn
	}
	p.takeOwn(now, s)
	return now, nil
}

// drop gives up an exchange that holds nothing and was not admitted. The shard is locked.
func (p *exchange) drop(s stage) {
	if s == admission {
		p.put()
	}
}

// ownAt returns when the peer's own budget lets p go on, as far as can be told. The shard is locked.
func (p *exchange) ownAt(s stage) time.Duration {
	u, first := p.usage, items
	if s == admission {
		if int(u.slots) >= p.limiter.config.MaxConcurrent {
			return never
		}
		first = requests
	}
	return u.budget.readyAt(&u.method.rates, &p.ask, u.peer.weight, first)
}

// takeOwn takes what p asks for of the peer's own budget. The shard is locked.
func (p *exchange) takeOwn(now time.Duration, s stage) {
	u := p.usage
	p.weight = u.peer.weight
	u.budget.take(&u.method.rates, now, &p.ask, p.weight, true, &p.held)
	if s == admission {
		u.slots++
		u.peer.standing.begin(now)
	}
}

// serve lets those pass that can, and returns when the next may. The shard is locked.
func (u *usage) serve(now time.Duration, s stage) time.Duration {
	q := u.queue(s)
	for len(*q) > 0 {
		p := (*q)[0]
		if at := p.ownAt(s); at > now {
			return at
		}
		p.takeOwn(now, s)
		q.pass(0)
	}
	return never
}

// pass takes what p asks for from the shared budgets, and waits where it has to. From due on it takes it on overdraft.
// If it fails, p holds nothing, and is discarded unless it was admitted before. shard.mu must be held; it is released
// while waiting.
func (p *exchange) pass(ctx context.Context, now time.Duration, s stage) error {
	var err error
	passed := now < p.due && p.passFreely(now, s)
	if !passed && now < p.due {
		passed, err = p.passInTurn(ctx, now, s)
		now = p.limiter.now()
	}
	if !passed && err == nil {
		if _, lacks := p.take(now, s, true); lacks != nil {
			err = ErrOverCapacity
		}
	}
	if err != nil {
		p.fail(now, s)
		return err
	}
	if s == chunk {
		// While a chunk is fetched and written, which may be for long if the peer does not read, the exchange needs no
		// promise.
		p.promise(&cost{requests: 1})
		return nil
	}
	p.held, p.charged, p.admitted = cost{}, 0, true
	for i := range p.levels {
		p.holds[i].taken = cost{} // it is spent
	}
	p.usage.active++
	return nil
}

// take takes what p wants of every pool, all or nothing, on overdraft if force is set. If it fails it returns the pool
// that lacks something, and when to try again, as far as can be told.
func (p *exchange) take(now time.Duration, s stage, force bool) (at time.Duration, lacks *pool) {
	for i := range p.levels {
		if at, ok := p.holds[i].take(now, p, s, force); !ok {
			for j := range i {
				p.holds[j].settle(now, &nothing)
				if s == admission {
					p.holds[j].promise(&nothing, whatever)
				}
			}
			return at, p.holds[i].pool
		}
	}
	return now, nil
}

// passFreely takes what p wants if there is enough and nobody waits for it. An exchange that needs no promise waits for
// nobody who does. The shard is locked.
func (p *exchange) passFreely(now time.Duration, s stage) bool {
	n := &p.limiter.node
	isSmall := s == admission && p.promised()[items] == 0
	if n.waiting[s].Load() > 0 && !isSmall {
		n.mu.Lock()
		heldUp := n.isHeldUp(p, s)
		n.mu.Unlock()
		if heldUp {
			return false
		}
	}
	_, lacks := p.take(now, s, false)
	return lacks == nil
}

// passInTurn waits for the share of p, and reports whether it got it before it was due. shard.mu must be held; it is
// released while waiting.
func (p *exchange) passInTurn(ctx context.Context, now time.Duration, s stage) (bool, error) {
	l, peer := p.limiter, p.usage.peer
	_, _ = l.peer(p.shard, l.key(peer.id), peer.id, now) // an exchange may go on for long, and the peer's weight change
	p.charged = requestBytes
	if s == chunk {
		p.charged = p.want[bytes]
	}
	n := &l.node
	n.mu.Lock()
	fresh := peer.standing.isNew()
	n.clock.count(now, 1, fresh)
	n.waiting[s].Add(1)
	p.share = peer.weight * peer.standing.factor(n.clock.fresh)
	p.tag = peer.charge(n.clock.value, p.charged, p.share)
	p.shard.mu.Unlock()
	err := p.await(ctx, &n.mu, &n.queues[s], func(now time.Duration) time.Duration { return n.serve(now, s) })
	n.waiting[s].Add(-1)
	n.clock.count(l.now(), -1, fresh)
	n.mu.Unlock()
	p.shard.mu.Lock()
	return p.passed, err
}

// promised returns what p is promised of every pool between chunks: a place, and so many chunks every 8 s. That is two
// for a first chunk within 4 s, and one for every further.
func (p *exchange) promised() *cost {
	size := p.usage.method.chunkSize()
	if size <= smallChunk {
		return &cost{requests: 1}
	}
	return &cost{requests: 1, items: p.chunks, bytes: p.chunks * size}
}

// promise makes c what p is promised of every pool, whether there is room for that or not. While there is none nobody
// else is admitted. The shard is locked.
func (p *exchange) promise(c *cost) {
	for i := range p.levels {
		p.holds[i].promise(c, whatever)
	}
	p.limiter.node.wake()
}

// fail gives back what p holds, for nothing came of it. The shard is locked.
func (p *exchange) fail(now time.Duration, s stage) {
	p.settle(now, &nothing)
	if s == admission {
		p.end()
		return
	}
	p.limiter.node.wake()
}

// settle corrects what is held to what was used. The shard is locked.
func (p *exchange) settle(now time.Duration, used *cost) {
	l, u := p.limiter, p.usage
	u.budget.settle(&u.method.rates, now, &p.held, used, p.weight)
	p.held = cost{}
	for i := range p.levels {
		p.holds[i].settle(now, used)
	}
	if p.charged > 0 {
		l.node.mu.Lock()
		u.peer.correct(p.charged, used[bytes], p.share)
		l.node.mu.Unlock()
		p.charged = 0
	}
	u.wake()
}

// end ends the exchange and frees its slot. The shard is locked.
func (p *exchange) end() {
	u := p.usage
	p.promise(&nothing)
	if p.admitted {
		u.active--
	}
	p.held, p.charged, p.admitted = cost{}, 0, false
	u.slots--
	u.wake()
	p.put()
}

// A handle is what a server has of an exchange, until it releases it: other ones use the exchange later, and handles
// are not used again.
type handle struct{ exchange atomic.Pointer[exchange] }

// handlesAtATime is how many handles are allocated at a time.
const handlesAtATime = 256

// handle returns a new one. The shard is locked.
func (sh *shard) handle(p *exchange) *handle {
	if len(sh.handles) == 0 {
		sh.handles = make([]handle, handlesAtATime)
	}
	h := &sh.handles[0]
	sh.handles = sh.handles[1:]
	h.exchange.Store(p)
	return h
}

var errReleased = errors.New("limits: exchange was released")

// Reserve implements [reqresp.Admission]. A reservation that was never settled is given back by the next.
func (h *handle) Reserve(ctx context.Context, c reqresp.Cost) error {
	p := h.exchange.Load()
	if p == nil {
		return errReleased
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	return refused(p.usage.peer.id, p.usage.method.name, p.reserve(ctx, c))
}

// reserve waits until c may be used. shard.mu must be held; it is released while waiting.
func (p *exchange) reserve(ctx context.Context, c reqresp.Cost) error {
	now := p.limiter.now()
	if p.held != (cost{}) || p.holds[p.levels-1].taken != (cost{}) {
		p.settle(now, &nothing)
		p.promise(p.promised())
	}
	p.ask = cost{items: c.Items, bytes: c.Bytes}
	// The peer's own budget can be told later what was used, but of what is shared others wait for their part.
	p.want = cost{items: c.Items, bytes: p.expect()}
	return p.get(ctx, now, chunk)
}

// expect returns how many bytes the next chunk takes, as far as can be told. Handlers may not know what they will send,
// and reserve nothing or too little. If that were believed all that wait would pass at once, each on next to nothing,
// and nothing be left to share by weight.
func (p *exchange) expect() uint64 {
	if p.ask[bytes] == 0 {
		return p.usage.method.chunkSize()
	}
	return p.ask[bytes] + min(p.beyond, math.MaxUint64-p.ask[bytes])
}

// Settle implements [reqresp.Admission].
func (h *handle) Settle(used reqresp.Cost) {
	p := h.exchange.Load()
	if p == nil {
		return
	}
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	now, waited, u := p.limiter.now(), p.charged > 0, p.usage
	p.settle(now, &cost{items: used.Items, bytes: used.Bytes})
	if used.Items > 0 {
		u.peer.standing.read(now, waited)
		u.method.sent(used)
		p.due, p.chunks = now+nextChunkWithin, 1
		if p.beyond = 0; p.ask[bytes] > 0 {
			p.beyond = used.Bytes - min(used.Bytes, p.ask[bytes])
		}
	}
	p.promise(p.promised())
}

// Release implements [reqresp.Admission]. Nothing comes of a second time.
func (h *handle) Release() {
	p := h.exchange.Swap(nil)
	if p == nil {
		return
	}
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
	p.end()
}
