package plugin_test

import (
	"math"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
)

// The example's chain serves the longest range that there is, as whoever copies it will.
func TestMapChainServesTheLongestRange(t *testing.T) {
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ref, err := range newMapChain(blocks).BlocksByRange(t.Context(), devchain.FirstSlot,
		math.MaxUint64-uint64(devchain.FirstSlot)+1) {
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 && ref.Slot != blocks[0].Slot {
			t.Errorf("slot %d first, want %d", ref.Slot, blocks[0].Slot)
		}
		n++
	}
	if n != len(blocks) {
		t.Errorf("%d blocks, want all %d", n, len(blocks))
	}
}
