package beacon

import (
	"context"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// LightClientBootstrap asks a peer for the bootstrap of a block, and checks it: well-formed, of its
// fork and digest, and of the root asked for. The branch of the sync committee is not checked. A peer
// that has none answers with reqresp.CodeResourceUnavailable.
func (c *Client) LightClientBootstrap(ctx context.Context, to peer.ID, root ssz.Root) (*LightClientBootstrap, error) {
	check := func(l *LightClientBootstrap) error {
		if l.BlockRoot != root {
			return fmt.Errorf("%w: root %v of slot %d, asked for %v", ErrUnexpectedRoot, l.BlockRoot, l.Slot, root)
		}
		return nil
	}
	req := ssz.LightClientBootstrapRequest(root)
	return (&call[LightClientBootstrap, *LightClientBootstrap]{c, check}).one(ctx, to, &req, c.family.LightClientBootstrap.Spec())
}

// LightClientUpdatesByRange asks a peer for the best updates of sync committee periods start to
// start+count-1. It yields them as they arrive, each checked: well-formed, of its fork and digest, in
// the range, of the period after the one before. Signatures and branches are not checked. It is
// otherwise as BlocksByRange.
func (c *Client) LightClientUpdatesByRange(ctx context.Context, to peer.ID, start, count uint64) iter.Seq2[*LightClientUpdate, error] {
	span := newSpan(start, count)
	span.linked = true
	var last *uint64
	check := func(l *LightClientUpdate) error {
		period := c.periodOf(l.AttestedSlot)
		if err := span.check(period); err != nil {
			return err
		}
		if last != nil && period != *last+1 {
			return fmt.Errorf("%w: period %d after %d", ErrSlotOrder, period, *last)
		}
		last = &period
		return checkSignatureSlot(l)
	}
	return (&call[LightClientUpdate, *LightClientUpdate]{c, check}).stream(ctx, to, &updateSpan{&span}, c.family.LightClientUpdatesByRange.Spec())
}

// updateSpan asks for updates by range.
type updateSpan struct{ *span }

func (u *updateSpan) next(n int) any {
	if !u.take(n) {
		return nil
	}
	return &ssz.LightClientUpdatesByRangeRequest{StartPeriod: u.start, Count: u.count}
}

// LightClientFinalityUpdate asks a peer for its latest finality update, and checks it: well-formed and
// of its fork and digest. A peer that has none answers with reqresp.CodeResourceUnavailable.
func (c *Client) LightClientFinalityUpdate(ctx context.Context, to peer.ID) (*LightClientUpdate, error) {
	return c.latestUpdate(ctx, to, c.family.LightClientFinalityUpdate.Spec())
}

// LightClientOptimisticUpdate asks a peer for its latest optimistic update. It is otherwise as
// LightClientFinalityUpdate.
func (c *Client) LightClientOptimisticUpdate(ctx context.Context, to peer.ID) (*LightClientUpdate, error) {
	return c.latestUpdate(ctx, to, c.family.LightClientOptimisticUpdate.Spec())
}

func (c *Client) latestUpdate(ctx context.Context, to peer.ID, spec *reqresp.Spec) (*LightClientUpdate, error) {
	return (&call[LightClientUpdate, *LightClientUpdate]{c, checkSignatureSlot}).one(ctx, to, &Empty{}, spec)
}

// checkSignatureSlot checks the order of slots that every update is made in.
func checkSignatureSlot(l *LightClientUpdate) error {
	if l.SignatureSlot <= l.AttestedSlot {
		return fmt.Errorf("%w: signed in slot %d, attested in slot %d", ErrSlotOrder, l.SignatureSlot, l.AttestedSlot)
	}
	return nil
}

// periodOf returns the sync committee period of a slot.
func (c *Client) periodOf(slot ssz.Slot) uint64 {
	n := c.family.network
	return uint64(n.EpochOf(slot)) / n.Preset().EpochsPerSyncCommitteePeriod()
}
