package limits

import (
	"math"
	"math/bits"
	"time"
)

// Times here are durations since the limiter was made.

// maxDebt bounds debts, by the time it takes to pay them off. It also bounds
// for how long a peer is held off, and remembered.
const maxDebt = 10 * time.Minute

// maxSpan is the longest span, and leaves room to add a few.
const maxSpan = time.Duration(1 << 60)

// A rate is a Rate, ready for the arithmetic. That is in whole nanoseconds, so
// that waits are exact.
type rate struct {
	n     uint64
	per   uint64 // nanoseconds
	burst uint64
	fill  time.Duration // from empty to full
}

func (r Rate) compile() rate {
	c := rate{n: r.N, per: uint64(r.Per), burst: r.Burst}
	c.fill = c.span(r.Burst)
	return c
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

// tokens returns how many whole tokens are refilled in a span that is not
// negative and at most maxFill and maxDebt together.
func (r *rate) tokens(span time.Duration) uint64 {
	hi, lo := bits.Mul64(uint64(span), r.n)
	quo, _ := bits.Div64(hi, lo, r.per)
	return quo
}

// A bucket is a token bucket, kept as the time at which it is full again. If
// that has passed it is full, and so is the zero bucket.
type bucket time.Duration

// readyAt returns when there are as many tokens, or the bucket is full if it
// never holds that many. No tokens are there when no debt is.
func (b bucket) readyAt(r *rate, tokens uint64) time.Duration {
	if tokens == 0 {
		return time.Duration(b) - r.fill
	}
	return time.Duration(b) - r.fill + min(r.span(tokens), r.fill)
}

// take takes tokens, whether they are there or not, and returns how many the
// bound on debts let it take.
func (b *bucket) take(r *rate, now time.Duration, tokens uint64) uint64 {
	if tokens == 0 {
		return 0
	}
	return b.takeSpan(r, now, tokens, r.span(tokens))
}

func (b *bucket) takeSpan(r *rate, now time.Duration, tokens uint64, span time.Duration) uint64 {
	from, limit := max(time.Duration(*b), now), now+r.fill+maxDebt
	if from+span <= limit {
		*b = bucket(from + span)
		return tokens
	}
	*b = bucket(limit)
	return r.tokens(limit - from)
}

// settle corrects what was taken to what was used.
func (b *bucket) settle(r *rate, now time.Duration, taken, used uint64) {
	if taken == used {
		return
	}
	t, u := r.span(taken), r.span(used)
	if t >= u {
		*b -= bucket(t - u)
		return
	}
	b.takeSpan(r, now, used-taken, u-t)
}

// left returns the tokens there are, or minus those owed.
func (b bucket) left(r *rate, now time.Duration) int64 {
	missing := max(time.Duration(b)-now, 0)
	used := r.tokens(missing)
	if r.span(used) < missing {
		used++
	}
	return int64(r.burst) - int64(used)
}

// change carries the bucket over to another rate: the tokens it lacks remain
// the same, so that a full one remains full.
func (b *bucket) change(from, to *rate, now time.Duration) {
	missing := max(time.Duration(*b)-now, 0)
	tokens := float64(missing) / float64(from.per) * float64(from.n)
	span := math.Round(tokens * float64(to.per) / float64(to.n))
	*b = bucket(now + time.Duration(min(span, float64(to.fill+maxDebt))))
}
