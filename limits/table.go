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
	members  map[key]*member
	accounts accounts
	spare    *pace    // those which no exchange has, linked
	counts   []counts // by method.index

	_ [64]byte // keeps the next shard's lock off this one's cache line
}

// A key stands for a peer in the tables. Nobody can find two peers with the same key,
// as he does not know how they are made, and chance does not within the age of the
// universe: so an account tells by it whose it is, and by no ID far off in memory.
type key struct {
	hash  uint64 // where to look
	check uint64 // what to look for
}

func (l *Limiter) key(id peer.ID) key {
	return key{maphash.String(l.seeds[0], string(id)), maphash.String(l.seeds[1], string(id))}
}

func (l *Limiter) shard(k key) *shard { return &l.shards[k.hash%shards] }

// open returns the peer's account for a method, which it makes if need be. The shard
// is locked.
func (l *Limiter) open(sh *shard, mb *member, m *method) *account {
	if a := sh.accounts.find(mb.key, m); a != nil {
		return a
	}
	a := sh.accounts.add(mb.key, m)
	a.member = mb
	l.refreshAccount(a)
	mb.accounts = append(mb.accounts, a)
	return a
}

// forget removes a member that is idle. The shard is locked.
func (l *Limiter) forget(sh *shard, mb *member) {
	for _, a := range mb.accounts {
		sh.accounts.remove(mb.key, a)
	}
	delete(sh.members, mb.key)
	l.prefixes.leave(mb.prefix)
	l.tracked.Add(-1)
}

// forgetSome looks at n members of a shard, others each time as Go ranges over
// maps at random, and forgets those whom a new budget would give nothing, but while there
// is room none whose standing is kept. The shard is locked.
func (l *Limiter) forgetSome(sh *shard, now time.Duration, n int) {
	virtual, room := l.clock.now(now), l.tracked.Load() < l.maxPeers.Load()
	for _, mb := range sh.members {
		if n--; n < 0 {
			return
		}
		if mb.idle(now, virtual) && (!room || !mb.standing.kept(now)) {
			l.forget(sh, mb)
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
