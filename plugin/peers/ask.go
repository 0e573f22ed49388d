package peers

import (
	"context"
	"errors"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

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
			m.rouse()
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

// MetaData returns the last metadata of a connected peer, if it has told any. Its
// CustodyGroupCount is zero if the peer speaks no metadata/3.
func (m *Manager) MetaData(id peer.ID) (ssz.MetaDataV3, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.conns[id]; c != nil && c.metadata != nil {
		return *c.metadata, true
	}
	return ssz.MetaDataV3{}, false
}
