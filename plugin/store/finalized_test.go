package store_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A source's word on what is finalized is passed on only where it can be true.
func TestFinalizedCheckpointIsInItsPlace(t *testing.T) {
	t.Parallel()
	blocks := realBlocks()
	rootAt := func(slot ssz.Slot) ssz.Root { return blocks[slot-devchain.FirstSlot].Root }
	for name, tt := range map[string]struct {
		epoch ssz.Epoch
		root  ssz.Root
		held  bool
	}{
		"first slot of the epoch": {2, rootAt(64), true},
		"an earlier epoch":        {1, rootAt(32), true},
		"block of a later slot":   {2, rootAt(65), false},
		"block of an older slot":  {2, rootAt(63), false},
		"epoch after the head":    {5, rootAt(142), false},
		"last epoch of all":       {ssz.FarFutureEpoch, rootAt(64), false},
		"unknown root":            {2, ssz.Root{1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openWith(t, memorydb.New(), blocks...)
			must(t, s.SetSource(t.Context(), beacon.Status{FinalizedEpoch: tt.epoch, FinalizedRoot: tt.root}))
			got, err := s.Status(t.Context())
			must(t, err)
			want := beacon.Status{}
			if tt.held {
				want.FinalizedEpoch, want.FinalizedRoot = tt.epoch, tt.root
			}
			if got.FinalizedEpoch != want.FinalizedEpoch || got.FinalizedRoot != want.FinalizedRoot {
				t.Errorf("finalized epoch %d, root %v, want %d, %v",
					got.FinalizedEpoch, got.FinalizedRoot, want.FinalizedEpoch, want.FinalizedRoot)
			}
		})
	}
}
