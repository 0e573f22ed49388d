package beacon

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"

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
		count, err := s.rangeCount(p, &req)
		if err != nil {
			return err
		}
		refs := s.chain.BlocksByRange(ctx, req.StartSlot, count)
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

// rangeCount checks a range and returns over how many slots it is served.
func (s *Server) rangeCount(p *Protocol, req *ssz.BeaconBlocksByRangeRequest) (uint64, error) {
	if err := checkRange("start_slot", req.StartSlot, req.Count); err != nil {
		return 0, err
	}
	if req.Step == 0 {
		return 0, reqresp.Errorf(reqresp.CodeInvalidRequest, "step must not be 0")
	}
	// The offset of the last slot asked for, as far as there are slots.
	last := min(req.Count-1, (math.MaxUint64-uint64(req.StartSlot))/req.Step) * req.Step
	return min(last, s.maxItems(p)-1) + 1, nil
}

// blocksByRoot serves beacon_blocks_by_root.
func (s *Server) blocksByRoot(p *Protocol) reqresp.HandlerFunc {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.BeaconBlocksByRootRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		if err := checkAsked("roots", len(req), s.maxItems(p)); err != nil {
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

// blocksByHead serves beacon_blocks_by_head.
func (s *Server) blocksByHead(p *Protocol) reqresp.HandlerFunc {
	return func(ctx context.Context, in *reqresp.Inbound) error {
		var req ssz.BeaconBlocksByHeadRequest
		if err := in.Receive(ctx, &req); err != nil {
			return err
		}
		if req.Count == 0 {
			return reqresp.Errorf(reqresp.CodeInvalidRequest, "count must not be 0")
		}
		return s.sendBlocks(ctx, p, in, s.ancestry(ctx, p, req.BeaconRoot, min(req.Count, s.maxItems(p))))
	}
}

// ancestry yields a block that the chain holds, and then its ancestors, the youngest first, as far as
// they are held and have to be served. Of a block that is not canonical it yields the block alone,
// which is all that a [Chain] can tell of its branch.
func (s *Server) ancestry(ctx context.Context, p *Protocol, root ssz.Root, count uint64) iter.Seq2[BlockRef, error] {
	return func(yield func(BlockRef, error) bool) {
		status, err := s.chain.Status(ctx)
		if err != nil {
			yield(BlockRef{}, err)
			return
		}
		heads, err := collectRefs(s.chain.BlocksByRoot(ctx, []ssz.Root{root}))
		if err != nil || len(heads) == 0 {
			if err != nil {
				yield(BlockRef{}, err)
			}
			return
		}
		head, earliest := heads[0], max(status.EarliestAvailableSlot, p.ServedFrom(s.currentSlot()))
		if head.Slot < earliest {
			yield(BlockRef{}, fmt.Errorf("%w: slot %d, the earliest is %d", ErrUnavailable, head.Slot, earliest))
			return
		}
		if yield(head, nil) {
			s.ancestors(ctx, head, earliest, count-1, yield)
		}
	}
}

// ancestors yields up to count canonical ancestors of a canonical block. It asks for them in pieces
// that end with the block last yielded, which shows whether that is still canonical.
func (s *Server) ancestors(ctx context.Context, child BlockRef, earliest ssz.Slot, count uint64, yield func(BlockRef, error) bool) {
	for piece := max(count, 8); count > 0 && child.Slot > earliest; {
		start := child.Slot - ssz.Slot(min(piece, uint64(child.Slot-earliest)))
		refs, err := collectRefs(s.chain.BlocksByRange(ctx, start, uint64(child.Slot-start)+1))
		if err != nil {
			yield(BlockRef{}, err)
			return
		}
		if len(refs) == 0 || refs[len(refs)-1].Root != child.Root {
			return
		}
		if len(refs) == 1 {
			if start <= earliest {
				return
			}
			piece *= 2 // slots without blocks
			continue
		}
		for _, ref := range slices.Backward(refs[:len(refs)-1]) {
			if count == 0 || !yield(ref, nil) {
				return
			}
			count--
			child = ref
		}
	}
}

func collectRefs[R any](seq iter.Seq2[R, error]) (refs []R, err error) {
	for ref, err := range seq {
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}
