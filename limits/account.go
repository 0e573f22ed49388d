package limits

import (
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A method is what all accounts for it share.
type method struct {
	name  string
	index int
	salt  uint64
	rates rates // of each peer; as a pool's
	// refuse answers requests that would have to wait with an error.
	refuse bool
	pool   pool
	size   atomic.Uint64 // running mean of a chunk, in bytes, zero before the first
}

// What one more chunk changes the mean by, as a part of the difference. It rather is
// too large, as it may be when some chunks are cut off, than too small: peers who are
// charged less than they use are put right only as they settle.
const (
	meanUp   = 4
	meanDown = 64
)

// observe tells the size of a chunk. Some may get lost if told at once.
func (m *method) observe(size uint64) {
	mean := m.size.Load()
	switch {
	case size == 0: // it was not written at all
	case mean == 0:
		m.size.Store(size)
	case size > mean:
		m.size.Store(mean + (size-mean+meanUp-1)/meanUp)
	case size < mean:
		m.size.Store(mean - (mean-size)/meanDown)
	}
}

// expect returns how many bytes a chunk takes, as far as can be told.
func (m *method) expect() uint64 {
	if mean := m.size.Load(); mean > 0 {
		return mean
	}
	return firstSize
}

// firstSize is expected of chunks before there was any.
const firstSize = 64 << 10

// An account is what one peer uses of one method. It is guarded by its shard's
// lock.
type account struct {
	// What every decision looks at is first, and fills a line of the cache.
	id     peer.ID
	method *method
	budget budget
	price  price
	active int32 // exchanges admitted
	prefix *pool // nil if there is none

	admissions   queue // those which wait to be
	reservations queue // of those active, the ones which wait for a chunk
	member       *member
}

// idle reports whether the account could be replaced by a new one.
func (a *account) idle(now time.Duration) bool {
	return a.active == 0 && len(a.admissions) == 0 && a.budget.fullAt() <= now
}

// readyAt returns when c can be paid.
func (a *account) readyAt(c cost) time.Duration {
	return a.budget.readyAt(&a.method.rates, c, a.price)
}

// settle corrects what was taken at a price to what was used.
func (a *account) settle(now time.Duration, taken, used cost, p price) {
	a.budget.settle(&a.method.rates, now, taken, used, p)
	a.nudge()
}

// nudge has those look again who may be able to go on earlier than they
// thought.
func (a *account) nudge() {
	a.admissions.nudge()
	a.reservations.nudge()
}
