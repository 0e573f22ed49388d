package beacon

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blocksByHead looks up what answers beacon_blocks_by_head.
func blocksByHead(ctx context.Context, q *query, req *ssz.BeaconBlocksByHeadRequest) (iter.Seq2[Ref, error], error) {
	if req.Count == 0 {
		return nil, reqresp.Errorf(reqresp.CodeInvalidRequest, "count must not be 0")
	}
	return q.ancestry(ctx, req.BeaconRoot, min(req.Count, q.maxItems())), nil
}

// ancestry yields a block that the chain holds, and then its ancestors, the youngest first, as far as
// they are held and have to be served.
func (q *query) ancestry(ctx context.Context, root ssz.Root, count uint64) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) {
		status, err := q.chain.Status(ctx)
		if err != nil {
			yield(Ref{}, err)
			return
		}
		head, ok, err := q.blockByRoot(ctx, root)
		if err != nil || !ok {
			if err != nil {
				yield(Ref{}, err)
			}
			return
		}
		earliest := max(status.EarliestAvailableSlot, q.p.ServedFrom(q.currentSlot()))
		if head.Slot < earliest {
			yield(Ref{}, fmt.Errorf("%w: slot %d, the earliest is %d", ErrUnavailable, head.Slot, earliest))
			return
		}
		if yield(head, nil) {
			q.ancestors(ctx, head, earliest, count-1, yield)
		}
	}
}

// ancestors yields up to count ancestors of a block. Those of a canonical block are listed many at a
// time. Off the canonical chain, and where many slots have no block, the block itself has to tell its
// parent, so that no more is looked at than is sent.
func (s *Server) ancestors(
	ctx context.Context, child Ref, earliest ssz.Slot, count uint64, yield func(Ref, error) bool,
) {
	for count > 0 && child.Slot > earliest {
		refs, err := s.canonicalBefore(ctx, child, child.Slot-ssz.Slot(min(count, uint64(child.Slot-earliest))))
		if err == nil && len(refs) == 0 {
			refs, err = s.parent(ctx, child)
		}
		if err != nil {
			yield(Ref{}, err)
			return
		}
		if len(refs) == 0 {
			return
		}
		for _, ref := range slices.Backward(refs) {
			if ref.Slot < earliest || !yield(ref, nil) {
				return
			}
			count--
			child = ref
		}
	}
}

// canonicalBefore returns the blocks from a slot on that come before a block, if that is canonical.
func (s *Server) canonicalBefore(ctx context.Context, child Ref, start ssz.Slot) ([]Ref, error) {
	at, err := collectRefs(s.chain.BlocksByRange(ctx, child.Slot, 1))
	if err != nil || len(at) == 0 || at[0].Root != child.Root {
		return nil, err
	}
	refs, err := collectRefs(s.chain.BlocksByRange(ctx, start, uint64(child.Slot-start)+1))
	// The chain may have changed since.
	if err != nil || len(refs) == 0 || refs[len(refs)-1].Root != child.Root {
		return nil, err
	}
	return refs[:len(refs)-1], nil
}

// parent returns the parent of a block, or nothing if it is not held.
func (s *Server) parent(ctx context.Context, child Ref) ([]Ref, error) {
	frames, err := s.chain.AppendFrames(ctx, child, nil)
	if err != nil {
		if _, held, lookUp := s.blockByRoot(ctx, child.Root); lookUp == nil && !held {
			return nil, nil // It was discarded since it was sent: what was sent is the answer.
		}
		return nil, err
	}
	block, err := snappy.AppendDecoded(nil, frames, child.Size)
	if err != nil {
		return nil, fmt.Errorf("block %v of own chain: %w", child.Root, err)
	}
	header, err := ssz.PeekBlock(block)
	if err != nil {
		return nil, fmt.Errorf("block %v of own chain: %w", child.Root, err)
	}
	ref, ok, err := s.blockByRoot(ctx, header.ParentRoot)
	if err != nil || !ok || ref.Slot >= child.Slot {
		return nil, err
	}
	return []Ref{ref}, nil
}

func (s *Server) blockByRoot(ctx context.Context, root ssz.Root) (ref Ref, ok bool, err error) {
	for ref, err := range s.chain.BlocksByRoot(ctx, []ssz.Root{root}) {
		return ref, err == nil, err
	}
	return Ref{}, false, nil
}

func collectRefs(seq iter.Seq2[Ref, error]) (refs []Ref, err error) {
	for ref, err := range seq {
		if err != nil {
			return nil, err
		}
		refs = append(refs, ref)
	}
	return refs, nil
}
