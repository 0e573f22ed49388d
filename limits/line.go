package limits

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A line is where paces wait for a shared capacity. First is the one whose peer
// was sent the least, as its tag tells. It goes when the capacity is there;
// everybody else goes after it, or when overdue.
type line struct {
	waiting atomic.Int32 // is len(heap)

	mu   sync.Mutex
	seq  uint64
	heap []*pace // ordered by pace.before
}

// A turn is a pace's place in a line.
type turn struct {
	tag   float64
	fresh bool   // its peer is new
	seq   uint64 // among those of one tag
	pos   int    // in the heap
	wake  chan struct{}
}

// before reports whether t is served before u.
func (t *turn) before(u *turn) bool {
	return t.tag < u.tag || t.tag == u.tag && t.seq < u.seq
}

// await waits until p is first and try succeeds, or until p is due. It reports
// whether that was so. If try fails it returns when to call it again. The line is
// locked while it is called, so it calls nothing of the line. The error is the
// context's.
func (l *line) await(ctx context.Context, p *pace, due time.Duration, try func(now time.Duration) (time.Duration, bool)) (overdue bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.push(p)
	defer func() {
		l.remove(p)
		l.nudgeLocked()
	}()
	for {
		now := p.limiter.now()
		at := never
		if l.heap[0] == p {
			var ok bool
			if at, ok = try(now); ok {
				return false, nil
			}
		}
		if due <= now {
			return true, nil
		}
		l.mu.Unlock()
		err := p.sleep(ctx, min(at, due)-now)
		l.mu.Lock()
		if err != nil {
			return false, err
		}
	}
}

// nudge has the first look again who may be able to go earlier than it thought.
func (l *line) nudge() {
	if l.waiting.Load() == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nudgeLocked()
}

func (l *line) nudgeLocked() {
	if len(l.heap) > 0 {
		l.heap[0].wakeUp()
	}
}

func (l *line) push(p *pace) {
	l.seq++
	p.turn.seq, p.turn.pos = l.seq, len(l.heap)
	l.heap = append(l.heap, p)
	l.waiting.Store(int32(len(l.heap)))
	l.up(p.turn.pos)
}

func (l *line) remove(p *pace) {
	i, last := p.turn.pos, len(l.heap)-1
	l.swap(i, last)
	l.heap = slices.Delete(l.heap, last, last+1)
	l.waiting.Store(int32(last))
	if i < last {
		l.down(i)
		l.up(i)
	}
}

func (l *line) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !l.heap[i].turn.before(&l.heap[parent].turn) {
			return
		}
		l.swap(i, parent)
		i = parent
	}
}

func (l *line) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(l.heap) {
			return
		}
		if r := child + 1; r < len(l.heap) && l.heap[r].turn.before(&l.heap[child].turn) {
			child = r
		}
		if !l.heap[child].turn.before(&l.heap[i].turn) {
			return
		}
		l.swap(i, child)
		i = child
	}
}

func (l *line) swap(i, j int) {
	l.heap[i], l.heap[j] = l.heap[j], l.heap[i]
	l.heap[i].turn.pos, l.heap[j].turn.pos = i, j
}
