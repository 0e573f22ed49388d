package throttled

import (
	"cmp"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// DefaultReceiveLimit is the receive limit of peers for which no other is set.
const DefaultReceiveLimit = 1

// A budget is what is known of one peer.
type budget struct {
	peer  peer.ID
	conns map[network.Conn]struct{}
	// limit is the receive limit, unless there is an override.
	limit uint16
	// Both are replaced when the peer disconnects, so that what comes late changes
	// nothing any more.
	send *sendBudget
	recv *recvBudget
}

// budgets are those of all peers.
type budgets struct {
	host     reqresp.Host
	granter  *granter
	notifiee *network.NotifyBundle
	wake     chan struct{} // tells that there are resumed peers

	mu        sync.Mutex
	running   bool
	limit     uint16
	overrides map[peer.ID]uint16
	online    map[peer.ID]*budget
	offline   *offline
	lastGrant uint64
	resumed   map[peer.ID]struct{} // those that got credit when they had none
}

// newBudgets counts grants from the time on: peers on rust-libp2p remember the last one
// beyond our restart, and ignore all that are not higher.
func newBudgets(h reqresp.Host, g *granter) *budgets {
	b := &budgets{
		host:      h,
		granter:   g,
		wake:      make(chan struct{}, 1),
		limit:     DefaultReceiveLimit,
		overrides: make(map[peer.ID]uint16),
		online:    make(map[peer.ID]*budget),
		offline:   newOffline(maxOffline),
		lastGrant: uint64(time.Now().UnixMilli()) << 16,
		resumed:   make(map[peer.ID]struct{}),
	}
	b.notifiee = &network.NotifyBundle{
		ConnectedF:    func(_ network.Network, conn network.Conn) { b.connected(conn) },
		DisconnectedF: func(_ network.Network, conn network.Conn) { b.disconnected(conn) },
	}
	return b
}

// setLimit sets the receive limit of peers that are not known yet.
func (bs *budgets) setLimit(limit uint16) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.limit = cmp.Or(limit, DefaultReceiveLimit)
}

func (bs *budgets) override(p peer.ID, limit uint16) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.overrides[p] = cmp.Or(limit, DefaultReceiveLimit)
}

func (bs *budgets) removeOverride(p peer.ID) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	delete(bs.overrides, p)
}

// spend takes credit for one request to a peer, connected or not, and returns where
// from.
func (bs *budgets) spend(to peer.ID) (*sendBudget, error) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if !bs.running {
		return nil, reqresp.ErrClosed
	}
	b := bs.knownLocked(to)
	if b == nil {
		b = bs.newBudgetLocked(to)
		bs.offline.put(b)
	}
	if !b.send.spend() {
		return nil, ErrNoCredit
	}
	return b.send, nil
}

// restore undoes spend.
func (bs *budgets) restore(s *sendBudget) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	s.add(1)
}

// refund gives credit back for a request of which the peer has seen nothing.
func (bs *budgets) refund(to peer.ID, s *sendBudget) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	resumed := s.add(1)
	if b := bs.knownLocked(to); resumed && b != nil && b.send == s {
		bs.resumeLocked(to)
	}
}

func (bs *budgets) canSend(to peer.ID) bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.knownLocked(to)
	return b == nil || b.send.remaining > 0
}

// accept adds the credit that a peer grants. What comes late, from a connection that is
// gone, is not added.
func (bs *budgets) accept(conn network.Conn, grant uint64, credit uint16) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if b := bs.onConnLocked(conn); b != nil && b.send.accept(grant, credit) {
		bs.resumeLocked(b.peer)
	}
}

// receive counts a peer's request, and reports whether the peer had credit for it. The
// request is over with done; what comes from a connection that is gone counts to no
// budget.
func (bs *budgets) receive(conn network.Conn) (*recvBudget, bool) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	b := bs.onConnLocked(conn)
	if b == nil {
		return nil, true
	}
	return b.recv, b.recv.receive()
}

// done grants new credit, if it is due, for a request that was answered or failed.
func (bs *budgets) done(from peer.ID, r *recvBudget) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if b := bs.online[from]; b != nil && b.recv == r {
		bs.replenishLocked(b)
	}
}

// lost tells of a stream that ended before anything was received. It may have been a
// request's, for which the peer counts on new credit.
func (bs *budgets) lost(conn network.Conn) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	if !bs.running || conn.IsClosed() {
		return // on the next connection everything is counted anew
	}
	if b := bs.onConnLocked(conn); b != nil {
		b.recv.lose()
		bs.replenishLocked(b)
	}
}

func (bs *budgets) replenishLocked(b *budget) {
	if b.recv.replenish(cmp.Or(bs.overrides[b.peer], b.limit)) {
		bs.grantLocked(b)
	}
}

func (bs *budgets) knownLocked(p peer.ID) *budget {
	if b := bs.online[p]; b != nil {
		return b
	}
	return bs.offline.get(p)
}

func (bs *budgets) newBudgetLocked(p peer.ID) *budget {
	return &budget{
		peer:  p,
		conns: make(map[network.Conn]struct{}),
		limit: bs.limit,
		send:  newSendBudget(),
		recv:  newRecvBudget(),
	}
}
