package limits

import (
	"context"
	"math"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// How long an exchange is withheld its first chunk, from its admission, and
// every further one, from the end of the one before. Deployed requesters give
// up after 5 s and 10 s; what remains is for the network.
const (
	firstChunkWithin = 4 * time.Second
	nextChunkWithin  = 8 * time.Second
)

const never = time.Duration(math.MaxInt64)

// A pace is the exchange's hold on its account. It is used again, by the same
// account only.
type pace struct {
	limiter *Limiter
	account *account
	wake    chan struct{} // made by the first wait
	running bool
	due     time.Duration // when the next chunk goes even on debt
	held    cost          // reserved and not settled
	next    *pace         // among the account's spare ones
}

// Reserve implements [reqresp.Pace]. A reservation that was never settled is
// given back by the next.
func (p *pace) Reserve(ctx context.Context, c reqresp.Cost) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	want := cost{items: c.Items, bytes: c.Bytes}
	l, a := p.limiter, p.account
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if p.held != (cost{}) {
		p.settle(now, cost{})
	}
	if p.chunkAt(want) > now {
		var err error
		now, err = p.await(ctx, &a.reservations, func() time.Duration { return p.chunkAt(want) })
		if err != nil {
			return err
		}
	}
	p.held = a.take(now, want)
	return nil
}

// Settle implements [reqresp.Pace].
func (p *pace) Settle(used reqresp.Cost) {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	p.settle(now, cost{items: used.Items, bytes: used.Bytes})
	if used.Items > 0 {
		p.due = now + nextChunkWithin
	}
}

func (p *pace) settle(now time.Duration, used cost) {
	p.account.settle(now, p.held, used)
	p.held = cost{}
}

// Release implements [reqresp.Pace]. It is the only place that frees the slot.
// It panics if the exchange was released before.
func (p *pace) Release() {
	l, a := p.limiter, p.account
	l.mu.Lock()
	defer l.mu.Unlock()
	if !p.running {
		panic("limits: exchange released twice")
	}
	p.running = false
	p.held = cost{}
	a.active--
	a.put(p)
	a.nudge()
}

// admissionAt returns when the exchange may be admitted, as far as can be told.
// The limiter is locked.
func (p *pace) admissionAt() time.Duration {
	a := p.account
	if a.active >= p.limiter.maxConcurrent || !a.admissions.isFirst(p) {
		return never
	}
	return a.readyAt(cost{requests: 1})
}

// admit admits the exchange. The limiter is locked.
func (p *pace) admit(now time.Duration) {
	p.account.take(now, cost{requests: 1})
	p.account.active++
	p.running = true
	p.due = now + firstChunkWithin
}

// chunkAt returns when a chunk that costs c may be sent, as far as can be told.
// The limiter is locked.
func (p *pace) chunkAt(c cost) time.Duration {
	if !p.account.reservations.isFirst(p) {
		return p.due
	}
	return min(p.due, p.account.readyAt(c))
}

// await waits in q until the time that at returns has come, and returns the
// time it is then. The limiter is locked, but while waiting.
func (p *pace) await(ctx context.Context, q *line, at func() time.Duration) (time.Duration, error) {
	l := p.limiter
	if p.wake == nil {
		p.wake = make(chan struct{}, 1)
	}
	*q = append(*q, p)
	defer func() {
		q.leave(p)
		p.account.nudge()
	}()
	for {
		now := l.now()
		wait := at() - now
		if wait <= 0 {
			return now, nil
		}
		l.mu.Unlock()
		err := p.sleep(ctx, wait)
		l.mu.Lock()
		if err != nil {
			return 0, err
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
	case <-p.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
