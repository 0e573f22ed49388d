package beacon

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blockProtocols are the rows of the protocols that carry blocks. The first versions stay on offer
// for the blocks of phase0, which is all that they can carry.
func (f *Family) blockProtocols() []*Protocol {
	byRange := Protocol{
		Name: "beacon_blocks_by_range", Version: 2,
		Request: "BeaconBlocksByRangeRequest", Response: "SignedBeaconBlock", Context: true,
		First: ssz.Phase0, Last: newest,
		maxItems: maxRequestBlocks, window: blockWindow,
		asked:   askedBy(func(req *ssz.BeaconBlocksByRangeRequest) uint64 { return req.Count }),
		declare: streamOf(&f.blocksByRange), serve: objects(blocksByRange),
	}
	byRoot := Protocol{
		Name: "beacon_blocks_by_root", Version: 2,
		Request: "BeaconBlocksByRootRequest", Response: "SignedBeaconBlock", Context: true,
		First: ssz.Phase0, Last: newest,
		maxItems: maxRequestBlocks, window: blockWindow,
		asked:   askedBy(func(req *ssz.BeaconBlocksByRootRequest) uint64 { return uint64(len(*req)) }),
		gone:    leftOut,
		declare: streamOf(&f.blocksByRoot), serve: objects(blocksByRoot),
	}
	rangeV1, rootV1 := byRange, byRoot
	rangeV1.Version, rangeV1.Context, rangeV1.declare = 1, false, streamOf(&f.blocksByRangeV1)
	rootV1.Version, rootV1.Context, rootV1.declare = 1, false, streamOf(&f.blocksByRootV1)
	return []*Protocol{
		&byRange, &rangeV1, &byRoot, &rootV1,
		{
			Name: "beacon_blocks_by_head", Version: 1,
			Request: "BeaconBlocksByHeadRequest", Response: "SignedBeaconBlock", Context: true,
			First: ssz.Fulu, Last: newest,
			maxItems: maxRequestBlocks, window: blockWindow,
			asked:   askedBy(func(req *ssz.BeaconBlocksByHeadRequest) uint64 { return req.Count }),
			gone:    endsThere,
			declare: streamOf(&f.blocksByHead), serve: objects(blocksByHead),
		},
	}
}

// maxRequestBlocks is MAX_REQUEST_BLOCKS, and MAX_REQUEST_BLOCKS_DENEB from Deneb on.
func maxRequestBlocks(c *ssz.Config, f ssz.Fork) uint64 {
	if f >= ssz.Deneb {
		return c.MaxRequestBlocksDeneb
	}
	return c.MaxRequestBlocks
}

func blockWindow(n *ssz.Network, now ssz.Slot) ssz.Slot {
	return since(n, now, n.MinEpochsForBlockRequests(), 0)
}

// blocksByRange looks up what answers beacon_blocks_by_range.
func blocksByRange(ctx context.Context, q *query, req *ssz.BeaconBlocksByRangeRequest) (iter.Seq2[Ref, error], error) {
	count, err := slotsOfSteps(req)
	if err != nil {
		return nil, err
	}
	// The maximum is one of blocks, not of slots: the first block has to be sent however far off it is.
	refs := atMost(q.chain.BlocksByRange(ctx, req.StartSlot, count), q.maxItems())
	if req.Step > 1 {
		refs = firstOfStep(refs, req.StartSlot, req.Step)
	}
	return refs, nil
}

// firstOfStep yields the first block whose slot was asked for. More than one step is
// deprecated, and the specs allow for a single block as the answer.
func firstOfStep(refs iter.Seq2[Ref, error], start ssz.Slot, step uint64) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) {
		for ref, err := range refs {
			if err != nil || uint64(ref.Slot-start)%step == 0 {
				yield(ref, err)
				return
			}
		}
	}
}

