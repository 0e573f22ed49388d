package beacon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/seed-2dd5877b/reqresp/protocols/reqresp"
	"github.com/seed-2dd5877b/reqresp/snappy"
	"github.com/seed-2dd5877b/reqresp/ssz"
)

// maxChunkHeader is the most that precedes a chunk's frames: result, context
// bytes and length.
const maxChunkHeader = 1 + 4 + 4

// A query is a request for objects that is being answered.
type query struct {
	*Server
	p  *Protocol
	in *reqresp.Inbound
}

// objects serves a protocol that is answered with objects of the chain. LookUp returns those that answer a
// request; nil for none.
func objects[Req any](
	lookUp func(ctx context.Context, q *query, req *Req) (iter.Seq2[Ref, error], error),
) func(*Server, *Protocol) reqresp.HandlerFunc {
	return func(s *Server, p *Protocol) reqresp.HandlerFunc {
		return func(ctx context.Context, in *reqresp.Inbound) error {
			var req Req
			if err := in.Receive(ctx, &req); err != nil {
				return err
			}
			q := &query{s, p, in}
			refs, err := lookUp(ctx, q, &req)
			if err != nil || refs == nil {
				return err
			}
			return q.send(ctx, refs)
		}
	}
}

// heldInRange is the answer to a request for the objects of a range of slots that belong to blocks: sidecars and
// envelopes, not blocks.
func (q *query) heldInRange(
	ctx context.Context, start ssz.Slot, count uint64, h holding,
) (iter.Seq2[Ref, error], error) {
	if err := checkRange("start_slot", start, count); err != nil {
		return nil, err
	}
	if start, count = q.p.within(start, count); count == 0 {
		return nil, nil
	}
	h.query, h.start, h.count = q, start, count
	if h.ask == nil {
		h.ask = notHeld
	}
	return h.refs(ctx), nil
}

// checkAsked refuses a request for more objects than is allowed.
func (q *query) checkAsked(req any) error {
	if n, most := q.p.Asked(req), q.maxItems(); n > most {
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "%d objects asked for, at most %d are allowed", n, most)
	}
	return nil
}

// send serves objects as they rest in the store: nothing is decoded, and nothing is fetched before
// there is capacity for it.
func (q *query) send(ctx context.Context, refs iter.Seq2[Ref, error]) error {
	p := q.p
	// There is one of these for each exchange, so that a chunk costs no allocation.
	var next Ref
	fill := func(dst []byte) ([]byte, error) {
		dst = append(dst, resultSuccess)
		if p.Context {
			digest := p.network.DigestAt(p.network.EpochOf(next.Slot))
			dst = append(dst, digest[:]...)
		}
		dst = snappy.AppendHeader(dst, next.Size)
		chunk, err := q.chain.AppendFrames(ctx, next, dst)
		if err != nil {
			return nil, err
		}
		if err := p.checkFrames(chunk, dst, &next); err != nil {
			return nil, err
		}
		return chunk, nil
	}
	for r, err := range refs {
		if err != nil {
			return p.ended(q.in, err)
		}
		if r.Kind != p.kind {
			return fmt.Errorf("beacon: chain has yielded the ref of a %v of slot %d for a %v", r.Kind, r.Slot, p.kind)
		}
		// A chunk without a fork digest is of the protocol's first fork.
		if !p.Context && p.network.ForkAt(p.network.EpochOf(r.Slot)) != p.First {
			return reqresp.Errorf(reqresp.CodeInvalidRequest, "version %d carries %vs of %v only",
				p.Version, p.kind, p.First)
		}
		if err := q.in.Reserve(ctx, reqresp.Cost{Items: 1, Bytes: uint64(r.FramesSize) + maxChunkHeader}); err != nil {
			return err
		}
		next = r
		err := q.in.SendAppend(ctx, r.Size, fill)
		if p.gone == leftOut && errors.Is(err, ErrDiscarded) {
			continue
		}
		if err != nil {
			return p.ended(q.in, err)
		}
	}
	return nil
}

// checkFrames finds a chain's mistakes before a peer does, which would take them for a breach of the
// protocol. The chunk is the header with the frames behind it. None of them is decoded.
func (p *Protocol) checkFrames(chunk, header []byte, r *Ref) error {
	if !bytes.HasPrefix(chunk, header) {
		return fmt.Errorf("beacon: chain has not appended the frames of an object of slot %d to dst", r.Slot)
	}
	n, err := snappy.CheckFrames(chunk[len(header):])
	if err != nil {
		return fmt.Errorf("beacon: chain's frames of an object of slot %d: %w", r.Slot, err)
	}
	if n != r.Size {
		return fmt.Errorf("beacon: chain's frames of an object of slot %d hold %d bytes, its Size is %d",
			r.Slot, n, r.Size)
	}
	if least, most := p.SizeBounds(p.network.ForkAt(p.network.EpochOf(r.Slot))); n < least || n > most {
		return fmt.Errorf("beacon: chain's object of slot %d has %d bytes, %s of that fork have %d to %d",
			r.Slot, n, p.Response, least, most)
	}
	return nil
}

// gone is what becomes of objects that a chain discards while they are being sent. They are no
// error of this node.
type gone int

const (
	// isUnavailable is for answers by range and of one object: the specs let them end after the first chunk.
	// Nothing in place of it would say that there is nothing.
	isUnavailable gone = iota
	// leftOut is for answers by root, which leave out what is not held.
	leftOut
	// endsThere is for ancestries, which end where no more is held.
	endsThere
)

// ended turns a chain's error into how an answer ends.
func (p *Protocol) ended(in *reqresp.Inbound, err error) error {
	started := in.Result().Chunks > 0
	switch {
	case errors.Is(err, ErrDiscarded) && (started || p.gone != isUnavailable):
		return nil
	case errors.Is(err, ErrUnavailable) && started && p.gone == endsThere:
		return nil // The chain has been pruned since.
	}
	return unavailable(err)
}

// unavailable turns a chain's error into the error response where nothing has been sent.
func unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDiscarded) {
		return reqresp.Errorf(reqresp.CodeResourceUnavailable, "what was asked for is not available").WithCause(err)
	}
	return err
}

// maxItems returns the most chunks that answer a request now.
func (q *query) maxItems() uint64 {
	return q.p.MaxItems(q.family.network.ForkAt(q.CurrentEpoch()))
}

// checkRange refuses ranges that make no sense.
func checkRange[T ~uint64](what string, start T, count uint64) error {
	switch {
	case count == 0:
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "count must not be 0")
	case uint64(start) > math.MaxUint64-(count-1):
		return reqresp.Errorf(reqresp.CodeInvalidRequest, "%s %d plus count %d overflows", what, start, count)
	}
	return nil
}

// atMost yields the first n of what refs yields.
func atMost(refs iter.Seq2[Ref, error], n uint64) iter.Seq2[Ref, error] {
	return func(yield func(Ref, error) bool) {
		left := n
		if left == 0 {
			return
		}
		for r, err := range refs {
			if !yield(r, err) {
				return
			}
			// Nothing is looked for beyond the last.
			if left--; left == 0 {
				return
			}
		}
	}
}
