package reqresp

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/peer"
)

// errShed is what an exchange ends in whose seat another peer got.
var errShed = fmt.Errorf("%w: a peer with fewer streams takes its place", ErrRefused)

// A seat is an exchange's place among those that are served.
type seat struct {
	peer   peer.ID
	ctx    context.Context
	cancel context.CancelCauseFunc
	shed   bool // it was given to another

	waits      bool  // to be admitted
	prev, next *seat // of those of the peer that do

	exchange      *Inbound
	before, after *seat // of all that are taken
}

// A servedPeer is a peer of whom exchanges are being served.
type servedPeer struct {
	seats int
	// last is that which came last of those that are not admitted: whoever gives it up
	// was not answered yet.
	last *seat
}

// seats are all there are. Its server's lock guards them.
type seats struct {
	max, perPeer int
	taken        int
	latest       *seat // that was taken last
	peers        map[peer.ID]servedPeer
}

func newSeats(o ServerOptions) seats {
	return seats{max: o.MaxStreams, perPeer: o.MaxStreamsPerPeer, peers: make(map[peer.ID]servedPeer)}
}

func (s *seats) counts() map[peer.ID]int {
	n := make(map[peer.ID]int, len(s.peers))
	for id, p := range s.peers {
		n[id] = p.seats
	}
	return n
}

// shareOfFree is the part of the seats left that one peer may hold.
const shareOfFree = 16

// hasRoom reports whether a peer can have one more. It can have fewer as they get
// scarce: peers that take all they can leave room for those who have none.
func (s *seats) hasRoom(id peer.ID) bool {
	free := s.max - s.taken
	return free > 0 && s.peers[id].seats < min(s.perPeer, max(1, free/shareOfFree))
}

// shed frees a seat for a peer that has fewer than are taken on average: the last
// that waits of the peer which has most. It is nil if nobody has to give up any.
//
// Some peers may have come first, when there was plenty, and taken so many that
// nothing is left but to wait until they end. This evens it out. Whoever has the
// average needs no search, so that peers who hold all they can cost none.
func (s *seats) shed(id peer.ID) *seat {
	n := s.peers[id].seats
	if n >= s.perPeer || (n+1)*len(s.peers) >= s.taken {
		return nil
	}
	var most servedPeer
	for _, p := range s.peers {
		if p.last != nil && p.seats > max(most.seats, n+1) {
			most = p
		}
	}
	given := most.last
	if given != nil {
		s.leave(given)
		given.shed = true
	}
	return given
}

// take gives a seat to the peer that is named there.
func (s *seats) take(taken *seat) {
	p := s.peers[taken.peer]
	taken.waits, taken.prev = true, p.last
	if p.last != nil {
		p.last.next = taken
	}
	s.peers[taken.peer] = servedPeer{p.seats + 1, taken}
	s.taken++
	taken.before = s.latest
	if s.latest != nil {
		s.latest.after = taken
	}
	s.latest = taken
}

// settle tells that an exchange was admitted. It keeps its seat from now on.
func (s *seats) settle(admitted *seat) {
	if !admitted.waits {
		return
	}
	prev, next := admitted.prev, admitted.next
	if prev != nil {
		prev.next = next
	}
	if next != nil {
		next.prev = prev
	} else {
		s.peers[admitted.peer] = servedPeer{s.peers[admitted.peer].seats, prev}
	}
	admitted.waits, admitted.prev, admitted.next = false, nil, nil
}

// leave frees a seat, unless it was given to another before.
func (s *seats) leave(left *seat) {
	if left.shed {
		return
	}
	s.settle(left)
	s.taken--
	s.unlink(left)
	p := s.peers[left.peer]
	if p.seats--; p.seats == 0 {
		delete(s.peers, left.peer)
		return
	}
	s.peers[left.peer] = p
}

func (s *seats) unlink(left *seat) {
	before, after := left.before, left.after
	if before != nil {
		before.after = after
	}
	if after != nil {
		after.before = before
	} else {
		s.latest = before
	}
	left.before, left.after = nil, nil
}
