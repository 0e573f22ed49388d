package peers

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

// Bounds of dialing.
const (
	dialRate    = 4 // a second
	dialBurst   = 8
	maxDials    = 16
	dialTimeout = 15 * time.Second
	// lowWater is for how many candidates WaitWanted lets its caller look at a time.
	lowWater = 16
)

// dial dials known peers as long as peers are wanted.
func (m *Manager) dial(now time.Time) {
	banned := m.bannedKnown()
	m.mu.Lock()
	defer m.mu.Unlock()
	due := m.known.due(now, func(id peer.ID) bool { return m.conns[id] == nil && !banned[id] })
	wanted := m.wantedLocked()
	for _, k := range due {
		if !k.static && wanted <= 0 || m.dials >= maxDials || !m.pace.AllowN(now, 1) {
			break
		}
		wanted--
		m.dialLocked(k, now)
	}
	if wanted > 0 && len(due) < lowWater {
		select {
		case m.wanted <- struct{}{}:
		default:
		}
	}
}

// bannedKnown asks the scores which known peers are not to be dialed, with nothing locked.
func (m *Manager) bannedKnown() map[peer.ID]bool {
	banned := make(map[peer.ID]bool)
	for _, id := range m.knownIDs() {
		if m.opts.Scores.Banned(id) {
			banned[id] = true
		}
	}
	return banned
}

func (m *Manager) knownIDs() []peer.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.known.peers))
}

// wantedLocked returns how many more peers to dial.
func (m *Manager) wantedLocked() int {
	if m.opts.NoDial {
		return 0
	}
	all, outbound := m.countLocked()
	return max(m.opts.Target-all, m.opts.MinOutbound-outbound) - m.dials
}

func (m *Manager) dialLocked(k *known, now time.Time) {
	// Until the peer has told its status, the dial counts as one in vain.
	k.failed(now)
	info := peer.AddrInfo{ID: k.id, Addrs: slices.Clone(k.addrs)}
	level := slog.LevelDebug
	if k.static && k.fails == 1 {
		level = slog.LevelWarn // An operator has named it, perhaps wrongly. Once in a row is enough.
	}
	k.dialed = m.spawnLocked(func(ctx context.Context) {
		m.connect(ctx, info, level)
		m.mu.Lock()
		defer m.mu.Unlock()
		k.dialed = false
		m.dials--
		m.known.giveUp(k)
		m.wakeUp()
	})
	if k.dialed {
		m.dials++
	}
}

// connect dials a peer, and tells of a failure at a level.
func (m *Manager) connect(ctx context.Context, info peer.AddrInfo, level slog.Level) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := m.host.Connect(ctx, info); err != nil {
		if ctx.Err() == context.Canceled {
			level = slog.LevelDebug // The manager stops.
		}
		m.log.Log(ctx, level, "dialing failed", "peer", info.ID, "err", err)
		return
	}
	if m.host.Network().Connectedness(info.ID) == network.Limited {
		m.log.Log(ctx, level, "peer is reached over a relay alone", "peer", info.ID)
		return
	}
	m.log.Debug("dialed", "peer", info.ID)
}

// AddCandidate adds a peer that may be dialed when peers are wanted. Candidates are bounded; the
// least promising peers are forgotten first.
func (m *Manager) AddCandidate(info peer.AddrInfo) {
	if info.ID == m.host.ID() || validate(info) != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.add(info.ID, info.Addrs, time.Now())
	m.wakeUp()
}

// WaitWanted waits until more peers are wanted than are known, and a few more should be offered. It
// fails with the context's error.
func (m *Manager) WaitWanted(ctx context.Context) error {
	select {
	case <-m.wanted:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
