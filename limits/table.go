package limits

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// shards is how many locks the peers are spread over: far more than cores,
	// so that two rarely want one.
	shards = 64
	// forgetPerPeer is how many tracked peers are looked at for each that is
	// added. If more than a quarter of them may be forgotten, their number
	// shrinks.
	forgetPerPeer = 4
	// searchInterval is how often all may be looked at, a shard at a time, which
	// takes some milliseconds for DefaultMaxPeers.
	searchInterval = time.Second
)

// A shard has a part of the peers.
type shard struct {
	mu       sync.Mutex
	members  map[uint64]*member  // by the hash of the peer
	accounts map[uint64]*account // by the hash of the peer, salted by method
	spare    *pace               // those which no exchange has, linked
	counts   []counts            // by method.index

	_ [64]byte // keeps the next shard's lock off this one's cache line
}

func (l *Limiter) hash(id peer.ID) uint64 { return maphash.String(l.seed, string(id)) }

func (l *Limiter) shard(hash uint64) *shard { return &l.shards[hash%shards] }

// account returns the peer's account for a method, nil if it has none. It takes
// one look, to be fast.
func (sh *shard) account(hash uint64, id peer.ID, m *method) *account {
	if a := sh.accounts[hash^m.salt]; a != nil && a.method == m && a.id == id {
		return a
	}
	return nil
}

// open returns the peer's account for a method, which it makes if need be. It is
// nil if another has the same hash, as chance will have it once in a billion
// years. The shard is locked.
func (l *Limiter) open(sh *shard, hash uint64, mb *member, m *method) *account {
	if a := sh.accounts[hash^m.salt]; a != nil {
		return sh.account(hash, mb.id, m)
	}
	a := &account{id: mb.id, method: m, member: mb}
	l.refreshAccount(a)
	sh.accounts[hash^m.salt] = a
	mb.accounts = append(mb.accounts, a)
	return a
}

// forget removes a member that is idle. The shard is locked.
func (l *Limiter) forget(sh *shard, hash uint64, mb *member) {
	for _, a := range mb.accounts {
		delete(sh.accounts, hash^a.method.salt)
	}
	delete(sh.members, hash)
	l.prefixes.leave(mb.prefix)
	l.tracked.Add(-1)
}

// forgetSome looks at n members of a shard, others each time as Go ranges over
// maps at random, and forgets those whom a new budget would give nothing. The
// shard is locked.
func (l *Limiter) forgetSome(sh *shard, now time.Duration, n int) {
	virtual := l.clock.now(now)
	for hash, mb := range sh.members {
		if n--; n < 0 {
			return
		}
		if mb.idle(now, virtual) {
			l.forget(sh, hash, mb)
		}
	}
}

// sweep looks at all members of all shards, unless it did so a moment ago. No
// shard is locked.
func (l *Limiter) sweep(now time.Duration) {
	last := l.swept.Load()
	if now-time.Duration(last) < searchInterval || !l.swept.CompareAndSwap(last, int64(now)) {
		return
	}
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		l.forgetSome(sh, now, len(sh.members))
		sh.mu.Unlock()
	}
	l.prefixes.sweep(now, l.clock.now(now))
}

// Peers returns how many peers are tracked.
func (l *Limiter) Peers() int { return int(l.tracked.Load()) }
