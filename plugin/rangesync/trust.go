package rangesync

import (
	"context"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// confirm looks for the trusted root in the chain and records it as its anchor.
func (r *run) confirm(ctx context.Context) error {
	root, trust := r.trusted()
	slot, ok, err := r.store.SlotOf(ctx, root)
	if err == nil && !ok {
		// A sync from a checkpoint begins after its block if that is of a slot before.
		slot = 0
		ok, err = r.isFirstParent(ctx, root)
	}
	if err != nil {
		return err
	}
	if !ok {
		head, _, _ := r.store.Head()
		return fmt.Errorf("%w: %v (%s), blocks up to slot %d are not verified by it", ErrUntrusted, root, trust, head)
	}
	if err := r.anchor(ctx, root, slot, trust); err != nil {
		return err
	}
	r.result.Trusted, r.result.TrustedSlot, r.result.Trust = root, slot, trust
	return nil
}

// isFirstParent tells whether a root is that of the parent of the first block.
func (r *run) isFirstParent(ctx context.Context, root ssz.Root) (bool, error) {
	parent, ok, err := r.store.FirstParent(ctx)
	return ok && parent == root, err
}

// anchor records a trusted block, unless one after it is verified already.
func (r *run) anchor(ctx context.Context, root ssz.Root, slot ssz.Slot, trust Trust) error {
	if verified, ok, err := r.verified(ctx); err != nil || ok && verified > slot {
		return err
	}
	origin := store.FromPeer
	if trust == TrustGiven {
		origin = store.Given
	}
	return r.store.SetAnchor(ctx, store.Anchor{Root: root, Slot: slot, Origin: origin})
}

// trusted picks the root to trust, the best known first: the caller's, the one a
// caller gave before, the peer's.
func (r *run) trusted() (ssz.Root, Trust) {
	if r.opts.TrustedRoot != (ssz.Root{}) {
		return r.opts.TrustedRoot, TrustGiven
	}
	if root, ok := r.given(); ok {
		return root, TrustGiven
	}
	// The finalized block is at its epoch's first slot or before.
	finalized := r.Status.FinalizedEpoch
	if finalized > 0 && r.network.StartSlot(finalized) >= r.store.Info().Earliest {
		return r.Status.FinalizedRoot, TrustFinalized
	}
	return r.Status.HeadRoot, TrustHead
}

// given returns the root that an earlier run was given. One that has been pruned
// since says nothing of the blocks that are left.
func (r *run) given() (ssz.Root, bool) {
	info := r.store.Info()
	a := info.Anchor
	if a == nil || a.Origin != store.Given || a.Slot != 0 && a.Slot < info.Earliest {
		return ssz.Root{}, false
	}
	return a.Root, true
}

// verified returns the slot of the last block that is beyond doubt: that of a root
// given to this run or to an earlier one. It reports false if the store holds neither.
func (r *run) verified(ctx context.Context) (last ssz.Slot, ok bool, err error) {
	before, _ := r.given()
	for _, root := range []ssz.Root{r.opts.TrustedRoot, before} {
		slot, held, err := r.store.SlotOf(ctx, root)
		if err != nil {
			return 0, false, err
		}
		if held {
			last, ok = max(last, slot), true
		}
	}
	return last, ok, nil
}
