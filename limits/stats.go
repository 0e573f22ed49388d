package limits

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// Stats are what a limiter did for one method since it was made, and what it does now.
type Stats struct {
	// Method is the method's name.
	Method string
	// Admitted counts exchanges that were admitted.
	Admitted uint64
	// QueueFull, Overdrawn, OverCapacity and TooManyPeers count exchanges that were refused, by reason; of Overdrawn
	// and OverCapacity, also those that were reset before their end. Exchanges whose context ended as they waited are
	// not among them.
	QueueFull, Overdrawn, OverCapacity, TooManyPeers uint64
	// Items and Bytes count what was sent.
	Items, Bytes uint64
	// Delayed counts the admissions and chunks that were withheld for some time.
	Delayed uint64
	// Delay is for how long, all together.
	Delay time.Duration
	// Overdue counts the chunks that were sent at the minimum rate, on overdraft.
	Overdue uint64
	// Active is how many exchanges are admitted.
	Active int
	// Waiting is how many exchanges wait for admission.
	Waiting int
}

func (s *Stats) refuse(err error) {
	switch {
	case errors.Is(err, ErrQueueFull):
		s.QueueFull++
	case errors.Is(err, ErrOverdrawn):
		s.Overdrawn++
	case errors.Is(err, ErrOverCapacity):
		s.OverCapacity++
	case errors.Is(err, ErrTooManyPeers):
		s.TooManyPeers++
	}
}

func (s *Stats) wait(d time.Duration) {
	if d > 0 {
		s.Delayed++
		s.Delay += d
	}
}

// count returns the shard's part of a method's statistics. The shard is locked.
func (sh *shard) count(m *method) *Stats {
	for m.index >= len(sh.stats) {
		sh.stats = append(sh.stats, Stats{})
	}
	return &sh.stats[m.index]
}

// Stats returns the statistics of each method that was used, ordered by name. The slice is the caller's. They are for
// programs without package plugin/metrics, which counts by the trace of exchanges instead.
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
	for i, c := range sh.stats[:min(len(sh.stats), len(all))] {
		s := &all[i]
		s.Admitted += c.Admitted
		s.QueueFull += c.QueueFull
		s.Overdrawn += c.Overdrawn
		s.OverCapacity += c.OverCapacity
		s.TooManyPeers += c.TooManyPeers
		s.Items += c.Items
		s.Bytes += c.Bytes
		s.Delayed += c.Delayed
		s.Delay += c.Delay
		s.Overdue += c.Overdue
	}
	for _, ps := range sh.peers {
		for i, u := range ps.usages[:min(len(ps.usages), len(all))] {
			if u != nil {
				all[i].Active += int(u.active)
				all[i].Waiting += u.waiting()
			}
		}
	}
}

// A Balance is what a peer has left of its budget for a method. What it owes is negative.
type Balance struct {
	// Method is the method's name.
	Method string
	// Requests, Items and Bytes are the whole tokens left in the buckets.
	Requests, Items, Bytes int64
	// Active is how many exchanges are admitted.
	Active int
	// Waiting is how many exchanges wait for admission.
	Waiting int
}

// Balances returns the peer's balances, ordered by method. Methods that it did not use, or so long ago that its budget
// is full, may be missing. The slice is the caller's.
func (l *Limiter) Balances(id peer.ID) []Balance {
	k := l.key(id)
	sh := l.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ps, now := sh.peers[k], l.now()
	if ps == nil {
		return nil
	}
	var balances []Balance
	for _, u := range ps.usages {
		if u == nil {
			continue
		}
		r := &u.method.rates
		balances = append(balances, Balance{
			Method:   u.method.name,
			Requests: u.budget[requests].left(&r[requests], now),
			Items:    u.budget[items].left(&r[items], now),
			Bytes:    u.budget[bytes].left(&r[bytes], now),
			Active:   int(u.active),
			Waiting:  u.waiting(),
		})
	}
	slices.SortFunc(balances, func(a, b Balance) int { return cmp.Compare(a.Method, b.Method) })
	return balances
}
