package beacon

import (
	"context"
	"fmt"
	"iter"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/ssz"
)

// BlocksByRange asks a peer for the blocks of slots start to start+count-1. It
// yields them as they arrive, each checked: well-formed, of its fork and digest,
// in the range, slots ascending, each one the parent of the next. Empty slots
// yield nothing, and a peer may answer with less than it holds: a short response
// is partial, not wrong.
//
// An error is the last pair. Breaking out of the loop resets the stream. The
// sequence can be used once, and fails from then on. Count should not exceed what the network allows,
// see ssz.Network.MaxRequestBlocks. Peers that know nothing but version 1 are asked by that, which
// carries blocks of phase0 alone.
func (c *Client) BlocksByRange(ctx context.Context, to peer.ID, start ssz.Slot, count uint64) iter.Seq2[*Block, error] {
	req := &ssz.BeaconBlocksByRangeRequest{StartSlot: start, Count: count, Step: 1}
	check := rangeCheck{start: start, count: count}
	return c.blocks(check.check).stream(ctx, to, req, c.family.BlocksByRange.Spec(), c.family.BlocksByRangeV1.Spec())
}

// BlocksByRoot asks a peer for blocks by their roots and yields those it has, in the order
// in which it sends them, each checked: well-formed, of its fork and digest, and one
// of those asked for. It is otherwise as BlocksByRange.
func (c *Client) BlocksByRoot(ctx context.Context, to peer.ID, roots []ssz.Root) iter.Seq2[*Block, error] {
	req, check := ssz.BeaconBlocksByRootRequest(roots), newRootCheck(roots)
	return c.blocks(check.check).stream(ctx, to, &req, c.family.BlocksByRoot.Spec(), c.family.BlocksByRootV1.Spec())
}

// BlocksByHead asks a peer for a block and its ancestors, up to count blocks in all, and yields them
// with the youngest first, each checked: well-formed, of its fork and digest, the first with the
// root asked for and each one the parent of that before. It is otherwise as BlocksByRange.
func (c *Client) BlocksByHead(ctx context.Context, to peer.ID, root ssz.Root, count uint64) iter.Seq2[*Block, error] {
	req := &ssz.BeaconBlocksByHeadRequest{BeaconRoot: root, Count: count}
	check := headCheck{next: root}
	return c.blocks(check.check).stream(ctx, to, req, c.family.BlocksByHead.Spec())
}

// blocks returns a call for blocks that checks their form and finds their roots before check sees
// them.
func (c *Client) blocks(check func(*Block) error) *call[Block, *Block] {
	return &call[Block, *Block]{c, func(b *Block) error {
		t := c.family.blockType(b.Fork)
		decoded, err := t.Decode(b.SSZ)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformedBlock, err)
		}
		if b.Root, err = decoded.(ssz.SignedBlock).BlockRoot(); err != nil {
			return fmt.Errorf("%w: %w", ErrMalformedBlock, err)
		}
		return check(b)
	}}
}

// rangeCheck checks the blocks of one response by range.
type rangeCheck struct {
	start ssz.Slot
	count uint64
	last  *Block
}

func (r *rangeCheck) check(b *Block) error {
	if b.Slot < r.start || uint64(b.Slot-r.start) >= r.count {
		return fmt.Errorf("%w: slot %d, asked for %d from %d", ErrOutOfRange, b.Slot, r.count, r.start)
	}
	if r.last != nil && b.Slot <= r.last.Slot {
		return fmt.Errorf("%w: %d after %d", ErrSlotOrder, b.Slot, r.last.Slot)
	}
	if r.last != nil && b.ParentRoot != r.last.Root {
		return fmt.Errorf("%w: parent %v of slot %d, slot %d is %v", ErrNotLinked, b.ParentRoot, b.Slot, r.last.Slot, r.last.Root)
	}
	r.last = b
	return nil
}

// rootCheck checks the roots in one response. A root asked for more
// than once may be answered as often.
type rootCheck struct {
	wanted map[ssz.Root]int
}

func newRootCheck(roots []ssz.Root) rootCheck {
	c := rootCheck{wanted: make(map[ssz.Root]int, len(roots))}
	for _, root := range roots {
		c.wanted[root]++
	}
	return c
}

func (r rootCheck) check(b *Block) error { return r.checkRoot(b.Slot, b.Root) }

func (r rootCheck) checkRoot(slot ssz.Slot, root ssz.Root) error {
	if r.wanted[root] == 0 {
		return fmt.Errorf("%w: root %v of slot %d", ErrUnexpectedRoot, root, slot)
	}
	r.wanted[root]--
	return nil
}

// headCheck checks the blocks of one response by head.
type headCheck struct {
	next ssz.Root // the root of the next block
	last *Block
}

func (h *headCheck) check(b *Block) error {
	switch {
	case h.last == nil && b.Root != h.next:
		return fmt.Errorf("%w: root %v of slot %d, asked for %v", ErrUnexpectedRoot, b.Root, b.Slot, h.next)
	case h.last != nil && b.Slot >= h.last.Slot:
		return fmt.Errorf("%w: %d after %d", ErrSlotOrder, b.Slot, h.last.Slot)
	case b.Root != h.next:
		return fmt.Errorf("%w: root %v of slot %d, parent of slot %d is %v", ErrNotLinked, b.Root, b.Slot, h.last.Slot, h.next)
	}
	h.next, h.last = b.ParentRoot, b
	return nil
}
