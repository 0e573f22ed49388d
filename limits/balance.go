package limits

import (
	"cmp"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A Balance is what a peer has left of its budget for a method. What it owes is
// negative.
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

// Balances returns the peer's balances, ordered by method. Methods that it did
// not use, or so long ago that its budget is full, may be missing.
func (l *Limiter) Balances(id peer.ID) []Balance {
	k := l.key(id)
	sh := l.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	now := l.now()
	mb := sh.members[k]
	if mb == nil {
		return nil
	}
	var balances []Balance
	for _, a := range mb.accounts {
		rates := &a.method.rates
		balances = append(balances, Balance{
			Method:   a.method.name,
			Requests: a.budget[requests].left(&rates[requests], now),
			Items:    a.budget[items].left(&rates[items], now),
			Bytes:    a.budget[bytes].left(&rates[bytes], now),
			Active:   int(a.active),
			Waiting:  a.queued(),
		})
	}
	slices.SortFunc(balances, func(a, b Balance) int { return cmp.Compare(a.Method, b.Method) })
	return balances
}
