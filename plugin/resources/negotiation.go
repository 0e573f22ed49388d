package resources

import (
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"
)

// A stream's age is counted in ticks of the reaper. A process that gets no processor time has the protocols
// of its peers unread, so that ticks are a better clock than the wall's.
const (
	tickInterval = 250 * time.Millisecond

	// maxNegotiation is how long a stream may take to get a protocol while most slots are free.
	maxNegotiation = int(5 * time.Second / tickInterval)
	// minNegotiation is how long it always may, if no other peer needs its slot.
	minNegotiation = int(2 * time.Second / tickInterval)
	// quickNegotiation is how long a stream may take that ends without a protocol for an honest reason:
	// its peer offers what the host does not support, which takes a round trip.
	quickNegotiation = int(time.Second / tickInterval)
)

const (
	// maxUnnegotiated is how many streams that held a slot to the end a peer may leave without a protocol
	// before it is an offender. They are forgotten with failureHalfLife.
	maxUnnegotiated = 6
	failureHalfLife = time.Minute
	// maxDebt is how many streams more than it has negotiated a peer may open before it is an offender, however soon
	// it ends them. They are forgotten with debtHalfLife: five a second exceed it in 40 seconds, two never do.
	maxDebt      = 128
	debtHalfLife = 30 * time.Second

	// evictionMargin is how many streams more than a newcomer the peer that loses one must owe, so that peers
	// who are alike do not evict each other. Two streams that were opened a moment ago count for a bit less.
	evictionMargin = 1.5

	// maxTracked bounds the peers that are remembered without a stream in negotiation.
	maxTracked = 1 << 14
)

// A negotiator is a peer with streams in negotiation, or one that has left some without a protocol.
type negotiator struct {
	streams []*negotiation // in negotiation, oldest first
	// debt is how many streams the peer has opened more than it has negotiated, of late.
	debt float64
	// failures is how many of them held their slot to the end, of late.
	failures float64
	at       time.Time // of debt and failures
	offender bool      // failures or debt exceed their bound, which was reported
}

func (p *negotiator) decay(now time.Time) {
	passed := now.Sub(p.at)
	if passed <= 0 {
		return
	}
	p.debt *= math.Exp2(-passed.Seconds() / debtHalfLife.Seconds())
	p.failures *= math.Exp2(-passed.Seconds() / failureHalfLife.Seconds())
	p.at = now
}

// isNegligible reports whether a peer can be forgotten.
func (p *negotiator) isNegligible(now time.Time) bool {
	if len(p.streams) > 0 {
		return false
	}
	p.decay(now)
	return p.debt < 0.5 && p.failures < 0.5
}

// slots are those for streams in negotiation. The manager's lock guards them.
type slots struct {
	max, taken int
	ticks      int // how often expire was called
	peers      map[peer.ID]*negotiator
	holders    map[peer.ID]*negotiator // those of peers that have streams in negotiation
	evicted    map[peer.ID]struct{}    // whose streams are to be reset
	offenders  []peer.ID
}

func newSlots(n int) slots {
	return slots{
		max:     n,
		peers:   make(map[peer.ID]*negotiator),
		holders: make(map[peer.ID]*negotiator),
		evicted: make(map[peer.ID]struct{}),
	}
}

// take gives a stream a slot and reports whether it could. The stream that lost its slot for it is nil
// if there was a free one.
func (s *slots) take(stream *negotiation, now time.Time) (lost *negotiation, ok bool) {
	p := s.peer(stream.peer, now)
	owed, holds, share := p.debt, len(p.streams), s.share(p)
	// A stream that finds no slot at all is not held against a peer that negotiates its streams.
	owes := holds > 0 || p.debt > negotiating
	if owes {
		s.owe(stream.peer, p)
	}
	if holds > 0 && holds >= share {
		return nil, false
	}
	if s.taken >= s.max {
		if lost = s.debtor(owed, now); lost == nil {
			return nil, false
		}
		s.evict(lost, now)
	}
	if !owes {
		s.owe(stream.peer, p)
	}
	stream.opened = s.ticks
	p.streams = append(p.streams, stream)
	s.holders[stream.peer] = p
	s.taken++
	return lost, true
}

// burst is the part of the free slots that a peer may have which negotiates its streams. Honest peers open
// several at once, as they connect.
const burst = 4

