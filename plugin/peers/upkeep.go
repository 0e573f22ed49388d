package peers

import (
	"context"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// When what is due. Deployed clients hang up on peers that do not answer pings for some 50 s, or have not
// told a status after 10 to 25 s.
const (
	statusInterval = 5 * time.Minute
	statusLeast    = time.Minute // between exchanges because of a moving head
	askAfter       = 10 * time.Second
	statusTimeout  = 20 * time.Second
	pingLeast      = 15 * time.Second
	pingMost       = 30 * time.Second
	metaLeast      = 30 * time.Second
	maxFails       = 3
	// Peers exchange statuses within this time after a fork, and not all at once.
	forkLeast, forkMost = 2 * time.Second, 12 * time.Second
)

// A view is what this node's own status comes to.
type view struct {
	status   beacon.Status
	ok       bool // the status is known; else it is the last one
	forked   time.Time
	nearFork bool
}

// lookAtOurs asks for the own status, once in a round.
func (m *Manager) lookAtOurs(now time.Time) {
	status, err := m.server.Status(m.ctx)
	near := nearFork(m.network(), m.server.CurrentEpoch())
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.ours.status.ForkDigest; err == nil && old != status.ForkDigest && old != (ssz.ForkDigest{}) {
		m.ours.forked = now
		m.log.Info("a fork has begun", "digest", status.ForkDigest)
	}
	if err != nil && m.ours.ok {
		m.log.Warn("own status is not known any more", "err", err)
	}
	m.ours.ok, m.ours.nearFork = err == nil, near
	if err == nil {
		m.ours.status = status
	}
}

func (m *Manager) network() *ssz.Network { return m.server.Family().Network() }

// A verdict is what scores say of a peer.
type verdict struct{ bad, banned, trusted bool }

// verdicts asks for the scores of all peers, with nothing locked.
func (m *Manager) verdicts() map[peer.ID]verdict {
	all := make(map[peer.ID]verdict)
	for _, id := range m.connectedIDs() {
		all[id] = verdict{m.opts.Scores.Bad(id), m.opts.Scores.Banned(id), m.opts.Scores.Trusted(id)}
	}
	return all
}

func (m *Manager) connectedIDs() []peer.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := make([]peer.ID, 0, len(m.conns))
	for id := range m.conns {
		ids = append(ids, id)
	}
	return ids
}

// A task looks after one peer.
type task func(ctx context.Context, id peer.ID)

// tend begins whatever is due for the peers, one task for each at a time.
func (m *Manager) tend(now time.Time) {
	verdicts := m.verdicts()
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, c := range m.conns {
		m.protectLocked(c, verdicts[id].trusted || m.staticLocked(id))
		if c.busy {
			continue
		}
		if do := m.dueLocked(c, verdicts[id], now); do != nil {
			m.assignLocked(c, do)
		}
	}
}

func (m *Manager) assignLocked(c *connected, do task) {
	c.busy = m.spawnLocked(func(ctx context.Context) {
		do(ctx, c.id)
		m.mu.Lock()
		defer m.mu.Unlock()
		c.busy = false
	})
}

// dueLocked returns what is to be done for a peer, or nil.
func (m *Manager) dueLocked(c *connected, v verdict, now time.Time) task {
	switch {
	case !c.hangUp.IsZero():
		if now.Before(c.hangUp) {
			return nil
		}
		return m.hangUp
	case v.banned:
		return m.leaver(beacon.GoodbyeBanned)
	case v.bad && !v.trusted:
		return m.leaver(beacon.GoodbyeBadScore)
	case !c.met():
		return m.lateLocked(c, now)
	case c.fails >= maxFails:
		return m.leaver(beacon.GoodbyeFault)
	case m.statusDueLocked(c, now):
		return m.exchange
	case (c.metadata == nil || c.metadata.SeqNumber < c.seq) && !now.Before(c.nextMeta):
		return m.askMetaData
	case !now.Before(c.nextPing):
		return m.ping
	}
	return nil
}

// lateLocked deals with a peer that has told no status. The server has asked those that were dialed.
func (m *Manager) lateLocked(c *connected, now time.Time) task {
	switch age := now.Sub(c.since); {
	case m.opts.Shared && !c.ours:
		return nil
	case age >= statusTimeout:
		return m.leaver(beacon.GoodbyeUnableToVerifyNetwork)
	case age >= askAfter && !c.asked:
		c.asked = true
		return m.exchange
	}
	return nil
}

func (m *Manager) statusDueLocked(c *connected, now time.Time) bool {
	ours := m.ours
	theirs, _ := m.statusLocked(c.id)
	switch {
	case !ours.ok:
		return false
	case !now.Before(c.nextTell):
		return true
	case ours.status.ForkDigest != theirs.ForkDigest && c.statusAt.Before(ours.forked):
		return !now.Before(ours.forked.Add(spread(c.id, forkLeast, forkMost)))
	default:
		moved := ours.status.HeadSlot >= c.told+ssz.Slot(m.network().Preset().SlotsPerEpoch())
		return moved && now.Sub(c.statusAt) >= statusLeast
	}
}

// spread returns a duration between two others that differs from peer to peer.
func spread(id peer.ID, least, most time.Duration) time.Duration {
	return least + (most-least)*time.Duration(id[len(id)-1])/256
}

// hangUp ends the connection with a peer that has said goodbye and does not hang up itself.
func (m *Manager) hangUp(_ context.Context, id peer.ID) {
	if err := m.host.Network().ClosePeer(id); err != nil {
		m.log.Debug("closing connection failed", "peer", id, "err", err)
	}
}

func (m *Manager) leaver(reason beacon.GoodbyeReason) task {
	return func(ctx context.Context, id peer.ID) { m.server.Leave(ctx, id, reason) }
}
