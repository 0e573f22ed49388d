package beacon

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
)

// A handshake is an exchange of statuses under way.
type handshake struct {
	done   chan struct{} // closed when the rest is set
	theirs Status
	err    error
}

// Handshake exchanges statuses with a peer, connecting to it if need be, and
// returns the peer's. A peer of another network or chain is left, and the error wraps
// ErrIrrelevant. Peers that this host dials are greeted without being asked to;
// a handshake that is under way is waited for in place of a second one. From Stop on it fails
// with an error that wraps reqresp.ErrClosed, and connects to nobody; Stop ends one that is under way.
func (s *Server) Handshake(ctx context.Context, id peer.ID) (Status, error) {
	for {
		h, first, err := s.joinHandshake(id)
		if err != nil {
			return Status{}, fmt.Errorf("status handshake: %w", err)
		}
		if first {
			return s.leadHandshake(ctx, id, h)
		}
		select {
		case <-h.done:
		case <-ctx.Done():
			return Status{}, fmt.Errorf("status handshake: %w", ctx.Err())
		}
		if !isLeadersOwn(h.err) {
			return h.theirs, h.err
		}
	}
}

// isLeadersOwn reports whether a handshake failed for what only concerns who began it: that it has lost
// interest, or must not dial. Who has joined it tries again. A timeout, which ends a context too, is the peer's.
func isLeadersOwn(err error) bool {
	if errors.Is(err, reqresp.ErrTimeout) {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, network.ErrNoConn)
}

func (s *Server) joinHandshake(id peer.ID) (h *handshake, first bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil, false, reqresp.ErrClosed
	}
	if h := s.handshakes[id]; h != nil {
		return h, false, nil
	}
	h = &handshake{done: make(chan struct{})}
	s.handshakes[id] = h
	return h, true, nil
}

func (s *Server) leadHandshake(ctx context.Context, id peer.ID, h *handshake) (Status, error) {
	defer s.endHandshake(id, h)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.ctx, func() { cancel(reqresp.ErrClosed) })()
	h.theirs, h.err = s.exchange(ctx, id)
	return h.theirs, h.err
}

func (s *Server) endHandshake(id peer.ID, h *handshake) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.handshakes, id)
	close(h.done)
}

// exchange is one handshake.
func (s *Server) exchange(ctx context.Context, id peer.ID) (Status, error) {
	ours, err := s.status(ctx, true)
	if err != nil {
		return Status{}, err
	}
	theirs, err := s.client.Status(ctx, id, ours)
	if err != nil {
		return Status{}, fmt.Errorf("status handshake: %w", err)
	}
	if err := s.judge(ctx, id, ours, theirs); err != nil {
		s.leave(ctx, id, GoodbyeIrrelevantNetwork, err)
		return theirs, err
	}
	return theirs, nil
}