// slotsOfSteps checks a range and returns how many slots it spans.
func slotsOfSteps(req *ssz.BeaconBlocksByRangeRequest) (uint64, error) {
	if err := checkRange("start_slot", req.StartSlot, req.Count); err != nil {
		return 0, err
	}
	if req.Step == 0 {
		return 0, reqresp.Errorf(reqresp.CodeInvalidRequest, "step must not be 0")
	}
	// The offset of the last slot asked for, as far as there are slots.
	last := min(req.Count-1, (math.MaxUint64-uint64(req.StartSlot))/req.Step) * req.Step
	return min(last, math.MaxUint64-1) + 1, nil
}

// blocksByRoot looks up what answers beacon_blocks_by_root.
func blocksByRoot(ctx context.Context, q *query, req *ssz.BeaconBlocksByRootRequest) (iter.Seq2[Ref, error], error) {
	if err := q.checkAsked(req); err != nil {
		return nil, err
	}
	return q.chain.BlocksByRoot(ctx, *req), nil
}

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

// decode reads the block's header. Root is left for whoever decodes the block: that checks its form
// too.
func (b *Block) decode(_ *ssz.Type, c Chunk) (ssz.Slot, error) {
	header, err := ssz.PeekBlock(c.SSZ)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	*b = Block{
		Slot: header.Slot, ParentRoot: header.ParentRoot,
		Fork: c.Fork, Digest: c.Digest, SSZ: c.SSZ, Frames: c.Frames,
	}
	return b.Slot, nil
}

func (b *Block) chunk() Chunk { return Chunk{b.Fork, b.Digest, b.SSZ, b.Frames} }

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
	return c.blocks(ctx, to, check, check.check, c.family.blocksByRange.Spec(), c.family.blocksByRangeV1.Spec())
}

// BlocksByRoot asks a peer for blocks by their roots and yields those it has, in the order
// in which it sends them, each checked: well-formed, of its fork and digest, and one
// of those asked for. It is otherwise as BlocksByRange.
func (c *Client) BlocksByRoot(ctx context.Context, to peer.ID, roots []ssz.Root) iter.Seq2[*Block, error] {
	wanted := newWanted(roots, func(roots []ssz.Root) any { return new(ssz.BeaconBlocksByRootRequest(roots)) })
	check := func(b *Block) error { return checkRoot(wanted, b.Slot, b.Root) }
	return c.blocks(ctx, to, wanted, check, c.family.blocksByRoot.Spec(), c.family.blocksByRootV1.Spec())
}

// BlocksByHead asks a peer for a block and its ancestors, up to count blocks in all, and yields them
// with the youngest first, each checked: well-formed, of its fork and digest, the first with the
// root asked for and each one the parent of that before. It is otherwise as BlocksByRange.
func (c *Client) BlocksByHead(ctx context.Context, to peer.ID, root ssz.Root, count uint64) iter.Seq2[*Block, error] {
	check := &headCheck{root: root, left: count}
	return c.blocks(ctx, to, check, check.check, c.family.blocksByHead.Spec())
}

// blocks asks for the blocks of a plan, checks their form and finds their roots before check sees them.
func (c *Client) blocks(
	ctx context.Context, to peer.ID, plan plan, check func(*Block) error, specs ...*reqresp.Spec,
) iter.Seq2[*Block, error] {
	return stream(ctx, c, to, plan, func(b *Block) error {
		decoded, err := c.family.rowOf(c.family.blocksByRange.Spec()).ResponseType(b.Fork).Decode(b.SSZ)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if b.Root, err = decoded.(ssz.SignedBlock).BlockRoot(); err != nil {
			return fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		return check(b)
	}, specs...)
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
		return fmt.Errorf("%w: root %v of slot %d, parent of slot %d is %v",
			ErrNotLinked, b.Root, b.Slot, h.last.Slot, h.root)
	}
	h.root, h.last = b.ParentRoot, b
	h.left--
	h.count--
	return nil
}
