package beacon

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// PeerStatus returns the last status that a connected peer sent.
func (s *Server) PeerStatus(id peer.ID) (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, ok := s.peers[id]
	return status, ok
}

// PeerStatuses returns the last status of every connected peer that sent one.
func (s *Server) PeerStatuses() map[peer.ID]Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.peers)
}

// checkStatus records a peer's status if it is relevant.
func (s *Server) checkStatus(ctx context.Context, id peer.ID, ours, theirs Status) error {
	inForce := ours
	if s.digestInForce(theirs.ForkDigest) {
		inForce.ForkDigest = theirs.ForkDigest
	}
	if err := relevant(ctx, s.family.network, s.chain, inForce, theirs); err != nil {
		return err
	}
	if report := s.opts.PeerTrace.Status; s.record(id, theirs) && report != nil {
		report(id, ours, theirs)
	}
	return nil
}

// record stores a status, unless the peer is being disconnected, or the status arrives as the connection goes: it
// would never be forgotten.
func (s *Server) record(id peer.ID, status Status) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disconnecting[id] != nil || !s.connected(id) {
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

// forgetGone forgets a peer with its last connection, and ends the wait for that. Whether it was the last is looked up
// under the lock, as a peer may be back and have sent its status already.
func (s *Server) forgetGone(id peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected(id) {
		return
	}
	delete(s.peers, id)
	select {
	case s.disconnecting[id] <- struct{}{}:
	default: // nobody waits, or it is known already
	}
}

// notifiee follows the connections of the host. PeerTrace passes them on.
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

// gotConn sends a status to a peer that this host has dialed, as the dialer has to. Limited connections do not count.
func (s *Server) gotConn(conn network.Conn) {
	id, stat := conn.RemotePeer(), conn.Stat()
	if stat.Limited {
		return
	}
	if report := s.opts.PeerTrace.Connected; report != nil {
		report(id, stat.Direction)
	}
	if stat.Direction != network.DirOutbound {
		return
	}
	s.spawn(func(ctx context.Context) {
		// A peer that is gone already is not dialed again for this.
		if _, err := s.Handshake(network.WithNoDial(ctx, "status handshake"), id); err != nil && ctx.Err() == nil {
			s.log.Debug("status handshake failed", "peer", id, "err", err)
		}
	})
}

func (s *Server) lostConn(conn network.Conn) {
	s.forgetGone(conn.RemotePeer())
	if report := s.opts.PeerTrace.Disconnected; report != nil {
		report(conn.RemotePeer())
	}
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

// goodbyeTimeout bounds how long the answer to a goodbye is waited for.
const goodbyeTimeout = 2 * time.Second

// Disconnect says goodbye to a peer, with a reason, and closes its connections. It waits for the peer's answer, but
// no longer than two seconds. It does nothing if the peer is being disconnected already.
func (s *Server) Disconnect(ctx context.Context, id peer.ID, reason GoodbyeReason) {
	s.disconnect(ctx, id, reason, nil, 0)
}

// readGrace is how long a peer has to read its last answer and close the connection itself. QUIC discards what was
// received and not read when the other side closes.
const readGrace = time.Second

// disconnect is Disconnect, with the cause for the log. After the goodbye it gives the peer some time to close the
// connection itself. It does nothing if the peer is being disconnected already, so that a peer costs no more for each
// bad status it sends.
func (s *Server) disconnect(ctx context.Context, id peer.ID, reason GoodbyeReason, why error, grace time.Duration) {
	gone := s.beginDisconnect(id)
	if gone == nil {
		return
	}
	defer s.endDisconnect(id)
	if report := s.opts.PeerTrace.Disconnecting; report != nil {
		report(id, reason)
	}
	attrs := []any{"peer", id, "reason", reason}
	if why != nil {
		attrs = append(attrs, "err", why)
	}
	s.log.Debug("disconnecting peer", attrs...)
	s.sayGoodbye(ctx, id, reason)
	if s.connected(id) {
		graceCtx, cancel := context.WithTimeout(ctx, grace)
		defer cancel()
		select {
		case <-gone:
		case <-graceCtx.Done():
		}
	}
	if err := s.host.Network().ClosePeer(id); err != nil {
		s.log.Debug("closing connection failed", "peer", id, "err", err)
	}
}

// sayGoodbye waits for the peer's answer, but does not dial a peer that hung up first.
func (s *Server) sayGoodbye(ctx context.Context, id peer.ID, reason GoodbyeReason) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	err := s.client.Goodbye(network.WithNoDial(ctx, "goodbye"), id, reason)
	if err != nil && !errors.Is(err, context.Canceled) {
		s.log.Debug("goodbye was not answered", "peer", id, "err", err)
	}
}

// beginDisconnect returns a channel that receives when the peer's last connection ends, nil if the peer is being
// disconnected already.
func (s *Server) beginDisconnect(id peer.ID) (gone <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.disconnecting[id] != nil {
		return nil
	}
	ended := make(chan struct{}, 1)
	s.disconnecting[id] = ended
	delete(s.peers, id)
	return ended
}

func (s *Server) endDisconnect(id peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.disconnecting, id)
}

// disconnectAll disconnects all peers at once, also where ctx has ended: goodbyes have their own, short bound.
func (s *Server) disconnectAll(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	var all sync.WaitGroup
	for id := range s.PeerStatuses() {
		all.Go(func() { s.disconnect(ctx, id, GoodbyeClientShutdown, nil, 0) })
	}
	all.Wait()
}

// A PeerTrace is a set of hooks that a [Server] calls with what it learns of peers. Any of them may be nil. They run
// on the goroutine of the exchange, those of several peers concurrently, and should return soon: a call to the peer
// belongs on another goroutine.
type PeerTrace struct {
	// Connected is called when a peer connects, also again with each further connection, and for those that are
	// connected as the server starts. Limited connections, over a relay, do not count.
	Connected func(id peer.ID, dir network.Direction)
	// Disconnected is called when a connection has ended. The peer may have others, or be back already.
	Disconnected func(id peer.ID)
	// Status is called after every exchange of statuses that shows a peer of this chain, whoever began
	// it, with what the peer was sent and what it sent.
	Status func(id peer.ID, ours, theirs Status)
	// Ping is called with the metadata sequence number in a ping of the peer's.
	Ping func(id peer.ID, seq uint64)
	// Goodbye is called when the peer says goodbye. It goes on to hang up, or should.
	Goodbye func(id peer.ID, reason GoodbyeReason)
	// Disconnecting is called when this node begins to disconnect the peer, whatever for.
	Disconnecting func(id peer.ID, reason GoodbyeReason)
	// Used is called when an exchange of the chain's data, whoever began it, has ended that carried
	// at least one response. Statuses, pings, metadata and goodbyes are no data.
	Used func(id peer.ID)
}

// isData reports whether a method is for the chain's data, and not for what peers tell of themselves.
func isData(spec *reqresp.Spec) bool {
	switch spec.Name() {
	case "status", "goodbye", "ping", "metadata":
		return false
	}
	return true
}

// usedTrace returns the hooks that call Used.
func (t *PeerTrace) usedTrace() *reqresp.Trace {
	if t.Used == nil {
		return nil
	}
	return &reqresp.Trace{Done: func(x *reqresp.Exchange) {
		if x.Chunks > 0 && isData(x.Spec) {
			t.Used(x.Peer)
		}
	}}
}
