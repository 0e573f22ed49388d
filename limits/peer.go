package limits

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

const (
	// shards is how many locks the peers are spread over: far more than cores, so that two rarely want one.
	shards = 64
	// forgetPerPeer is how many tracked peers are looked at for each that is added. If more than a quarter of them may
	// be forgotten, their number shrinks.
	forgetPerPeer = 4
	// searchInterval is how often all may be looked at, a shard at a time, which takes some milliseconds for
	// DefaultMaxPeers.
	searchInterval = time.Second
	// refreshInterval is for how long a peer's weight and address are remembered.
	refreshInterval = time.Second
)

// A shard has a part of the peers.
type shard struct {
	mu      sync.Mutex
	peers   map[key]*peerState
	spare   *exchange // those which no exchange has, linked
	handles []handle  // that nobody has yet

	_ [64]byte // keeps the next shard's lock off this one's cache line
}

// A key is a seeded hash of a peer's ID. Peers are found by it without a look at their IDs far off in memory. Two peers
// with one key would share their budgets. Nobody can construct them without the seed, and among a million peers chance
// does so once in thirty million times.
type key uint64

func (l *Limiter) key(id peer.ID) key { return key(maphash.String(l.seed, string(id))) }

func (l *Limiter) shard(k key) *shard { return &l.shards[k%shards] }

// A method is what all peers' use of it shares.
type method struct {
	name  string
	index int
	rates rates // of each peer; guarded as a pool's
	pool  pool
	size  atomic.Uint64 // of a chunk, as a running mean; zero before the first
}

const (
	// firstSize is expected of chunks before there was any.
	firstSize = 64 << 10
	// smallChunk is the size up to which chunks are promised nothing: what a status or a ping takes is nothing to be
	// short of.
	smallChunk = 4 << 10
	// What one more chunk changes the mean size by, as a part of the difference. The mean is biased high: peers that
	// are charged less than they use are put right only as they settle.
	meanUp   = 4
	meanDown = 64
)

// chunkSize returns how many bytes a chunk takes, as far as can be told.
func (m *method) chunkSize() uint64 {
	if size := m.size.Load(); size > 0 {
		return size
	}
	return firstSize
}

// sent adds chunks to the mean size, if anything of them was written. Some may get lost if added at once.
func (m *method) sent(used reqresp.Cost) {
	if used.Bytes == 0 {
		return
	}
	n := used.Bytes / max(used.Items, 1)
	switch mean := m.size.Load(); {
	case n == mean: // not written again, as others look at it
	case mean == 0:
		m.size.Store(n)
	case n > mean:
		m.size.Store(mean + (n-mean+meanUp-1)/meanUp)
	case n < mean:
		m.size.Store(mean - (mean-n)/meanDown)
	}
}

// A usage is what one peer uses of one method. It is guarded by its shard's lock. It fills a cache line: a decision
// about a peer that was not seen for long takes as long as the lines it reads from the main memory.
type usage struct {
	budget budget
	peer   *peerState
	method *method
	prefix *pool          // nil if there is none
	slots  uint16         // exchanges that run, or wait for what is shared to be admitted
	active uint16         // exchanges admitted
	queues *[stages]queue // nil before the first exchange waits
}

// queue returns where exchanges wait.
func (u *usage) queue(s stage) *queue {
	if u.queues == nil {
		u.queues = new([stages]queue)
	}
	return &u.queues[s]
}

// queued returns how many exchanges wait for their peer's own budget and exchanges.
func (u *usage) queued(s stage) int {
	if u.queues == nil {
		return 0
	}
	return len(u.queues[s])
}

// waiting returns how many exchanges wait for admission.
func (u *usage) waiting() int { return u.queued(admission) + int(u.slots-u.active) }

// idle reports whether the usage could be replaced by a new one.
func (u *usage) idle(now time.Duration) bool {
	return u.slots == 0 && u.queued(admission) == 0 && u.budget.fullAt() <= now
}

// wake has those look again that may be able to go on earlier than they thought.
func (u *usage) wake() {
	if u.queues != nil {
		u.queues[admission].wake()
		u.queues[chunk].wake()
	}
}

