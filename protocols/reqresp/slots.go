package reqresp

import (
	"context"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// What exchanges end in for which there is no slot. Each names the bound.
var (
	errEvicted        = fmt.Errorf("%w: evicted for a peer with fewer streams, at MaxStreams of ServerOptions", ErrRefused)
	errStreams        = fmt.Errorf("%w: MaxStreams of ServerOptions", ErrRefused)
	errStreamsPerPeer = fmt.Errorf("%w: MaxStreamsPerPeer of ServerOptions", ErrRefused)
	errStreamsPerConn = fmt.Errorf("%w: MaxStreamsPerConn of ServerOptions", ErrRefused)
	errShareOfStreams = fmt.Errorf("%w: a peer's share of what MaxStreams of ServerOptions leaves", ErrRefused)
)

// A slot is an exchange's place among the streams that are served.
type slot struct {
	inbound  *Inbound
	ctx      context.Context
	cancel   context.CancelCauseFunc
	admitted bool // it keeps the slot
	evicted  bool // another peer got the slot

	prev, next *slot // of those of its peer that are not admitted
}

// slots bounds the streams of a server. The server's lock guards it.
type slots struct {
	max, perPeer int
	taken        map[*slot]struct{}
	peers        map[peer.ID]int   // how many of each
	last         map[peer.ID]*slot // of each that has any, the last that is not admitted
}

func newSlots(o ServerOptions) slots {
	return slots{
		max:     o.MaxStreams,
		perPeer: o.MaxStreamsPerPeer,
		taken:   make(map[*slot]struct{}),
		peers:   make(map[peer.ID]int),
		last:    make(map[peer.ID]*slot),
	}
}

// shareOfFree is the part of the slots left that one peer may have.
const shareOfFree = 16

// check returns why a peer can have no more slots, or nil. It can have fewer as they get
// scarce: peers that take all they can leave room for others that have none.
func (s *slots) check(id peer.ID) error {
	switch free, n := s.max-len(s.taken), s.peers[id]; {
	case n >= s.perPeer:
		return errStreamsPerPeer
	case free <= 0:
		return errStreams
	case n >= max(1, free/shareOfFree):
		return errShareOfStreams
	}
	return nil
}

// evict frees a slot for a peer that has fewer than are taken on average: the last
// that is not admitted of the peer which has most. It is nil if no peer has to give up any.
//
// Some peers may have come first, when there was plenty, and taken so many that
// nothing is left but to wait until they end. This evens it out. A peer that has the
// average needs no search, so that peers with all they can have cost none, and the search
// is among the peers that have any to give up.
func (s *slots) evict(id peer.ID) *slot {
	n := s.peers[id]
	if n >= s.perPeer || (n+1)*len(s.peers) >= len(s.taken) {
		return nil
	}
	var evicted *slot
	most := n + 1
	for owner, last := range s.last {
		has := s.peers[owner]
		if has > most || evicted != nil && has == most && last.inbound.ID() > evicted.inbound.ID() {
			evicted, most = last, has
		}
	}
	if evicted != nil {
		s.release(evicted)
		evicted.evicted = true
	}
	return evicted
}

func (s *slots) take(taken *slot) {
	id := taken.inbound.Peer()
	s.taken[taken] = struct{}{}
	s.peers[id]++
	if taken.prev = s.last[id]; taken.prev != nil {
		taken.prev.next = taken
	}
	s.last[id] = taken
}

// admit has an exchange keep its slot from now on.
func (s *slots) admit(at *slot) {
	if at.admitted {
		return
	}
	at.admitted = true
	prev, next := at.prev, at.next
	at.prev, at.next = nil, nil
	if prev != nil {
		prev.next = next
	}
	switch {
	case next != nil:
		next.prev = prev
	case prev != nil:
		s.last[at.inbound.Peer()] = prev
	default:
		delete(s.last, at.inbound.Peer())
	}
}

// release frees a slot, unless it was evicted before.
func (s *slots) release(left *slot) {
	if left.evicted {
		return
	}
	s.admit(left)
	delete(s.taken, left)
	id := left.inbound.Peer()
	if s.peers[id]--; s.peers[id] == 0 {
		delete(s.peers, id)
	}
}

// A servedConn is a connection on which exchanges are being served. An exchange
// that waits, for its limiter or in its handler, would not notice otherwise that the connection has ended.
type servedConn struct {
	ctx       context.Context
	cancel    context.CancelCauseFunc
	exchanges int
}

// enterConnLocked returns the context of the exchanges on a connection.
func (s *Server) enterConnLocked(conn network.Conn) context.Context {
	c := s.conns[conn]
	if c == nil {
		c = new(servedConn)
		c.ctx, c.cancel = context.WithCancelCause(s.ctx)
		s.conns[conn] = c
	}
	c.exchanges++
	if conn.IsClosed() {
		// Its end may have been notified before the connection was in the map.
		c.cancel(ErrDisconnected)
	}
	return c.ctx
}

// onConnLocked returns how many exchanges are being served on a connection.
func (s *Server) onConnLocked(conn network.Conn) int {
	if c := s.conns[conn]; c != nil {
		return c.exchanges
	}
	return 0
}

func (s *Server) leaveConnLocked(conn network.Conn) {
	c := s.conns[conn]
	c.exchanges--
	if c.exchanges == 0 {
		c.cancel(nil)
		delete(s.conns, conn)
	}
}

// disconnected ends the exchanges on a connection that is gone.
func (s *Server) disconnected(_ network.Network, conn network.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.conns[conn]; c != nil {
		c.cancel(ErrDisconnected)
	}
}
