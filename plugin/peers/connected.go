package peers

import (
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A connected peer is what is known of a peer for as long as there is a connection with it.
type connected struct {
	id    peer.ID
	since time.Time
	dir   network.Direction // of the first connection
	ours  bool              // the manager has dialed it

	statusAt time.Time // of the last exchange of statuses; zero if there was none, or the peer has said goodbye
	told     ssz.Slot  // our head in it
	nextTell time.Time // when statuses are exchanged again, whatever happens
	asked    bool      // it was asked for a status, as it was late with its own

	metadata *ssz.MetaDataV3
	seq      uint64    // the newest metadata that it told of
	nextMeta time.Time // metadata is not asked for before
	nextPing time.Time
	fails    int // requests in a row that it did not answer

	trial
	chosen *departure // nil unless it is to be left for lack of room

	busy      bool      // a task looks after it
	protected bool      // from the host's connection manager
	hangUp    time.Time // when to hang up on a peer that has said goodbye; zero if it has not
}

// going reports whether the connection is about to end.
func (c *connected) going() bool { return c.chosen != nil || !c.hangUp.IsZero() }

// met reports whether statuses were exchanged.
func (c *connected) met() bool { return !c.statusAt.IsZero() }

// join notes a connection, unless it has ended already.
func (m *Manager) join(id peer.ID, dir network.Direction) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.host.Network().Connectedness(id) != network.Connected {
		return
	}
	m.joinLocked(id, dir)
	m.rouse()
}

func (m *Manager) joinLocked(id peer.ID, dir network.Direction) *connected {
	c := m.conns[id]
	if c == nil {
		k := m.known.peers[id]
		now := time.Now()
		c = &connected{id: id, since: now, trial: m.trialLocked(id, now), dir: dir, ours: k != nil && k.dialed}
		m.conns[id] = c
	}
	return c
}

// part forgets a peer with its last connection. That is looked up under the lock, as the peer may be
// back already.
func (m *Manager) part(id peer.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.conns[id]
	if c == nil {
		return
	}
	if m.host.Network().Connectedness(id) == network.Connected {
		if c.going() {
			// It was left, and has connected again: what was is over.
			m.endTrialLocked(c)
			now := time.Now()
			m.conns[id] = &connected{id: id, since: now, trial: m.trialLocked(id, now), dir: network.DirInbound}
		}
		return
	}
	m.removeLocked(c, time.Now())
}

// removeLocked has a peer be none any more: it is gone, or is being left.
func (m *Manager) removeLocked(c *connected, now time.Time) {
	m.endTrialLocked(c)
	m.protectLocked(c, false)
	if c.met() {
		m.meetLocked(c.id, now)
		m.known.backOff(c.id, staticSchedule.first, now) // It may be about to dial us.
	}
	delete(m.conns, c.id)
	m.rouse()
}

// statusLocked returns the last status of a peer, which the server keeps.
func (m *Manager) statusLocked(id peer.ID) (beacon.Status, bool) {
	if m.server == nil {
		return beacon.Status{}, false
	}
	return m.server.PeerStatus(id)
}

// meetLocked notes that a peer is of this chain. It returns nil if there is no room for more.
func (m *Manager) meetLocked(id peer.ID, now time.Time) *known {
	k := m.known.add(id, nil, now)
	if k != nil {
		k.good, k.fails = now, 0
		k.addAddrs(m.host.Peerstore().Addrs(id))
	}
	return k
}

// countedLocked reports whether a peer is one of those that the target is about.
func (m *Manager) countedLocked(c *connected) bool {
	if c.going() {
		return false
	}
	return !m.opts.Shared || c.ours || c.met()
}

func (m *Manager) staticLocked(id peer.ID) bool {
	k := m.known.peers[id]
	return k != nil && k.static
}

// protectTag is that of peers which the host's connection manager has to leave alone.
const protectTag = "reqresp/peers"

func (m *Manager) protectLocked(c *connected, protect bool) {
	switch {
	case protect && !c.protected:
		m.host.ConnManager().Protect(c.id, protectTag)
	case !protect && c.protected:
		m.host.ConnManager().Unprotect(c.id, protectTag)
	}
	c.protected = protect
}
