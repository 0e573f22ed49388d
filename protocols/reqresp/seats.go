package reqresp

import (
	"context"
	"fmt"
	"slices"

	"github.com/libp2p/go-libp2p/core/peer"
)

// errShed is what an exchange ends in whose seat another peer got.
var errShed = fmt.Errorf("%w: a peer with fewer streams takes its place", ErrRefused)

// A seat is an exchange's place among those that are served.
type seat struct {
	peer   *servedPeer
	ctx    context.Context
	cancel context.CancelCauseFunc
	shed   bool // it was given to another
}

// A servedPeer is a peer of whom exchanges are being served.
type servedPeer struct {
	id    peer.ID
	seats int
	// waiting are those not admitted, in order of arrival: what gives up one of these
	// was not answered yet.
	waiting []*seat
}

// seats are all there are. Its server's lock guards them.
type seats struct {
	max, perPeer int
	taken        int
	peers        map[peer.ID]*servedPeer
}

func newSeats(o ServerOptions) seats {
	return seats{max: o.MaxStreams, perPeer: o.MaxStreamsPerPeer, peers: make(map[peer.ID]*servedPeer)}
}

func (s *seats) counts() map[peer.ID]int {
	n := make(map[peer.ID]int, len(s.peers))
	for id, p := range s.peers {
		n[id] = p.seats
	}
	return n
}

func (s *seats) of(id peer.ID) int {
	if p := s.peers[id]; p != nil {
		return p.seats
	}
	return 0
}

// shareOfFree is the part of the seats left that one peer may hold.
const shareOfFree = 16

// hasRoom reports whether a peer can have one more. It can have fewer as they get
// scarce: peers that take all they can leave room for those who have none.
func (s *seats) hasRoom(id peer.ID) bool {
	free := s.max - s.taken
	return free > 0 && s.of(id) < min(s.perPeer, max(1, free/shareOfFree))
}

// shed frees a seat for a peer that has fewer than are taken on average: the last
// that waits of the peer which has most. It is nil if nobody has to give up any.
//
// Some peers may have come first, when there was plenty, and taken so many that
// nothing is left but to wait until they end. This evens it out. Whoever has the
// average needs no search, so that peers who hold all they can cost none.
func (s *seats) shed(id peer.ID) *seat {
	n := s.of(id)
	if n >= s.perPeer || (n+1)*len(s.peers) >= s.taken {
		return nil
	}
	var most *servedPeer
	for _, p := range s.peers {
		if len(p.waiting) > 0 && p.seats > n+1 && (most == nil || p.seats > most.seats) {
			most = p
		}
	}
	if most == nil {
		return nil
	}
	given := most.waiting[len(most.waiting)-1]
	s.leave(given)
	given.shed = true
	return given
}

// take gives a peer's exchange a seat, until ctx ends at most.
func (s *seats) take(ctx context.Context, id peer.ID) *seat {
	p := s.peers[id]
	if p == nil {
		p = &servedPeer{id: id}
		s.peers[id] = p
	}
	taken := &seat{peer: p}
	taken.ctx, taken.cancel = context.WithCancelCause(ctx)
	s.taken++
	p.seats++
	p.waiting = append(p.waiting, taken)
	return taken
}

// settle tells that an exchange was admitted. It keeps its seat from now on.
func (s *seats) settle(admitted *seat) {
	p := admitted.peer
	if i := slices.Index(p.waiting, admitted); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
	}
}

// leave frees a seat, unless it was given to another before.
func (s *seats) leave(left *seat) {
	if left.shed {
		return
	}
	s.settle(left)
	s.taken--
	p := left.peer
	if p.seats--; p.seats == 0 {
		delete(s.peers, p.id)
	}
}
