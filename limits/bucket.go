package limits

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Times here are durations since the limiter was made.

// A debt is bounded in two ways. Nothing more is granted on overdraft once overdraft bursts
// are owed, or that many times what is wanted if this is more. Of a single cost no more is
// owed than a burst and what maxDebt pays off.
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

// A rate is a Rate, ready for the arithmetic. That is in whole nanoseconds, so
// that waits are exact. The zero rate sets no bound.
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

// furthest returns for how long a bucket can take to be full again: it holds a burst, owes
// overdraft bursts, and then what was granted while it owed a little less.
func (r *rate) furthest() time.Duration { return (1+overdraft+1)*r.fill + maxDebt }

// tokens returns how many whole tokens are refilled in a span that is not
// negative and at most furthest.
func (r *rate) tokens(span time.Duration) uint64 {
	hi, lo := bits.Mul64(uint64(span), r.n)
	quo, _ := bits.Div64(hi, lo, r.per)
	return quo
}

// A price is how many times the tokens it uses a peer is charged, in units of
// 1/parPrice. It is at least par.
type price uint16

const parPrice price = 1 << 8

func (p price) of(span time.Duration) time.Duration {
	if p == parPrice {
		return span
	}
	hi, lo := bits.Mul64(uint64(span), uint64(p))
	if hi >= uint64(parPrice) {
		return maxSpan
	}
	quo, _ := bits.Div64(hi, lo, uint64(parPrice))
	return time.Duration(min(quo, uint64(maxSpan)))
}

// A bucket is a token bucket, kept as the time at which it is full again. If
// that has passed it is full, and so is the zero bucket. It may be used
// concurrently, but not while it is changed.
type bucket struct {
	full atomic.Int64
}

func (b *bucket) fullAt() time.Duration { return time.Duration(b.full.Load()) }

// readyAt returns when tokens that take a span to refill are there, or the
// bucket is full if it never holds that many. No tokens are there when no debt
// is.
func (b *bucket) readyAt(r *rate, span time.Duration) time.Duration {
	if r.n == 0 {
		return always
	}
	return b.fullAt() - r.fill + min(span, r.fill)
}

// overdrawn reports whether so much is owed that tokens which take a span to refill are not
// there on overdraft either.
func (b *bucket) overdrawn(r *rate, now, span time.Duration) bool {
	debt := b.fullAt() - now - r.fill
	return debt >= overdraft*max(r.fill, min(span, maxDebt/overdraft))
}

// tryTake takes tokens if they are there, and reports whether they were. It
// returns how many the bound on debts let it take, which matters to costs far
// over the burst only.
func (b *bucket) tryTake(r *rate, now time.Duration, tokens uint64) (uint64, bool) {
	if tokens == 0 || r.n == 0 {
		return tokens, true
	}
	span := r.span(tokens)
	for {
		full := b.full.Load()
		if time.Duration(full)-r.fill+min(span, r.fill) > now {
			return 0, false
		}
		if taken, ok := b.move(r, now, time.Duration(full), tokens, span, parPrice); ok {
			return taken, true
		}
	}
}

// take takes tokens at a price, whether they are there or not, and returns how
// many the bound on debts let it take.
func (b *bucket) take(r *rate, now time.Duration, tokens uint64, p price) uint64 {
	if tokens == 0 || r.n == 0 {
		return tokens
	}
	return b.takeSpan(r, now, tokens, p.of(r.span(tokens)), p)
}

func (b *bucket) takeSpan(r *rate, now time.Duration, tokens uint64, span time.Duration, p price) uint64 {
	for {
		if taken, ok := b.move(r, now, b.fullAt(), tokens, span, p); ok {
			return taken
		}
	}
}

// move takes tokens worth a span from a bucket that was seen full at a time. It
// fails if the bucket has changed since.
func (b *bucket) move(r *rate, now, full time.Duration, tokens uint64, span time.Duration, p price) (uint64, bool) {
	from, limit := max(full, now), now+r.furthest()
	after := min(from+span, max(from, limit))
	if !b.full.CompareAndSwap(int64(full), int64(after)) {
		return 0, false
	}
	if after == from+span {
		return tokens, true
	}
	return r.tokens((after - from) * time.Duration(parPrice) / time.Duration(p)), true
}

// settle corrects what was taken to what was used.
func (b *bucket) settle(r *rate, now time.Duration, taken, used uint64, p price) {
	if taken == used || r.n == 0 {
		return
	}
	t, u := p.of(r.span(taken)), p.of(r.span(used))
	if t >= u {
		b.full.Add(-int64(t - u))
		return
	}
	b.takeSpan(r, now, used-taken, u-t, p)
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

// change carries the bucket over to another rate: the tokens it lacks remain
// the same, so that a full one remains full.
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