// share returns how many streams a peer may have in negotiation now.
func (s *slots) share(p *negotiator) int {
	part := share
	if p.debt <= negotiating {
		part = burst
	}
	return min(negotiating, max(1, (s.max-s.taken)/part))
}

func (s *slots) peer(id peer.ID, now time.Time) *negotiator {
	p := s.peers[id]
	if p == nil {
		s.makeRoom(now)
		p = &negotiator{at: now}
		s.peers[id] = p
	}
	p.decay(now)
	return p
}

// makeRoom forgets peers for one more: those that are negligible among a few, or else any without a stream.
func (s *slots) makeRoom(now time.Time) {
	looked := 0
	for id, p := range s.peers {
		if p.isNegligible(now) || len(s.peers) >= maxTracked && len(p.streams) == 0 {
			delete(s.peers, id)
		}
		if looked++; looked >= 8 {
			return
		}
	}
}

// sample is how many peers are compared to find one that owes much.
const sample = 32

// debtor returns the oldest stream of the peer that owes most among a sample, if that is clearly more
// than owed.
func (s *slots) debtor(owed float64, now time.Time) *negotiation {
	var most *negotiator
	n := sample
	for _, p := range s.holders {
		if p.decay(now); most == nil || p.debt > most.debt {
			most = p
		}
		if n--; n == 0 {
			break
		}
	}
	if most == nil || most.debt < 2*owed+evictionMargin {
		return nil
	}
	return most.streams[0]
}

// evict takes a stream's slot, which is to be reset.
func (s *slots) evict(stream *negotiation, now time.Time) {
	s.leave(stream, false, now)
	stream.state = slotEvicted
	s.evicted[stream.peer] = struct{}{}
}

// leave frees a stream's slot, and reports whether it had one.
func (s *slots) leave(stream *negotiation, negotiated bool, now time.Time) bool {
	if stream.state != slotHeld {
		return false
	}
	stream.state = slotLeft
	s.taken--
	p := s.peers[stream.peer]
	i := slices.Index(p.streams, stream)
	if p.streams = slices.Delete(p.streams, i, i+1); len(p.streams) == 0 {
		delete(s.holders, stream.peer)
	}
	p.decay(now)
	if negotiated {
		p.debt = max(0, p.debt-1)
	} else {
		s.failed(stream.peer, p, s.ticks-stream.opened)
	}
	if p.isNegligible(now) {
		delete(s.peers, stream.peer)
	}
	return true
}

// failed counts a stream that has ended without a protocol by how long it held its slot.
func (s *slots) failed(id peer.ID, p *negotiator, held int) {
	if held <= quickNegotiation {
		return
	}
	p.failures += min(1, float64(held-quickNegotiation)/float64(minNegotiation-quickNegotiation))
	s.judge(id, p)
}

// owe counts a stream that a peer opens.
func (s *slots) owe(id peer.ID, p *negotiator) {
	p.debt++
	s.judge(id, p)
}

// judge notes a peer that has become an offender. It is one until half of what made it one is forgotten.
func (s *slots) judge(id peer.ID, p *negotiator) {
	was, part := p.offender, 1.0
	if was {
		part = 0.5
	}
	p.offender = p.failures >= part*maxUnnegotiated || p.debt >= part*maxDebt
	if p.offender && !was {
		s.offenders = append(s.offenders, id)
	}
}

// expire ends a tick. It evicts the streams that take too long, the sooner the fewer slots are free, and
// returns how many they were.
func (s *slots) expire(now time.Time) (n int) {
	s.ticks++
	free := float64(s.max-s.taken) / float64(s.max)
	limit := max(minNegotiation, int(free*float64(maxNegotiation)))
	for _, p := range s.holders {
		for len(p.streams) > 0 && s.ticks-p.streams[0].opened > limit {
			s.evict(p.streams[0], now)
			n++
		}
	}
	return n
}

// takeEvicted returns the peers that have streams to be reset. The caller owns the map.
func (s *slots) takeEvicted() map[peer.ID]struct{} {
	if len(s.evicted) == 0 {
		return nil
	}
	ids := s.evicted
	s.evicted = make(map[peer.ID]struct{})
	return ids
}

// takeOffenders returns the peers that have left too many streams without a protocol since it was last
// called.
func (s *slots) takeOffenders() []peer.ID {
	ids := s.offenders
	s.offenders = nil
	return ids
}
