package beacon

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A Block is a signed beacon block of any fork and preset, as it crossed the
// wire. Its slices belong to whoever holds the block.
type Block struct {
	// Slot is the block's slot.
	Slot ssz.Slot
	// Root is the hash tree root of the BeaconBlock, which is what its children
	// and by-root requests name.
	Root ssz.Root
	// ParentRoot is the root of the block before it.
	ParentRoot ssz.Root
	// Fork is the fork whose SignedBeaconBlock type this is.
	Fork ssz.Fork
	// Digest is the fork digest of the slot's epoch.
	Digest ssz.ForkDigest
	// SSZ is the SSZ encoding of the SignedBeaconBlock.
	SSZ []byte
	// Frames is SSZ as snappy frames, as received: what a store keeps and a server
	// sends on.
	Frames []byte
}

// take reads the block's header. Root is left for whoever decodes the block: that checks its form
// too.
func (b *Block) take(_ *ssz.Type, c Chunk) (ssz.Slot, error) {
	header, err := ssz.PeekBlock(c.SSZ)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMalformedBlock, err)
	}
	*b = Block{
		Slot: header.Slot, ParentRoot: header.ParentRoot,
		Fork: c.Fork, Digest: c.Digest, SSZ: c.SSZ, Frames: c.Frames,
	}
	return b.Slot, nil
}

func (b *Block) give() Chunk { return Chunk{b.Fork, b.Digest, b.SSZ, b.Frames} }
