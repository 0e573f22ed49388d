package devchain_test

import (
	"bytes"
	"testing"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

func TestBlocksFormTheChainThatTheConstantsDescribe(t *testing.T) {
	t.Parallel()
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(blocks), int(devchain.HeadSlot-devchain.FirstSlot)+1; got != want {
		t.Fatalf("%d blocks, want %d", got, want)
	}
	n := devchain.Network()
	for i, b := range blocks {
		if want := devchain.FirstSlot + ssz.Slot(i); b.Slot != want {
			t.Fatalf("block %d: slot %d, want %d", i, b.Slot, want)
		}
		if i > 0 && b.ParentRoot != blocks[i-1].Root {
			t.Errorf("slot %d: parent %v, the block before is %v", b.Slot, b.ParentRoot, blocks[i-1].Root)
		}
		if want := n.DigestAt(n.EpochOf(b.Slot)); b.Digest != want {
			t.Errorf("slot %d: digest %v, the network says %v", b.Slot, b.Digest, want)
		}
		decoded, err := snappy.AppendDecoded(nil, b.Frames, len(b.SSZ))
		if err != nil || !bytes.Equal(decoded, b.SSZ) {
			t.Errorf("slot %d: frames do not hold the SSZ: %v", b.Slot, err)
		}
	}
	if got := blocks[len(blocks)-1].Root; got != devchain.HeadRoot() {
		t.Errorf("head root %v, want %v", got, devchain.HeadRoot())
	}
	if got := blocks[devchain.FinalizedSlot-devchain.FirstSlot].Root; got != devchain.FinalizedRoot() {
		t.Errorf("finalized root %v, want %v", got, devchain.FinalizedRoot())
	}
	if got := n.StartSlot(devchain.FinalizedEpoch); got != devchain.FinalizedSlot {
		t.Errorf("epoch %d starts at slot %d, want %d", devchain.FinalizedEpoch, got, devchain.FinalizedSlot)
	}
}

func TestRootsAreThoseOfTheBlocks(t *testing.T) {
	t.Parallel()
	blocks, err := devchain.Blocks()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		signed, err := devchain.Network().DecodeBlock(b.Fork, b.SSZ)
		if err != nil {
			t.Fatalf("slot %d: %v", b.Slot, err)
		}
		if root, err := signed.BlockRoot(); err != nil || root != b.Root {
			t.Errorf("slot %d: root %v, %v, want %v", b.Slot, root, err, b.Root)
		}
	}
}

func TestNetworkHasTheGenesisOfTheChain(t *testing.T) {
	t.Parallel()
	n := devchain.Network()
	if got := n.GenesisTime().Unix(); got != devchain.GenesisTime {
		t.Errorf("genesis time %d, want %d", got, devchain.GenesisTime)
	}
	if got := n.GenesisValidatorsRoot(); got != devchain.GenesisValidatorsRoot() {
		t.Errorf("genesis validators root %v, want %v", got, devchain.GenesisValidatorsRoot())
	}
	if got := n.ForkAt(devchain.FinalizedEpoch); got != ssz.Fulu {
		t.Errorf("fork at epoch 2 is %v, want fulu", got)
	}
}
