package limits

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A method is what all accounts for it share.
type method struct {
	name   string
	index  int
	salt   uint64
	rates  rates // of each peer; as a pool's
	pool   pool
	size   mean // of chunks, zero before the first
	excess mean // of what chunks take over what was reserved for them, if that was anything
}

// expect returns how many bytes a chunk takes, as far as can be told.
func (m *method) expect() uint64 {
	if size := m.size.load(); size > 0 {
		return size
	}
	return firstSize
}

// expectOver returns how many bytes a chunk takes for which some were reserved.
// Handlers may not know what they will send, and reserve nothing or too little. If
// that were believed all who wait would pass at once, each on next to nothing, and
// nothing be left to share by weight.
func (m *method) expectOver(reserved uint64) uint64 {
	if reserved == 0 {
		return m.expect()
	}
	return reserved + min(m.excess.load(), math.MaxUint64-reserved)
}

// sent tells of chunks for which some bytes were reserved, if anything of them was
// written.
func (m *method) sent(reserved uint64, used reqresp.Cost) {
	if used.Bytes == 0 {
		return
	}
	m.size.observe(used.Bytes / max(used.Items, 1))
	if reserved > 0 {
		m.excess.observe(used.Bytes - min(used.Bytes, reserved))
	}
}

// A mean is a running mean, of bytes. It rather is too large, as it may be when some
// chunks are cut off, than too small: peers who are charged less than they use are
// put right only as they settle.
type mean struct {
	val atomic.Uint64
}

// What one more chunk changes a mean by, as a part of the difference.
const (
	meanUp   = 4
	meanDown = 64
)

func (m *mean) load() uint64 { return m.val.Load() }

// observe adds one to the mean. Some may get lost if told at once.
func (m *mean) observe(n uint64) {
	switch mean := m.val.Load(); {
	case n == mean: // not written again, as others look at it
	case mean == 0:
		m.val.Store(n)
	case n > mean:
		m.val.Store(mean + (n-mean+meanUp-1)/meanUp)
	case n < mean:
		m.val.Store(mean - (mean-n)/meanDown)
	}
}

// firstSize is expected of chunks before there was any.
const firstSize = 64 << 10

// An account is what one peer uses of one method. It is guarded by its shard's
// lock.
type account struct {
	// What every decision looks at is first, and fills a line of the cache.
	check     uint64 // the key's
	budget    budget
	method    *method
	prefix    *pool         // nil if there is none
	refreshed time.Duration // as the member's
	waiting   int32         // in the queues
	active    uint16        // exchanges admitted
	price     price

	// What exchanges look at that wait.
	admissions   queue // those which wait to be
	reservations queue // of those active, the ones which wait for a chunk
	member       *member
	place        uint32 // in the table
}

// isFirst reports whether nobody waits before p in one of the account's queues.
func (a *account) isFirst(q *queue, p *pace) bool { return a.waiting == 0 || q.isFirst(p) }

// queued returns how many exchanges wait for admission.
func (a *account) queued() int {
	if a.waiting == 0 {
		return 0
	}
	return len(a.admissions)
}

// enter has p wait in one of the account's queues.
func (a *account) enter(q *queue, p *pace) {
	*q = append(*q, p)
	a.waiting++
}

// leave ends that.
func (a *account) leave(q *queue, p *pace) {
	q.leave(p)
	a.waiting--
}

// idle reports whether the account could be replaced by a new one.
func (a *account) idle(now time.Duration) bool {
	return a.active == 0 && a.waiting == 0 && a.budget.fullAt() <= now
}

// readyAt returns when c can be paid, in the currencies from first on.
func (a *account) readyAt(c cost, first int) time.Duration {
	return a.budget.readyAt(&a.method.rates, c, a.price, first)
}

// overdrawn reports whether c can be paid on overdraft neither.
func (a *account) overdrawn(now time.Duration, c cost) bool {
	return a.budget.overdrawn(&a.method.rates, now, c, a.price)
}

// settle corrects what was taken at a price to what was used.
func (a *account) settle(now time.Duration, taken, used cost, p price) {
	a.budget.settle(&a.method.rates, now, taken, used, p)
	a.nudge()
}

// nudge has those look again who may be able to go on earlier than they
// thought.
func (a *account) nudge() {
	if a.waiting == 0 {
		return
	}
	a.admissions.nudge()
	a.reservations.nudge()
}
