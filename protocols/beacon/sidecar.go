package beacon

import (
	"fmt"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A SidecarRef names a blob sidecar or a data column sidecar that a chain holds, without its data.
type SidecarRef struct {
	// Slot is the slot of the sidecar's block. It decides the fork digest sent along.
	Slot ssz.Slot
	// BlockRoot is the hash tree root of the block.
	BlockRoot ssz.Root
	// Index is that of the blob in the block, or of the column.
	Index uint64
	// Size is the exact length of the sidecar's SSZ encoding, in bytes.
	Size int
	// FramesSize is about how many bytes the frames have, see [BlockRef].
	FramesSize int
}

func (r SidecarRef) layout() layout { return layout{r.Slot, r.Size, r.FramesSize} }

// sidecarOrder checks the sidecars of one response by range: slots in the range and ascending, indices
// ascending in each, and one block in each.
type sidecarOrder struct {
	start ssz.Slot
	count uint64
	any   bool
	slot  ssz.Slot
	root  ssz.Root
	index uint64
}

func (o *sidecarOrder) check(slot ssz.Slot, root ssz.Root, index uint64) error {
	if slot < o.start || uint64(slot-o.start) >= o.count {
		return fmt.Errorf("%w: slot %d, asked for %d from %d", ErrOutOfRange, slot, o.count, o.start)
	}
	if o.any {
		switch {
		case slot < o.slot:
			return fmt.Errorf("%w: %d after %d", ErrSlotOrder, slot, o.slot)
		case slot == o.slot && root != o.root:
			return fmt.Errorf("%w: blocks %v and %v in slot %d", ErrNotLinked, o.root, root, slot)
		case slot == o.slot && index <= o.index:
			return fmt.Errorf("%w: %d after %d in slot %d", ErrIndexOrder, index, o.index, slot)
		}
	}
	o.any, o.slot, o.root, o.index = true, slot, root, index
	return nil
}
