package limits

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Times here are durations since the limiter was made.

// A debt is bounded in two ways. Nothing more is granted on overdraft once overdraft bursts are owed, or that many
// times what is wanted if this is more. Of a single cost no more is owed than a burst and what maxDebt pays off.
const (
	overdraft = 2
	maxDebt   = 10 * time.Minute
)

// maxSpan is the longest span, and leaves room to add a few.
const maxSpan = time.Duration(1 << 60)

const (
	always = time.Duration(math.MinInt64)
	never  = time.Duration(math.MaxInt64)
)

// The currencies that costs are paid in.
const (
	requests = iota
	items
	bytes
	currencies
)

// A cost is passed by pointer where a decision is made: Go copies an array through memory, which takes longer than most
// of the arithmetic here.
type cost [currencies]uint64

var nothing cost

// A rate is a Rate, ready for the arithmetic. That is in whole nanoseconds, so that waits are exact. The zero rate sets
// no bound.
type rate struct {
	n     uint64
	per   uint64 // nanoseconds
	burst uint64
	fill  time.Duration // from empty to full
}

func (r Rate) compile() rate {
	if r == (Rate{}) {
		return rate{}
	}
	c := rate{n: r.N, per: uint64(r.Per), burst: r.Burst}
	c.fill = c.span(r.Burst)
	return c
}

// maxSpeed is the most tokens in a nanosecond, which the fastest rate has too.
const maxSpeed = maxTokens / uint64(minPer)

// times returns a rate for as many peers.
func (r rate) times(peers uint64) rate {
	if r.n == 0 {
		return r
	}
	r.n = min(r.n*peers, max(r.n, maxSpeed*r.per))
	r.burst *= peers
	r.fill = r.span(r.burst)
	return r
}

// span returns how long tokens take to be refilled, rounded up.
func (r *rate) span(tokens uint64) time.Duration {
	hi, lo := bits.Mul64(tokens, r.per)
	if hi >= r.n {
		return maxSpan
	}
	var quo, rem uint64
	if hi == 0 {
		quo, rem = lo/r.n, lo%r.n // several times as fast
	} else {
		quo, rem = bits.Div64(hi, lo, r.n)
	}
	if rem > 0 {
		quo++
	}
	return time.Duration(min(quo, uint64(maxSpan)))
}

// spanFor is the span for a peer of a weight, which is longer if that is below one.
func (r *rate) spanFor(tokens uint64, weight float64) time.Duration {
	span := r.span(tokens)
	if weight >= 1 {
		return span
	}
	return time.Duration(min(float64(span)/weight, float64(maxSpan)))
}

// furthest returns for how long a bucket can take to be full again: it holds a burst, owes overdraft bursts, and then
// what was granted while it owed a little less.
func (r *rate) furthest() time.Duration { return (1+overdraft+1)*r.fill + maxDebt }

// tokens returns how many whole tokens are refilled in a span that is not negative and at most furthest.
func (r *rate) tokens(span time.Duration) uint64 {
	hi, lo := bits.Mul64(uint64(span), r.n)
	quo, _ := bits.Div64(hi, lo, r.per)
	return quo
}

// A bucket is a token bucket, kept as the time at which it is full again. If that has passed it is full, and so is the
// zero bucket. It may be used concurrently, but not while it is changed.
type bucket struct {
	full atomic.Int64
}

func (b *bucket) fullAt() time.Duration { return time.Duration(b.full.Load()) }

// readyAt returns when tokens that take a span to refill are there, or the bucket is full if it never holds that many.
// No tokens are there when no debt is.
func (b *bucket) readyAt(r *rate, span time.Duration) time.Duration {
	return b.fullAt() - r.fill + min(span, r.fill)
}

// overdrawn reports whether so much is owed that tokens which take a span to refill are not there on overdraft either.
func (b *bucket) overdrawn(r *rate, now, span time.Duration) bool {
	debt := b.fullAt() - now - r.fill
	return debt >= overdraft*max(r.fill, min(span, maxDebt/overdraft))
}

// push has the bucket be full later by a span, as far as the bound on debts lets it, and returns by how much. It fails
// if the bucket is full only after latest as it is.
func (b *bucket) push(r *rate, now, span, latest time.Duration) (time.Duration, bool) {
	for {
		full := b.fullAt()
		if full > latest {
			return 0, false
		}
		from := max(full, now)
		after := min(from+span, max(from, now+r.furthest()))
		if b.full.CompareAndSwap(int64(full), int64(after)) {
			return after - from, true
		}
	}
}

