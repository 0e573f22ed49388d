package beacon

import (
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
			declare: stream(&f.BlocksByRange), serve: (*Server).blocksByRange,
		},
		{
			Name: "beacon_blocks_by_range", Version: 1,
			Request: "BeaconBlocksByRangeRequest", Response: "SignedBeaconBlock",
			First: ssz.Phase0, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByRangeCost), window: blockWindow,
			declare: stream(&f.BlocksByRangeV1), serve: (*Server).blocksByRange,
		},
		{
			Name: "beacon_blocks_by_root", Version: 2,
			Request: "BeaconBlocksByRootRequest", Response: "SignedBeaconBlock", Context: true,
			First: ssz.Phase0, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByRootCost), window: blockWindow,
			gone:    leftOut,
			declare: stream(&f.BlocksByRoot), serve: (*Server).blocksByRoot,
		},
		{
			Name: "beacon_blocks_by_root", Version: 1,
			Request: "BeaconBlocksByRootRequest", Response: "SignedBeaconBlock",
			First: ssz.Phase0, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByRootCost), window: blockWindow,
			gone:    leftOut,
			declare: stream(&f.BlocksByRootV1), serve: (*Server).blocksByRoot,
		},
		{
			Name: "beacon_blocks_by_head", Version: 1,
			Request: "BeaconBlocksByHeadRequest", Response: "SignedBeaconBlock", Context: true,
			First: ssz.Fulu, Last: newest,
			maxItems: maxRequestBlocks, cost: costOf(blocksByHeadCost), window: blockWindow,
			gone:    isEnd,
			declare: stream(&f.BlocksByHead), serve: (*Server).blocksByHead,
		},
	}
}

// blockType returns the type of blocks of a fork.
func (f *Family) blockType(fork ssz.Fork) *ssz.Type {
	return f.BlocksByRange.Spec().Codec.(*codec).protocol.ResponseType(fork)
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

func (r BlockRef) layout() layout { return layout{r.Slot, r.Size, r.FramesSize} }

// errNotPhase0 is the verdict on a request by version 1 for what it cannot carry.
func errNotPhase0() error {
	return reqresp.Errorf(reqresp.CodeInvalidRequest, "version 1 carries blocks of phase0 only")
}
