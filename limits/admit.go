package limits

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

func (l *Limiter) admit(ctx context.Context, from peer.ID, m *method) (*pace, error) {
	k := l.key(from)
	sh := l.shard(k)
	sh.mu.Lock()
	now := l.now()
	a := sh.accounts.find(k, m)
	if a == nil || l.stale(a.refreshed, now) {
		sh.mu.Unlock()
		var err error
		if a, err = l.enroll(sh, k, from, m); err != nil {
			l.refused(sh, m, from, now, err)
			return nil, err
		}
	}
	// The shard is locked.
	p := l.get(sh, a)
	asked, queued := now, a.queued()
	p.due = asked + firstChunkWithin
	err := l.refuses(p, now)
	if err == nil && p.admissionAt() > now {
		now, err = p.awaitAdmission(ctx)
	}
	if err != nil {
		p.put()
		sh.mu.Unlock()
		l.refused(sh, m, from, asked, err)
		return nil, err
	}
	p.take(now)
	now, err = p.pass(ctx, now, admission, p.due)
	if err == nil {
		n := sh.count(m)
		n.admitted++
		n.wait(now - asked)
	}
	var weight float64
	if l.observer != nil {
		weight = a.member.weight
	}
	sh.mu.Unlock()
	if err != nil {
		l.refused(sh, m, from, asked, err)
		return nil, err
	}
	if l.observer != nil {
		p.observe(Event{Kind: EventAdmitted, Delay: now - asked, Queued: queued, Weight: weight})
	}
	return p, nil
}

// refuses returns why an exchange cannot even wait. The shard is locked.
func (l *Limiter) refuses(p *pace, now time.Duration) error {
	at, a := p.admissionAt(), p.account
	switch {
	case at <= now:
		return nil
	case a.queued() >= l.config.MaxQueue:
		return ErrQueueFull
	}
	return nil
}

// awaitAdmission waits until the account lets the exchange be admitted, on overdraft once it
// is due. The shard is locked, but while waiting.
func (p *pace) awaitAdmission(ctx context.Context) (time.Duration, error) {
	a := p.account
	now, err := p.await(ctx, &a.admissions, func() time.Duration { return min(p.due, p.admissionAt()) })
	if err != nil || now < p.due {
		return now, err
	}
	most := (1 + overdraft) * p.limiter.config.MaxConcurrent
	if int(a.active) >= most || a.overdrawn(now, cost{requests: 1, items: 1, bytes: 1}) {
		return now, ErrOverdrawn
	}
	return now, nil
}

// admissionAt returns when the account lets the exchange be admitted, as far as
// can be told. The shard is locked.
func (p *pace) admissionAt() time.Duration {
	a := p.account
	if int(a.active) >= p.limiter.config.MaxConcurrent || !a.isFirst(&a.admissions, p) {
		return never
	}
	return a.readyAt(cost{requests: 1}, requests)
}

// take takes a slot and a request of the account. The shard is locked.
func (p *pace) take(now time.Duration) {
	a := p.account
	p.price = a.price
	p.held = a.budget.take(&a.method.rates, now, cost{requests: 1}, p.price)
	a.active++
	a.member.standing.begin(now)
	p.running = true
	p.want, p.promised = cost{requests: 1}, a.method.promise(2)
}

// enroll returns the peer's account for a method, up to date. It locks the
// shard, unless it fails.
func (l *Limiter) enroll(sh *shard, k key, from peer.ID, m *method) (*account, error) {
	weight, addr := l.ask(from)
	sh.mu.Lock()
	if a := sh.accounts.find(k, m); a != nil {
		// It keeps its prefix if that of a new address cannot be tracked.
		_ = l.refresh(a.member, weight, addr)
		return a, nil
	}
	sh.mu.Unlock()
	mb, err := l.member(sh, k, from)
	if err != nil {
		return nil, err
	}
	if err := l.refresh(mb, weight, addr); err != nil {
		l.forget(sh, mb)
		sh.mu.Unlock()
		return nil, err
	}
	return l.open(sh, mb, m), nil
}

// member returns the peer's record, which it makes if need be. It locks the
// shard, unless it fails.
func (l *Limiter) member(sh *shard, k key, from peer.ID) (*member, error) {
	sh.mu.Lock()
	mb := sh.members[k]
	if mb == nil {
		sh.mu.Unlock()
		if err := l.makeRoom(l.now()); err != nil {
			return nil, err
		}
		sh.mu.Lock()
		if mb = sh.members[k]; mb != nil {
			l.tracked.Add(-1) // somebody else made it meanwhile
		} else {
			l.forgetSome(sh, l.now(), forgetPerPeer)
			mb = &member{id: from, key: k, weight: 1}
			sh.members[k] = mb
		}
	}
	return mb, nil
}

// refresh brings up to date what is known of a peer. It fails for one that is new
// and whose prefix cannot be tracked. The shard is locked.
func (l *Limiter) refresh(mb *member, weight float64, addr netip.Addr) error {
	now := l.now()
	mb.refreshed, mb.weight = now, weight
	x, ok := l.prefixes.join(addr, now, l.clock.now(now))
	switch {
	case ok:
		l.prefixes.leave(mb.prefix)
		mb.prefix = x
	case len(mb.accounts) == 0:
		return fmt.Errorf("%w: %d prefixes", ErrTooManyPeers, l.config.MaxPeers)
	}
	for _, a := range mb.accounts {
		l.refreshAccount(a)
	}
	return nil
}

func (l *Limiter) refreshAccount(a *account) {
	a.refreshed, a.price = a.member.refreshed, priceOf(a.member.weight)
	a.prefix = l.prefixes.pool(a.member.prefix, a.method)
}

// ask returns what others know of a peer.
func (l *Limiter) ask(id peer.ID) (float64, netip.Addr) {
	weight, addr := 1.0, netip.Addr{}
	if l.scores != nil {
		weight = clampWeight(l.scores.Weight(id))
	}
	if l.addr != nil {
		addr = l.addr(id)
	}
	return weight, addr
}

// stale reports whether others are to be asked again about a peer of whom all is known as
// it was at a time.
func (l *Limiter) stale(refreshed, now time.Duration) bool {
	return (l.scores != nil || l.addr != nil) && now-refreshed >= refreshInterval
}

// makeRoom counts in one more peer.
func (l *Limiter) makeRoom(now time.Duration) error {
	most := l.maxPeers.Load()
	if l.tracked.Add(1) <= most {
		return nil
	}
	l.tracked.Add(-1)
	l.sweep(now)
	if l.tracked.Add(1) <= most {
		return nil
	}
	l.tracked.Add(-1)
	return fmt.Errorf("%w: %d", ErrTooManyPeers, most)
}
