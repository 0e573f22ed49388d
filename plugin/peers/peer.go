package peers

import (
	"cmp"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/multiformats/go-multiaddr"

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
	closeAt   time.Time // when to hang up on a peer that has said goodbye; zero if it has not
}

// going reports whether the connection is about to end.
func (c *connected) going() bool { return c.chosen != nil || !c.closeAt.IsZero() }

// met reports whether statuses were exchanged.
func (c *connected) met() bool { return !c.statusAt.IsZero() }

// gotConn notes a connection, unless it has ended already.
func (m *Manager) gotConn(id peer.ID, dir network.Direction) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.host.Network().Connectedness(id) != network.Connected {
		return
	}
	m.joinLocked(id, dir)
	m.wakeUp()
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

// lostConn forgets a peer with its last connection. That is looked up under the lock, as the peer may be
// back already.
func (m *Manager) lostConn(id peer.ID) {
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
	m.wakeUp()
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

// A newcomer is a peer in its trial, in which a share of the room is kept for it to show use.
const (
	trialTime = 30 * time.Second
	// trialShare is the part of the target that is kept for newcomers: one in so many, but at least one.
	trialShare = 4
	// trialAgain is when a peer that has had its trial gets another, so that no identity holds room by
	// coming back.
	trialAgain = 10 * time.Minute
	// maxTrials bounds those that are remembered.
	maxTrials = 4096
	// usedFor is for how long a peer that was of use counts as such.
	usedFor = 10 * time.Minute
)

// A trial is what is remembered of a peer that was one.
type trial struct {
	began    time.Time
	lastUsed time.Time // when the last exchange of data with it ended; zero if none has
}

// trialLocked returns the trial of a peer that connects.
func (m *Manager) trialLocked(id peer.ID, now time.Time) trial {
	if t, ok := m.trials[id]; ok && now.Sub(t.began) < trialAgain {
		return t
	}
	return trial{began: now}
}

// endTrialLocked remembers the trial of a peer that goes.
func (m *Manager) endTrialLocked(c *connected) {
	if len(m.trials) >= maxTrials {
		m.forgetTrialsLocked(time.Now())
	}
	m.trials[c.id] = c.trial
}

// forgetTrialsLocked makes room for one more trial: those that are over go, and one that is not if there is none.
func (m *Manager) forgetTrialsLocked(now time.Time) {
	for id, t := range m.trials {
		if now.Sub(t.began) >= trialAgain {
			delete(m.trials, id)
		}
	}
	for id := range m.trials {
		if len(m.trials) < maxTrials {
			return
		}
		delete(m.trials, id)
	}
}

func (c *connected) newcomer(now time.Time) bool { return now.Sub(c.began) < trialTime }

func (c *connected) usedLately(now time.Time) bool {
	return !c.lastUsed.IsZero() && now.Sub(c.lastUsed) < usedFor
}

// An Info is what is known of a connected peer at one moment. The caller owns it.
type Info struct {
	// ID is the peer's.
	ID peer.ID
	// Addrs are the remote addresses of its connections.
	Addrs []multiaddr.Multiaddr
	// Direction tells who dialed the first of them.
	Direction network.Direction
	// Agent is what it calls itself, such as "Lighthouse/v8.0.0"; empty if it has not.
	Agent string
	// Protocols are those that it offers, sorted.
	Protocols []protocol.ID
	// Since is when it connected.
	Since time.Time
	// Status is what it last told, at StatusAt; nil if it has told none.
	Status   *beacon.Status
	StatusAt time.Time
	// MetaData is what it last told; nil if it has told none.
	MetaData *ssz.MetaDataV3
	// Score is that of Options.Scores.
	Score float64
	// Fails is how many requests of the manager in a row it did not answer.
	Fails int
	// Static and Trusted tell whether it is exempt from being left for lack of room.
	Static, Trusted bool
}

// Peers returns what is known of the connected peers, in the order of their IDs.
func (m *Manager) Peers() []Info {
	all := m.infos()
	for i := range all {
		m.complete(&all[i])
	}
	slices.SortFunc(all, func(a, b Info) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Peer returns what is known of a peer. It reports false if the peer is not connected.
func (m *Manager) Peer(id peer.ID) (Info, bool) {
	info, ok := m.info(id)
	if ok {
		m.complete(&info)
	}
	return info, ok
}

func (m *Manager) infos() []Info {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Info, 0, len(m.conns))
	for _, c := range m.conns {
		all = append(all, m.infoLocked(c))
	}
	return all
}

func (m *Manager) info(id peer.ID) (Info, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.conns[id]
	if c == nil {
		return Info{}, false
	}
	return m.infoLocked(c), true
}

func (m *Manager) infoLocked(c *connected) Info {
	info := Info{
		ID: c.id, Direction: c.dir, Since: c.since, StatusAt: c.statusAt, Fails: c.fails,
		Static: m.staticLocked(c.id),
	}
	if status, ok := m.statusLocked(c.id); ok {
		info.Status = &status
	}
	if c.metadata != nil {
		info.MetaData = new(*c.metadata)
	}
	return info
}

// complete adds what the host and the scores know.
func (m *Manager) complete(info *Info) {
	for _, conn := range m.host.Network().ConnsToPeer(info.ID) {
		info.Addrs = append(info.Addrs, conn.RemoteMultiaddr())
	}
	book := m.host.Peerstore()
	if agent, err := book.Get(info.ID, "AgentVersion"); err == nil {
		info.Agent, _ = agent.(string)
	}
	info.Protocols, _ = book.GetProtocols(info.ID)
	slices.Sort(info.Protocols)
	info.Score, info.Trusted = m.opts.Scores.Score(info.ID), m.opts.Scores.Trusted(info.ID)
}