// take takes tokens for a peer of a weight if they are there, or in any case if force is set, and reports whether it
// did. It returns how many the bound on debts let it take, which matters to costs far over the burst only.
func (b *bucket) take(r *rate, now time.Duration, tokens uint64, weight float64, force bool) (uint64, bool) {
	if tokens == 0 || r.n == 0 {
		return tokens, true
	}
	span, latest := r.spanFor(tokens, weight), never
	if !force {
		latest = now + r.fill - min(span, r.fill)
	}
	pushed, ok := b.push(r, now, span, latest)
	switch {
	case !ok:
		return 0, false
	case pushed < span:
		return r.tokens(time.Duration(float64(pushed) * min(weight, 1))), true
	}
	return tokens, true
}

// settle corrects what was taken to what was used.
func (b *bucket) settle(r *rate, now time.Duration, taken, used uint64, weight float64) {
	if taken == used || r.n == 0 {
		return
	}
	t, u := r.spanFor(taken, weight), r.spanFor(used, weight)
	if t >= u {
		b.full.Add(-int64(t - u))
		return
	}
	b.push(r, now, u-t, never)
}

// left returns the tokens there are, or minus those owed.
func (b *bucket) left(r *rate, now time.Duration) int64 {
	missing := max(b.fullAt()-now, 0)
	used := r.tokens(missing)
	if r.span(used) < missing {
		used++
	}
	return int64(r.burst) - int64(used)
}

// change carries the bucket over to another rate: the tokens it lacks remain the same, so that a full one remains full.
func (b *bucket) change(from, to *rate, now time.Duration) {
	missing := max(b.fullAt()-now, 0)
	if from.n == 0 || to.n == 0 || missing == 0 {
		b.full.Store(int64(now))
		return
	}
	tokens := float64(missing) / float64(from.per) * float64(from.n)
	span := math.Round(tokens * float64(to.per) / float64(to.n))
	b.full.Store(int64(now + time.Duration(min(span, float64(to.furthest())))))
}

type rates [currencies]rate

func (q Quota) compile() rates {
	return rates{requests: q.Requests.compile(), items: q.Items.compile(), bytes: q.Bytes.compile()}
}

// times returns the rates for as many peers. For none there is no bound.
func (r *rates) times(peers uint64) rates {
	if peers == 0 {
		return rates{}
	}
	return rates{r[requests].times(peers), r[items].times(peers), r[bytes].times(peers)}
}

// A budget is what is left of a quota. The zero budget is full. It may be used concurrently, but not while it is
// changed.
type budget [currencies]bucket

// readyAt returns when c can be paid. In the currencies from first on nothing is owed then either, even if c has
// nothing in them.
func (b *budget) readyAt(r *rates, c *cost, weight float64, first int) time.Duration {
	at := always
	for i := range b {
		if r[i].n > 0 && (c[i] > 0 || i >= first) {
			at = max(at, b[i].readyAt(&r[i], r[i].spanFor(c[i], weight)))
		}
	}
	return at
}

// overdrawn reports whether c can be paid on overdraft neither.
func (b *budget) overdrawn(r *rates, now time.Duration, c *cost, weight float64) bool {
	for i := range b {
		if r[i].n > 0 && c[i] > 0 && b[i].overdrawn(&r[i], now, r[i].spanFor(c[i], weight)) {
			return true
		}
	}
	return false
}

// take takes all of c or nothing, as a bucket does. It sets taken, nothing before, to what was taken.
func (b *budget) take(r *rates, now time.Duration, c *cost, weight float64, force bool, taken *cost) bool {
	for i := range b {
		n, ok := b[i].take(&r[i], now, c[i], weight, force)
		if !ok {
			b.settle(r, now, taken, &nothing, weight)
			*taken = nothing
			return false
		}
		taken[i] = n
	}
	return true
}

// settle corrects what was taken to what was used.
func (b *budget) settle(r *rates, now time.Duration, taken, used *cost, weight float64) {
	for i := range b {
		b[i].settle(&r[i], now, taken[i], used[i], weight)
	}
}

// change carries the budget over from some rates to others.
func (b *budget) change(from, to *rates, now time.Duration) {
	for i := range b {
		b[i].change(&from[i], &to[i], now)
	}
}

// fullAt returns when all is there.
func (b *budget) fullAt() time.Duration {
	at := always
	for i := range b {
		at = max(at, b[i].fullAt())
	}
	return at
}
