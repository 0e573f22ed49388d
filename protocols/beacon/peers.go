package beacon

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// PeerStatus returns the last status that a connected peer told.
func (s *Server) PeerStatus(id peer.ID) (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, ok := s.peers[id]
	return status, ok
}

// PeerStatuses returns the last status of every connected peer that told one.
func (s *Server) PeerStatuses() map[peer.ID]Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.peers)
}

// judge records a peer's status if it is relevant.
func (s *Server) judge(ctx context.Context, id peer.ID, ours, theirs Status) error {
	inForce := ours
	if s.digestInForce(theirs.ForkDigest) {
		inForce.ForkDigest = theirs.ForkDigest
	}
	if err := relevant(ctx, s.family.network, s.chain, inForce, theirs); err != nil {
		return err
	}
	if s.record(id, theirs) {
		s.opts.PeerTrace.status(id, ours, theirs)
	}
	return nil
}

// record notes a status, unless the peer is being left, or the status arrives as the connection goes: it would never
// be forgotten.
func (s *Server) record(id peer.ID, status Status) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving[id] || !s.connected(id) {
		return false
	}
	s.peers[id] = status
	return true
}

func (s *Server) connected(id peer.ID) bool {
	return s.host.Network().Connectedness(id) == network.Connected
}

func (s *Server) forget(id peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.peers, id)
}

// forgetGone forgets a peer with its last connection. That is looked up under the
// lock, as a peer may be back and have told its status already.
func (s *Server) forgetGone(id peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.connected(id) {
		delete(s.peers, id)
	}
}

// notifiee follows the connections of the host. It is the only one: who manages the peers is told by PeerTrace.
func (s *Server) notifiee() *network.NotifyBundle {
	return &network.NotifyBundle{
		ConnectedF:    func(_ network.Network, conn network.Conn) { s.gotConn(conn) },
		DisconnectedF: func(_ network.Network, conn network.Conn) { s.lostConn(conn) },
	}
}

func (s *Server) watch() {
	s.host.Network().Notify(s.notify)
	for _, conn := range s.host.Network().Conns() {
		s.gotConn(conn)
	}
}

func (s *Server) unwatch() { s.host.Network().StopNotify(s.notify) }

// gotConn greets a peer that this host has dialed, as the dialer has to. Limited connections are for others to make
// direct ones of.
func (s *Server) gotConn(conn network.Conn) {
	id, stat := conn.RemotePeer(), conn.Stat()
	if stat.Limited {
		return
	}
	s.opts.PeerTrace.connected(id, stat.Direction)
	if stat.Direction == network.DirOutbound {
		s.greet(id)
	}
}

func (s *Server) lostConn(conn network.Conn) {
	s.forgetGone(conn.RemotePeer())
	s.opts.PeerTrace.disconnected(conn.RemotePeer())
}

func (s *Server) greet(id peer.ID) {
	s.spawn(func(ctx context.Context) {
		// A peer that is gone already is not dialed for the sake of manners.
		if _, err := s.Handshake(network.WithNoDial(ctx, "greeting"), id); err != nil && ctx.Err() == nil {
			s.log.Debug("status handshake failed", "peer", id, "err", err)
		}
	})
}

// spawn runs a task that Stop cancels and waits for.
func (s *Server) spawn(task func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return
	}
	s.tasks.Go(func() { task(s.ctx) })
}

// goodbyeTimeout bounds how long a peer is kept for the sake of manners.
const goodbyeTimeout = 2 * time.Second

// Leave says goodbye to a peer, with a reason, and hangs up. It waits for the peer's answer, but
// no longer than two seconds. It does nothing if the peer is being left already.
func (s *Server) Leave(ctx context.Context, id peer.ID, reason GoodbyeReason) {
	s.leave(ctx, id, reason, nil)
}

// leave says goodbye to a peer and hangs up. It does nothing if that is under way
// already, so that a peer costs no more for each bad status it sends.
func (s *Server) leave(ctx context.Context, id peer.ID, reason GoodbyeReason, why error) {
	if !s.beginLeaving(id) {
		return
	}
	defer s.endLeaving(id)
	s.opts.PeerTrace.left(id, reason)
	attrs := []any{"peer", id, "reason", reason}
	if why != nil {
		attrs = append(attrs, "err", why)
	}
	s.log.Debug("leaving peer", attrs...)
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	// A peer that hung up first is not dialed for the sake of manners.
	err := s.client.Goodbye(network.WithNoDial(ctx, "leaving"), id, reason)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Debug("goodbye was not answered", "peer", id, "err", err)
	}
	if err := s.host.Network().ClosePeer(id); err != nil {
		s.log.Debug("closing connection failed", "peer", id, "err", err)
	}
}

func (s *Server) beginLeaving(id peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leaving[id] {
		return false
	}
	s.leaving[id] = true
	delete(s.peers, id)
	return true
}

func (s *Server) endLeaving(id peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leaving, id)
}

// leaveAll says goodbye to all peers at once, also where ctx has ended: manners
// have their own, short bound.
func (s *Server) leaveAll(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	var all sync.WaitGroup
	for id := range s.PeerStatuses() {
		all.Go(func() { s.leave(ctx, id, GoodbyeClientShutdown, nil) })
	}
	all.Wait()
}
