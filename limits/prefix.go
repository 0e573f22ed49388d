package limits

import (
	"net/netip"
	"sync"
	"time"
)

// A prefix is what all peers share whose addresses begin alike.
type prefix struct {
	bits    netip.Prefix
	members int // peers that belong to it; guarded by prefixes.mu

	// pools is by method.index, nil if unused, and guarded by prefixes.mu.
	pools []*pool
	share float64 // guarded as a pool's rates

	mu     sync.Mutex
	finish float64
}

// charge works as a member's. A prefix has the share of so many members of the one's weight: new
// identities from it have no more than so many of them.
func (x *prefix) charge(virtual, bytes, weight float64) float64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	tag := max(virtual, x.finish)
	x.finish = tag + bytes/(x.share*weight)
	return tag
}

func (x *prefix) correct(bytes, weight float64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.finish += bytes / (x.share * weight)
}

// idle reports whether the prefix could be forgotten, if it has no members. The
// table is locked.
func (x *prefix) idle(now time.Duration, virtual float64) bool {
	x.mu.Lock()
	ahead := x.finish > virtual
	x.mu.Unlock()
	if ahead {
		return false
	}
	for _, s := range x.pools {
		if s != nil && s.budget.fullAt() > now {
			return false
		}
	}
	return true
}

// prefixes is the table of them.
type prefixes struct {
	mu    sync.Mutex
	max   int
	peers int // whose budgets each prefix has; none if there are no prefixes
	// concurrent is how many exchanges with a method a prefix has at a time.
	concurrent int
	length     Prefix
	known      map[netip.Prefix]*prefix
}

// join returns the prefix of a new member's address. It is nil if the address is
// not known or there are no prefixes, and false if there cannot be one more.
func (t *prefixes) join(addr netip.Addr, now time.Duration, virtual float64) (*prefix, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.peers == 0 {
		return nil, true
	}
	bits, ok := t.length.Of(addr)
	if !ok {
		return nil, true
	}
	x := t.known[bits]
	if x == nil {
		if t.forgetSome(now, virtual, forgetPerPeer); len(t.known) >= t.max {
			return nil, false
		}
		x = &prefix{bits: bits, share: float64(t.peers)}
		t.known[bits] = x
	}
	x.members++
	return x, true
}

// leave tells that a member is gone. The prefix is remembered until it is idle.
func (t *prefixes) leave(x *prefix) {
	if x == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	x.members--
}

// pool returns the prefix's budget for a method.
func (t *prefixes) pool(x *prefix, m *method) *pool {
	if x == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for m.index >= len(x.pools) {
		x.pools = append(x.pools, nil)
	}
	if x.pools[m.index] == nil {
		x.pools[m.index] = new(pool)
		x.pools[m.index].set(0, m.rates.times(uint64(t.peers)), t.concurrent)
	}
	return x.pools[m.index]
}

// sweep forgets all prefixes that new ones could replace.
func (t *prefixes) sweep(now time.Duration, virtual float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetSome(now, virtual, len(t.known))
}

// forgetSome looks at n prefixes for some to forget. The table is locked.
func (t *prefixes) forgetSome(now time.Duration, virtual float64, n int) {
	for bits, x := range t.known {
		if n--; n < 0 {
			return
		}
		if x.members == 0 && x.idle(now, virtual) {
			delete(t.known, bits)
		}
	}
}
