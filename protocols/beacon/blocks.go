package beacon

import (
	"context"
	"fmt"
	"iter"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blockProtocols are the rows of the protocols that carry blocks. The first versions stay on offer
// for the blocks of phase0, which is all that they can carry.
func (f *Family) blockProtocols() []*Protocol {
	return []*Protocol{
		{
			Name: "beacon_blocks_by_range", Version: 2,
			Request: "BeaconBlocksByRangeRequest", Response: "SignedBeaconBlock", Context: true,
			First: ssz.Phase0, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByRangeCost), window: blockWindow,
			declare: stream(&f.blocksByRange), serve: objects(blocksByRange),
		},
		{
			Name: "beacon_blocks_by_range", Version: 1,
			Request: "BeaconBlocksByRangeRequest", Response: "SignedBeaconBlock",
			First: ssz.Phase0, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByRangeCost), window: blockWindow,
			declare: stream(&f.blocksByRangeV1), serve: objects(blocksByRange),
		},
		{
			Name: "beacon_blocks_by_root", Version: 2,
			Request: "BeaconBlocksByRootRequest", Response: "SignedBeaconBlock", Context: true,
			First: ssz.Phase0, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByRootCost), window: blockWindow,
			gone:    leftOut,
			declare: stream(&f.blocksByRoot), serve: objects(blocksByRoot),
		},
		{
			Name: "beacon_blocks_by_root", Version: 1,
			Request: "BeaconBlocksByRootRequest", Response: "SignedBeaconBlock",
			First: ssz.Phase0, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByRootCost), window: blockWindow,
			gone:    leftOut,
			declare: stream(&f.blocksByRootV1), serve: objects(blocksByRoot),
		},
		{
			Name: "beacon_blocks_by_head", Version: 1,
			Request: "BeaconBlocksByHeadRequest", Response: "SignedBeaconBlock", Context: true,
			First: ssz.Fulu, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByHeadCost), window: blockWindow,
			gone:    endsThere,
			declare: stream(&f.blocksByHead), serve: objects(blocksByHead),
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

func blocksByRangeCost(_ *Protocol, req *ssz.BeaconBlocksByRangeRequest) uint64 {
	return req.Count
}

func blocksByRootCost(_ *Protocol, req *ssz.BeaconBlocksByRootRequest) uint64 {
	return uint64(len(*req))
}

func blocksByHeadCost(_ *Protocol, req *ssz.BeaconBlocksByHeadRequest) uint64 {
	return req.Count
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
