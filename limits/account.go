package limits

import (
	"math"
	"slices"
	"time"
)

// The currencies that a method is paid for in.
const (
	requests = iota
	items
	bytes
	currencies
)

type cost [currencies]uint64

// A method is what all accounts for it share.
type method struct {
	name  string
	index int // of its account among a peer's
	rates [currencies]rate
}

func (q Quota) compile() [currencies]rate {
	return [currencies]rate{
		requests: q.Requests.compile(),
		items:    q.Items.compile(),
		bytes:    q.Bytes.compile(),
	}
}

// An account is what one peer uses of one method. It is guarded by its
// limiter's lock.
type account struct {
	method       *method
	buckets      [currencies]bucket
	active       int   // exchanges admitted
	admissions   line  // those which wait to be
	reservations line  // of those active, the ones which wait for a chunk
	spare        *pace // those which no exchange has, linked
	first        pace  // is beside what it needs
}

func newAccount(l *Limiter, m *method) *account {
	a := &account{method: m}
	a.first = pace{limiter: l, account: a}
	a.spare = &a.first
	return a
}

// get returns a pace that no exchange has.
func (a *account) get() *pace {
	p := a.spare
	if p == nil {
		return &pace{limiter: a.first.limiter, account: a}
	}
	a.spare, p.next = p.next, nil
	return p
}

// put is given a pace whose exchange is over.
func (a *account) put(p *pace) {
	a.spare, p.next = p, a.spare
}

// idle reports whether the account could be replaced by a new one.
func (a *account) idle(now time.Duration) bool {
	return a.active == 0 && len(a.admissions) == 0 && time.Duration(slices.Max(a.buckets[:])) <= now
}

// readyAt returns when c can be paid.
func (a *account) readyAt(c cost) time.Duration {
	at := time.Duration(math.MinInt64)
	for i := range a.buckets {
		at = max(at, a.buckets[i].readyAt(&a.method.rates[i], c[i]))
	}
	return at
}

// take takes c and returns what was taken.
func (a *account) take(now time.Duration, c cost) cost {
	for i := range a.buckets {
		c[i] = a.buckets[i].take(&a.method.rates[i], now, c[i])
	}
	return c
}

// settle corrects what was taken to what was used.
func (a *account) settle(now time.Duration, taken, used cost) {
	for i := range a.buckets {
		a.buckets[i].settle(&a.method.rates[i], now, taken[i], used[i])
	}
	a.nudge()
}

// change carries the buckets over from the method's rates to others.
func (a *account) change(now time.Duration, to *[currencies]rate) {
	for i := range a.buckets {
		a.buckets[i].change(&a.method.rates[i], &to[i], now)
	}
}

// nudge has those look again who may be able to go on earlier than they
// thought.
func (a *account) nudge() {
	a.admissions.nudge()
	a.reservations.nudge()
}

// A line is where paces wait for their turn, in order of arrival.
type line []*pace

// isFirst reports whether nobody waits before p.
func (q line) isFirst(p *pace) bool {
	return len(q) == 0 || q[0] == p
}

func (q *line) leave(p *pace) {
	if i := slices.Index(*q, p); i >= 0 {
		*q = slices.Delete(*q, i, i+1)
	}
}

func (q line) nudge() {
	if len(q) > 0 {
		select {
		case q[0].wake <- struct{}{}:
		default: // it will look again anyway
		}
	}
}
