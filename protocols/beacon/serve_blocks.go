package beacon

import (
	"context"
	"iter"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blocksByRange serves beacon_blocks_by_range.
func (s *Server) blocksByRange(p *Protocol) reqresp.HandlerFunc {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.BeaconBlocksByRangeRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		count, err := slotsOfSteps(&req)
		if err != nil {
			return err
		}
		// The maximum is one of blocks, not of slots: the first block has to be sent however far off it is.
		refs := atMost(s.chain.BlocksByRange(ctx, req.StartSlot, count), s.maxItems(p))
		if req.Step > 1 {
			refs = firstOfStep(refs, req.StartSlot, req.Step)
		}
		return s.sendBlocks(ctx, p, in, refs)
	}
}

// firstOfStep yields the first block whose slot was asked for. More than one step is
// deprecated, and the specs allow for a single block as the answer.
func firstOfStep(refs iter.Seq2[BlockRef, error], start ssz.Slot, step uint64) iter.Seq2[BlockRef, error] {
	return func(yield func(BlockRef, error) bool) {
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

// blocksByRoot serves beacon_blocks_by_root.
func (s *Server) blocksByRoot(p *Protocol) reqresp.HandlerFunc {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.BeaconBlocksByRootRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		if err := checkAsked("roots", uint64(len(req)), s.maxItems(p)); err != nil {
			return err
		}
		return s.sendBlocks(ctx, p, in, s.chain.BlocksByRoot(ctx, req))
	}
}

func (s *Server) sendBlocks(ctx context.Context, p *Protocol, in *reqresp.Inbound, refs iter.Seq2[BlockRef, error]) error {
	if !p.Context {
		refs = s.phase0Only(refs)
	}
	return send(ctx, s, p, in, refs, s.chain.AppendFrames)
}

// phase0Only ends in an error where version 1 of a protocol can carry a block no more, as the specs
// of Altair demand.
func (s *Server) phase0Only(refs iter.Seq2[BlockRef, error]) iter.Seq2[BlockRef, error] {
	n := s.family.network
	return func(yield func(BlockRef, error) bool) {
		for ref, err := range refs {
			if err == nil && n.ForkAt(n.EpochOf(ref.Slot)) != ssz.Phase0 {
				err = errNotPhase0()
			}
			if !yield(ref, err) || err != nil {
				return
			}
		}
	}
}
