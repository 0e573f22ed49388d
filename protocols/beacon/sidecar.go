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

// sidecarOrder checks the sidecars of one call by range: slots in the range and ascending, indices
// ascending in each, and one block in each.
type sidecarOrder struct {
	span  *span
	any   bool
	slot  ssz.Slot
	root  ssz.Root
	index uint64
}

// seen reports whether a sidecar was received before, in an answer that was cut within its slot.
func (o *sidecarOrder) seen(slot ssz.Slot, root ssz.Root, index uint64) bool {
	return o.any && o.span.again && slot == o.slot && root == o.root && index <= o.index
}

func (o *sidecarOrder) check(slot ssz.Slot, root ssz.Root, index uint64) error {
	joins := !o.span.any
	if err := o.span.check(uint64(slot)); err != nil {
		return err
	}
	if o.any {
		switch {
		case slot < o.slot:
			return fmt.Errorf("%w: %d after %d", ErrSlotOrder, slot, o.slot)
		case slot == o.slot && root != o.root:
			err := fmt.Errorf("%w: blocks %v and %v in slot %d", ErrNotLinked, o.root, root, slot)
			if joins {
				return &changedError{err}
			}
			return err
		case slot == o.slot && index <= o.index:
			return fmt.Errorf("%w: %d after %d in slot %d", ErrIndexOrder, index, o.index, slot)
		}
	}
	o.any, o.slot, o.root, o.index = true, slot, root, index
	o.span.again = false
	return nil
}
