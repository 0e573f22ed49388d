package limits

import "time"

// The currencies that costs are paid in.
const (
	requests = iota
	items
	bytes
	currencies
)

type cost [currencies]uint64

type rates [currencies]rate

func (q Quota) compile() rates {
	return rates{
		requests: q.Requests.compile(),
		items:    q.Items.compile(),
		bytes:    q.Bytes.compile(),
	}
}

// times returns the rates for as many peers. For none there is no bound.
func (r *rates) times(peers uint64) rates {
	if peers == 0 {
		return rates{}
	}
	return rates{r[requests].times(peers), r[items].times(peers), r[bytes].times(peers)}
}

// A budget is what is left of a quota. The zero budget is full. It may be used
// concurrently, but not while it is changed.
type budget [currencies]bucket

// readyAt returns when c can be paid at a price, in the currencies from first on, and nothing
// is owed in these.
func (b *budget) readyAt(r *rates, c cost, p price, first int) time.Duration {
	at := always
	for i := first; i < currencies; i++ {
		if r[i].n > 0 {
			at = max(at, b[i].readyAt(&r[i], p.of(r[i].span(c[i]))))
		}
	}
	return at
}

// overdrawn reports whether c can be paid on overdraft neither, in the currencies that it has.
func (b *budget) overdrawn(r *rates, now time.Duration, c cost, p price) bool {
	for i := range b {
		if r[i].n > 0 && c[i] > 0 && b[i].overdrawn(&r[i], now, p.of(r[i].span(c[i]))) {
			return true
		}
	}
	return false
}

// sharedAt returns when c could be taken by tryTake, as it is now.
func (b *budget) sharedAt(r *rates, c cost) time.Duration {
	at := always
	for i := range b {
		if r[i].n > 0 && c[i] > 0 {
			at = max(at, b[i].readyAt(&r[i], r[i].span(c[i])))
		}
	}
	return at
}

// tryTake takes all of c, or nothing, and returns what was taken.
func (b *budget) tryTake(r *rates, now time.Duration, c cost) (cost, bool) {
	var taken cost
	for i := range b {
		n, ok := b[i].tryTake(&r[i], now, c[i])
		if !ok {
			b.settle(r, now, taken, cost{}, parPrice)
			return cost{}, false
		}
		taken[i] = n
	}
	return taken, true
}

// take takes c at a price and returns what was taken.
func (b *budget) take(r *rates, now time.Duration, c cost, p price) cost {
	for i := range b {
		c[i] = b[i].take(&r[i], now, c[i], p)
	}
	return c
}

// settle corrects what was taken at a price to what was used.
func (b *budget) settle(r *rates, now time.Duration, taken, used cost, p price) {
	for i := range b {
		b[i].settle(&r[i], now, taken[i], used[i], p)
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
