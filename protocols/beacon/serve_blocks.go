package beacon

import (
	"context"
	"iter"
	"math"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/protocol"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// blocksByRange serves beacon_blocks_by_range/2.
func (s *Server) blocksByRange(ctx context.Context, in *reqresp.Inbound) error {
	var req BlocksByRangeRequest
	if err := in.Receive(ctx, &req); err != nil {
		return err
	}
	count, err := s.rangeCount(&req)
	if err != nil {
		return err
	}
	refs := s.chain.BlocksByRange(ctx, req.StartSlot, count)
	if req.Step > 1 {
		refs = firstOfStep(refs, req.StartSlot, req.Step)
	}
	return s.sendBlocks(ctx, in, refs)
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
func (s *Server) rangeCount(req *BlocksByRangeRequest) (uint64, error) {
	switch {
	case req.Count == 0:
		return 0, reqresp.Errorf(reqresp.CodeInvalidRequest, "count must not be 0")
	case req.Step == 0:
		return 0, reqresp.Errorf(reqresp.CodeInvalidRequest, "step must not be 0")
	case uint64(req.StartSlot) > math.MaxUint64-(req.Count-1):
		return 0, reqresp.Errorf(reqresp.CodeInvalidRequest, "start_slot %d plus count %d overflows", req.StartSlot, req.Count)
	}
	// The offset of the last slot asked for, as far as there are slots.
	last := min(req.Count-1, (math.MaxUint64-uint64(req.StartSlot))/req.Step) * req.Step
	return min(last, s.maxRequestBlocks()-1) + 1, nil
}

func (s *Server) maxRequestBlocks() uint64 {
	return s.family.network.MaxRequestBlocks(s.CurrentEpoch())
}

// blocksByRoot serves beacon_blocks_by_root/2.
func (s *Server) blocksByRoot(ctx context.Context, in *reqresp.Inbound) error {
	var req BlocksByRootRequest
	if err := in.Receive(ctx, &req); err != nil {
		return err
	}
	if n, most := uint64(len(req.Roots)), s.maxRequestBlocks(); n > most {
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "%d roots asked for, at most %d are allowed", n, most)
	}
	return s.sendBlocks(ctx, in, s.chain.BlocksByRoot(ctx, req.Roots))
}

// sendBlocks serves blocks as they rest in the store: nothing is decoded, and
// nothing is fetched before there is capacity for it.
func (s *Server) sendBlocks(ctx context.Context, in *reqresp.Inbound, refs iter.Seq2[BlockRef, error]) error {
	w := blockWriter{ctx: ctx, server: s, id: in.Protocol()}
	fill := w.appendChunk
	for ref, err := range refs {
		if err != nil {
			return unavailable(err)
		}
		cost := reqresp.Cost{Items: 1, Bytes: uint64(ref.FramesSize) + maxChunkHeader}
		if err := in.Reserve(ctx, cost); err != nil {
			return err
		}
		w.ref = ref
		if err := in.SendAppend(ctx, fill); err != nil {
			return err
		}
	}
	return nil
}

// maxChunkHeader is the most that precedes a chunk's frames: result, context
// bytes and length.
const maxChunkHeader = 1 + 4 + 4

// blockWriter lays out one chunk after another. There is one for each exchange,
// so that a chunk costs no allocation.
type blockWriter struct {
	ctx    context.Context
	server *Server
	id     protocol.ID
	ref    BlockRef
}

func (w *blockWriter) appendChunk(dst []byte) ([]byte, error) {
	n := w.server.family.network
	digest := n.DigestAt(n.EpochOf(w.ref.Slot))
	dst = append(dst, resultSuccess)
	dst = append(dst, digest[:]...)
	dst = snappy.AppendHeader(dst, w.ref.Size)
	w.server.family.codec.tell(w.id, network.DirInbound, true, w.ref.Size)
	return w.server.chain.AppendFrames(w.ctx, w.ref, dst)
}
