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
