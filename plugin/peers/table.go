package peers

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// Bounds of what is remembered of peers that may be dialed.
const (
	maxKnown     = 1024
	maxAddrs     = 8
	maxAddrBytes = 256
	// maxDialFails is how often in a row a peer that is not static is dialed in vain before it is
	// forgotten.
	maxDialFails = 8
	// maxIdle is for how long a peer is remembered that was not met again.
	maxIdle = 30 * 24 * time.Hour
)

// A known peer is one that may be dialed.
type known struct {
	id     peer.ID
	addrs  []multiaddr.Multiaddr
	static bool
	good   time.Time // when it last showed to be of this chain; zero if it never did
	seen   time.Time // when it was last heard of, from anywhere
	until  time.Time // it is not dialed before
	fails  int       // dials since it was last good
	dialed bool      // a dial is under way
}

// A table is the peers that are known. It is bounded: what is least promising goes first.
type table struct {
	peers map[peer.ID]*known
}

func newTable() *table { return &table{peers: make(map[peer.ID]*known)} }

// add returns the entry of a peer, made if need be, with addresses added to it. It is nil
// if there is no room.
func (t *table) add(id peer.ID, addrs []multiaddr.Multiaddr, now time.Time) *known {
	k := t.peers[id]
	if k == nil {
		k = &known{id: id}
		t.peers[id] = k
	}
	k.seen = now
	k.addAddrs(addrs)
	t.trim()
	return t.peers[id]
}

// addAddrs puts addresses before those that are known already.
func (k *known) addAddrs(addrs []multiaddr.Multiaddr) {
	all := make([]multiaddr.Multiaddr, 0, maxAddrs)
	for _, addr := range slices.Concat(addrs, k.addrs) {
		if len(all) < maxAddrs && len(addr.Bytes()) <= maxAddrBytes && !multiaddr.Contains(all, addr) {
			all = append(all, addr)
		}
	}
	k.addrs = all
}

// addStatic makes a peer static, for which there is always room.
func (t *table) addStatic(info peer.AddrInfo, now time.Time) *known {
	k := t.peers[info.ID]
	if k == nil {
		k = &known{id: info.ID}
		t.peers[info.ID] = k
	}
	k.static = true
	return t.add(info.ID, info.Addrs, now)
}

// trim forgets the least promising peer if there are too many.
func (t *table) trim() {
	if len(t.peers) <= maxKnown {
		return
	}
	var worst *known
	for _, k := range t.peers {
		if !k.static && !k.dialed && (worst == nil || k.compare(worst) > 0) {
			worst = k
		}
	}
	if worst != nil {
		delete(t.peers, worst.id)
	}
}

// compare orders peers by how promising they are, the most promising first: those that were good,
// the last ones first, then those that failed least, then those that were heard of last.
func (k *known) compare(other *known) int {
	return cmp.Or(other.good.Compare(k.good), cmp.Compare(k.fails, other.fails), other.seen.Compare(k.seen))
}

// failed notes that a dial is of no avail, at least so far.
func (k *known) failed(now time.Time) {
	k.fails++
	k.until = now.Add(k.schedule().after(k.fails))
}

// giveUp forgets a peer that was dialed in vain too often.
func (t *table) giveUp(k *known) {
	if !k.static && k.fails >= maxDialFails {
		delete(t.peers, k.id)
	}
}

func (k *known) schedule() schedule {
	if k.static {
		return staticSchedule
	}
	return knownSchedule
}

// backOff keeps a peer from being dialed for a while, known or not.
func (t *table) backOff(id peer.ID, pause time.Duration, now time.Time) {
	k := t.add(id, nil, now)
	if k == nil {
		return
	}
	if k.static {
		pause = min(pause, staticSchedule.most)
	}
	if until := now.Add(pause); until.After(k.until) {
		k.until = until
	}
}

// due returns the peers that may be dialed now, the most promising first.
func (t *table) due(now time.Time, usable func(peer.ID) bool) (all []*known) {
	for _, k := range t.peers {
		if !k.dialed && len(k.addrs) > 0 && !now.Before(k.until) && usable(k.id) {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *known) int {
		return cmp.Or(compareBool(b.static, a.static), a.compare(b))
	})
	return all
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
