package history

import (
	"context"
	"fmt"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/beacon"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// A LinkError is returned by [Open] if the blocks of the store do not follow those of the files.
type LinkError struct {
	// FileSlot and FileRoot are a block of the files: the last, or the one in the place of the store's block. The
	// root is zero if the files have none there.
	FileSlot ssz.Slot
	FileRoot ssz.Root
	// StoreSlot and StoreRoot are a block of the store: the first, or the one in the place of the files' block.
	StoreSlot ssz.Slot
	StoreRoot ssz.Root
	// Parent is the parent of the store's first block if that is after the files, else zero.
	Parent ssz.Root
}

// Error names both blocks.
func (e *LinkError) Error() string {
	if e.Parent != (ssz.Root{}) {
		return fmt.Sprintf("history: the era files end with the block %v of slot %d, but the first block of the store, "+
			"%v of slot %d, has the parent %v: blocks between are missing, or it is another chain",
			e.FileRoot, e.FileSlot, e.StoreRoot, e.StoreSlot, e.Parent)
	}
	return fmt.Sprintf("history: the era files and the store are of different chains: the files have %s, the store %s",
		describe(e.FileSlot, e.FileRoot), describe(e.StoreSlot, e.StoreRoot))
}

func describe(slot ssz.Slot, root ssz.Root) string {
	if root == (ssz.Root{}) {
		return fmt.Sprintf("no block in slot %d", slot)
	}
	return fmt.Sprintf("the block %v in slot %d", root, slot)
}

// A link is whether the store links to the files.
type link struct {
	begin begin // of the store that was looked at
	ok    bool
}

// begin is where a store begins.
type begin struct {
	some     bool // there are blocks
	earliest ssz.Slot
}

func (c *Chain) begin() begin {
	_, _, some := c.store.Head()
	return begin{some, c.store.Info().Earliest}
}

// linked reports whether the store links to the files. It looks again when the store begins elsewhere. A store that
// cannot be read now does not link.
func (c *Chain) linked(ctx context.Context) bool {
	now, known := c.begin(), c.link.Load()
	if known.begin != now {
		err := c.checkLink(ctx)
		known = &link{now, err == nil}
		if ctx.Err() == nil {
			c.link.Store(known)
		}
	}
	return known.ok
}

// checkLink checks that the store links to the files. Where both have blocks one that they share is enough: each is the
// child of the one before.
func (c *Chain) checkLink(ctx context.Context) error {
	slot, root, some := c.store.Head()
	switch {
	case !some:
		return nil
	case slot < c.first:
		return &LinkError{FileSlot: c.head.slot, FileRoot: c.head.root, StoreSlot: slot, StoreRoot: root}
	case slot < c.end:
		return c.checkHead(ctx, position{slot, root})
	}
	first, err := c.storedFrom(ctx, c.store.Info().Earliest)
	if err != nil {
		return err
	}
	if first.Slot >= c.end {
		parent, _, err := c.store.FirstParent(ctx)
		if err == nil && parent != c.head.root {
			err = &LinkError{c.head.slot, c.head.root, first.Slot, first.Root, parent}
		}
		return err
	}
	at, err := c.storedFrom(ctx, max(first.Slot, c.head.slot))
	if err == nil && (position{at.Slot, at.Root} != c.head) {
		err = &LinkError{FileSlot: c.head.slot, FileRoot: c.head.root, StoreSlot: at.Slot, StoreRoot: at.Root}
	}
	return err
}

// checkHead checks that the files have the head of a store that ends where they do or before.
func (c *Chain) checkHead(ctx context.Context, head position) error {
	x, err := c.index(ctx, c.dir.EraOf(head.slot))
	if err != nil {
		return err
	}
	held := ssz.Root{}
	if x.holds(head.slot) {
		held = x.root(head.slot)
	}
	if held != head.root {
		return &LinkError{FileSlot: head.slot, FileRoot: held, StoreSlot: head.slot, StoreRoot: head.root}
	}
	return nil
}

// storedFrom returns the first block of the store from a slot on, which is not after its head.
func (c *Chain) storedFrom(ctx context.Context, slot ssz.Slot) (beacon.Ref, error) {
	for ref, err := range c.store.BlocksByRange(ctx, slot, math.MaxUint64-uint64(slot)) {
		return ref, err
	}
	return beacon.Ref{Slot: slot}, nil
}
