package beacon

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

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
func finalizedAt(ctx context.Context, network *ssz.Network, chain Chain, ours Status, epoch ssz.Epoch) (ssz.Root, bool) {
	if epoch == ours.FinalizedEpoch {
		return ours.FinalizedRoot, true
	}
	for ref, err := range chain.BlocksByRange(ctx, network.StartSlot(epoch), 1) {
		return ref.Root, err == nil
	}
	return ssz.Root{}, false
}
