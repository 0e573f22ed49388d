package rangesync_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/ethereum/go-ethereum/ethdb"
	"github.com/ethereum/go-ethereum/ethdb/memorydb"

	"github.com/seed-2dd5877b/reqresp/plugin/devchain"
	"github.com/seed-2dd5877b/reqresp/plugin/store"
	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// dev returns the blocks of the development chain's slots from first to last.
func dev(first, last ssz.Slot) []*beacon.Block {
	return devBlocks()[first-devchain.FirstSlot : last-devchain.FirstSlot+1]
}

var devBlocks = sync.OnceValue(func() []*beacon.Block {
	blocks, err := devchain.Blocks()
	if err != nil {
		panic(err)
	}
	return blocks
})

// fork returns the chain with blocks of its own in the given slots on top, which
// ascend. Chains of different variants have different blocks.
func fork(base []*beacon.Block, variant byte, slots ...ssz.Slot) []*beacon.Block {
	chain := slices.Clone(base)
	var parent ssz.Root
	if len(chain) > 0 {
		parent = chain[len(chain)-1].Root
	}
	for _, slot := range slots {
		b := forge(slot, parent, variant)
		chain = append(chain, b)
		parent = b.Root
	}
	return chain
}

// forge makes a block that nobody signed, which is for a node with a state to
// find out.
func forge(slot ssz.Slot, parent ssz.Root, variant byte) *beacon.Block {
	n := devchain.Network()
	b := &beacon.Block{Slot: slot, ParentRoot: parent, Fork: n.ForkAt(n.EpochOf(slot)), Digest: n.DigestAt(n.EpochOf(slot))}
	template := dev(1, 1)[0]
	if b.Fork == ssz.Fulu {
		template = dev(64, 64)[0]
	}
	// The message follows the offset and the signature: slot, proposer index,
	// parent root, state root.
	b.SSZ = slices.Clone(template.SSZ)
	binary.LittleEndian.PutUint64(b.SSZ[100:], uint64(slot))
	copy(b.SSZ[116:], parent[:])
	b.SSZ[148] = variant
	signed, err := n.DecodeBlock(b.Fork, b.SSZ)
	if err != nil {
		panic(err)
	}
	if b.Root, err = signed.BlockRoot(); err != nil {
		panic(err)
	}
	b.Frames = snappy.AppendFrames(nil, b.SSZ)
	return b
}

// slots returns the slots from first to last.
func slots(first, last ssz.Slot) (all []ssz.Slot) {
	for slot := first; slot <= last; slot++ {
		all = append(all, slot)
	}
	return all
}

func newStore(t testing.TB, blocks ...*beacon.Block) *store.Store {
	t.Helper()
	return openStore(t, memorydb.New(), blocks...)
}

func openStore(t testing.TB, db ethdb.KeyValueStore, blocks ...*beacon.Block) *store.Store {
	t.Helper()
	s, err := store.Open(db, "") // which is opened again
	if err != nil {
		t.Fatal(err)
	}
	must(t, s.SetNetwork(t.Context(), store.Network{
		Config:                devchain.Config(),
		GenesisTime:           devchain.GenesisTime,
		GenesisValidatorsRoot: devchain.GenesisValidatorsRoot(),
	}))
	must(t, s.Append(t.Context(), blocks...))
	return s
}

// checkStored checks that the store holds exactly these blocks, sound and linked.
func checkStored(t testing.TB, s *store.Store, want []*beacon.Block) {
	t.Helper()
	got := blocksOf(t, s)
	same := func(a, b *beacon.Block) bool { return a.Slot == b.Slot && a.Root == b.Root }
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("stored %v\nwant   %v", describe(got), describe(want))
	}
}

// blocksOf returns the slots and roots of the blocks that a store holds, after
// checking that they are sound and linked.
func blocksOf(t testing.TB, s *store.Store) (blocks []*beacon.Block) {
	t.Helper()
	for ref, err := range s.Verify(context.Background()) {
		if err != nil {
			t.Errorf("verify: %v", err)
		}
		blocks = append(blocks, &beacon.Block{Slot: ref.Slot, Root: ref.Root})
	}
	return blocks
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// describe lists the slots of a chain with the beginnings of its roots.
func describe(blocks []*beacon.Block) (all []string) {
	for _, b := range blocks {
		all = append(all, fmt.Sprintf("%d:%x", b.Slot, b.Root[:2]))
	}
	return all
}