// A peerState is what a limiter knows of a peer. It is guarded by its shard's lock.
type peerState struct {
	// What every decision looks at is first.
	last      *usage  // that was used last: it is found without a look at usages
	weight    float64 // by its score
	refreshed time.Duration
	standing  standing

	usages []*usage // by method.index, nil where the peer did not use it
	prefix *prefix  // nil if there is none
	id     peer.ID
	finish float64 // virtual time up to which the peer was served
}

// charge lets the peer, and its prefix, pay for bytes of the shared capacity, of which its part is share in relation to
// others. It returns the tag of what it pays for, from the virtual time on. The node is locked.
func (ps *peerState) charge(virtual float64, bytes uint64, share float64) float64 {
	tag, n := max(virtual, ps.finish), float64(bytes)/share
	if x := ps.prefix; x != nil {
		tag = max(tag, x.finish)
		x.finish = tag + n/x.share
	}
	ps.finish = tag + n
	if ps.standing.isNew() {
		// It pays before its turn, not after: else those who always come anew never paid.
		return ps.finish
	}
	return tag
}

// correct changes what was charged for a share. The node is locked.
func (ps *peerState) correct(charged, used uint64, share float64) {
	diff := (float64(used) - float64(charged)) / share
	ps.finish += diff
	if x := ps.prefix; x != nil {
		x.finish += diff / x.share
	}
}

// idle reports whether the peer could be forgotten.
func (ps *peerState) idle(now time.Duration, virtual float64) bool {
	if ps.finish > virtual {
		return false
	}
	for _, u := range ps.usages {
		if u != nil && !u.idle(now) {
			return false
		}
	}
	return true
}

// usage returns what a peer uses of a method. The shard is locked.
func (l *Limiter) usage(ps *peerState, m *method) *usage {
	if ps.last != nil && ps.last.method == m {
		return ps.last
	}
	for m.index >= len(ps.usages) {
		ps.usages = append(ps.usages, nil)
	}
	if ps.usages[m.index] == nil {
		u := &usage{peer: ps, method: m}
		if ps.prefix != nil {
			l.node.mu.Lock()
			u.prefix = l.prefixes.pool(ps.prefix, m)
			l.node.mu.Unlock()
		}
		ps.usages[m.index] = u
	}
	ps.last = ps.usages[m.index]
	return ps.last
}

// peer returns the state of a peer, up to date, which it makes if need be. shard.mu must be held; it is released while
// the score and the address of the peer are asked for.
func (l *Limiter) peer(sh *shard, k key, id peer.ID, now time.Duration) (*peerState, error) {
	ps := sh.peers[k]
	isNew := ps == nil
	if !isNew {
		if l.scores == nil && l.addr == nil || now-ps.refreshed < refreshInterval {
			return ps, nil
		}
		ps.refreshed = now // so that nobody else asks meanwhile
	}
	sh.mu.Unlock()
	var err error
	if isNew {
		err = l.makeRoom(now)
	}
	weight, addr := l.ask(id)
	sh.mu.Lock()
	if err != nil {
		return nil, err
	}
	switch ps = sh.peers[k]; {
	case ps == nil && !isNew:
		return l.peer(sh, k, id, now) // it was forgotten meanwhile
	case ps == nil:
		l.forgetSome(sh, now, forgetPerPeer)
		ps = &peerState{id: id}
		sh.peers[k] = ps
	case isNew:
		l.tracked.Add(-1) // somebody else made it meanwhile
	}
	ps.weight, ps.refreshed = weight, now
	if !l.locate(ps, addr, now) && len(ps.usages) == 0 {
		l.forget(sh, k, ps)
		return nil, fmt.Errorf("%w: %d prefixes", ErrTooManyPeers, l.maxPeers.Load())
	}
	return ps, nil
}

// ask returns what others know of a peer.
func (l *Limiter) ask(id peer.ID) (float64, netip.Addr) {
	weight, addr := 1.0, netip.Addr{}
	if l.scores != nil {
		weight = clampWeight(l.scores.Weight(id))
	}
	if l.addr != nil {
		addr = l.addr(id)
	}
	return weight, addr
}

