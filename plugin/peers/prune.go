package peers

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// maxPolite bounds how many peers are told goodbye at a time. The rest is hung up on.
const maxPolite = 64

// prune leaves the worst peers if there are more than the target.
func (m *Manager) prune(now time.Time) {
	if !m.crowded() {
		return
	}
	scores := make(map[peer.ID]float64)
	for _, id := range m.connectedIDs() {
		scores[id] = m.opts.Scores.Score(id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, c := range m.surplusLocked(scores, now) {
		c.leaving = true
		leave := m.leaver(beacon.GoodbyeTooManyPeers)
		if i >= maxPolite {
			leave = m.hangUp
		}
		m.spawnLocked(func(ctx context.Context) { leave(ctx, c.id) })
	}
}

func (m *Manager) crowded() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	all, _ := m.countLocked()
	return all > m.opts.Target
}

// countLocked returns how many peers there are, and how many of them this node has dialed.
func (m *Manager) countLocked() (all, outbound int) {
	for _, c := range m.conns {
		if m.countedLocked(c) {
			all++
			if c.dir == network.DirOutbound {
				outbound++
			}
		}
	}
	return all, outbound
}

// surplusLocked returns the peers to leave so that the target is met, the worst first.
func (m *Manager) surplusLocked(scores map[peer.ID]float64, now time.Time) (surplus []*connected) {
	all, outbound := m.countLocked()
	for _, c := range m.rankLocked(scores, now) {
		if all <= m.opts.Target {
			break
		}
		if c.dir == network.DirOutbound {
			if outbound <= m.opts.MinOutbound {
				continue
			}
			outbound--
		}
		all--
		surplus = append(surplus, c.connected)
	}
	return surplus
}

// A ranked peer is one with what decides whether it is left.
type ranked struct {
	*connected
	score float64
	lag   uint64
	age   time.Duration
}

// rankLocked returns the peers that may be left, the worst first: by score, by how far its head lags behind,
// and by age, as those that have stayed longest are most likely to stay on.
func (m *Manager) rankLocked(scores map[peer.ID]float64, now time.Time) []ranked {
	var all []ranked
	for id, c := range m.conns {
		if m.countedLocked(c) && !m.exemptLocked(id) {
			all = append(all, ranked{c, scores[id], m.lagLocked(c), now.Sub(c.since)})
		}
	}
	slices.SortFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.score, b.score), cmp.Compare(b.lag, a.lag), cmp.Compare(a.age, b.age))
	})
	return all
}

// lagLocked is by how many slots a peer's head is behind ours. An epoch is as good as nothing, and no status is worse
// than any.
func (m *Manager) lagLocked(c *connected) uint64 {
	if c.status == nil {
		return math.MaxUint64
	}
	lag := uint64(m.ours.status.HeadSlot - min(c.status.HeadSlot, m.ours.status.HeadSlot))
	if lag <= m.network().Preset().SlotsPerEpoch() {
		return 0
	}
	return lag
}
