package beacon

import (
	"context"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A handshake is an exchange of statuses in flight.
type handshake struct {
	done   chan struct{} // closed when the rest is set
	theirs Status
	err    error
}

// Handshake exchanges statuses with a peer, connecting to it if need be, and
// returns the peer's. A peer of another network or chain is disconnected, and the error wraps
// ErrIrrelevant. Over a limited (relayed) connection alone none takes place: it fails with an error that wraps
// network.ErrLimitedConn. Peers that this host dials are sent a status without a call;
// a handshake that is in flight is waited for in place of a second one. From Stop on it fails
// with an error that wraps reqresp.ErrClosed, and dials no peer; Stop ends one that is in flight.
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

// isLeadersOwn reports whether a handshake failed for a reason of the caller that began it: its context ended, or
// it must not dial. A caller that has joined it tries again. A timeout, which ends a context too, is the peer's.
func isLeadersOwn(err error) bool {
	if errors.Is(err, reqresp.ErrTimeout) {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, network.ErrNoConn)
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
	last, _ := s.PeerStatus(id)
	ours, err := s.statusFor(ctx, last)
	if err != nil {
		return Status{}, err
	}
	theirs, err := s.client.Status(ctx, id, ours)
	if err != nil {
		return Status{}, fmt.Errorf("status handshake: %w", err)
	}
	if err := s.checkStatus(ctx, id, ours, theirs); err != nil {
		s.disconnect(ctx, id, GoodbyeIrrelevantNetwork, err, 0)
		return theirs, err
	}
	return theirs, nil
}

// ErrIrrelevant is returned for a peer of another network or chain, which is then said
// goodbye to with GoodbyeIrrelevantNetwork.
var ErrIrrelevant = errors.New("beacon: peer is irrelevant")

// toV1 leaves out what status/1 cannot say.
func toV1(s *Status) *ssz.StatusV1 {
	return &ssz.StatusV1{
		ForkDigest:     s.ForkDigest,
		FinalizedRoot:  s.FinalizedRoot,
		FinalizedEpoch: s.FinalizedEpoch,
		HeadRoot:       s.HeadRoot,
		HeadSlot:       s.HeadSlot,
	}
}

func fromV1(s *ssz.StatusV1) *Status {
	return &Status{
		ForkDigest:     s.ForkDigest,
		FinalizedRoot:  s.FinalizedRoot,
		FinalizedEpoch: s.FinalizedEpoch,
		HeadRoot:       s.HeadRoot,
		HeadSlot:       s.HeadSlot,
	}
}

// relevant decides, as the specs' Status section asks, whether theirs and
// ours can be of one chain: the fork digests agree, and so do the finalized
// checkpoints as far as ours can tell.
func relevant(ctx context.Context, network *ssz.Network, chain Chain, ours, theirs Status) error {
	if ours.ForkDigest != theirs.ForkDigest {
		return fmt.Errorf("%w: fork digest %v, ours is %v", ErrIrrelevant, theirs.ForkDigest, ours.ForkDigest)
	}
	if chain == NoChain || theirs.FinalizedEpoch == 0 || theirs.FinalizedEpoch > ours.FinalizedEpoch {
		return nil
	}
	want, ok := finalizedAt(ctx, network, chain, ours, theirs.FinalizedEpoch)
	if ok && want != theirs.FinalizedRoot {
		return fmt.Errorf("%w: finalized root %v at epoch %d, ours is %v",
			ErrIrrelevant, theirs.FinalizedRoot, theirs.FinalizedEpoch, want)
	}
	return nil
}

// finalizedAt returns the root of the checkpoint at a finalized epoch if it is
// known: our own checkpoint, or a block in the epoch's first slot. If that slot is empty the
// checkpoint is some earlier block, and the answer is that we cannot tell.
func finalizedAt(
	ctx context.Context, network *ssz.Network, chain Chain, ours Status, epoch ssz.Epoch,
) (ssz.Root, bool) {
	if epoch == ours.FinalizedEpoch {
		return ours.FinalizedRoot, true
	}
	for ref, err := range chain.BlocksByRange(ctx, network.StartSlot(epoch), 1) {
		return ref.Root, err == nil
	}
	return ssz.Root{}, false
}

// statusFor returns the status to send a peer that has sent theirs: the chain's view, or, without a chain, the peer's
// own.
func (s *Server) statusFor(ctx context.Context, theirs Status) (Status, error) {
	ours, err := s.status(ctx, true)
	if err != nil || s.chain != NoChain {
		return ours, err
	}
	theirs.ForkDigest = ours.ForkDigest
	return holdingNothing(theirs), nil
}
