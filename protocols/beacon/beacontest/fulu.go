package beacontest

import (
	"sync"
	"time"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// Of the real chain that Fulu returns, from Deneb to Fulu, with some blocks that have blobs.
const (
	FuluFirstSlot ssz.Slot = 80 // where Fulu begins
	FuluHead      ssz.Slot = 215
	FuluFinalized          = ssz.Epoch(24)
	// FuluLastBlobs is the slot of the last block that has blobs.
	FuluLastBlobs ssz.Slot = 214
)

// FuluBlobs returns the slots whose blocks have blobs: the first twelve are of Deneb and Electra.
func FuluBlobs() []ssz.Slot {
	return []ssz.Slot{
		5, 11, 17, 23, 30, 36, 42, 48, 54, 61, 67, 74,
		87, 99, 112, 125, 138, 150, 162, 175, 187, 201, 214,
	}
}

// FuluConfig returns the configuration of the chain's network, of the minimal preset.
func FuluConfig() string { return readFulu().config }

// FuluGenesis returns the time of slot 0 and the genesis validators root of the chain.
func FuluGenesis() (time.Time, ssz.Root) {
	var root ssz.Root
	const text = "0x05d79a31a8e69ecd78114c50ce73116be33027d8431b82fff6c0b3cd9c2cbb1f"
	if err := root.UnmarshalText([]byte(text)); err != nil {
		panic(err)
	}
	return time.Unix(1796080587, 0), root
}

// FuluNetwork returns the network of the chain. All calls return the same value.
var FuluNetwork = sync.OnceValue(func() *ssz.Network {
	cfg, err := ssz.ParseConfig([]byte(FuluConfig()))
	if err != nil {
		panic(err)
	}
	genesis, root := FuluGenesis()
	n, err := ssz.NewNetwork(*cfg, genesis, root)
	if err != nil {
		panic(err)
	}
	return n
})

// Fulu returns a development chain that a production client made, with all that its blocks have: blob sidecars of
// Deneb and Electra, all 128 columns of Fulu, and objects for light clients. Signatures, roots and KZG proofs are
// real; execution payloads are made up. All calls return the same value, which is not to be changed.
var Fulu = sync.OnceValue(func() *Chain {
	files := readFulu()
	c := &Chain{network: FuluNetwork(), columns: beacon.NumberOfColumns, Blocks: fuluBlocks()}
	for _, i := range c.Blocks {
		block, err := c.network.DecodeBlock(c.Fork(i.Slot), i.SSZ)
		if err != nil {
			panic(err)
		}
		c.addSidecars(i.Slot, i.Root, block, files.blobsOf(block))
	}
	c.Bootstraps = lightClientItems(files.lightClient["bootstrap"])
	for _, i := range c.Bootstraps {
		i.Root = inRange(c.Blocks, i.Slot, 1)[0].Root
	}
	c.Updates = lightClientItems(files.lightClient["update"])
	c.Finality, c.Optimistic = last(FuluFinalityUpdates()), last(FuluOptimisticUpdates())
	finalized := inRange(c.Blocks, c.network.StartSlot(FuluFinalized), 1)[0]
	c.status = beacon.Status{
		HeadSlot: FuluHead, HeadRoot: last(c.Blocks).Root, FinalizedEpoch: FuluFinalized, FinalizedRoot: finalized.Root,
	}
	return c
})

// FuluFinalityUpdates returns the finality updates that the node of the chain served, in order.
func FuluFinalityUpdates() []*Item {
	return lightClientItems(readFulu().lightClient["finality_update"])
}

// FuluOptimisticUpdates returns the optimistic updates that the node of the chain served, in order.
func FuluOptimisticUpdates() []*Item {
	return lightClientItems(readFulu().lightClient["optimistic_update"])
}

// FuluBlocks returns the 205 blocks of the chain, from the genesis block on. They are shared and not to be changed.
var FuluBlocks = sync.OnceValue(func() (blocks []*beacon.Block) {
	n := FuluNetwork()
	for _, i := range fuluBlocks() {
		header, err := ssz.PeekBlock(i.SSZ)
		if err != nil {
			panic(err)
		}
		epoch := n.EpochOf(i.Slot)
		blocks = append(blocks, &beacon.Block{
			Slot: i.Slot, Root: i.Root, ParentRoot: header.ParentRoot,
			Fork: n.ForkAt(epoch), Digest: n.DigestAt(epoch), SSZ: i.SSZ, Frames: i.Frames,
		})
	}
	return blocks
})

var fuluBlocks = sync.OnceValue(func() (blocks []*Item) {
	n := FuluNetwork()
	for _, b := range readFulu().blocks {
		header, err := ssz.PeekBlock(b)
		if err != nil {
			panic(err)
		}
		root, err := n.BlockRoot(n.ForkAt(n.EpochOf(header.Slot)), b)
		if err != nil {
			panic(err)
		}
		blocks = append(blocks, newItem(header.Slot, root, 0, b))
	}
	return blocks
})
