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
	check := &rangeCheck{span: newSpan(start, count, blocksRequest)}
	return c.blocks(check.check).stream(ctx, to, check, c.family.blocksByRange.Spec(), c.family.blocksByRangeV1.Spec())
}

// BlocksByRoot asks a peer for blocks by their roots and yields those it has, in the order
// in which it sends them, each checked: well-formed, of its fork and digest, and one
// of those asked for. It is otherwise as BlocksByRange.
func (c *Client) BlocksByRoot(ctx context.Context, to peer.ID, roots []ssz.Root) iter.Seq2[*Block, error] {
	wanted := newWanted(roots, func(roots []ssz.Root) any { return new(ssz.BeaconBlocksByRootRequest(roots)) })
	check := func(b *Block) error { return checkRoot(wanted, b.Slot, b.Root) }
	return c.blocks(check).stream(ctx, to, wanted, c.family.blocksByRoot.Spec(), c.family.blocksByRootV1.Spec())
}

// BlocksByHead asks a peer for a block and its ancestors, up to count blocks in all, and yields them
// with the youngest first, each checked: well-formed, of its fork and digest, the first with the
// root asked for and each one the parent of that before. It is otherwise as BlocksByRange.
func (c *Client) BlocksByHead(ctx context.Context, to peer.ID, root ssz.Root, count uint64) iter.Seq2[*Block, error] {
	check := &headCheck{root: root, left: count}
	return c.blocks(check.check).stream(ctx, to, check, c.family.blocksByHead.Spec())
}

// blocks returns a call for blocks that checks their form and finds their roots before check sees
// them.
func (c *Client) blocks(check func(*Block) error) *call[Block, *Block] {
	return &call[Block, *Block]{c, func(b *Block) error {
		decoded, err := c.family.rowOf(c.family.blocksByRange.Spec()).ResponseType(b.Fork).Decode(b.SSZ)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformedBlock, err)
		}
		if b.Root, err = decoded.(ssz.SignedBlock).BlockRoot(); err != nil {
			return fmt.Errorf("%w: %w", ErrMalformedBlock, err)
		}
		return check(b)
	}}
}

func blocksRequest(start ssz.Slot, count uint64) any {
	return &ssz.BeaconBlocksByRangeRequest{StartSlot: start, Count: count, Step: 1}
}

// rangeCheck asks for blocks by range, and checks them.
type rangeCheck struct {
	span
	last *Block
}

func (r *rangeCheck) check(b *Block) error {
	joins := !r.any
	if err := r.span.check(uint64(b.Slot)); err != nil {
		return err
	}
	if r.last != nil && b.Slot <= r.last.Slot {
		return fmt.Errorf("%w: %d after %d", ErrSlotOrder, b.Slot, r.last.Slot)
	}
	if r.last != nil && b.ParentRoot != r.last.Root {
		err := fmt.Errorf("%w: parent %v of slot %d, slot %d is %v",
			ErrNotLinked, b.ParentRoot, b.Slot, r.last.Slot, r.last.Root)
		if joins {
			return &changedError{err}
		}
		return err
	}
	r.last = b
	return nil
}

// headCheck asks for a block and its ancestors, and checks them.
type headCheck struct {
	root  ssz.Root // that of the next block
	last  *Block
	left  uint64 // how many blocks are to come
	count uint64 // how many are to answer the request
	ended bool
}

func (h *headCheck) next(n int) any {
	if h.ended {
		return nil
	}
	h.count = min(h.left, uint64(max(1, n)))
	return &ssz.BeaconBlocksByHeadRequest{BeaconRoot: h.root, Count: h.count}
}

// done ends with an answer that is shorter than its request: the peer has no more, or gives no more.
func (h *headCheck) done(cut bool) { h.ended = h.left == 0 || h.count > 0 && !cut }

func (h *headCheck) check(b *Block) error {
	switch {
	case h.last == nil && b.Root != h.root:
		return fmt.Errorf("%w: root %v of slot %d, asked for %v", ErrUnexpectedRoot, b.Root, b.Slot, h.root)
	case h.last != nil && b.Slot >= h.last.Slot:
		return fmt.Errorf("%w: %d after %d", ErrSlotOrder, b.Slot, h.last.Slot)
	case b.Root != h.root:
		return fmt.Errorf("%w: root %v of slot %d, parent of slot %d is %v", ErrNotLinked, b.Root, b.Slot, h.last.Slot, h.root)
	}
	h.root, h.last = b.ParentRoot, b
	h.left--
	h.count--
	return nil
}
