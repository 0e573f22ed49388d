package peers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
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

// updateStatus asks for the own status, once in a round.
func (m *Manager) updateStatus(now time.Time) {
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

// A standing is what the scores say of a peer.
type standing struct {
	score                float64
	bad, banned, trusted bool
}

// standings asks for the scores of all peers, with nothing locked.
func (m *Manager) standings() map[peer.ID]standing {
	all, scores := make(map[peer.ID]standing), m.opts.Scores
	for _, id := range m.connectedIDs() {
		all[id] = standing{scores.Score(id), scores.Bad(id), scores.Banned(id), scores.Trusted(id)}
	}
	return all
}

func (m *Manager) connectedIDs() []peer.ID {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Keys(m.conns))
}

// A task looks after one peer.
type task func(ctx context.Context, id peer.ID)

// maintain begins whatever is due for the peers, one task for each at a time.
func (m *Manager) maintain(now time.Time, standings map[peer.ID]standing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, c := range m.conns {
		m.protectLocked(c, standings[id].trusted || m.staticLocked(id))
		if c.busy {
			continue
		}
		if do := m.dueLocked(c, standings[id], now); do != nil {
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
func (m *Manager) dueLocked(c *connected, v standing, now time.Time) task {
	switch {
	case !c.closeAt.IsZero():
		if now.Before(c.closeAt) {
			return nil
		}
		return m.closeConns
	case v.banned:
		return m.leave(beacon.GoodbyeBanned)
	case v.bad && !v.trusted:
		return m.leave(beacon.GoodbyeBadScore)
	case !c.met():
		return m.lateLocked(c, now)
	case c.fails >= maxFails:
		return m.leave(beacon.GoodbyeFault)
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
		return m.leave(beacon.GoodbyeUnableToVerifyNetwork)
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

// closeConns ends the connection with a peer that has said goodbye and does not hang up itself.
func (m *Manager) closeConns(_ context.Context, id peer.ID) {
	if err := m.host.Network().ClosePeer(id); err != nil {
		m.log.Debug("closing connection failed", "peer", id, "err", err)
	}
}

func (m *Manager) leave(reason beacon.GoodbyeReason) task {
	return func(ctx context.Context, id peer.ID) { m.server.Disconnect(ctx, id, reason) }
}

// askTimeout bounds what a peer is asked, with the time for which a pacer may hold it back: the peer is not
// looked after meanwhile.
const askTimeout = 30 * time.Second

func asking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(network.WithNoDial(ctx, "upkeep"), askTimeout)
}

// exchange exchanges statuses. What comes of it is told by the trace.
func (m *Manager) exchange(ctx context.Context, id peer.ID) {
	call, cancel := asking(ctx)
	defer cancel()
	_, err := m.server.Handshake(call, id)
	m.answered(ctx, id, err, func(c *connected) {
		if err != nil {
			c.nextTell = time.Now().Add(jitter(pingLeast, pingMost))
		}
	})
}

func (m *Manager) ping(ctx context.Context, id peer.ID) {
	ours := m.server.MetaData().SeqNumber
	call, cancel := asking(ctx)
	defer cancel()
	seq, err := m.server.Client().Ping(call, id, ours)
	m.answered(ctx, id, err, func(c *connected) {
		c.nextPing = time.Now().Add(jitter(pingLeast, pingMost))
		if err == nil {
			c.seq = max(c.seq, seq)
			m.wakeUp()
		}
	})
}

func (m *Manager) askMetaData(ctx context.Context, id peer.ID) {
	call, cancel := asking(ctx)
	defer cancel()
	md, err := m.server.Client().MetaData(call, id)
	m.answered(ctx, id, err, func(c *connected) {
		c.nextMeta = time.Now().Add(metaLeast)
		if err == nil {
			c.metadata = md
			// Whatever number it told before, this is what there is.
			c.seq = md.SeqNumber
		}
	})
}

// answered notes how a peer that is still there has answered. That it wants to be asked less is no
// failure, nor that it was not asked for this reason.
func (m *Manager) answered(ctx context.Context, id peer.ID, err error, note func(*connected)) {
	if ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.conns[id]
	if c == nil {
		return
	}
	note(c)
	switch {
	case err == nil:
		c.fails = 0
	case !beacon.IsRateLimited(err) && !heldBack(err):
		c.fails++
		m.log.Debug("peer did not answer", "peer", id, "fails", c.fails, "err", err)
	}
}

// heldBack reports whether a request was never sent, as it was not yet its turn.
func heldBack(err error) bool {
	f, ok := errors.AsType[*reqresp.Failure](err)
	return ok && f.Phase == reqresp.PhaseQueue
}
