//go:build peers

package lodestar_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/seed-2dd5877b/reqresp/integration/lodestar"
)

func TestNodeMakesBlocks(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // a first installation takes minutes
	defer cancel()
	node, err := lodestar.Start(ctx, t.TempDir(), lodestar.Options{})
	if errors.Is(err, lodestar.ErrNoNode) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer node.Stop()

	if err := node.WaitForSlot(ctx, 3); err != nil {
		t.Fatal(err)
	}
	head, _, err := node.Head(ctx)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := node.Blocks(ctx, 0, head+1)
	if err != nil {
		t.Fatal(err)
	}
	if len(blocks) < 2 {
		t.Fatalf("%d blocks up to slot %d, want genesis and at least one more", len(blocks), head)
	}
	for i, b := range blocks[1:] {
		// A SignedBeaconBlock is an offset, a signature of 96 bytes, and the message: slot, proposer, parent root.
		slot, parent := binary.LittleEndian.Uint64(b.SSZ[100:]), lodestar.Root(b.SSZ[116:148])
		if slot != b.Slot || parent != blocks[i].Root {
			t.Errorf("the SSZ of the block at slot %d has slot %d and parent %v, want parent %v",
				b.Slot, slot, parent, blocks[i].Root)
		}
	}
}
