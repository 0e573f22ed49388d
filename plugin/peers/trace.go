package peers

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Trace returns the hooks by which the server tells the manager what it learns.
func (m *Manager) Trace() *beacon.PeerTrace {
	return &beacon.PeerTrace{
		Connected:     m.gotConn,
		Disconnected:  m.lostConn,
		Status:        m.gotStatus,
		Ping:          m.gotPing,
		Goodbye:       m.gotGoodbye,
		Disconnecting: m.left,
		Used:          m.gotUse,
	}
}

func (m *Manager) gotStatus(id peer.ID, ours, _ beacon.Status) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.host.Network().Connectedness(id) != network.Connected {
		return
	}
	if _, ok := m.statusLocked(id); m.server != nil && !ok {
		return // It was disconnected meanwhile, for a reason that its next status does not undo.
	}
	// The host may tell of a new connection only after it has carried something.
	c := m.joinLocked(id, network.DirInbound)
	now := time.Now()
	if !c.met() {
		c.nextPing = now.Add(jitter(pingLeast, pingMost))
		if k := m.meetLocked(id, now); k != nil && !c.going() {
			k.until = time.Time{} // It wants to be a peer, whatever was.
		}
		m.wakeUp()
	}
	c.statusAt, c.told, c.fails = now, ours.HeadSlot, 0
	c.nextTell = now.Add(jitter(statusInterval*4/5, statusInterval))
}

func (m *Manager) gotPing(id peer.ID, seq uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.conns[id]; c != nil {
		c.seq, c.fails = max(c.seq, seq), 0
	}
}

func (m *Manager) gotUse(id peer.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.conns[id]; c != nil {
		if c.lastUsed = time.Now(); c.chosen != nil {
			m.wakeUp()
		}
	}
}

// goodbyeTimeout is how long a peer that has said goodbye may take to hang up.
const goodbyeTimeout = 2 * time.Second

func (m *Manager) gotGoodbye(id peer.ID, reason beacon.GoodbyeReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.known.backOff(id, m.backoffLocked(reason), now)
	if c := m.conns[id]; c != nil {
		c.statusAt, c.closeAt = time.Time{}, now.Add(goodbyeTimeout)
		m.wakeUp()
	}
}

func (m *Manager) left(id peer.ID, reason beacon.GoodbyeReason) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	m.known.backOff(id, m.backoffLocked(reason), now)
	if c := m.conns[id]; c != nil {
		m.removeLocked(c, now)
	}
}

// backoffLocked is backoff, but for peers that are irrelevant just because a fork is close.
func (m *Manager) backoffLocked(reason beacon.GoodbyeReason) time.Duration {
	if reason == beacon.GoodbyeIrrelevantNetwork && m.ours.nearFork {
		return forkBackoff
	}
	return backoff(reason)
}

// nearFork reports whether a fork is at most an epoch away.
func nearFork(n *ssz.Network, e ssz.Epoch) bool {
	return n.DigestAt(max(e, 1)-1) != n.DigestAt(e+1)
}
