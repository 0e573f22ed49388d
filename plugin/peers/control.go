package peers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
)

// Errors of what an operator may want.
var (
	// ErrNotConnected is returned for a peer that is not connected.
	ErrNotConnected = errors.New("peers: peer is not connected")
	// ErrBanned is returned for a peer that is banned.
	ErrBanned = errors.New("peers: peer is banned")
	// ErrNotRunning is returned before Start and after Stop.
	ErrNotRunning = errors.New("peers: manager is not running")
)

// Connect dials a peer now, whatever the target, the pace and its back-off, and exchanges statuses with
// it. A peer of another network or chain is left, and its status returned beside an error that
// wraps beacon.ErrIrrelevant. It fails with an error that wraps ErrBanned, and dials nobody, if the peer is banned.
func (m *Manager) Connect(ctx context.Context, info peer.AddrInfo) (beacon.Status, error) {
	if err := validate(info); err != nil {
		return beacon.Status{}, fmt.Errorf("peers: %w", err)
	}
	if !m.running() {
		return beacon.Status{}, ErrNotRunning
	}
	if m.opts.Scores.Banned(info.ID) {
		return beacon.Status{}, fmt.Errorf("%w: %v", ErrBanned, info.ID)
	}
	m.Offer(info)
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := m.host.Connect(ctx, info); err != nil {
		return beacon.Status{}, fmt.Errorf("peers: no connection: %w", err)
	}
	return m.server.Handshake(ctx, info.ID)
}

func (m *Manager) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state == stateRunning
}

// Disconnect says goodbye to a peer with a reason, and hangs up. It waits for the peer's answer, but no longer than two
// seconds. The peer is not dialed for as long as the reason asks. A static peer stays one. It fails with ErrNotRunning
// or an error that wraps ErrNotConnected.
func (m *Manager) Disconnect(ctx context.Context, id peer.ID, reason beacon.GoodbyeReason) error {
	if !m.running() {
		return ErrNotRunning
	}
	if m.host.Network().Connectedness(id) != network.Connected {
		return fmt.Errorf("%w: %v", ErrNotConnected, id)
	}
	m.server.Leave(ctx, id, reason)
	return nil
}

// AddStatic makes a peer static until RemoveStatic or for as long as there is the manager, and dials it soon. It fails
// if the peer has no address.
func (m *Manager) AddStatic(info peer.AddrInfo) error {
	if err := validate(info); err != nil {
		return fmt.Errorf("peers: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known.addStatic(info, time.Now()).until = time.Time{}
	m.rouse()
	return nil
}

// RemoveStatic makes a static peer like any other. It stays connected.
func (m *Manager) RemoveStatic(id peer.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.known.peers[id]; k != nil {
		k.static = false
	}
	m.rouse()
}
