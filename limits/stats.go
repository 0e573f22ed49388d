package limits

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// Stats are what a limiter did for one method since it was made, and what it
// does now.
type Stats struct {
	// Method is the method's name.
	Method string
	// Admitted counts exchanges that were admitted.
	Admitted uint64
	// QueueFull, Overdrawn, OverCapacity and TooManyPeers count exchanges that were refused, by
	// reason; of Overdrawn and OverCapacity, also those that were reset before their end. Exchanges
	// whose context ended as they waited are not among them.
	QueueFull, Overdrawn, OverCapacity, TooManyPeers uint64
	// Items and Bytes count what was sent.
	Items, Bytes uint64
	// Delayed counts the admissions and chunks that were withheld for some time.
	Delayed uint64
	// Delay is for how long, all together.
	Delay time.Duration
	// Overdue counts the chunks that were sent at the floor, on overdraft.
	Overdue uint64
	// Active is how many exchanges are admitted.
	Active int
	// Waiting is how many exchanges of their peers wait for admission.
	Waiting int
}

// counts are a shard's part of Stats.
type counts struct {
	admitted     uint64
	queueFull    uint64
	overdrawn    uint64
	overCapacity uint64
	tooManyPeers uint64
	items, bytes uint64
	delayed      uint64
	delay        time.Duration
	overdue      uint64
}

// count returns the shard's counts of a method. The shard is locked.
func (sh *shard) count(m *method) *counts {
	for m.index >= len(sh.counts) {
		sh.counts = append(sh.counts, counts{})
	}
	return &sh.counts[m.index]
}

func (c *counts) refuse(err error) {
	switch {
	case errors.Is(err, ErrQueueFull):
		c.queueFull++
	case errors.Is(err, ErrOverdrawn):
		c.overdrawn++
	case errors.Is(err, ErrOverCapacity):
		c.overCapacity++
	case errors.Is(err, ErrTooManyPeers):
		c.tooManyPeers++
	}
}

func (c *counts) send(used reqresp.Cost) {
	c.items += used.Items
	c.bytes += used.Bytes
}

func (c *counts) wait(d time.Duration) {
	if d > 0 {
		c.delayed++
		c.delay += d
	}
}

// Stats returns the statistics of each method that was used, ordered by name.
func (l *Limiter) Stats() []Stats {
	methods := *l.methods.Load()
	all := make([]Stats, len(methods))
	for name, m := range methods {
		all[m.index].Method = name
	}
	for i := range l.shards {
		l.shards[i].addTo(all)
	}
	slices.SortFunc(all, func(a, b Stats) int { return cmp.Compare(a.Method, b.Method) })
	return all
}

// addTo adds the shard's part. Methods that were added since are left out.
func (sh *shard) addTo(all []Stats) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for i, c := range sh.counts[:min(len(sh.counts), len(all))] {
		s := &all[i]
		s.Admitted += c.admitted
		s.QueueFull += c.queueFull
		s.Overdrawn += c.overdrawn
		s.OverCapacity += c.overCapacity
		s.TooManyPeers += c.tooManyPeers
		s.Items += c.items
		s.Bytes += c.bytes
		s.Delayed += c.delayed
		s.Delay += c.delay
		s.Overdue += c.overdue
	}
	for a := range sh.accounts.all() {
		if a.method.index < len(all) {
			all[a.method.index].Active += int(a.active)
			all[a.method.index].Waiting += a.queued()
		}
	}
}