// makeRoom counts in one more peer.
func (l *Limiter) makeRoom(now time.Duration) error {
	most := l.maxPeers.Load()
	for range 2 {
		if l.tracked.Add(1) <= most {
			return nil
		}
		l.tracked.Add(-1)
		l.sweep(now)
	}
	return fmt.Errorf("%w: %d", ErrTooManyPeers, most)
}

// forget removes a peer that is idle. The shard is locked.
func (l *Limiter) forget(sh *shard, k key, ps *peerState) {
	delete(sh.peers, k)
	l.tracked.Add(-1)
	if ps.prefix != nil {
		l.node.mu.Lock()
		ps.prefix.peers--
		l.node.mu.Unlock()
	}
}

// forgetSome looks at n peers of a shard, others each time as Go ranges over maps at random, and forgets those whom a
// new budget would give nothing, but while there is room none whose standing is kept. The shard is locked.
func (l *Limiter) forgetSome(sh *shard, now time.Duration, n int) {
	virtual, room := l.virtual(now), l.tracked.Load() < l.maxPeers.Load()
	for k, ps := range sh.peers {
		if n--; n < 0 {
			return
		}
		if ps.idle(now, virtual) && (!room || !ps.standing.kept(now)) {
			l.forget(sh, k, ps)
		}
	}
}

// sweep looks at all peers of all shards, unless it did so a moment ago. No shard is locked.
func (l *Limiter) sweep(now time.Duration) {
	last := l.swept.Load()
	if now-time.Duration(last) < searchInterval || !l.swept.CompareAndSwap(last, int64(now)) {
		return
	}
	for i := range l.shards {
		sh := &l.shards[i]
		sh.mu.Lock()
		l.forgetSome(sh, now, len(sh.peers))
		sh.mu.Unlock()
	}
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	l.prefixes.forgetSome(now, l.node.clock.now(now), len(l.prefixes.known))
}

func (l *Limiter) virtual(now time.Duration) float64 {
	l.node.mu.Lock()
	defer l.node.mu.Unlock()
	return l.node.clock.now(now)
}

// Peers returns how many peers are tracked.
func (l *Limiter) Peers() int { return int(l.tracked.Load()) }

const (
	// newFor is how much useful time leaves a peer new, and stays is how much gives it its full weight, which grows
	// from one to the other.
	newFor = 5 * time.Second
	stays  = 15 * time.Second
	// usefulStep is the most that counts between two chunks.
	usefulStep = 2 * time.Second
	// waitingStep is the same for a chunk that waited its turn, and waitingPart what counts of it: who comes in numbers
	// has all wait, and must not earn weight by that.
	waitingStep = nextChunkWithin + usefulStep
	waitingPart = 60
	// newShare is the part of one peer that all new peers have together which wait at a time, however many they are:
	// identities cost nothing.
	newShare = 1.0 / 4
	// standingKept is for how long a peer that is not new is remembered, while there is room.
	standingKept = 10 * time.Minute
)

// A standing is for how long a peer was useful: it read answers, one chunk after the other. The zero standing is a new
// peer's.
type standing struct {
	useful time.Duration
	since  time.Duration // when the last chunk was read, or the first exchange began; zero if none did
}

// begin notes that an exchange begins.
func (s *standing) begin(now time.Duration) {
	if s.since == 0 {
		s.since = now
	}
}

// read notes that a chunk was read, which may have waited its turn.
func (s *standing) read(now time.Duration, waited bool) {
	useful := min(now-s.since, usefulStep)
	if waited {
		useful = min(now-s.since, waitingStep) / waitingPart
	}
	s.useful, s.since = s.useful+useful, now
}

// isNew reports whether the peer has less than its full weight.
func (s *standing) isNew() bool { return s.useful < stays }

// factor is the part of its weight that the peer has while some new peers wait, it among them if it is new.
func (s *standing) factor(newPeers int) float64 {
	if !s.isNew() {
		return 1
	}
	return max(float64(s.useful-newFor)/float64(stays-newFor), newShare/float64(max(newPeers, 1)))
}

// kept reports whether the peer is worth remembering.
func (s *standing) kept(now time.Duration) bool {
	return s.useful > newFor && now-s.since < standingKept
}
